"""Masks by seed: the same for the same seed, and of the kind they say."""

from __future__ import annotations

import cv2
import numpy as np

from siamese.masks import generate


def pieces(labels: np.ndarray) -> int:
    return cv2.connectedComponents(labels)[0] - 1


def test_plausible_masks_look_like_lesions() -> None:
    masks = [generate.plausible(seed, 384).labels for seed in range(60)]
    shares = np.array([(m > 0).mean() for m in masks])
    assert shares.min() > 0.005
    assert shares.max() < 0.45
    counts = [pieces(m) for m in masks]
    assert set(counts) <= {1, 2}
    assert counts.count(1) > 40
    assert all(set(np.unique(m)) == {0, 1} for m in masks)


def test_the_same_seed_draws_the_same_mask() -> None:
    for draw in (generate.plausible, lambda seed, size: generate.far(seed, size)[1]):
        assert draw(7, 128).digest == draw(7, 128).digest != draw(8, 128).digest


def test_far_masks_are_of_the_kind_they_say() -> None:
    found: dict[str, list[np.ndarray]] = {}
    for seed in range(50):
        kind, mask = generate.far(seed, 384)
        found.setdefault(kind, []).append(mask.labels)
    assert set(found) == set(generate.FAR)
    share = {kind: [(m > 0).mean() for m in masks] for kind, masks in found.items()}
    assert max(share["tiny"]) < 0.005
    assert min(share["tiny"]) > 0
    assert min(share["huge"]) > 0.35
    assert all(pieces(m) >= 2 for m in found["several"])
    assert max(share["empty"]) == 0
    for m in found["border"]:
        assert m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any()
    for m in found["star"]:
        hull = cv2.contourArea(cv2.convexHull(cv2.findContours(m, cv2.RETR_EXTERNAL, 2)[0][0]))
        assert m.sum() < 0.75 * hull  # far from convex
