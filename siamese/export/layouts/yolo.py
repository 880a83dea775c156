"""YOLO segmentation: images/<split>, labels/<split> with a line a piece (class and outline in shares), data.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from siamese.counted import counted
from siamese.export.layouts import files
from siamese.export.pairs import SPLITS, Options, Pair, Written, checked
from siamese.export.regions import pieces


def write(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """Write the pairs below `out`; a picture without a lesion has an empty file of labels."""
    found, names, filled, splits = {}, {}, 0, set()
    for pair in checked(pairs):
        files.values(pair, options)  # refuses labels without a name
        picture = files.picture_png(out, f"images/{pair.split}/{pair.name}.png", pair, options)
        size, lines, holes = pair.labels.shape[::-1], [], False
        for region in pieces(pair.labels):
            shares = (region.outline() / size).ravel()
            lines.append(f"{region.label - 1} {' '.join(f'{share:.6f}' for share in shares)}\n")
            holes |= region.holes()
        files.write(out, f"labels/{pair.split}/{pair.name}.txt", "".join(lines).encode())
        found[pair.id], names[pair.id] = (picture, ""), pair.name
        filled += holes
        splits.add(pair.split)
    # Without `path`, the folders are looked for beside this file. A JSON string is a YAML string.
    rows = [f"{split}: images/{split}" for split in SPLITS if split in splits]
    rows += ["names:", *(f"  {k}: {json.dumps(name)}" for k, name in enumerate(options.classes))]
    files.write(out, "data.yaml", ("\n".join(rows) + "\n").encode())
    notes = [
        "YOLO knows outlines of objects alone: each connected piece of a mask is one, and holes "
        f"(in {counted(filled, 'mask')}) are filled."
    ]
    if "val" not in splits:
        notes.append("data.yaml names no val, which YOLO trainers want: add real pictures of your own.")
    return Written(found, names, tuple(notes))
