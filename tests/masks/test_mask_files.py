"""Mask files: every ordinary kind comes in, every hostile one gets a sentence."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import zlib

import cv2
import numpy as np
import pytest

from siamese.errors import MaskError
from siamese.masks.mask import Mask
from tests.masks.test_mask import disc


def png_file(
    width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 0, extra: bytes = b""
) -> bytes:
    """A PNG written by hand, so that every kind and every lie can be made."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    )  # fmt: skip


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def encoded(array: np.ndarray, kind: str = ".png") -> bytes:
    return cv2.imencode(kind, array)[1].tobytes()


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tiff"])
def test_lossless_files_come_back_exactly(tmp_path, ending):
    path = tmp_path / f"mäske 1{ending}"
    path.write_bytes(encoded(disc().astype(np.uint8) * 255, ending))
    mask = Mask.read(path)
    assert np.array_equal(mask.labels, disc()) and mask.notes == ()


def test_a_jpeg_mask_is_grey_and_said(tmp_path):
    path = tmp_path / "mask.jpg"
    path.write_bytes(encoded(disc().astype(np.uint8) * 255, ".jpg"))
    mask = Mask.read(str(path))
    assert (mask.labels != disc()).mean() < 0.01
    assert mask.notes == ("grey mask: thresholded at 127",)


def palette(*colours: tuple[int, int, int]) -> bytes:
    return chunk(b"PLTE", bytes(sum(colours, ())))


TRANSPARENT = palette((255, 255, 255), (255, 255, 255))


@pytest.mark.parametrize(
    "data",
    [
        png_file(2, 1, b"\0\x40", depth=1),
        png_file(2, 1, b"\0\0\1"),
        png_file(2, 1, b"\0\0\xff"),
        png_file(2, 1, b"\0\0\0\xff\xff", depth=16),
        png_file(2, 1, b"\0\0\0\0\1", depth=16),
        png_file(2, 1, b"\0\0\0\0\xff\xff\xff", colour=2),
        png_file(2, 1, b"\0\0\1", colour=3, extra=palette((0, 0, 0), (255, 255, 255))),
        png_file(2, 1, b"\0\0\1", colour=3, extra=palette((0, 0, 0), (128, 0, 0))),
        png_file(2, 1, b"\0\0\1", colour=3, extra=TRANSPARENT + chunk(b"tRNS", b"\0\xff")),
        png_file(2, 1, b"\0\xff\x00\xff\xff", colour=4),
        png_file(2, 1, b"\0" + bytes(4) + b"\xff" * 4, colour=6),
        png_file(2, 1, b"\0" + bytes(8) + b"\xff" * 8, colour=6, depth=16),
        png_file(2, 1, b"\0" + bytes(6) + b"\xff" * 6, colour=2, depth=16),
    ],
    ids=["1 bit", "0/1", "0/255", "16 bit", "16 bit 0/1", "RGB", "palette", "dark palette",
         "palette with alpha", "grey with alpha", "RGBA", "RGBA 16 bit", "RGB 16 bit"],
)  # fmt: skip
def test_every_kind_of_png(data):
    assert Mask.from_png(data).labels.tolist() == [[0, 1]]


def test_opencv_blue_and_red_are_not_swapped():
    green_red_blue = png_file(3, 1, b"\0\xff\xff\0\xff\0\0\0\0\xff", colour=2)
    assert Mask.from_png(green_red_blue).labels.tolist() == [[1, 0, 0]]
    yellow_cyan = np.uint8(
        [[[200, 200, 0], [0, 100, 255]]]
    )  # RGB; luma 178 and 88, swapped it would be 140 and 135
    assert Mask.from_png(encoded(yellow_cyan[:, :, ::-1])).labels.tolist() == [[1, 0]]


