"""The copy check: finds what is planted, leaves strangers alone, says what it compared with."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from siamese.errors import AugmentError
from siamese.gate import copies, planted
from siamese.gate.comparison import Comparison
from siamese.segmentation import judge as judges
from siamese.segmentation.judge import Judge
from tests.conftest import draw_case

SIZE = 160


def speckled(picture: np.ndarray, seed: int) -> np.ndarray:
    """A drawn picture with fine structure of its own inside the field of view, as tissue has."""
    speckle = cv2.GaussianBlur(np.random.default_rng([seed, 1]).normal(size=picture.shape[:2]), (0, 0), 1.5)
    return (picture + (picture.any(axis=2) * speckle * 60)[..., None]).clip(0, 255).astype(np.uint8)


def drawn(seeds: range) -> copies.Known:
    cases = [draw_case(seed, SIZE) for seed in seeds]
    return copies.Known(
        np.stack([speckled(picture, seed) for (picture, _), seed in zip(cases, seeds, strict=True)]),
        np.stack([mask for _, mask in cases]),
        np.stack([np.full(32, seed, np.uint8) for seed in seeds]),
        tuple(f"case{seed}" for seed in seeds),
        tuple(f"patient{seed}" for seed in seeds),
    )


TRAINING, HELD_OUT, STRANGERS = drawn(range(24)), drawn(range(100, 120)), drawn(range(200, 216))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return judges.load("polyp-segmenter")


@pytest.fixture(scope="module")
def check(judge: Judge) -> copies.CopyCheck:
    return copies.prepare(judge, TRAINING, HELD_OUT)


def test_planted_copies_are_caught_by_kind_and_strangers_are_not(check: copies.CopyCheck) -> None:
    planting = planted.plant(TRAINING, 18, seed=1)
    found = planted.caught(check, planting)
    assert found.by_kind | {"pasted": (3, 3)} == dict.fromkeys(planted.KINDS, (3, 3))
    assert found.by_kind["pasted"][0] >= 2  # a small lesion without structure of its own is beyond it
    assert sum(score.flagged for score in check.score(STRANGERS.images, STRANGERS.masks)) <= 2


def test_a_copy_names_the_training_picture_and_what_found_it(check: copies.CopyCheck) -> None:
    score = check.score(TRAINING.images[5:6, :, ::-1], TRAINING.masks[5:6, :, ::-1])[0]
    assert (score.row, score.stem, score.of) == (5, "case5", "05" * 32)
    assert score.flagged and score.by in check.limits


def test_an_empty_mask_is_compared_whole(check: copies.CopyCheck) -> None:
    nothing = np.zeros((2, SIZE, SIZE), np.uint8)
    images = np.stack([TRAINING.images[3], STRANGERS.images[3]])
    assert [score.flagged for score in check.score(images, nothing)] == [True, False]


def test_held_out_pictures_of_a_training_picture_are_left_out_and_said(judge: Judge) -> None:
    """A limit that stood on copies would let copies through."""
    mixed = replace(HELD_OUT, images=HELD_OUT.images.copy())
    mixed.images[:2] = TRAINING.images[:2]
    check = copies.prepare(judge, TRAINING, mixed)
    assert check.n == 18 and check.twins == {0: 0, 1: 1}
    assert any("2 held-out pictures of 20 left out" in note for note in check.notes)
    assert check.score(TRAINING.images[9:10], TRAINING.masks[9:10])[0].flagged


def test_another_frame_of_a_training_pictures_place_is_found_in_a_test_split(check: copies.CopyCheck) -> None:
    frame = cv2.resize(TRAINING.images[7, 8:, 8:], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    frame = (frame * 0.85 + 10).clip(0, 255).astype(np.uint8)
    images, masks = np.stack([STRANGERS.images[0], frame]), STRANGERS.masks[:2]
    assert check.places(images, masks) == {1: 7}
    told = Comparison((check,), None, (), "", (("test", "mine", "case7"),), {"val": 20, "test": 2}).told([])
    assert told is not None
    said = " ".join(told.sentences)
    assert "None of 20 val pictures shows the same place" in said and "1 of 2 test pictures shows" in said
    assert "case7" not in said  # the card leaves this computer


def test_a_picture_is_not_compared_with_its_own_patient(judge: Judge) -> None:
    few = drawn(range(6))
    assert copies.prepare(judge, few, few).n == 6
    unknown = replace(few, groups=("",) * 6)
    check = copies.prepare(judge, few, unknown)
    assert check.n == 0 and check.limits == copies.LOWEST


def test_without_held_out_pictures_training_ones_are_compared_with_each_other(judge: Judge) -> None:
    check = copies.prepare(judge, drawn(range(6)), None)
    assert check.n == 6
    assert any("No pictures are held out" in note for note in check.notes)


def test_the_shipped_index_alone_says_so(judge: Judge) -> None:
    check = copies.prepare(judge, None, HELD_OUT)
    assert list(check.limits) == [copies.JUDGE]
    assert "1806 training pictures" in check.compared and "features alone" in check.compared
    score = check.score(STRANGERS.images[:1], STRANGERS.masks[:1])[0]
    assert score.stem == "" and len(score.of) == 64


def test_nothing_to_compare_with_is_an_error_that_names_the_cure(judge: Judge) -> None:
    bare = Judge(judge.segmenter, judge.recipe, judge.sha256, None)
    with pytest.raises(AugmentError, match="name the real dataset in the plan"):
        copies.prepare(bare, None, HELD_OUT)


def test_the_words_never_promise_privacy(check: copies.CopyCheck) -> None:
    assert check.sentence(0).startswith("No copy found by")
    assert "may be copies" in check.sentence(3)
    assert "private" not in check.sentence(0) + check.sentence(3)
