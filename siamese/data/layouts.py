"""Which of the known layouts a folder has, and its cases: pairs of folders, masks beside pictures, lists.

Each reader takes the Tree and answers a Listing, or None where it does not know its layout.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from siamese.counted import counted
from siamese.data.report import Problem, SourceCase
from siamese.data.tree import Tree, split_of

IMAGES = {
    "image", "images", "img", "imgs", "original", "originals", "input", "inputs", "pictures", "jpegimages", "imagestr",
    "imagests",
}  # fmt: skip
MASKS = {
    "mask", "masks", "label", "labels", "gt", "gts", "groundtruth", "annotation", "annotations", "segmentation",
    "segmentations", "segmentationclass", "labelstr", "labelsts",
}  # fmt: skip
BESIDE = re.compile(r"(.+)_(mask|segmentation|seg|gt|label|groundtruth)(_\d+)?", re.IGNORECASE)
ISIC = re.compile(r"ISIC_\d+", re.IGNORECASE)
MOST_PROMPTS = 16  # different texts that become styles


@dataclass
class Listing:
    """The cases of a layout, before a pixel is read.

    Args:
        layout: in words. classes: of the labels 1..K, where the layout says them.
        group_rule: how `SourceCase.group` was found, in words. used: files that are none of the cases' but no leftover.
    """

    layout: str
    cases: list[SourceCase] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    prompts: dict[str, str] = field(default_factory=dict)
    group_rule: str = ""


def folders(tree: Tree) -> Listing | None:
    """images/ beside masks/, under any of their usual names: Kvasir-SEG, PraNet, CVC, the studio's own."""
    images: dict[tuple, list[PurePosixPath]] = defaultdict(list)
    masks: dict[tuple, list[PurePosixPath]] = defaultdict(list)
    for file in tree.pictures:
        side, key = _side(file)
        if side:
            (masks if side == "mask" else images)[key].append(file)
    if not images or not masks:
        return None
    for key in [k for k in masks if k not in images]:  # x_mask.png in masks/
        shorter = BESIDE.fullmatch(key[2])
        if shorter and (*key[:2], shorter[1]) in images:
            masks[(*key[:2], shorter[1])].extend(masks.pop(key))
    if not images.keys() & masks.keys():
        return None
    listing = Listing(_name(tree, images))
    _missing(listing, images, masks)
    for what, found in (("picture", images), ("mask", masks)):
        twice = {key: files for key, files in found.items() if len(files) > 1 and not _numbered(files)}
        if twice:
            names = tuple(str(f) for files in twice.values() for f in files)
            several = counted(len(twice), f"{what} exists", f"{what}s exist")
            text = f"{several} under one name with several endings; keep one of each."
            listing.problems.append(Problem("same name twice", "left out", text, names))
            for key in twice:
                images.pop(key, None)
                masks.pop(key, None)
    stems = _stems([images[key][0] for key in images if key in masks])
    for key in sorted(images.keys() & masks.keys()):
        file = images[key][0]
        before, after, _ = key
        subset = before[-1] if before and before[0].lower() == "testdataset" and len(before) > 1 else ""
        below = [p for p in after if not split_of((p,))]
        listing.cases.append(
            SourceCase(
                stems[file],
                tree.path(file),
                tuple(tree.path(m) for m in masks[key]),
                subset=subset,
                group="/".join(below),
                split=split_of(file.parts[:-1]),
            )
        )
    if any(case.group for case in listing.cases):
        listing.group_rule = "by the folder inside the picture folder"
    return listing


def beside(tree: Tree) -> Listing | None:
    """x.jpg and x_segmentation.png or x_mask.png, in one folder or in two: ISIC, BUSI and the like."""
    images, masks = {}, defaultdict(list)
    for file in tree.pictures:
        found = BESIDE.fullmatch(file.stem)
        if found:
            masks[found[1]].append(file)
        elif not file.stem.lower().endswith("_superpixels"):
            images.setdefault(file.stem, []).append(file)
    if not masks or not images.keys() & masks.keys():
        return None
    isic = all(ISIC.fullmatch(stem) for stem in images.keys() & masks.keys())
    listing = Listing("ISIC" if isic else "masks beside their pictures (name_mask)")
    keyed = [{("", "", stem): files for stem, files in found.items()} for found in (images, masks)]
    _missing(listing, *keyed)
    twice = [stem for stem, files in images.items() if len(files) > 1]
    if twice:
        text = f"{counted(len(twice), 'picture exists', 'pictures exist')} twice under one name; keep one of each."
        listing.problems.append(Problem("same name twice", "left out", text, tuple(twice)))
    for stem in sorted(images.keys() & masks.keys() - set(twice)):
        file = images[stem][0]
        split = split_of(file.parts[:-1]) or split_of(masks[stem][0].parts[:-1])
        paths = tuple(tree.path(m) for m in masks[stem])
        listing.cases.append(SourceCase(stem, tree.path(file), paths, split=split))
    return listing


