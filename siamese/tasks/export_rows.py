"""The manifest's rows of an export, from the set, the gate and what the layouts wrote; and the last look for leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from siamese.augment.folder import Head, SetFolder
from siamese.augment.item import Item
from siamese.counted import counted
from siamese.errors import AugmentError
from siamese.export import manifest
from siamese.export.pairs import Pair, Pairs, Written
from siamese.gate.rules import Standing
from siamese.masks.mask import Mask

Pixels = tuple[int, int, str, str, float]  # height, width, digests of picture and mask, share of lesion


def pixels_of(pair: Pair) -> Pixels:
    """What the manifest says of a pair's pixels."""
    picture = cv2.imdecode(np.frombuffer(pair.picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    area = round(float((pair.labels > 0).mean()), 6)
    return (*picture.shape[:2], manifest.pixels_sha256(picture), Mask(pair.labels).digest, area)


def rows(
    found: Pairs,
    pixels: Mapping[str, Pixels],
    written: Mapping[str, Written],
    set: SetFolder,
    head: Head,
    standing: Mapping[str, Standing],
    stems: bool,
) -> list[manifest.Row]:
    """One row a pair, in their order.

    Args:
        pixels: id → what was seen while the pairs were written. written: layout → its files.
        stems: name the sources of masks by their stems too.
    """
    items, made, scores = {one.id: one for one in set.items()}, set.made(), set.scores()
    sources = _source_ids(found, items)
    found_rows = []
    for entry in found.entries:
        files = [(name, *one.files[entry.id]) for name, one in written.items() if entry.id in one.files]
        more = {}
        if entry.synthetic:
            item, stands = items[entry.id], standing[entry.id]
            by = head.checkpoints[item.checkpoint]
            more = {
                "made": manifest.made_of(item, made[entry.id], by.name, by.sha256),
                "mask": manifest.mask_of(item, sources[entry.id], stems),
                "gate": manifest.gate_of(scores[entry.id], stands.verdict, stands.reasons, stands.decision),
            }
        found_rows.append(
            manifest.Row(
                entry.id,
                entry.synthetic,
                entry.split,
                entry.dataset,
                *pixels[entry.id],
                tuple(f"{name}/{picture}" for name, picture, _ in files if _is_picture(picture)),
                tuple(f"{name}/{mask}" for name, _, mask in files if _is_picture(mask)),
                **more,
            )
        )
    return found_rows


def _is_picture(name: str) -> bool:
    return name.lower().endswith(manifest.SUFFIXES)  # Parquet holds many in one file


def _source_ids(found: Pairs, items: dict[str, Item]) -> dict[str, str]:
    """Synthetic id → neutral id of its mask's case: that of the real pair where it is exported too, else m000001."""
    real = {(one.dataset, one.stem): one.id for one in found.entries if not one.synthetic}
    sources = {id: items[id].source for id in (one.id for one in found.entries if one.synthetic)}
    others = sorted({one.sha256 for one in sources.values() if (one.dataset, one.stem) not in real})
    numbers = {digest: f"m{number:06d}" for number, digest in enumerate(others, 1)}
    return {id: real.get((one.dataset, one.stem)) or numbers[one.sha256] for id, one in sources.items()}


def leak_free(rows: Sequence[manifest.Row]) -> None:
    """The last look, at what is written: no picture of train is one of those held out, no synthetic mask either.

    Raises:
        AugmentError: all that are.
    """
    held_out = [row for row in rows if row.split != "train"]
    images, masks = {row.image_sha256 for row in held_out}, {row.mask_sha256 for row in held_out if row.area}
    bad = [row.id for row in rows if row.split == "train" and row.image_sha256 in images]
    bad += [row.id for row in rows if row.synthetic and row.area and row.mask_sha256 in masks]
    if bad:
        raise AugmentError(
            f"{counted(len(bad), 'pair')} of train shares its picture, or its mask when synthetic, with val or test "
            f"({', '.join(bad[:5])}); take it off one of the lists of the dataset."
        )
