"""A folder of pictures and masks becomes a Dataset of Cases.

Layout: `images/` and `masks/` with equal stems; optional `train.txt`, `val.txt`, `test.txt` with one stem a line;
optional `index.csv` with columns `stem` and `centre`, which makes one style for each centre; optional `dataset.json`
(`siamese.data.importing` writes it) with `classes`, names of the labels 1..K of masks that are label pictures, and
`prompts`, a text for each centre ("" where there is none).
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from siamese.errors import DatasetError
from siamese.masks.classes import MOST

Split = Literal["train", "val", "test"]
ABOUT = "dataset.json"
LARGEST_ABOUT = 4 * 1024 * 1024  # bytes
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
    """Cases of one folder and one split.

    `classes` names the labels 1..K of its masks, () where they are black and white; `prompts` is style → text.
    """

    root: Path
    cases: tuple[Case, ...]
    classes: tuple[str, ...] = ()
    prompts: dict[str, str] = field(default_factory=dict)

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that occur, in order of first appearance."""
        return tuple(dict.fromkeys(case.style for case in self.cases))


def read(root: str | Path, split: Split | None = None) -> Dataset:
    """List the cases of a folder; pixels are checked when they are read (data.batches.prepare).

    Args:
        split: train, val or test. Without `<split>.txt` the whole folder is train, and val and test are empty.

    Raises:
        DatasetError: every missing folder, partner or listed stem, each with its cure; a damaged dataset.json.
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
    styles, about = _styles(root), _about(root, problems)
    if problems:
        raise DatasetError(root, problems)
    name = root.resolve().name
    cases = tuple(Case(s, images[s], masks[s], styles.get(s, name)) for s in stems)
    prompts = {f"{name}-{centre}" if centre else name: text for centre, text in about["prompts"].items()}
    return Dataset(root, cases, tuple(about["classes"]), prompts)


def _about(root: Path, problems: list[str]) -> dict:
    """`classes` and `prompts` of dataset.json, empty without it; K < 2 classes are black and white."""
    path, nothing = root / ABOUT, {"classes": [], "prompts": {}}
    if not path.is_file():
        return nothing
    try:
        if path.stat().st_size > LARGEST_ABOUT:
            raise ValueError("it is too large")
        found = json.loads(path.read_text("utf-8"))
        classes, prompts = found.get("classes") or [], found.get("prompts") or {}
        words = [*classes, *prompts, *prompts.values()]
        if not isinstance(classes, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("classes is a list of names, prompts a table of texts")
        if len(classes) > MOST:
            raise ValueError(f"it names {len(classes)} classes; at most {MOST} are told apart")
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        problems.append(f"{ABOUT} cannot be used ({error}); import the dataset again, or remove that file.")
        return nothing
    return {"classes": classes if len(classes) > 1 else [], "prompts": prompts}


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
        name = root.resolve().name
        return {row["stem"]: f"{name}-{row['centre']}" if row["centre"] else name for row in rows}
