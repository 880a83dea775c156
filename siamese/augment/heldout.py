"""The val and test masks of datasets, to be told from those that lend themselves: copies in one of 8 orientations.

Two masks are one when their IoU at 128 × 128 px is 0.98 or more. Measured with Kvasir-SEG and PolypGen: of the 1,806
training masks and the 160 val and test masks no pair comes above 0.93; a mask saved again at 384 × 384 stays at 0.98 or
more in 360 of 360 cases, at half its size, sampled half a pixel aside, in 61 %. Copies are looked for, not likeness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from siamese.data import dataset
from siamese.data.dataset import Split
from siamese.data.seen import orientations
from siamese.errors import DatasetError, MaskError
from siamese.masks.mask import Mask, read_labels

SIDE = 128  # pixels at which masks are compared
IOU = 0.98  # from which two masks are one
TURNS = 8  # orientations
SPLITS: tuple[Split, ...] = ("val", "test")


@dataclass(frozen=True)
class Case:
    """A val or test case: `dataset` is its folder's name."""

    dataset: str
    split: Split
    stem: str

    def __str__(self) -> str:
        return f"{self.stem} of {self.split}.txt of {self.dataset}"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Val and test masks in memory; those without a lesion are none.

    Args:
        cases: N. bits: (8N,256) uint64, 128 × 128 each, the 8 orientations of a case in a row. areas: (8N,) pixels.
        datasets: names of those that have such masks. unread: of those that could not be read.
    """

    cases: tuple[Case, ...]
    bits: np.ndarray
    areas: np.ndarray
    datasets: tuple[str, ...]
    unread: tuple[str, ...] = ()

    def twins(self, masks: Iterable[np.ndarray]) -> Iterator[tuple[int, Case]]:
        """(index, case) for each mask (H,W) uint8 that is a held-out one; an empty mask never is."""
        for k, labels in enumerate(masks):
            row, area = _packed(labels)
            near = np.flatnonzero(np.minimum(self.areas, area) >= IOU * np.maximum(self.areas, area))
            if not area or not len(near):
                continue
            shared = np.bitwise_count(self.bits[near] & row).sum(axis=1, dtype=np.int64)
            alike = near[shared >= IOU * (self.areas[near] + area - shared)]
            for case in dict.fromkeys((alike // TURNS).tolist()):
                yield k, self.cases[case]


def read(roots: Sequence[Path], needed: Sequence[Path] = ()) -> HeldOut:
    """The val and test masks of dataset folders.

    Args:
        needed: those where a mask that cannot be read is an error; of the others the name is noted in `unread`.

    Raises:
        DatasetError: a dataset of `needed` with problems, all of them at once.
    """
    cases, rows, areas, names, unread = [], [], [], [], []
    for root in dict.fromkeys(roots):
        try:
            found = list(_masks(root))
        except DatasetError:
            if root in needed:
                raise
            unread.append(root.name)
            continue
        names += [root.name] if found else []
        for case, labels in found:
            cases.append(case)
            for turned in orientations(labels):
                row, area = _packed(turned)
                rows.append(row)
                areas.append(area)
    bits = np.array(rows, np.uint64).reshape(-1, SIDE * SIDE // 64)
    return HeldOut(tuple(cases), bits, np.array(areas, np.int64), tuple(names), tuple(unread))


def _masks(root: Path) -> Iterator[tuple[Case, np.ndarray]]:
    """Held-out masks of a dataset that show something at `SIDE`, (H,W) uint8."""
    problems = []
    for split in SPLITS:
        found = dataset.read(root, split)
        count = len(found.classes)
        for one in found.cases:
            try:
                labels = read_labels(one.mask, count) if count else Mask.read(one.mask).labels
            except MaskError as error:
                problems.append(f"{split}.txt: {error}")
                continue
            if _packed(labels)[1]:
                yield Case(root.name, split, one.stem), labels
    if problems:
        raise DatasetError(root, problems)


def _packed(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """The lesion of labels (H,W) at 128 × 128: (256,) uint64 of bits, and its pixels."""
    lesion = (labels > 0).astype(np.uint8)
    small = cv2.resize(lesion, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.packbits(small).view(np.uint64), int(np.count_nonzero(small))
