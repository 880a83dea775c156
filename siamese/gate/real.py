"""The real pictures that a set is measured against, and the thresholds that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese.augment.plan import Plan
from siamese.augment.sources import groups_of
from siamese.counted import counted
from siamese.data import batches, dataset
from siamese.data.batches import Pictures
from siamese.errors import DatasetError
from siamese.gate.closeness import neighbours
from siamese.gate.copies import Known
from siamese.gate.rules import Limits, Rules
from siamese.gate.scores import look
from siamese.metrics import fidelity
from siamese.segmentation.judge import Judge

FEWEST = 40  # real pictures below which a percentile of theirs is none, and the shipped constants stand
PERCENTILE = 1.0


@dataclass(frozen=True)
class Real:
    """The real pictures at hand, prepared at the set's size; None where there are none.

    Args:
        training: of the train splits. held_out: of the val splits. notes: sentences on what is missing.
        groups, held_out_groups: patient or the like of each of them, "" where it is not known.
        tested: of the test splits; no threshold rests on them.
    """

    training: Pictures | None
    held_out: Pictures | None
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    held_out_groups: tuple[str, ...] = ()
    tested: Pictures | None = None

    @property
    def known(self) -> Known | None:
        """The training pictures as the copy check takes them."""
        return None if self.training is None else Known.of(self.training, self.groups)

    @property
    def known_held_out(self) -> Known | None:
        """The held-out ones."""
        return None if self.held_out is None else Known.of(self.held_out, self.held_out_groups)


def read(plan: Plan, workspace: Path | None, judge: Judge, size: int) -> Real:
    """Read the real datasets that a plan names; one that is not there or damaged is left out with a note."""
    names = plan.beside
    found: dict[dataset.Split, list[Pictures]] = {"train": [], "val": [], "test": []}
    groups: dict[dataset.Split, list[str]] = {"train": [], "val": [], "test": []}
    notes = []
    for name in names:
        folder = place(name, workspace)
        try:
            for split, pictures in found.items():
                cases = dataset.read(folder, split)
                if cases.cases:
                    pictures.append(batches.prepare([cases], size, judge.recipe.data))
                    own = groups_of(folder)
                    groups[split] += [
                        f"{folder.name} {own[c.stem]}" if c.stem in own else "" for c in cases.cases
                    ]
        except (DatasetError, OSError) as error:
            notes.append(
                f"Real dataset {folder.name} could not be read and was compared with nothing: {error}"
            )
    if not names:
        notes.append("The plan names no real dataset; thresholds are the shipped ones (Kvasir-SEG).")
    return Real(
        _joined(found["train"]),
        _joined(found["val"]),
        tuple(notes),
        tuple(groups["train"]),
        tuple(groups["val"]),
        _joined(found["test"]),
    )


def place(name: str, workspace: Path | None) -> Path:
    """The folder of a dataset: a name in the workspace, or a folder."""
    own = workspace / "datasets" / name if workspace else Path(name)
    return own if own.is_dir() else Path(name)


def proposed(real: Real, judge: Judge) -> tuple[Rules, tuple[str, ...]]:
    """Lenient rules: percentiles of the real pictures, or the shipped ones; and sentences on what each rests on."""
    rules, said = Rules(), []
    values: dict[str, Limits] = {}
    held_out, training = real.held_out, real.training
    if held_out is not None and len(held_out) >= FEWEST:
        lesions = held_out.masks.reshape(len(held_out), -1).any(axis=1)
        fit = fidelity.dice(judge.masks(held_out.images[lesions]), held_out.masks[lesions] > 0)
        values["mask_fit"] = Limits(flag=_low(fit))
        said.append(f"Mask fit: 1st percentile of {counted(len(fit), 'held-out real picture')}.")
    else:
        said.append(f"Mask fit: the shipped segmenter's on Kvasir-SEG ({_few(held_out, 'held-out')}).")
    if training is not None and len(training) >= FEWEST:
        looks = [look(image) for image in training.images]
        bright, clipped, sharp = (
            np.array([getattr(one, name) for one in looks]) for name in ("brightness", "clipped", "sharpness")
        )
        values["too_dark"], values["too_bright"] = Limits(flag=_low(bright)), Limits(flag=_high(bright))
        values["clipped"], values["blurred"] = Limits(flag=_high(clipped)), Limits(flag=_low(sharp))
        apart = _low(neighbours(judge.features(training.images))[0])
        default = rules.near_duplicate.flag
        assert default is not None
        values["near_duplicate"] = Limits(
            flag=min(apart, default)
        )  # few pictures lie far apart, all the same
        said.append(
            f"Exposure, sharpness: 1st and 99th percentile of {counted(len(training), 'real training picture')}."
        )
    else:
        said.append(f"Exposure, sharpness: Kvasir-SEG's ({_few(training, 'training')}).")
    return rules.model_copy(update=values), tuple(said)


def _few(pictures: Pictures | None, kind: str) -> str:
    count = len(pictures) if pictures is not None else 0
    return f"{counted(count, f'{kind} real picture')} at hand, {FEWEST} needed"


def _low(values: np.ndarray) -> float:
    return round(float(np.percentile(values, PERCENTILE)), 4)


def _high(values: np.ndarray) -> float:
    return round(float(np.percentile(values, 100 - PERCENTILE)), 4)


def _joined(parts: list[Pictures]) -> Pictures | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    arrays = ("images", "masks", "views", "text", "sha256", "dhash")
    return Pictures(
        stems=tuple(stem for part in parts for stem in part.stems),
        styles=tuple(style for part in parts for style in part.styles),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays},
    )
