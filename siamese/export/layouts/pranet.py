"""PraNet and the polyp trainers after it: TrainDataset, TestDataset/<set>, PNG, equal names, masks 0 and 255.

They sort pictures and masks apart and pair them by place, so both sides hold the same names with the same ending.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from siamese.export import naming
from siamese.export.layouts import files
from siamese.export.pairs import Options, Pair, Written, checked


def write(
    pairs: Iterable[Pair], out: Path, options: Options, folders: tuple[str, str] = ("images", "masks")
) -> Written:
    """Write the pairs below `out`; `folders` are the names inside TrainDataset (test sets have images and masks)."""
    found, names, held_back = {}, {}, 0
    for pair in checked(pairs):
        top, below = "TrainDataset", folders
        if pair.split != "train":
            held_back += pair.split == "val"
            kind = "TestDataset" if pair.split == "test" else "ValDataset"
            top, below = f"{kind}/{naming.safe(pair.dataset) or 'set'}", ("images", "masks")
        picture, mask = (f"{top}/{folder}/{pair.name}.png" for folder in below)
        files.picture_png(out, picture, pair, options)
        files.drawn_mask(out, mask, pair, options)
        found[pair.id], names[pair.id] = (picture, mask), pair.name
    notes = []
    if held_back:
        notes.append(
            "PraNet and its kin have no validation; ValDataset holds those pictures, in the way of TestDataset. Choose "
            "your epoch there, not on TestDataset."
        )
    if len(options.classes) > 1:
        notes.append("These trainers read black and white masks; here they hold the labels 0..K.")
    return Written(found, names, tuple(notes))


def write_singular(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """The same with the folders image and mask inside TrainDataset."""
    return write(pairs, out, options, ("image", "mask"))
