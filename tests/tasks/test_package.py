"""Taking pictures away: the zip is complete, holds nobody's name, and a slide says what it shows."""

from __future__ import annotations

import io
import json
import zipfile

import cv2
import numpy as np
import pytest

from siamese.errors import MachineError, SiameseError
from siamese.masks.mask import Mask
from siamese.tasks import png
from siamese.tasks.package import Item, pack, sized_mask, slide

FACTS = {
    "seed": 7,
    "guidance": 2.5,
    "steps": 4,
    "checkpoint": "polyp-compact",
    "device": "cpu",
    "seconds": 3.2,
}


def item(seed: int = 7, size: int = 64, drawn: int = 96, **more) -> Item:
    draw = np.random.default_rng(seed)
    image = draw.integers(0, 256, (size, size, 3), np.uint8)
    mask = np.zeros((drawn, drawn), np.uint8)
    cv2.circle(mask, (drawn // 2, drawn // 2), drawn // 4, 1, -1)
    facts = {**FACTS, "seed": seed}
    return Item(png.encode(image, facts), Mask(mask).png(), facts, **more)


def test_a_zip_holds_pictures_masks_of_the_same_size_and_a_manifest(tmp_path):
    items = [item(1), item(2, state="rejected", reason="border"), item(3, favourite=True)]
    assert pack(tmp_path / "all.zip", iter(items)) == 3
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        rows = [json.loads(line) for line in archive.read("manifest.jsonl").decode().splitlines()]
        assert len(archive.namelist()) == 7
        for row, made in zip(rows, items, strict=True):
            assert archive.read(row["image"]) == made.picture  # byte for byte, facts inside
            mask = Mask.from_png(archive.read(row["mask"]))
            assert mask.labels.shape == (64, 64)
            assert mask.digest == Mask.from_png(made.mask).resized(64).digest
            assert row["synthetic"] is True and row["facts"]["seed"] == made.facts["seed"]
            assert not {"device", "seconds"} & row["facts"].keys()
    assert [(r["state"], r["reason"], r["favourite"]) for r in rows] == [
        ("new", None, False), ("rejected", "border", False), ("new", None, True),
    ]  # fmt: skip
    assert pack(tmp_path / "again.zip", items) == 3
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "all.zip").read_bytes()


def test_too_many_none_and_damaged_leave_nothing_behind(tmp_path):
    with pytest.raises(SiameseError, match="at most 2"):
        pack(tmp_path / "z.zip", (item(i) for i in range(3)), most=2)
    with pytest.raises(SiameseError, match="No picture"):
        pack(tmp_path / "z.zip", [])
    with pytest.raises(SiameseError, match="damaged"):
        pack(tmp_path / "z.zip", [Item(b"no picture", item().mask, FACTS)])
    assert list(tmp_path.iterdir()) == []


def test_a_zip_on_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(MachineError, match="full"):
        pack(tmp_path / "z.zip", [item()])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [64, 384, 700])
def test_a_slide_keeps_every_pixel_and_adds_a_bar(size):
    made = item(size=size)
    shown = cv2.imdecode(np.frombuffer(slide(made.picture, made.facts), np.uint8), cv2.IMREAD_COLOR)
    picture = cv2.imdecode(np.frombuffer(made.picture, np.uint8), cv2.IMREAD_COLOR)
    factor = shown.shape[1] // size
    assert shown.shape[1] >= 640 and shown.shape[1] % size == 0
    assert (shown[: size * factor : factor, ::factor] == picture).all()
    bar = shown[size * factor :]
    assert len(bar) > 40 and bar.max() > 200 and np.median(bar) < 40  # light words on a dark bar
    assert (bar[:, -4:] == bar[0, 0]).all()  # the words end before the edge


def test_a_slide_says_so_in_its_record_and_takes_any_model_name():
    facts = {**FACTS, "checkpoint": "modèle-Ω" * 20}
    found = png.read_facts(slide(item().picture, facts))
    assert found["seed"] == "7" and "seconds" not in found
    assert slide(item().picture, {}) != slide(item().picture, FACTS)


def test_the_mask_at_the_pictures_size_is_what_the_model_saw():
    made = item(size=64, drawn=200)
    assert Mask.from_png(sized_mask(made.picture, made.mask)).labels.shape == (64, 64)
    assert io.BytesIO(sized_mask(made.picture, made.mask)).read(4) == b"\x89PNG"
