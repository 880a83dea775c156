"""Warnings in words: silent for ordinary masks, right for those unlike any training mask."""

from __future__ import annotations

import numpy as np

from siamese.masks import generate, pieces
from siamese.masks.typical import TYPICAL, unusual
from siamese.shipped import field_of_view

OCTAGON = [(0.2, 0), (0.8, 0), (1, 0.2), (1, 0.8), (0.8, 1), (0.2, 1), (0, 0.8), (0, 0.2)]
WORDS = {
    "tiny": "Very small",
    "huge": "arge",
    "several": "Several lesions",
    "star": "Unusual outline",
    "border": "border along much of it",
    "empty": "Nothing is drawn",
}


def box(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    labels = np.zeros((height, width), np.uint8)
    labels[rows, columns] = 1
    return labels


def test_ordinary_masks_are_not_commented_on():
    view = field_of_view("polyp-compact") or OCTAGON
    said = [unusual(generate.plausible(seed, 384).labels, view) for seed in range(200)]
    assert sum(not sentences for sentences in said) >= 180


def test_every_kind_of_far_mask_gets_its_own_words():
    for seed in range(60):
        kind, mask = generate.far(seed, 384)
        if kind == "several" and len(pieces.components(mask.labels)) <= TYPICAL.lesions:
            continue  # they ran into each other
        edges = (mask.labels[0], mask.labels[-1], mask.labels[:, 0], mask.labels[:, -1])
        if kind == "border" and max(edge.mean() for edge in edges) <= TYPICAL.cut:
            continue  # as far at the border as some that were trained on
        said = unusual(mask.labels, OCTAGON)
        assert any(WORDS[kind] in sentence for sentence in said), (seed, kind, said)
        assert len(said) <= 2


def test_numbers_and_sides_are_named():
    spots = sum(box(100, 150, slice(20 * k + 5, 20 * k + 17), slice(60, 90)) for k in range(4))
    assert unusual(spots) == ("Several lesions (4): the model has mostly seen one.",)
    spots[0, 0] = 1  # a speck is no lesion and touches nothing
    assert "(4)" in unusual(spots)[0]
    sides = {
        "left": (slice(20, 80), slice(0, 40)),
        "right": (slice(20, 80), slice(110, 150)),
        "upper": (slice(0, 40), slice(40, 110)),
        "lower": (slice(60, 100), slice(40, 110)),
    }
    for side, where in sides.items():
        (sentence,) = unusual(box(100, 150, *where))
        assert f"by the {side} border along much of it" in sentence
    assert unusual(box(100, 150, slice(0, 50), slice(0, 50))) == ()  # in a corner


def test_the_field_of_view_counts_where_it_is_known():
    corner = box(100, 150, slice(0, 20), slice(0, 30))
    assert unusual(corner) == ()
    assert unusual(corner, OCTAGON) == ("Reaches outside the endoscope's field of view.",)
    assert unusual(box(100, 150, slice(40, 60), slice(50, 90)), OCTAGON) == ()
    assert any("larger than 98" in sentence for sentence in unusual(np.ones((100, 150), np.uint8)))