GOOD = encoded(disc().astype(np.uint8) * 255)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b"the polyp is at 5 o'clock\n", "is a text file, not a picture"),
        ("größe: 5\n".encode() * 700, "is a text file, not a picture"),
        (b"\xef\xbb\xbfhello", "is a text file"),
        (pickle.dumps({"mask": [1, 2]}), "pickle, which is never opened"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04" + bytes(30), "ZIP"),
        (bytes(128) + b"DICM" + bytes(100), "DICOM"),
        (bytes(1000), "unknown kind"),
        (b"BM", "a text file"),
        (GOOD[:8], "damaged or incomplete PNG"),
        (GOOD[:20], "damaged or incomplete PNG"),
        (GOOD[: len(GOOD) // 2], "damaged or incomplete PNG"),
        (GOOD[:60] + b"\xaa" + GOOD[61:], "damaged or incomplete PNG"),
        (png_file(64, 64, b"\0" * 65), "damaged or incomplete PNG"),
        (png_file(0, 64, b""), "no pixels"),
        (png_file(2**31 - 1, 2**31 - 1, b""), "megapixels"),
        (encoded(NOISE, ".jpg")[:1500], "damaged or incomplete JPEG"),
        (b"\xff\xd8\xff\xe0\x00", "damaged or incomplete JPEG"),
        (b"\xff\xd8\xff\xd9", "damaged or incomplete JPEG"),
        (encoded(NOISE, ".bmp")[:5000], "damaged or incomplete BMP"),
        (encoded(NOISE, ".tiff")[:3000], "damaged or incomplete TIFF"),
        (b"II*\x00\x08\x00\x00\x00\x00\x00", "damaged or incomplete TIFF"),
        (encoded(NOISE.astype(np.float32), ".tiff"), "float32"),
    ],
)
def test_other_files_get_one_sentence_naming_file_and_cure(tmp_path, data, words):
    path = tmp_path / "notes.png"
    path.write_bytes(data)
    with pytest.raises(MaskError) as caught:
        Mask.read(path)
    message = str(caught.value)
    assert words in message and message.startswith("notes.png") and "\n" not in message
    assert any(cure in message for cure in ("save", "Save", "copy", "Threshold"))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 40))])
def test_no_header_brings_the_reader_down(seed):
    """Every beginning of every kind of file, and headers with one wrong byte, give a mask or a MaskError."""
    rng = np.random.default_rng(seed)
    small = NOISE[:6, :6]
    for kind in (".png", ".jpg", ".bmp", ".tiff"):
        data = encoded(small, kind)
        for cut in range(1, min(len(data), 260)):
            damaged = bytearray(data[:cut] if cut % 2 else data)
            damaged[int(rng.integers(0, min(len(damaged), 64)))] = int(rng.integers(0, 256))
            with contextlib.suppress(MaskError):
                Mask.from_png(bytes(damaged))


def test_two_hundred_megapixels_are_refused_before_decoding(tmp_path):
    path = tmp_path / "huge.png"
    rows = bytes(20000 // 8 + 1) * 10000  # 1 bit a pixel: 25 MB that compress to a few kB
    path.write_bytes(png_file(20000, 10000, rows, depth=1))
    assert path.stat().st_size < 100_000
    with pytest.raises(MaskError, match=r"huge\.png has 10000×20000 pixels \(200 megapixels\); at most 40"):
        Mask.read(path)


@pytest.mark.parametrize("kind", [".jpg", ".bmp", ".tiff"])
def test_the_announced_size_counts_in_every_format(kind):
    data = bytearray(encoded(np.zeros((300, 200), np.uint8), kind))
    height, width = (300).to_bytes(2, "big"), (200).to_bytes(2, "big")
    if kind == ".jpg":
        at = data.index(height + width)
        data[at : at + 4] = b"\xf0\x00\xf0\x00"
    elif kind == ".bmp":
        data[18:26] = struct.pack("<ii", 20000, -10000)
    else:
        tag = data.index(struct.pack("<H", 256), struct.unpack_from("<I", data, 4)[0] + 2)
        struct.pack_into("<HI", data, tag + 2, 4, 1)
        struct.pack_into("<I", data, tag + 8, 10_000_000)
    with pytest.raises(MaskError, match="megapixels"):
        Mask.from_png(bytes(data))


def test_forty_megapixels_are_read():
    data = png_file(8000, 5000, bytes(1001) * 5000, depth=1)
    assert Mask.from_png(data).labels.shape == (5000, 8000)


def test_files_over_64_megabytes_are_refused_unread(tmp_path):
    path = tmp_path / "volume.png"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)  # sparse: takes no disk
    with pytest.raises(MaskError, match=r"volume\.png has 65 MB"):
        Mask.read(path)


def test_what_is_no_file_at_all(tmp_path):
    with pytest.raises(MaskError, match="is a folder"):
        Mask.read(tmp_path)
    with pytest.raises(MaskError, match="There is no file"):
        Mask.read(tmp_path / "missing.png")
    (tmp_path / "a").write_text("a")
    with pytest.raises(MaskError, match="cannot be read"):
        Mask.read(tmp_path / "a" / "b.png")
    with pytest.raises(MaskError, match="cannot be read"):
        Mask.read("a\0b.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(MaskError, match="not an ordinary file"):
            Mask.read(tmp_path / "pipe.png")
