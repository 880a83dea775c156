"""Planted copies: the same for a seed, as many as asked, and counted only for what was planted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from siamese.gate import copies, keypoints, planted
from siamese.segmentation import judge as judges
from tests.conftest import draw_case
from tests.gate.test_copies import SIZE, drawn

TRAINING = drawn(range(24))


def test_fifty_are_planted_eight_or_nine_of_a_kind_and_the_same_for_a_seed() -> None:
    one, again, other = (planted.plant(TRAINING, seed=seed) for seed in (0, 0, 1))
    assert len(one.kinds) == planted.COUNT == 50
    assert sorted(Counter(one.kinds).values()) == [8, 8, 8, 8, 9, 9]
    assert (one.images == again.images).all() and one.of == again.of
    assert (one.images != other.images).any()
    assert one.images.dtype == np.uint8 and one.images.shape == (50, SIZE, SIZE, 3)


def test_each_kind_does_what_it_says() -> None:
    planting = planted.plant(TRAINING, 36, seed=2)
    for image, mask, kind, of, host in zip(
        planting.images, planting.masks, planting.kinds, planting.of, planting.hosts, strict=True
    ):
        changed = (image != TRAINING.images[of]).any(axis=2)
        assert changed.any() == (kind != "exact")
        assert (host >= 0) == (kind == "pasted")
        if kind == "pasted":
            assert host != of
            around = np.pad(mask > 0, 12)
            near = np.lib.stride_tricks.sliding_window_view(around, (25, 25)).any(axis=(2, 3))
            touched = (image != TRAINING.images[host]).any(axis=2)
            assert touched[mask > 0].mean() > 0.5 and not touched[~near].any()


def test_a_lesion_is_never_pasted_into_its_own_patient() -> None:
    one_patient = replace(TRAINING, groups=("p",) * len(TRAINING))
    assert "pasted" not in planted.plant(one_patient, 12).kinds
    unknown = replace(TRAINING, groups=("",) * len(TRAINING))
    assert "pasted" in planted.plant(unknown, 12).kinds


def test_a_host_alone_does_not_count_as_a_pasted_lesion_caught() -> None:
    check = copies.prepare(judges.load("polyp-segmenter"), TRAINING, drawn(range(100, 112)))
    planting = planted.plant(TRAINING, 24, seed=3)
    pasted = np.array([kind == "pasted" for kind in planting.kinds])
    images = planting.images.copy()
    images[pasted] = TRAINING.images[[host for host in planting.hosts if host >= 0]]
    found = planted.caught(check, replace(planting, images=images))
    assert found.by_kind == dict.fromkeys(planted.KINDS, (4, 4)) | {"pasted": (0, 4)}
    assert found.sentence() == "caught 20 of 24 planted copies (pasted 0 of 4)"


def test_keypoints_of_a_mirrored_picture_are_known_without_looking() -> None:
    picture = draw_case(3, 192)[0]
    everywhere = np.ones(picture.shape[:2], bool)
    expected = keypoints.find(np.ascontiguousarray(picture[:, ::-1]), everywhere, 192)
    found = keypoints.find(picture, everywhere, 192).mirrored()
    likeness = (found.descriptors @ expected.descriptors.T).max(axis=1)
    assert len(likeness) > 10
    assert np.median(likeness) > 0.99
    plain = keypoints.find(picture, everywhere, 192).descriptors @ expected.descriptors.T
    assert np.median(plain.max(axis=1)) < 0.98


@pytest.mark.soak
def test_real_planted_copies_are_caught_and_test_pictures_of_others_are_not() -> None:
    """Kvasir-SEG: at least 45 of 50 caught; at most 8 of the test pictures flagged, 4 of which are in train again."""
    from siamese.data import batches, dataset
    from siamese.sections import DataRecipe

    root = Path(__file__).parents[3] / "shared" / "data" / "kvasir-seg"
    if not root.is_dir():
        pytest.skip("needs the shared pictures, which no clone carries")
    recipe = DataRecipe(crop_to_view=True, remove_text=True)
    training, val, test = (
        copies.Known.of(batches.prepare([dataset.read(root, split)], 384, recipe))
        for split in ("train", "val", "test")
    )
    check = copies.prepare(judges.load("polyp-segmenter"), training, val)
    assert check.n == 54, check.notes
    found = planted.caught(check, planted.plant(training))
    flagged = [score.stem for score in check.score(test.images, test.masks) if score.flagged]
    print(found.sentence(), "| flagged of test:", len(flagged), "| thresholds", check.limits)
    assert found.n >= 45
    assert len(flagged) <= 8
