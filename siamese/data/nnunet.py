"""nnU-Net v2 raw: imagesTr/case_0000.png, labelsTr/case.png, dataset.json with the labels, splits_final.json."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from siamese.counted import counted
from siamese.data.layouts import Listing
from siamese.data.report import Problem, SourceCase
from siamese.data.tree import Tree
from siamese.errors import DatasetError

CHANNEL = re.compile(r"(.+)_(\d{4})")
VOLUMES = (".gz", ".nii", ".nrrd", ".mha")


def nnunet(tree: Tree) -> Listing | None:
    """Read a raw folder; None where there is no imagesTr with a labelsTr.

    Raises:
        DatasetError: volumes, or labels that are regions.
    """
    tops = {f.parts[:-2] for f in tree.files if len(f.parts) > 1 and f.parts[-2] == "labelsTr"}
    tops &= {f.parts[:-2] for f in tree.files if len(f.parts) > 1 and f.parts[-2] == "imagesTr"}
    if not tops:
        return None
    top = PurePosixPath(*sorted(tops)[0])
    listing = Listing("nnU-Net raw", classes=_classes(tree, top))
    if any(f.suffix.lower() in VOLUMES for f in tree.files if f.parts[:-2] == top.parts):
        raise DatasetError(
            tree.root, ["its cases are volumes; only flat pictures (PNG, TIFF, BMP) are read here."]
        )
    folds = _folds(tree, top)
    for part, split in (("Tr", "train"), ("Ts", "test")):
        images: dict[str, list[PurePosixPath]] = {}
        for file in tree.pictures:
            found = CHANNEL.fullmatch(file.stem)
            if file.parent == top / f"images{part}":
                images.setdefault(found[1] if found else file.stem, []).append(file)
        labels = {f.stem: f for f in tree.pictures if f.parent == top / f"labels{part}"}
        if part == "Ts" and not labels:
            continue
        several = tuple(sorted(stem for stem, files in images.items() if len(files) > 1))
        if several:
            cases = counted(len(several), "case has", "cases have")
            text = f"{cases} several channel files; merge them into one RGB picture (_0000) each."
            listing.problems.append(Problem("several channels", "left out", text, several))
        for kind, names in (("no mask", images.keys() - labels), ("no picture", labels.keys() - images)):
            if names:
                cases = counted(len(names), "case has", "cases have")
                text = f"{cases} {kind} in images{part}/labels{part}; add it under the same name."
                listing.problems.append(Problem(kind, "left out", text, tuple(sorted(names))))
        for stem in sorted((images.keys() & labels) - set(several)):
            image, mask = tree.path(images[stem][0]), tree.path(labels[stem])
            listing.cases.append(SourceCase(stem, image, (mask,), split=folds.get(stem, split)))
    if folds:
        text = "the split is fold 0 of splits_final.json; labelsTs, where it exists, is the test split."
        listing.problems.append(Problem("split", "note", text))
    return listing


def _classes(tree: Tree, top: PurePosixPath) -> tuple[str, ...]:
    about = tree.json(top / "dataset.json") if top / "dataset.json" in tree.known else None
    labels = about.get("labels") if isinstance(about, dict) else None
    if not isinstance(labels, dict):
        return ()
    if all(str(key).isdecimal() for key in labels):  # version 1: number → name
        labels = {str(name): int(number) for number, name in labels.items()}
    if not all(isinstance(number, int) for number in labels.values()):
        raise DatasetError(tree.root, ["labels in dataset.json are regions; write one number a class."])
    named = {number: str(name) for name, number in labels.items() if number > 0 and name != "ignore"}
    return tuple(named.get(k, f"class {k}") for k in range(1, max(named, default=0) + 1))


def _folds(tree: Tree, top: PurePosixPath) -> dict[str, str]:
    """Stem → train or val, of the first fold."""
    for name in tree.ending(".json"):
        if name.name == "splits_final.json":
            found = tree.json(name)
            first = found[0] if isinstance(found, list) and found else None
            if isinstance(first, dict):
                return {str(s): k for k in ("train", "val") for s in first.get(k) or [] if isinstance(s, str)}
    return {}
