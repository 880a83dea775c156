"""Lists of names, one a line, with which any trainer can be asked what the synthetic pictures are worth.

real.txt, real_duplicated.txt (each twice: what more steps alone bring), real_plus_synthetic_1x.txt, 2x, 3x: each
holds all of the one before, and as many synthetic pictures as real ones more.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from siamese.export.layouts import files
from siamese.export.pairs import Entry

FOLDS = (1, 2, 3)
ENOUGH = 0.9  # of the wanted synthetic pictures


def lists(entries: Sequence[Entry]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """File name → ids in it, all train; and sentences on what is missing.

    Synthetic ones are taken in turn from each mask's source, so that a shorter list has as many sources as possible.
    """
    real = [one.id for one in entries if one.split == "train" and not one.synthetic]
    synthetic = _in_turn([one for one in entries if one.synthetic])
    if not real or not synthetic:
        what = "synthetic" if real else "real"
        return {}, (f"There are no lists for comparisons: the export holds no {what} training pictures.",)
    found, notes = {"real.txt": real, "real_duplicated.txt": real * 2}, []
    for fold in FOLDS:
        wanted = fold * len(real)
        name = f"real_plus_synthetic_{fold}x.txt"
        if len(synthetic) < ENOUGH * wanted:
            notes.append(
                f"{name} is missing: it needs {wanted} synthetic pictures, there are {len(synthetic)}."
            )
            continue
        if len(synthetic) < wanted:
            notes.append(f"{name} holds {len(synthetic)} synthetic pictures, {wanted} would be {fold}×.")
        found[name] = real + synthetic[:wanted]
    return found, tuple(notes)


def write(entries: Sequence[Entry], out: Path, names: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Write the lists below the folder `out`; answers the sentences of `lists`.

    Args:
        names: id → what a layout calls the pair, where that is not `Entry.name` (`Written.names`).
    """
    names = names or {one.id: one.name for one in entries}
    found, notes = lists(entries)
    for name, ids in found.items():
        files.write(out, name, "".join(f"{names[id]}\n" for id in ids).encode())
    return notes


def _in_turn(entries: Sequence[Entry]) -> list[str]:
    by_source = defaultdict(list)
    for one in entries:
        by_source[one.dataset, one.stem].append(one.id)
    places = [
        (turn, hashlib.sha256(id.encode()).digest(), id)
        for ids in by_source.values()
        for turn, id in enumerate(sorted(ids))
    ]
    return [id for _, _, id in sorted(places)]
