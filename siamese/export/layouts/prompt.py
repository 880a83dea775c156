"""The original release of Siamese-Diffusion: data/prompt.json, a line a pair, with source (mask), target, prompt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from siamese.counted import counted
from siamese.export.layouts import files
from siamese.export.pairs import Options, Pair, Written, checked


def write(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """Write the train pairs below `out`/data; the others stay out, since a generator may not see them."""
    found, names, lines, left_out, synthetic = {}, {}, [], 0, 0
    for pair in checked(pairs):
        if pair.split != "train":
            left_out += 1
            continue
        picture, mask = (f"data/{folder}/{pair.name}.png" for folder in ("images", "masks"))
        files.picture_png(out, picture, pair, options)
        files.drawn_mask(out, mask, pair, options)
        # Paths as the release reads them: from the folder that holds `data`.
        row = {"source": mask, "target": picture, "prompt": options.prompt}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        found[pair.id], names[pair.id] = (picture, mask), pair.name
        synthetic += pair.synthetic
    files.write(out, "data/prompt.json", "".join(lines).encode())
    notes = []
    if left_out:
        pictures = counted(left_out, "picture")
        notes.append(f"prompt.json has no splits: {pictures} of validation and test are left out.")
    if synthetic:
        notes.append("A generator that learns from synthetic pictures learns their faults too.")
    return Written(found, names, tuple(notes))
