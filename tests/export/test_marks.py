"""Marks: read by another program, pixels untouched, real pictures without."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from siamese.errors import AugmentError
from siamese.export import marks
from siamese.tasks import png
from tests.export.small import picture

PIXELS = picture(1, 20, 30)
PNG = cv2.imencode(".png", PIXELS[:, :, ::-1])[1].tobytes()
JPEG = cv2.imencode(".jpg", PIXELS[:, :, ::-1])[1].tobytes()


@pytest.mark.parametrize("data", [PNG, JPEG, png.encode(PIXELS, {"seed": 7})], ids=["png", "jpeg", "png with facts"])
def test_another_program_reads_the_mark_and_the_same_pixels(data):
    assert not marks.marked(data) and "XMP" not in marks.carried(data)
    done = marks.mark(data)
    assert marks.marked(done) and marks.mark(done) == done
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(done))
    assert (np.asarray(before) == np.asarray(after)).all()
    told = after.info.get("xmp") or after.info["XML:com.adobe.xmp"]
    text = told if isinstance(told, str) else told.decode()
    assert f"<Iptc4xmpExt:DigitalSourceType>{marks.TRAINED}<" in text
    assert "http://iptc.org/std/Iptc4xmpExt/2008-02-29/" in text and text.count("xpacket") == 2
    assert (cv2.imdecode(np.frombuffer(done, np.uint8), 1) == cv2.imdecode(np.frombuffer(data, np.uint8), 1)).all()


def test_a_mention_elsewhere_is_no_mark():
    facts = png.encode(PIXELS, {"prompt": marks.TRAINED})
    assert not marks.marked(facts) and marks.carried(facts) == {"text"}
    assert not marks.marked(PNG + marks.PACKET) and marks.carried(PNG + b"x") == {"other"}


def test_what_a_file_carries_is_found():
    with io.BytesIO() as file:
        exif = Image.Exif()
        exif[0x010E] = "Erika Mustermann"
        Image.fromarray(PIXELS).save(file, "JPEG", exif=exif, comment=b"ward 3", icc_profile=b"x" * 200)
        assert marks.carried(file.getvalue()) == {"EXIF", "ICC", "text"}
    with io.BytesIO() as file:
        Image.fromarray(PIXELS).save(file, "PNG", exif=exif, icc_profile=b"x" * 200)
        assert marks.carried(file.getvalue()) == {"EXIF", "ICC"}
    time = b"tIME" + struct.pack(">H5B", 2026, 1, 1, 1, 1, 1)
    chunk = struct.pack(">I", 7) + time + struct.pack(">I", zlib.crc32(time))
    assert marks.carried(PNG[:33] + chunk + PNG[33:]) == {"other"}
    assert marks.carried(PNG) == marks.carried(JPEG) == frozenset()


@pytest.mark.parametrize("data", [b"GIF89a", PNG[:60], JPEG[:30], b"", PNG[:-12]])
def test_no_picture_is_said(data):
    with pytest.raises(AugmentError, match=r"PNG or JPEG was expected|damaged or incomplete"):
        marks.mark(data)
