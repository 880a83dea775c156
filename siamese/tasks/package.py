"""Pictures to take away: a zip of pairs with their manifest, and a picture with a caption bar for slides."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from siamese.atomic import beside
from siamese.errors import SiameseError, writing
from siamese.masks.mask import Mask
from siamese.tasks import png

MOST = 500  # pictures of one zip
LEFT_OUT = ("device", "seconds")  # of no use to whoever gets the picture
SLIDE_WIDTH = 640  # pixels at least, so that the caption can be read
BAR = 0.085  # height of the caption bar, of the picture's width
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHEN = (1980, 1, 1, 0, 0, 0)  # of every member: the same selection gives the same bytes


@dataclass(frozen=True)
class Item:
    """A picture for a zip: PNG files of picture and drawn mask, how it was made, what was decided."""

    picture: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    facts: Mapping[str, str | int | float]
    state: str = "new"
    reason: str | None = None
    favourite: bool = False


def pack(path: Path, items: Iterable[Item], most: int = MOST) -> int:
    """Write a zip with `images/`, `masks/` of the same names and sizes, and `manifest.jsonl`; atomic.

    Args:
        path: the zip; its folder must exist.
        items: read one by one.
        most: more than this many are refused.

    Returns:
        How many pictures.

    Raises:
        SiameseError: none, or more than `most`.
        MachineError: disk full or folder not writable; nothing is left at `path`.
    """
    lines = []
    with (
        writing(path),
        beside(path, ".packing-") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,  # a PNG does not shrink further
    ):
        for count, item in enumerate(items, start=1):
            if count > most:
                raise SiameseError(
                    f"More than {most} pictures are chosen; a zip holds at most {most}. Narrow the filter."
                )
            lines.append(_put(archive, count, item))
        if not lines:
            raise SiameseError("No picture is chosen; accept some, or choose another filter.")
        _member(archive, "manifest.jsonl", "".join(lines).encode())
    return len(lines)


def sized_mask(picture: bytes, mask: bytes) -> bytes:
    """The drawn mask at the picture's size, as the model saw it; PNG."""
    image = decoded(picture)
    return Mask.from_png(mask, "the stored outline").resized(image.shape[:2]).png()


def decoded(picture: bytes) -> np.ndarray:
    """PNG -> (H,W,3) uint8 RGB.

    Raises:
        SiameseError: damaged.
    """
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise SiameseError("A stored picture is damaged; delete it, or make it again from its seed.")
    return image[..., ::-1]


def slide(picture: bytes, facts: Mapping[str, str | int | float]) -> bytes:
    """The picture with a bar below that says Synthetic, seed, guidance and model; PNG, its facts as text.

    Small pictures are enlarged by a whole factor, pixel by pixel, to at least 640 pixels.
    """
    image = decoded(picture)
    factor = max(1, -(-SLIDE_WIDTH // image.shape[1]))
    image = np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)
    width = image.shape[1]
    bar = np.full((round(BAR * width), width, 3), 24, np.uint8)
    model = str(facts.get("checkpoint", "")).encode("ascii", "replace").decode()
    guidance = f"{float(facts['guidance']):g}" if "guidance" in facts else "?"
    text = f"SYNTHETIC   seed {facts.get('seed', '?')}   guidance {guidance}   {model[:40]}"
    wide, high = cv2.getTextSize(text, FONT, 1.0, 2)[0]
    scale = min(0.92 * width / wide, 0.42 * len(bar) / high)
    place = (round(0.04 * width), round((len(bar) + high * scale) / 2))
    cv2.putText(bar, text, place, FONT, scale, (240, 240, 240), max(1, round(2 * scale)), cv2.LINE_AA)
    return png.encode(np.vstack([image, bar]), {k: v for k, v in facts.items() if k not in LEFT_OUT})


def _put(archive: zipfile.ZipFile, count: int, item: Item) -> str:
    name = f"synthetic_{count:04d}.png"
    _member(archive, f"images/{name}", item.picture)
    _member(archive, f"masks/{name}", sized_mask(item.picture, item.mask))
    about = {k: v for k, v in item.facts.items() if k not in LEFT_OUT}
    said = {"state": item.state, "reason": item.reason, "favourite": item.favourite}
    row = {"image": f"images/{name}", "mask": f"masks/{name}", "synthetic": True, **said, "facts": about}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _member(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, WHEN), data)
