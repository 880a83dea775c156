"""Picture and mask files as layouts write them; every picture file passes the mark here, once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from siamese.errors import AugmentError, writing
from siamese.export.pairs import Options, Pair, png

QUALITIES = (95, 98, 100)  # of JPEG masks, until a threshold gives them back


def write(out: Path, name: str, data: bytes) -> str:
    """Put `data` at `out`/`name`, folders included; answers `name`.

    Raises:
        AugmentError: there is such a file already. MachineError: disk full or folder not writable.
    """
    path = out / name
    try:
        with writing(out):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
    except FileExistsError:
        raise AugmentError(f"{path} is there already; choose an empty folder, or keep no names.") from None
    return name


def picture_png(out: Path, name: str, pair: Pair, options: Options) -> str:
    """Write the picture as it is."""
    return write(out, name, marked(pair.picture, pair, options))


def picture_jpeg(out: Path, name: str, pair: Pair, options: Options) -> str:
    """Write the picture as JPEG, quality 95, colours not thinned out."""
    pixels = cv2.imdecode(np.frombuffer(pair.picture, np.uint8), cv2.IMREAD_COLOR)
    return write(out, name, marked(jpeg(pixels, QUALITIES[0]), pair, options))


def marked(data: bytes, pair: Pair, options: Options) -> bytes:
    """A picture's file with the mark of synthetic ones, where it is one."""
    return options.mark(data, pair) if pair.synthetic else data


def jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """(H,W) or (H,W,3) uint8, blue first → a JPEG file."""
    flags = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", pixels, flags)
    assert done
    return data.tobytes()


def drawn_mask(out: Path, name: str, pair: Pair, options: Options) -> str:
    """Write the mask as PNG of 8 bit: 0 and 255; label values 0..K where there are several classes."""
    return write(out, name, png(values(pair, options)))


def label_mask(out: Path, name: str, pair: Pair) -> str:
    """Write the mask as PNG of 8 bit that holds the labels 0..K."""
    return write(out, name, png(pair.labels))


def values(pair: Pair, options: Options) -> np.ndarray:
    """The labels (H,W) as they are stored: 0 and 255 for one class, else 0..K.

    Raises:
        AugmentError: a label that no class is named for.
    """
    if int(pair.labels.max(initial=0)) > len(options.classes):
        raise AugmentError(
            f"{pair.id} holds label {int(pair.labels.max())}, and only {len(options.classes)} classes are named; name "
            "them all."
        )
    return pair.labels * np.uint8(255) if len(options.classes) == 1 else pair.labels