def prompt_lines(tree: Tree) -> Listing | None:
    """prompt.json of the Siamese-Diffusion release: a line a pair, with source (mask), target (picture), prompt."""
    for name in tree.ending(".json", ".jsonl"):
        if name.name.lower() in ("prompt.json", "prompts.json", "prompt.jsonl", "metadata.jsonl"):
            rows = _json_lines(tree, name)
            if rows:
                return _prompted(tree, name, rows)
    return None


def _json_lines(tree: Tree, name: PurePosixPath) -> list[dict]:
    import json

    rows = []
    for line in tree.text(name).splitlines():
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            return []
        if (
            isinstance(row, dict)
            and isinstance(row.get("source"), str)
            and isinstance(row.get("target"), str)
        ):
            rows.append(row)
        elif row is not None:
            return []
    return rows


def _prompted(tree: Tree, name: PurePosixPath, rows: list[dict]) -> Listing:
    listing = Listing("Siamese-Diffusion prompt.json")
    texts = list(dict.fromkeys(str(row.get("prompt") or "").strip()[:500] for row in rows))
    styles = {text: "" if len(texts) == 1 else f"style{k}" for k, text in enumerate(texts, 1)}
    if len(texts) > MOST_PROMPTS:
        counts = [str(row.get("prompt") or "").strip()[:500] for row in rows]
        most = max(texts, key=counts.count)
        styles = dict.fromkeys(texts, "")
        text = (
            f"{len(texts)} different prompts are too many for styles; the most frequent one stands for all."
        )
        listing.problems.append(Problem("prompts", "note", text))
        texts = [most]
    listing.prompts = {styles[text]: text for text in texts}
    lost, chosen = [], {}
    for row in rows:
        picture, mask = (tree.resolve(row[key], name) for key in ("target", "source"))
        if picture is None or mask is None:
            lost.append(PurePosixPath(row["target"].replace("\\", "/")).name)
        elif picture not in chosen:
            chosen[picture] = mask, styles[str(row.get("prompt") or "").strip()[:500]]
    stems = _stems(list(chosen))
    for file, (mask, style) in sorted(chosen.items()):
        listing.cases.append(SourceCase(stems[file], tree.path(file), (tree.path(mask),), style=style))
    if lost:
        pairs = counted(len(lost), "pair that is", "pairs that are")
        text = f"{name.name} names {pairs} not below the chosen folder; add what is missing, or its lines go."
        listing.problems.append(Problem("listed, not there", "left out", text, tuple(lost)))
    return listing


def _side(file: PurePosixPath) -> tuple[str, tuple]:
    """mask or image, by the innermost folder that says so, and the key that both sides share; "" for neither."""
    folders_ = file.parts[:-1]
    for k in range(len(folders_) - 1, -1, -1):
        word = re.sub(r"[ _-]", "", folders_[k].lower())
        if word in MASKS or word in IMAGES:
            return "mask" if word in MASKS else "image", (folders_[:k], folders_[k + 1 :], file.stem)
    return "", ()


def _name(tree: Tree, images: dict) -> str:
    tops = {part.lower() for file in tree.pictures for part in file.parts[:-1]}
    if {"traindataset", "testdataset"} & tops or re.fullmatch(r"(train|test)dataset", tree.root.name.lower()):
        return "PraNet TrainDataset/TestDataset"
    if all(ISIC.fullmatch(key[2]) for key in images):
        return "ISIC"
    if any(f.name.lower() in ("kavsir_bboxes.json", "kvasir_bboxes.json") for f in tree.files) or all(
        re.fullmatch(r"c[jk][a-z0-9]{23}", key[2]) for key in images
    ):
        return "Kvasir-SEG"
    return "images and masks in two folders"


def _missing(listing: Listing, images: dict, masks: dict) -> None:
    for what, lacks, one, other in (("picture", "mask", images, masks), ("mask", "picture", masks, images)):
        names = tuple("/".join((*key[0], key[2])) for key in sorted(one.keys() - other.keys()))
        if names:
            text = f"{counted(len(names), f'{what} has', f'{what}s have')} no {lacks}; add it under the same name."
            listing.problems.append(Problem(f"no {lacks}", "left out", text, names))


def _numbered(files: list[PurePosixPath]) -> bool:
    """x_mask.png and x_mask_1.png: parts of one mask."""
    return len({f.stem for f in files}) == len(files)


def _stems(files: list[PurePosixPath]) -> dict[PurePosixPath, str]:
    """A short name for each file: its stem, or with as many folders before it as make it unique."""
    names: dict[PurePosixPath, str] = {}
    todo, depth = list(files), 1
    while todo:
        groups = defaultdict(list)
        for file in todo:
            groups["/".join(file.with_suffix("").parts[-depth:])].append(file)
        todo = []
        for name, same in groups.items():
            if len(same) == 1 or all(depth > len(f.parts) for f in same):
                names.update((f, name if len(same) == 1 else str(f)) for f in same)
            else:
                todo += same
        depth += 1
    return names
