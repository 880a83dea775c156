"""How close synthesized pictures are to real ones: KID, a classifier, the power spectrum, diversity. Numpy.

Pictures are (N,S,S,3) uint8; features (N,D) float. Every figure is set against a floor of real pictures against real
ones, because each of them depends on n.
"""

from __future__ import annotations

import cv2
import numpy as np

FOLDS = 5
RIDGE = 1.0  # of the classifier, a feature SD
BANDS = 12  # of the power spectrum between a quarter of Nyquist and Nyquist


def kid(real: np.ndarray, synthetic: np.ndarray, paired: bool = False) -> float:
    """Unbiased squared MMD of features (n,D) and (m,D) with the kernel (x·y/D + 1)³; not times 1,000.

    `paired`: row i of both is one case, which is alike in both and would bring the sets together by 1/n; no case is
    compared with itself then.

    Source: Bińkowski et al., Demystifying MMD GANs, ICLR 2018; pairs: Gretton et al., JMLR 2012, Lemma 6.
    """

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3

    def within(x: np.ndarray) -> float:
        k, n = kernel(x, x), len(x)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    def between(x: np.ndarray, y: np.ndarray) -> float:
        k, n = kernel(x, y), len(x)
        return (k.sum() - np.trace(k)) / (n * (n - 1)) if paired else k.mean()

    return float(within(real) + within(synthetic) - 2 * between(real, synthetic))


def classifier_hits(real: np.ndarray, synthetic: np.ndarray, seed: int = 0) -> np.ndarray:
    """Cross-validated real-against-synthetic classification of features (n,D) each; row i of both is one case.

    Ridge regression to ±1 on features standardised in each training part (a regularised linear discriminant),
    five folds; a case's two rows always fall into the same fold.

    Returns: (n,) in {0, 0.5, 1}, the share of each case's two pictures that was recognised; their mean is the accuracy.
    """
    n = len(real)
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    hits = np.zeros(n)
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        x = np.concatenate([real[train], synthetic[train]]).astype(np.float64)
        y = np.repeat([1.0, -1.0], train.sum())
        mean, sd = x.mean(axis=0), x.std(axis=0) + 1e-6
        x = (x - mean) / sd
        dual = np.linalg.solve(x @ x.T + RIDGE * x.shape[1] * np.eye(len(x)), y)
        for rows, sign in ((real, 1), (synthetic, -1)):
            score = (rows[test] - mean) / sd @ (x.T @ dual)
            hits[test] += 0.5 * (score * sign > 0)
    return hits


def power_spectra(images: np.ndarray) -> np.ndarray:
    """Radial power spectra (N,12) of grey pictures under a Hann window, from a quarter of Nyquist to Nyquist."""
    size = images.shape[1]
    window = np.outer(np.hanning(size), np.hanning(size))
    frequency = np.fft.fftfreq(size) * 2  # 1 is Nyquist
    radius = np.hypot(frequency[:, None], frequency[None, : size // 2 + 1])
    band = np.floor((radius - 0.25) / 0.75 * BANDS).astype(int)
    found = []
    for image in images:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
        power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
        found.append([power[band == k].mean() for k in range(BANDS)])
    return np.array(found)


def diversity(groups: np.ndarray) -> np.ndarray:
    """Pixel variance within groups of pictures (N,K,S,S,3): (N,) mean unbiased variance in grey levels²."""
    return np.array([group.astype(np.float32).var(axis=0, ddof=1).mean() for group in groups])


def psnr(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N,) PSNR in dB of pictures (N,S,S,3) uint8, a picture at a time."""
    error = np.array([np.square(a.astype(np.float32) - b).mean() for a, b in zip(x, y, strict=True)])
    return 10 * np.log10(255**2 / np.maximum(error, 1e-9))


def dice(predicted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(N,) foreground Dice of boolean maps (N,H,W); 1 where both are empty."""
    overlap = (predicted & mask).sum(axis=(1, 2))
    total = predicted.sum(axis=(1, 2)) + mask.sum(axis=(1, 2))
    return np.where(total > 0, 2 * overlap / np.maximum(total, 1), 1.0)


def interval(statistic, count: int, seed: int = 0, draws: int = 1000) -> tuple[float, float]:  # noqa: ANN001
    """95 % percentile bootstrap over `count` cases of `statistic(indices (count,)) -> float`."""
    draw = np.random.default_rng(seed)
    values = [statistic(draw.integers(0, count, count)) for _ in range(draws)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
