"""A folder of pictures and masks becomes a Dataset of Cases.

Layout: `images/` and `masks/` with equal stems; optional `train.txt`, `val.txt`, `test.txt` with one stem a line;
optional `index.csv` with columns `stem` and `centre`, which makes one style for each centre.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from siamese.errors import DatasetError

Split = Literal["train", "val", "test"]
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Case:
    """One picture with its mask; `style` names the dataset or centre it comes from."""

    stem: str
    image: Path
    mask: Path
    style: str


@dataclass(frozen=True)
class Dataset:
    """Cases of one folder and one split."""

    root: Path
    cases: tuple[Case, ...]

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that occur, in order of first appearance."""
        return tuple(dict.fromkeys(case.style for case in self.cases))


def read(root: str | Path, split: Split | None = None) -> Dataset:
    """List the cases of a folder; pixels are checked when they are read (data.batches.prepare).

    Args:
        split: train, val or test. Without `<split>.txt` the whole folder is train, and val and test are empty.

    Raises:
        DatasetError: every missing folder, partner or listed stem, each with its cure.
    """
    root = Path(root)
    problems = [
        f"folder {folder}/ is missing; put the pictures in images/ and the masks in masks/, with equal names."
        for folder in ("images", "masks")
        if not (root / folder).is_dir()
    ]
    if problems:
        raise DatasetError(root, problems)
    images, masks = _by_stem(root / "images", problems), _by_stem(root / "masks", problems)
    for stem in sorted(images.keys() - masks.keys()):
        problems.append(f"{images[stem].name} has no mask; add masks/{stem}.png or remove the picture.")
    for stem in sorted(masks.keys() - images.keys()):
        problems.append(f"mask {masks[stem].name} has no picture; add images/{stem}.png or remove the mask.")
    stems = sorted(images.keys() & masks.keys())
    if split is not None:
        listed = root / f"{split}.txt"
        if listed.is_file():
            wanted = listed.read_text(encoding="utf-8", errors="replace").split()
            for stem in wanted:
                if stem not in images and stem not in masks:
                    problems.append(
                        f"{listed.name} names {stem}, which is in neither folder; remove that line."
                    )
            stems = [stem for stem in wanted if stem in images and stem in masks]
        elif split != "train":
            stems = []
    if not stems and not problems and split in (None, "train"):
        problems.append(f"no pictures found; expected files such as images/001.png ({', '.join(SUFFIXES)}).")
    if problems:
        raise DatasetError(root, problems)
    styles = _styles(root)
    name = root.resolve().name
    return Dataset(root, tuple(Case(s, images[s], masks[s], styles.get(s, name)) for s in stems))


def _by_stem(folder: Path, problems: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
        if path.stem in found:
            problems.append(
                f"{folder.name}/ holds {found[path.stem].name} and {path.name}; keep one of them."
            )
        found[path.stem] = path
    return found


def _styles(root: Path) -> dict[str, str]:
    index = root / "index.csv"
    if not index.is_file():
        return {}
    with index.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        if not {"stem", "centre"} <= set(rows.fieldnames or ()):
            return {}
        return {row["stem"]: f"{root.resolve().name}-{row['centre']}" for row in rows}
