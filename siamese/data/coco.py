"""COCO: JSON with images, annotations and categories; polygons and run lengths become shapes of a case."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

from siamese.counted import counted
from siamese.data.layouts import Listing
from siamese.data.report import Problem, Shape, SourceCase
from siamese.data.shapes import run_lengths
from siamese.data.tree import Tree, split_of
from siamese.errors import DatasetError, MaskError
from siamese.masks.classes import MOST

GROUPS = ("patient_id", "patient", "video_id", "video", "lesion_id", "sequence_id", "seq_id")


def coco(tree: Tree) -> Listing | None:
    """Read every COCO file of the tree; None where there is none.

    Raises:
        DatasetError: more than 13 categories, or files that disagree about them.
    """
    files = [(name, found) for name in tree.ending(".json") if _is_coco(found := tree.json(name))]
    if not files:
        return None
    names = [_categories(found) for _, found in files]
    if any(other != names[0] for other in names):
        raise DatasetError(tree.root, ["its COCO files list different categories; use the same in all."])
    if len(names[0]) > MOST:
        raise DatasetError(tree.root, [f"it has {len(names[0])} categories; at most {MOST} are told apart."])
    labels = {number: k for k, number in enumerate(names[0], 1)}
    listing = Listing("COCO", classes=tuple(names[0].values()))
    places: dict[str, list[PurePosixPath]] = defaultdict(list)
    for picture in tree.pictures:
        places[picture.name].append(picture)
    lost, odd, without = [], [], []
    for name, found in files:
        split = split_of((*name.parts[:-1], name.stem))
        by_image = defaultdict(list)
        for row in found["annotations"]:
            if isinstance(row, dict) and isinstance(row.get("image_id"), int | str):
                by_image[row["image_id"]].append(row)
        for image in found["images"]:
            image = image if isinstance(image, dict) and isinstance(image.get("id"), int | str) else {}
            said = str(image.get("file_name", ""))
            picture = tree.resolve(said, name) or _only(places.get(PurePosixPath(said).name))
            if picture is None or not image:
                lost.append(said)
                continue
            stem = str(picture.with_suffix(""))
            shapes = [_shape(row, labels) for row in by_image.get(image["id"], ())]
            if any(shape is None for shape in shapes):
                odd.append(stem)
                continue
            if not shapes:
                without.append(stem)
            group = next((str(image[key]) for key in GROUPS if image.get(key) not in (None, "")), "")
            listing.cases.append(
                SourceCase(
                    stem,
                    tree.path(picture),
                    shapes=tuple(s for s in shapes if s is not None),
                    group=group,
                    split=split,
                )
            )
    if any(case.group for case in listing.cases):
        listing.group_rule = "by the patient or video that the COCO file names"
    if lost:
        pictures = counted(len(lost), "picture is", "pictures are")
        text = f"{pictures} listed and not there; add what is missing, or its lines go."
        listing.problems.append(Problem("listed, not there", "left out", text, tuple(lost)))
    if odd:
        pictures = counted(len(odd), "picture has", "pictures have")
        text = f"{pictures} regions that are damaged or of no listed category."
        listing.problems.append(Problem("damaged regions", "left out", text, tuple(odd)))
    _once(listing)
    return listing


def _is_coco(found: object) -> bool:
    return isinstance(found, dict) and all(
        isinstance(found.get(key), list) for key in ("images", "annotations", "categories")
    )


def _categories(found: dict) -> dict[object, str]:
    """Number → name of the categories that are annotated, by number; a parent without regions is no class."""
    rows = {
        row["id"]: str(row.get("name", row["id"]))
        for row in found["categories"]
        if isinstance(row, dict) and isinstance(row.get("id"), int)
    }
    used = {
        row["category_id"]
        for row in found["annotations"]
        if isinstance(row, dict) and isinstance(row.get("category_id"), int)
    }
    parents = {str(r.get("supercategory")) for r in found["categories"] if isinstance(r, dict)}
    kept = {k: rows[k] for k in sorted(rows) if k in used or rows[k] not in parents}
    return kept or dict(sorted(rows.items()))


def _shape(row: dict, labels: dict) -> Shape | None:
    """A region; None where it is damaged."""
    region = row.get("segmentation")
    try:
        label = labels[row["category_id"]]
        if isinstance(region, dict):
            counts, (height, width) = region["counts"], region["size"]
            runs = run_lengths(counts) if isinstance(counts, str) else tuple(int(c) for c in counts)
            return Shape(label, runs=runs, size=(int(height), int(width)))
        polygons = tuple(tuple(float(v) for v in polygon) for polygon in region)
    except (MaskError, KeyError, TypeError, ValueError, OverflowError):
        return None
    whole = all(len(p) >= 6 and len(p) % 2 == 0 and all(abs(v) < 1e5 for v in p) for p in polygons)
    return Shape(label, polygons) if polygons and whole else None


def _only(found: list[PurePosixPath] | None) -> PurePosixPath | None:
    return found[0] if found and len(found) == 1 else None


def _once(listing: Listing) -> None:
    """Keep a picture once, and give short stems."""
    seen: dict[str, SourceCase] = {}
    twice = []
    for case in listing.cases:
        if case.stem in seen:
            twice.append(case.stem)
        seen.setdefault(case.stem, case)
    if twice:
        text = f"{counted(len(twice), 'picture is', 'pictures are')} listed more than once; the first listing counts."
        listing.problems.append(Problem("listed twice", "note", text, tuple(twice)))
    listing.cases = [seen[stem] for stem in sorted(seen)]
