"""Fidelity figures against closed forms and against sets that differ in a known way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamese.metrics import fidelity
from tests.conftest import draw_case


def normal(seed: int, shift: float = 0, n: int = 120, d: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


def test_kid_is_unbiased_and_grows_with_the_distance() -> None:
    equal = [fidelity.kid(normal(2 * s), normal(2 * s + 1)) for s in range(30)]
    assert abs(np.mean(equal)) < 4 * np.std(equal) / np.sqrt(
        30
    )  # zero in expectation, also below zero at times
    assert min(equal) < 0
    near, far = (fidelity.kid(normal(1), normal(2, shift)) for shift in (0.3, 1.0))
    assert max(equal) < near < far


def test_kid_by_hand() -> None:
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    # k = (xy + 1)³: within x (1·2+1)³ = 27, within y 1, between 1, 8, 1, 27
    assert fidelity.kid(x, y) == pytest.approx(27 + 1 - 2 * (1 + 8 + 1 + 27) / 4)
    assert fidelity.kid(x, y, paired=True) == pytest.approx(27 + 1 - 2 * (8 + 1) / 2)


def test_kid_of_pairs_does_not_depend_on_how_many_there_are() -> None:
    """Cases seen twice, the second time through something that changes them a little: as through an autoencoder."""

    def seen_again(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        cases = normal(seed, n=n)
        return cases, 0.9 * cases + np.random.default_rng(1000 + seed).normal(0.1, 0.1, cases.shape)

    few, many = ([fidelity.kid(*seen_again(s, n), paired=True) for s in range(40)] for n in (20, 160))
    error = np.hypot(np.std(few), np.std(many)) / np.sqrt(40)
    assert abs(np.mean(few) - np.mean(many)) < 4 * error
    as_strangers = np.mean([fidelity.kid(*seen_again(s, 20)) for s in range(40)])
    assert as_strangers < np.mean(many) - 4 * error
    same = normal(1)
    assert (
        fidelity.kid(same, same, paired=True) == pytest.approx(0, abs=1e-12) and fidelity.kid(same, same) < 0
    )


def test_the_classifier_guesses_on_equal_sets_and_knows_different_ones() -> None:
    guesses = [fidelity.classifier_hits(normal(2 * s), normal(2 * s + 1), seed=s).mean() for s in range(10)]
    assert np.mean(guesses) == pytest.approx(0.5, abs=0.06)
    assert fidelity.classifier_hits(normal(1), normal(2, 1.0)).mean() > 0.9


def test_a_case_never_helps_to_recognise_itself() -> None:
    """A picture and its copy, equal but for a common shift of one case, cannot be told apart across folds."""
    cases = 10 * normal(3, n=60)
    assert fidelity.classifier_hits(cases, cases).mean() <= 0.5


def test_spectra_show_blur_and_grain() -> None:
    pictures = np.stack([draw_case(s)[0] for s in range(4)])
    draw = np.random.default_rng(0)
    grainy = np.clip(pictures + draw.normal(0, 12, pictures.shape), 0, 255).astype(np.uint8)
    blurred = np.stack([cv2.GaussianBlur(p, (0, 0), 2) for p in grainy])
    real, grain, blur = (fidelity.power_spectra(p).mean(axis=0) for p in (pictures, grainy, blurred))
    assert real.shape == (fidelity.BANDS,)
    assert (grain[4:] > 2 * real[4:]).all()
    assert (blur[4:] < 0.5 * grain[4:]).all()


def test_diversity_is_the_unbiased_variance_between_seeds() -> None:
    draw = np.random.default_rng(0)
    groups = np.clip(draw.normal(128, 10, (5, 3, 32, 32, 3)), 0, 255).round().astype(np.uint8)
    assert fidelity.diversity(groups) == pytest.approx(100, rel=0.05)
    assert fidelity.diversity(np.repeat(groups[:, :1], 3, axis=1)) == pytest.approx(0)


def test_dice_and_psnr_by_hand() -> None:
    a, b = np.zeros((3, 2, 2), bool), np.zeros((3, 2, 2), bool)
    a[0, 0], b[0, :, 0] = True, True  # half in common
    a[1, 0, 0] = True  # nothing in common
    assert fidelity.dice(a, b).tolist() == [0.5, 0.0, 1.0]  # both empty is right
    x = np.zeros((1, 4, 4, 3), np.uint8)
    assert fidelity.psnr(x, x + np.uint8(255))[0] == pytest.approx(0)
    assert fidelity.psnr(x, x + np.uint8(51))[0] == pytest.approx(20 * np.log10(5))


def test_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(60):
        values = np.random.default_rng(seed).normal(0, 1, 40)
        low, high = fidelity.interval(lambda i, v=values: float(v[i].mean()), 40, seed, draws=200)
        covered += low < 0 < high
    assert 50 <= covered <= 60
