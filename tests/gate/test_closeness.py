"""Diversity and closeness: neighbours, KID with its floor, the SD between pictures; raters' words by digest."""

from __future__ import annotations

import numpy as np
import pytest

from siamese.gate import closeness
from siamese.gate.closeness import floor, kid, neighbours
from siamese.gate.ratings import taken_for_real
from siamese.workspace import Workspace
from tests.study.report.simulated import open_study, opened, rate


def features(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Rows of norm 1 about a common direction."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(0, 0.3, (count, 32))
    rows[:, 0] += 1
    rows[:, 1] += shift
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def thumbs(count: int, seed: int, spread: int = 40) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (128 + draw.integers(-spread, spread + 1, (count, 32, 32, 3))).astype(np.uint8)


def test_neighbours_are_those_of_every_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = features(50, 0)
    monkeypatch.setattr(closeness, "BLOCK", 7)
    distance, index = neighbours(rows)
    every = np.linalg.norm(rows[:, None] - rows, axis=2)
    np.fill_diagonal(every, np.inf)
    assert (index == every.argmin(axis=1)).all()
    assert distance == pytest.approx(every.min(axis=1), abs=1e-3)


def test_a_twin_is_at_distance_0_and_a_lone_picture_has_no_neighbour() -> None:
    rows = np.concatenate([features(5, 0), features(5, 0)[2:3]])
    distance, index = neighbours(rows)
    assert distance[2] == distance[5] == pytest.approx(0, abs=1e-3) and (index[2], index[5]) == (5, 2)
    assert neighbours(rows[:1])[1].tolist() == [-1] and neighbours(rows[:0])[0].shape == (0,)


def test_kid_is_within_its_floor_for_the_same_kind_and_above_for_another() -> None:
    real = features(120, 1)
    bottom = floor(real, 60)
    assert bottom.low < 0 < bottom.high and bottom.n == 60
    assert kid(features(120, 2), real).value < bottom.high
    assert kid(features(120, 2, shift=0.8), real).low > bottom.high


def test_a_set_of_the_same_picture_is_not_diverse() -> None:
    real, small = features(60, 1), thumbs(60, 1)
    varied = closeness.closeness(features(40, 2), thumbs(40, 2), real, small)
    same = closeness.closeness(np.repeat(features(1, 2), 40, 0), np.repeat(thumbs(1, 2), 40, 0), real, small)
    assert varied is not None and same is not None
    assert same.spread.value < 0.01 < varied.spread.value and same.pixels.value < 0.01
    assert varied.real_spread is not None and varied.real_pixels is not None
    assert varied.spread.value == pytest.approx(varied.real_spread.value, rel=0.2)
    assert varied.pixels.low <= varied.pixels.value <= varied.pixels.high
    assert "n 40" in varied.pixels.words()


def test_the_same_pictures_give_the_same_figures() -> None:
    arguments = features(30, 2), thumbs(30, 2), features(50, 1), thumbs(50, 1)
    assert closeness.closeness(*arguments) == closeness.closeness(*arguments)


def test_without_real_pictures_the_set_stands_alone_and_three_are_too_few() -> None:
    found = closeness.closeness(features(10, 2), thumbs(10, 2))
    assert found is not None and found.kid is None and found.real_spread is None
    found = closeness.closeness(features(10, 2), thumbs(10, 2), features(50, 1))  # an index: features alone
    assert found is not None and found.kid is not None and found.real_pixels is None
    assert closeness.closeness(features(3, 2), thumbs(3, 2)) is None


def test_raters_words_come_from_unblinded_studies_alone(tmp_path) -> None:  # noqa: ANN001
    study = open_study(tmp_path, "P1", raters=2)
    for rater in (1, 2):
        rate(study, rater)
    assert taken_for_real(Workspace(tmp_path)) == {}
    votes = opened(study).table.main()
    found = taken_for_real(Workspace(tmp_path))
    assert found == {"0" * 64: pytest.approx(votes.real.mean())} and 0 < votes.real.mean() < 1
    other = open_study(tmp_path, "P3", raters=1, name="levels")
    rate(other, 1)
    opened(other)
    assert taken_for_real(Workspace(tmp_path)) == found
    assert taken_for_real(Workspace(tmp_path / "empty")) == {}
