"""Masks drawn by seed, numpy and OpenCV: `plausible` lesions, and `far` ones unlike any training mask."""

from __future__ import annotations

import cv2
import numpy as np

from siamese.masks.mask import Mask

FAR = ("tiny", "huge", "several", "star", "border", "empty")  # kinds, in turn


def plausible(seed: int, size: int) -> Mask:
    """A lesion as it might be outlined: one smooth, slightly oblong blob, now and then a second one; (size,size)."""
    draw = np.random.default_rng([seed, size, 1])
    canvas = np.zeros((size, size), np.uint8)
    for _ in range(1 + (draw.random() < 0.12)):
        angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        radius = np.ones_like(angle)
        for k in range(2, 6):  # harmonics, weaker as they get finer
            radius += draw.normal(0, 0.15 / k) * np.cos(k * angle + draw.uniform(0, 2 * np.pi))
        mean = np.exp(draw.uniform(np.log(0.09), np.log(0.3)))
        stretch, turn = draw.uniform(0.7, 1.0), draw.uniform(0, np.pi)
        x, y = radius * np.cos(angle), radius * np.sin(angle) * stretch
        corners = mean * np.stack(
            [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1
        )
        corners += draw.uniform(0.28, 0.72, 2)
        cv2.fillPoly(canvas, [np.round(corners * size).astype(np.int32)], 1)
    return Mask(canvas)


def far(seed: int, size: int) -> tuple[str, Mask]:
    """One mask of the kind that is this seed's turn: tiny, huge, several, star-shaped, touching the border, empty.

    Returns: the kind, and a (size,size) mask with one label.
    """
    kind = FAR[seed % len(FAR)]
    draw = np.random.default_rng([seed, size])
    canvas = np.zeros((size, size), np.uint8)
    if kind == "tiny":
        _ellipse(canvas, draw, (0.25, 0.75), (0.012, 0.03))
    elif kind == "huge":
        _ellipse(canvas, draw, (0.42, 0.58), (0.36, 0.44))
    elif kind == "several":
        for _ in range(int(draw.integers(4, 8))):
            _ellipse(canvas, draw, (0.2, 0.8), (0.03, 0.07))
    elif kind == "star":
        _star(canvas, draw)
    elif kind == "border":
        side, along, reach = int(draw.integers(4)), draw.uniform(0.3, 0.7), draw.uniform(0.15, 0.25)
        middle = ((0, along), (1, along), (along, 0), (along, 1))[side]
        _paint(canvas, middle, (reach, reach * draw.uniform(0.7, 1.3)), 0)
    return kind, Mask(canvas)


def _ellipse(
    canvas: np.ndarray, draw: np.random.Generator, where: tuple[float, float], radius: tuple[float, float]
) -> None:
    middle = (draw.uniform(*where), draw.uniform(*where))
    _paint(canvas, middle, (draw.uniform(*radius), draw.uniform(*radius)), draw.uniform(0, 180))


def _paint(canvas: np.ndarray, middle: tuple[float, float], radii: tuple[float, float], turn: float) -> None:
    """A filled ellipse, middle and radii as parts of the side, `turn` in degrees."""
    size = canvas.shape[0]
    centre, axes = (tuple(round(v * size) for v in pair) for pair in (middle, radii))
    cv2.ellipse(canvas, centre, axes, turn, 0, 360, 1, cv2.FILLED)


def _star(canvas: np.ndarray, draw: np.random.Generator) -> None:
    size, points = canvas.shape[0], int(draw.integers(5, 9))
    outer, inner = draw.uniform(0.2, 0.32), draw.uniform(0.08, 0.12)
    angle = draw.uniform(0, 2 * np.pi) + np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2, inner, outer)
    middle = draw.uniform(0.38, 0.62, 2)
    corners = middle + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    cv2.fillPoly(canvas, [np.round(corners * size).astype(np.int32)], 1)
