"""Pairs to write: several splits, holes, pieces, a single pixel, nothing at all."""

from __future__ import annotations

import cv2
import numpy as np

from siamese.export.pairs import Entry, Pairs
from tests.conftest import draw_case

HEIGHT, WIDTH = 64, 80


def labels(number: int) -> np.ndarray:
    """(64,80) uint8 {0,1}; 1 has a hole, a piece apart and a single pixel, 2 nothing, others one ellipse."""
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    if number == 1:
        found[20:44, 20:44], found[30:34, 30:34], found[2, 3] = 1, 0, 1
        cv2.circle(found, (65, 50), 8, 1, -1)
    elif number != 2:
        found = cv2.resize(
            draw_case(number, HEIGHT)[1] // 255, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST
        )
    return found


def picture(number: int) -> np.ndarray:
    """(64,80,3) uint8 RGB."""
    return cv2.resize(draw_case(number, HEIGHT)[0], (WIDTH, HEIGHT))


def entry(id: str, split: str = "train", stem: str = "", dataset: str = "ward") -> Entry:
    """A pair; its number decides what is drawn."""
    number = int(id[1:])
    load = lambda: (picture(number), labels(number))  # noqa: E731
    return Entry(id, id, split, id[0] == "s", dataset, stem or f"case {id[1:]}", load)


def pairs() -> Pairs:
    """Seven real ones in three splits, six synthetic ones."""
    splits = ["train", "train", "train", "train", "val", "val", "test"]
    real = [entry(f"r{k:06d}", split) for k, split in enumerate(splits, 1)]
    return Pairs([*real, *(entry(f"s{k:06d}") for k in range(8, 14))])
