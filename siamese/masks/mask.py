"""Mask: the drawn lesion, H×W labels; the one place where mask files and arrays become labels."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from siamese.atomic import write_atomically
from siamese.errors import MaskError
from siamese.masks.classes import hint_of
from siamese.masks.header import READABLE, announced_size, kind

LARGEST_FILE = 64 * 1024 * 1024  # bytes
LARGEST_PICTURE = 40_000_000  # pixels
EMPTY = "empty mask: normal mucosa will be synthesized"


@dataclass(frozen=True, eq=False)
class Mask:
    """A lesion's outline, filled.

    Args:
        labels: (H,W) uint8, C-contiguous, read-only; 0 background, 1 lesion, above 1 reserved for classes.
        notes: sentences for the user about what was changed on the way in.

    Raises:
        MaskError: `labels` is not a two-dimensional uint8 array with at least one pixel.
    """

    labels: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = self.labels
        if (
            not isinstance(labels, np.ndarray)
            or labels.dtype != np.uint8
            or labels.ndim != 2
            or not labels.size
        ):
            raise MaskError(
                f"{_describe(labels)} is no label picture; (H,W) uint8 was expected. Use Mask.from_array."
            )
        if labels.flags.writeable or not labels.flags.c_contiguous:
            labels = labels.copy(order="C")
            labels.flags.writeable = False
            object.__setattr__(self, "labels", labels)

    @classmethod
    def from_array(cls, array: np.ndarray) -> Mask:
        """Read an array as a mask, saying in `notes` whatever was not black and white.

        Args:
            array: (H,W), (H,W,1), (H,W,3) RGB or (H,W,4) RGBA; bool, or whole numbers: {0,1}, {0,255}, grey
                (lesion above 127) or colour (lesion where the luma is above 127; transparent counts as
                background). 16-bit numbers with values above 255 are scaled to 0..255 first.

        Returns:
            The mask at the array's own size.

        Raises:
            MaskError: another shape or kind of number, no pixels, or more than 40 megapixels.
        """
        array = np.asarray(array)
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
            raise MaskError(f"{_describe(array)} is not a mask; (H,W), (H,W,3) or (H,W,4) was expected.")
        _check_size(array.shape[0], array.shape[1], "The mask")
        if array.dtype != bool and not np.issubdtype(array.dtype, np.integer):
            raise MaskError(
                f"The mask holds numbers of type {array.dtype}; true/false or whole numbers 0..255 were "
                "expected. Threshold it first, for example `mask > 0.5`."
            )
        notes: list[str] = []
        grey = _to_grey(_to_bytes(array, notes), notes)
        labels = _to_labels(grey, notes)
        if not labels.any():
            notes.append(EMPTY)
        return cls(labels, tuple(notes))

    @classmethod
    def read(cls, path: str | Path) -> Mask:
        """Read a mask file: PNG, JPEG, BMP or TIFF, at most 64 MB and 40 megapixels.

        Raises:
            MaskError: missing, a folder, empty, too large, damaged, or not a picture; the file is named.
        """
        path = Path(path)
        return cls.from_png(file_bytes(path), path.name)

    @classmethod
    def from_png(cls, data: bytes, name: str = "mask") -> Mask:
        """Read the bytes of a mask file (PNG; JPEG, BMP and TIFF are understood as well).

        Args:
            data: the file's content.
            name: how messages call it.

        Raises:
            MaskError: as `read`.
        """
        pixels = decoded(data, name)
        try:
            return cls.from_array(pixels)
        except MaskError as error:
            raise MaskError(f"{name}: {error}") from error

    def png(self) -> bytes:
        """The mask as a PNG: one channel, 8 bit, lesion 255, background 0."""
        done, data = cv2.imencode(".png", (self.labels > 0).astype(np.uint8) * 255)
        assert done
        return data.tobytes()

    def write(self, path: str | Path) -> None:
        """Write `png()` to `path`, atomically.

        Raises:
            MachineError: disk full or folder not writable; a file that was there is untouched.
        """
        write_atomically(path, self.png())

    def resized(self, size: int | tuple[int, int]) -> Mask:
        """The mask at another size, nearest neighbour; `notes` say so when the size changes.

        Args:
            size: pixels, side of a square or (height, width).
        """
        height, width = (size, size) if isinstance(size, (int, np.integer)) else size
        _check_size(height, width, "The wanted mask")
        old_height, old_width = self.labels.shape
        if (old_height, old_width) == (height, width):
            return self
        notes = [*self.notes, f"resized from {old_height}×{old_width} to {height}×{width} (nearest)"]
        if abs(old_height * width / (old_width * height) - 1) > 0.01:
            notes.append(
                "its proportions changed with the size: crop the mask to the new proportions to avoid that"
            )
        labels = cv2.resize(self.labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        if not labels.any() and EMPTY not in notes:
            notes.append(EMPTY)
        return Mask(labels, tuple(notes))

    def hint(self, size: int) -> np.ndarray:
        """The model's input: (3,S,S) float32, S = `size` pixels, nearest neighbour; {0,1} but for several classes."""
        return hint_of(self.resized(size).labels)

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over shape and labels: equal masks, equal digests, whatever file they came from."""
        height, width = self.labels.shape
        return hashlib.sha256(f"{height}x{width}:".encode() + self.labels.tobytes()).hexdigest()

    @property
    def area(self) -> float:
        """The lesion's share of the picture, 0..1."""
        return float(np.count_nonzero(self.labels) / self.labels.size)

    @property
    def empty(self) -> bool:
        """True when nothing is drawn."""
        return not self.labels.any()


