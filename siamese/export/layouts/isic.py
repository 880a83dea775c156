"""ISIC 2018, task 1: ISIC_<number>.jpg and ISIC_<number>_segmentation.png in a folder each for every part."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from siamese.export.layouts import files
from siamese.export.pairs import Options, Pair, Written, checked

PARTS = {"train": "Training", "val": "Validation", "test": "Test"}
OWN = re.compile(r"ISIC_\d+")
NUMBERS = {
    False: 80_000_000,
    True: 90_000_000,
}  # real, synthetic: eight digits, the archive's numbers have seven


def write(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """Write the pairs below `out`; names that are none of ISIC's become numbers that the archive does not use."""
    found, names = {}, {}
    for pair in checked(pairs):
        name = pair.name if OWN.fullmatch(pair.name) else f"ISIC_{NUMBERS[pair.synthetic] + int(pair.id[1:])}"
        part = PARTS[pair.split]
        picture = f"ISIC2018_Task1-2_{part}_Input/{name}.jpg"
        mask = f"ISIC2018_Task1_{part}_GroundTruth/{name}_segmentation.png"
        files.picture_jpeg(out, picture, pair, options)
        files.drawn_mask(out, mask, pair, options)
        found[pair.id], names[pair.id] = (picture, mask), name
    notes = [
        "ISIC names are numbers: ISIC_8… is a real picture, ISIC_9… a synthetic one, with eight digits where the "
        "archive's own have seven, so that none is taken for another. Pictures lose a little to JPEG."
    ]
    if len(options.classes) > 1:
        notes.append("Task 1 of ISIC knows black and white masks; here they hold the labels 0..K.")
    return Written(found, names, tuple(notes))
