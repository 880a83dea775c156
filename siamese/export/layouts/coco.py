"""COCO: a folder of pictures and a JSON file for each split; an annotation for each piece of a mask."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from siamese.counted import counted
from siamese.export.layouts import files
from siamese.export.pairs import SPLITS, Options, Pair, Written, checked
from siamese.export.regions import Region, pieces, run_lengths


def write(pairs: Iterable[Pair], out: Path, options: Options, polygons: bool = False) -> Written:
    """Write `out`/<split>/<name>.png and `out`/annotations/instances_<split>.json, as run lengths or as `polygons`."""
    categories = [
        {"id": k, "name": name, "supercategory": "lesion"} for k, name in enumerate(options.classes, 1)
    ]
    images: dict[str, list[dict[str, object]]] = {split: [] for split in SPLITS}
    annotations: dict[str, list[dict[str, object]]] = {split: [] for split in SPLITS}
    found, names, filled = {}, {}, 0
    for pair in checked(pairs):
        files.values(pair, options)  # refuses labels without a name
        picture = files.picture_png(out, f"{pair.split}/{pair.name}.png", pair, options)
        found[pair.id], names[pair.id] = (picture, ""), pair.name
        height, width = pair.labels.shape
        image = {
            "id": len(images[pair.split]) + 1,
            "file_name": f"{pair.name}.png",
            "height": height,
            "width": width,
            "is_synthetic": pair.synthetic,
        }
        images[pair.split].append(image)
        regions = list(pieces(pair.labels))
        filled += any(region.holes() for region in regions)
        rows = annotations[pair.split]
        for region in regions:
            rows.append(
                {
                    "id": len(rows) + 1,
                    "image_id": image["id"],
                    "category_id": region.label,
                    "iscrowd": 0,
                    "area": region.area,
                    "bbox": [region.left, region.top, region.width, region.height],
                    "segmentation": _segmentation(region, height, width, polygons),
                }
            )
    for split in SPLITS:
        if images[split]:
            content = {
                "info": {"description": options.title},
                "licenses": [],
                "images": images[split],
                "annotations": annotations[split],
                "categories": categories,
            }
            text = json.dumps(content, ensure_ascii=False)
            files.write(out, f"annotations/instances_{split}.json", text.encode())
    notes = ["COCO counts objects: each connected piece of a mask is one."]
    if polygons:
        notes.append(f"Polygons cannot hold holes: those of {counted(filled, 'mask')} are filled.")
    return Written(found, names, tuple(notes))


def write_polygons(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """The same with polygons in place of run lengths."""
    return write(pairs, out, options, polygons=True)


def _segmentation(region: Region, height: int, width: int, polygons: bool) -> object:
    if polygons:
        return [region.outline().ravel().tolist()]
    return {"size": [height, width], "counts": run_lengths(region, height, width)}
