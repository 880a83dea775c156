"""nnU-Net v2, raw: DatasetNNN_Name with imagesTr/x_0000.png, labelsTr/x.png (0, 1, 2…), dataset.json, one split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from siamese.errors import AugmentError
from siamese.export.layouts import files
from siamese.export.pairs import Options, Pair, Written, checked

SPLIT = "splits_final.json"


def write(pairs: Iterable[Pair], out: Path, options: Options) -> Written:
    """Write the pairs below `out`/DatasetNNN_Name: train and val as Tr, test as Ts.

    One split: five folds would need five generators, each kept from its own fold's validation pictures.

    Raises:
        AugmentError: a number that nnU-Net does not know.
    """
    if not 1 <= options.number <= 999:
        raise AugmentError(
            f"nnU-Net numbers its datasets from 1 to 999, not {options.number}; choose one that is free."
        )
    top = f"Dataset{options.number:03d}_{_word(options.title)}"
    found, names = {}, {}
    cases: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    heights: dict[bool, list[int]] = {False: [], True: []}
    for pair in checked(pairs):
        files.values(pair, options)  # refuses labels without a name
        part = "Ts" if pair.split == "test" else "Tr"
        picture, mask = f"{top}/images{part}/{pair.name}_0000.png", f"{top}/labels{part}/{pair.name}.png"
        files.picture_png(out, picture, pair, options)
        files.label_mask(out, mask, pair)
        found[pair.id], names[pair.id] = (picture, mask), pair.name
        cases[pair.split].append(pair.name)
        heights[pair.synthetic].append(pair.labels.shape[0])
    about = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": {"background": 0, **{name: k for k, name in enumerate(options.classes, 1)}},
        "numTraining": len(cases["train"]) + len(cases["val"]),
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
        "name": options.title,
    }
    files.write(out, f"{top}/dataset.json", json.dumps(about, indent=1, ensure_ascii=False).encode())
    notes = [
        "nnU-Net tells channels by the ending _0000 and cases by what stands before it; that ending is added here."
    ]
    if cases["train"] and cases["val"]:
        split = [{"train": cases["train"], "val": cases["val"]}]
        files.write(out, f"{top}/{SPLIT}", json.dumps(split, indent=1, ensure_ascii=False).encode())
        notes.append(
            f"{SPLIT} holds one fold, with real pictures alone in its validation. nnU-Net reads it from "
            f"nnUNet_preprocessed/{top}: copy it there before training, and train fold 0. Never let it deal five folds "
            "itself: the generator has seen the pictures that would be validated on."
        )
    elif heights[True]:
        notes.append(
            "There are no validation pictures, so no split is given. nnU-Net would deal five folds with synthetic "
            'pictures in their validation: train with the fold "all" instead.'
        )
    sizes = [median(found_) for found_ in heights.values() if found_]
    if len(sizes) == 2 and abs(sizes[0] / sizes[1] - 1) > 0.1:
        notes.append(
            f"nnU-Net does not resize flat pictures: real ones are {sizes[0]:.0f} pixels high in the middle, synthetic "
            f"ones {sizes[1]:.0f}. Export them square to have one size."
        )
    return Written(found, names, tuple(notes))


def _word(title: str) -> str:
    """A title as nnU-Net's folders carry it: letters and digits of ASCII."""
    parts = re.findall(r"[A-Za-z0-9]+", title)
    return "".join(part[0].upper() + part[1:] for part in parts) or "Set"