def file_bytes(path: Path) -> bytes:
    """The content of a picture file, at most 64 MB; MaskError as `Mask.read`."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise MaskError(f"{path} is a folder, not a mask file; choose {READABLE} inside it.")
        if not stat.S_ISREG(found.st_mode):
            raise MaskError(f"{path} is not an ordinary file; {READABLE} was expected.")
        if found.st_size > LARGEST_FILE:
            raise MaskError(_too_many_bytes(path.name, found.st_size))
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise MaskError(f"There is no file {path}; check the name, {READABLE} was expected.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the name
        reason = getattr(error, "strerror", None) or str(error)
        raise MaskError(
            f"{str(path)!r} cannot be read ({reason}); copy it to a folder you may read."
        ) from error


def decoded(data: bytes, name: str) -> np.ndarray:
    """The pixels of a mask file as they are stored: (H,W), RGB or RGBA, 8 or 16 bit; MaskError as `Mask.read`."""
    if not data:
        raise MaskError(f"{name} is empty (0 bytes); save the mask again as a PNG picture.")
    if len(data) > LARGEST_FILE:
        raise MaskError(_too_many_bytes(name, len(data)))
    what = kind(data)
    if what not in ("PNG", "JPEG", "BMP", "TIFF"):
        raise MaskError(f"{name} is {what}, not a picture; save the mask as a PNG picture.")
    size = announced_size(data)
    if size is None:
        raise MaskError(_damaged(name, what))
    _check_size(*size, name)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise MaskError(_damaged(name, what)) from error
    if pixels is None:
        raise MaskError(_damaged(name, what))
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):  # OpenCV stores blue first
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return pixels


def read_labels(path: str | Path, count: int) -> np.ndarray:
    """Read a label picture: (H,W) uint8, 0..`count`.

    Raises:
        MaskError: unreadable as `Mask.read`, in colour, or with a value above `count`.
    """
    path = Path(path)
    pixels = decoded(file_bytes(path), path.name)
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise MaskError(f"{path.name} is no label picture; PNG with one channel of 8 bit was expected.")
    if int(pixels.max()) > count:
        raise MaskError(
            f"{path.name} holds label {int(pixels.max())}; dataset.json names {count} classes, so 0..{count} was "
            "expected."
        )
    return pixels


def _to_bytes(array: np.ndarray, notes: list[str]) -> np.ndarray:
    """bool or whole numbers of any width -> uint8 of the same shape; 16-bit scaled, {0,1} kept."""
    if array.dtype == bool or array.dtype == np.uint8:
        return array.astype(np.uint8)
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 65535:
        raise MaskError(f"The mask holds values from {low} to {high}; 0..255 or 16-bit values were expected.")
    if high <= 255 and not (array.ndim == 3 and array.shape[2] == 4 and array.dtype == np.uint16):
        return array.astype(np.uint8)
    if array.ndim == 2 and not np.isin(array, (0, high)).all():
        notes.append("16-bit mask: scaled to 0..255")
    elif array.ndim == 2:
        return (array > 0).astype(np.uint8)
    return (array // 257).astype(np.uint8)


def _to_grey(array: np.ndarray, notes: list[str]) -> np.ndarray:
    """(H,W), RGB or RGBA uint8 -> (H,W) uint8; transparent becomes background."""
    if array.ndim == 2:
        return array
    colour = np.ascontiguousarray(array[:, :, :3])
    plain = (colour[:, :, 0] == colour[:, :, 1]).all() and (colour[:, :, 1] == colour[:, :, 2]).all()
    if plain:
        grey = colour[:, :, 0]
    else:
        grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    if array.shape[2] == 4 and array[:, :, 3].min() < 255:
        notes.append("mask with transparency: transparent parts count as background")
        if grey.max() == 1:  # 0 and 1 would vanish under the alpha's rounding
            grey = grey * np.uint8(255)
        grey = ((grey.astype(np.uint16) * array[:, :, 3] + 127) // 255).astype(np.uint8)
    if plain:
        return grey
    lesion = grey > 127
    tones = np.unique(grey) if not lesion.any() else ()
    if len(tones) == 2:  # a red lesion on black is darker than 127, and clearly meant
        notes.append("colour mask with two colours: the brighter one is taken as the lesion")
        lesion = grey == tones[1]
    else:
        notes.append("colour mask: thresholded at brightness 127")
        if not lesion.any():
            notes.append(_too_dark(int(grey.max())))
    return lesion.astype(np.uint8)


def _to_labels(grey: np.ndarray, notes: list[str]) -> np.ndarray:
    """(H,W) uint8 of any values -> (H,W) uint8 {0,1}."""
    high = int(grey.max())
    if high <= 1:
        return grey
    if high == 255 and ((grey == 0) | (grey == 255)).all():
        return grey // 255
    notes.append("grey mask: thresholded at 127")
    if high <= 127:
        notes.append(_too_dark(high))
    return (grey > 127).astype(np.uint8)


def _check_size(height: int, width: int, name: str) -> None:
    if height < 1 or width < 1:
        raise MaskError(f"{name} has no pixels ({height}×{width}); save the mask again.")
    if height * width > LARGEST_PICTURE:
        raise MaskError(
            f"{name} has {height}×{width} pixels ({height * width / 1e6:.0f} megapixels); at most "
            f"{LARGEST_PICTURE // 1_000_000} are read. Save it smaller: 384×384 is enough."
        )


def _too_many_bytes(name: str, size: int) -> str:
    return f"{name} has {size / 2**20:.0f} MB; at most 64 MB are read. Save the mask as PNG at 384×384."


def _too_dark(high: int) -> str:
    return f"its brightest value is only {high}: draw the lesion in white (255) if one was meant"


def _damaged(name: str, what: str) -> str:
    return f"{name} is a damaged or incomplete {what} file; copy or save it again."


def _describe(array: object) -> str:
    if isinstance(array, np.ndarray):
        return f"An array of shape {array.shape} and type {array.dtype}"
    return f"A {type(array).__name__}"
