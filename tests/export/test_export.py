"""An export from a gated set: what leaves, what forbids it, and that the same request gives the same bytes."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from siamese.augment.folder import SetFolder, mask_png
from siamese.augment.item import Decision, line
from siamese.errors import AugmentError, MachineError
from siamese.events import Done, Notice, Progress, Saved
from siamese.export import key, manifest, pairs, sums
from siamese.export.findings import Verified
from siamese.export.layouts import LAYOUTS
from siamese.export.pairs import Options
from siamese.export.verify import verify
from siamese.masks.mask import Mask
from siamese.tasks.export import ExportRequest, _Walk, _write_layouts, export
from tests.export import small


def done(request: ExportRequest) -> list:
    return list(export(request))


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(out: Path) -> dict[str, manifest.Row]:
    return {row.id: row for row in manifest.read((out / manifest.FILE).read_bytes())}


def good(where: Path) -> bool:
    *_, found = verify(where)
    assert isinstance(found, Verified)
    return found.good


def refused(request: ExportRequest, words: str) -> str:
    """It is refused with these words, and nothing is left beside the set."""
    before = sorted(request.out.parent.rglob("*"))
    with pytest.raises(AugmentError, match=words) as error:
        done(request)
    assert sorted(request.out.parent.rglob("*")) == before
    return str(error.value)


def test_the_same_request_gives_the_same_bytes(gated, tmp_path):
    first, second = tmp_path / "a" / "first", tmp_path / "b" / "second"
    for out in (first, second):
        events = done(ExportRequest(gated.root, out, ("pranet", "coco", "parquet"), zip=True))
        assert [e.path for e in events if isinstance(e, Saved)] == [
            out, key.path_for(out), out.with_name(out.name + ".zip"),
        ]  # fmt: skip
        assert events[-1] == Done("export", 20)
    assert sha(first.with_name("first.zip")) == sha(second.with_name("second.zip"))
    assert good(first) and good(first.with_name("first.zip"))
    gated.decide(Decision("s000001", "reject", "texture", "me", "2026-11-26T00:00:00Z"))
    done(ExportRequest(gated.root, tmp_path / "c", ("pranet", "coco", "parquet"), zip=True))
    assert sha(tmp_path / "c.zip") != sha(first.with_name("first.zip"))


def test_the_manifest_says_where_each_pair_comes_from(gated, tmp_path):
    gated.write_scores(
        small.scored(id, **({"copy": 1.3, "copy_by": "whole"} if id == "s000002" else {})) for id in gated.made()
    )
    gated.decide(Decision("s000002", "accept", "", "Dr. Erika Mustermann", "2026-11-26T00:00:00Z"))
    done(ExportRequest(gated.root, tmp_path / "out"))
    found = rows(tmp_path / "out")
    real, made = found["r000001"], found["s000002"]
    assert not real.synthetic and real.made == real.gate == {} and (real.height, real.width) == (40, 56)
    assert made.synthetic and made.split == "train" and (made.height, made.width) == (48, 67)
    assert made.made["checkpoint_sha256"] == small.WEIGHTS and made.made["seed"] == 2
    assert made.made["settings"] == {"guidance": 2.0, "steps": 20}
    assert made.made["file_sha256"] == gated.made()["s000002"].sha256
    assert made.mask["edits"] == [{"kind": "flip", "axis": "horizontal"}] and "stem" not in made.mask
    assert made.gate["scores"]["copy"] == 1.3 and made.gate["verdict"] == "flag"
    assert made.gate["decision"] == {"word": "accept", "reason": "", "at": "2026-11-26T00:00:00Z"}
    picture = cv2.imread(str(tmp_path / "out" / made.images[0]), cv2.IMREAD_COLOR_RGB)
    assert manifest.pixels_sha256(picture) == made.image_sha256
    assert Mask.read(tmp_path / "out" / made.masks[0]).digest == made.mask_sha256
    origins = {row["id"]: row for row in csv.DictReader(key.path_for(tmp_path / "out").open(encoding="utf-8"))}
    assert origins[made.mask["source"]]["original"] == origins["s000002"]["original"] == "Müller-001"
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    for private in ("Müller", "Mustermann", str(tmp_path)):
        assert private.encode() not in everything
    assert key.path_for(tmp_path / "out").stat().st_mode & 0o077 == 0


def test_what_people_and_rules_keep_back_does_not_leave(gated, tmp_path):
    changes = {"s000001": {"brightness": 0.01}, "s000003": {"brightness": 0.01}}
    gated.write_scores(small.scored(id, **changes.get(id, {})) for id in gated.made())
    gated.decide(Decision("s000002", "reject", "vessels", "me", "2026-11-26T00:00:00Z"))
    gated.decide(Decision("s000003", "accept", "", "me", "2026-11-26T00:00:00Z"))
    done(ExportRequest(gated.root, tmp_path / "out"))
    left = {id for id, row in rows(tmp_path / "out").items() if row.synthetic}
    assert left == set(gated.made()) - {"s000001", "s000002"}
    done(ExportRequest(gated.root, tmp_path / "all", flagged=True))
    assert set(rows(tmp_path / "all")) >= set(gated.made()) - {"s000002"}
    card = (tmp_path / "out" / "dataset_card.md").read_text("utf-8")
    assert "1 were rejected, 1 were flagged and nobody decided" in card and "vessels: 1" in card


def test_copies_block_until_a_person_has_decided(gated, tmp_path):
    flagged = {"s000004", "s000009"}
    gated.write_scores(small.scored(id, **({"copy": 1.2} if id in flagged else {})) for id in gated.made())
    request = ExportRequest(gated.root, tmp_path / "new" / "out", flagged=True)
    (tmp_path / "new").mkdir()
    refused(request, r"2 pictures .* may be a copy .*: s000004, s000009")
    gated.decide(Decision("s000004", "accept", "", "me", "2026-11-26T00:00:00Z"))
    refused(request, r"1 picture .*: s000009")
    gated.decide(Decision("s000009", "reject", "copy", "me", "2026-11-26T00:00:00Z"))
    done(request)
    assert "s000004" in rows(request.out) and "s000009" not in rows(request.out)


def test_a_changed_or_lost_picture_is_told(gated, tmp_path):
    (tmp_path / "new").mkdir()
    data = gated.image_path("s000005").read_bytes()
    gated.image_path("s000005").write_bytes(data[:-1])
    gated.image_path("s000007").unlink()
    refused(ExportRequest(gated.root, tmp_path / "new" / "out"), r"2 pictures were changed .*: s000005, s000007")


def test_a_changed_mask_is_told(gated, tmp_path):
    (tmp_path / "new").mkdir()
    small.mask(1, 40, 56).write(gated.mask_path("s000005"))
    refused(ExportRequest(gated.root, tmp_path / "new" / "out"), "Mask s000005 .* was changed")


def test_an_unfinished_or_unscored_set_is_refused(tmp_path, ward):
    (tmp_path / "new").mkdir()
    made = small.synthesized(tmp_path / "set", ward, gated=False)
    request = ExportRequest(made.root, tmp_path / "new" / "out")
    refused(request, "The gate has not seen 12 pictures")
    made.unit_path(1).unlink()
    refused(request, "1 of 3 batches are missing")
    refused(dataclasses.replace(request, set=tmp_path / "nothing"), "holds no set")


def test_nothing_is_overwritten_and_no_layout_guessed(gated, tmp_path):
    (tmp_path / "new" / "out").mkdir(parents=True)
    (tmp_path / "new" / "thesis.zip").write_text("years of work")
    refused(ExportRequest(gated.root, tmp_path / "new" / "out"), "is there already")
    refused(ExportRequest(gated.root, gated.root / "images" / "out"), "lies inside the set")
    refused(ExportRequest(gated.root, tmp_path / "new" / "thesis", zip=True), "thesis.zip is there already")
    refused(ExportRequest(gated.root, tmp_path / "new" / "x", ("voc", "pranet")), "No layout voc; choose from: pranet")
    (tmp_path / "new" / "x.key.csv").write_text("id,of another export")
    refused(ExportRequest(gated.root, tmp_path / "new" / "x"), "key of another export")
    assert (tmp_path / "new" / "thesis.zip").read_text() == "years of work"


@pytest.mark.parametrize("stage", ["look at the set", "layouts", "sums"])
def test_an_export_that_is_stopped_leaves_nothing(gated, tmp_path, stage):
    (tmp_path / "new").mkdir()
    work = export(ExportRequest(gated.root, tmp_path / "new" / "out", ("pranet", "yolo"), zip=True))
    while getattr(next(work), "stage", "") != stage:
        pass
    work.close()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_stop_reaches_the_layout_at_hand(ward, tmp_path, monkeypatch):
    made = small.synthesized(tmp_path / "set", ward, 60)
    monkeypatch.setattr("siamese.tasks.export.PAUSE", 0.001)
    walk = _Walk(pairs.of(made), len(LAYOUTS))
    layouts = _write_layouts(tmp_path / "alone", tuple(LAYOUTS), Options(), walk)
    next(layouts)
    layouts.close()
    assert walk.walked < 60  # not even the first layout was finished
    work = export(ExportRequest(made.root, tmp_path / "new" / "out", tuple(LAYOUTS)))
    event = next(e for e in work if isinstance(e, Progress) and e.stage == "layouts")
    assert event.step < event.total == 68 * len(LAYOUTS) and event.seconds_left is not None
    work.close()
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("room", [0, 30, 60])
def test_a_full_disk_is_said_and_nothing_is_left(gated, tmp_path, monkeypatch, room):
    """Full before the first file, among the pictures, and when the manifest is written (after 40 + 5 files)."""
    (tmp_path / "new").mkdir()
    opened, files = Path.open, []

    def full(path: Path, mode: str = "r", *more: object, **named: object):
        if mode in ("xb", "wb"):
            files.append(path)
            if len(files) > min(room, 45):
                raise OSError(28, "No space left on device")
        return opened(path, mode, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(MachineError, match="disk .* is full"):
            done(ExportRequest(gated.root, tmp_path / "new" / "out", zip=True))
    assert list((tmp_path / "new").iterdir()) == [] and (files[-1].name == manifest.FILE) == (room == 60)
    done(ExportRequest(gated.root, tmp_path / "new" / "out"))
    assert good(tmp_path / "new" / "out")


def test_a_dealt_mask_of_a_registered_test_set_is_a_leak(gated, tmp_path):
    (tmp_path / "new").mkdir()
    other = small.dataset(tmp_path / "home" / "datasets" / "clinic")
    stem = (other / "test.txt").read_text("utf-8").split()[0]
    turned = np.rot90(gated.mask(gated.items()[2]).labels)
    Mask(np.ascontiguousarray(turned)).write(other / "masks" / f"{stem}.png")
    pixels = small.picture(1, *turned.shape)
    cv2.imwrite(str(other / "images" / f"{stem}.png"), pixels)
    told = refused(
        ExportRequest(gated.root, tmp_path / "new" / "out", workspace=tmp_path / "home"), "would leak"
    )
    assert "s000003" in told and stem in told


def test_a_test_picture_that_the_generator_saw_is_a_leak(tmp_path, ward):
    (tmp_path / "new").mkdir()
    stem = (ward / "test.txt").read_text("utf-8").split()[0]
    picture = cv2.imread(str(ward / "images" / f"{stem}.png"), cv2.IMREAD_COLOR_RGB)
    digest = np.frombuffer(hashlib.sha256(picture).digest(), np.uint8)[None]
    (tmp_path / "seen").mkdir()
    save_file(
        {"training.sha256": digest, "training.dhash": np.zeros((1, 8), np.uint8)},
        tmp_path / "seen" / "model.safetensors",
    )
    made = small.synthesized(tmp_path / "set", ward)
    head = json.loads((made.root / "set.json").read_text())
    head["checkpoints"][0]["where"] = str(tmp_path / "seen")
    (made.root / "set.json").write_text(json.dumps(head))
    assert stem in refused(ExportRequest(made.root, tmp_path / "new" / "out"), "would leak")


def test_the_same_picture_in_train_and_test_is_refused(gated, ward, tmp_path):
    (tmp_path / "new").mkdir()
    train, test = ((ward / f"{split}.txt").read_text("utf-8").split()[0] for split in ("train", "test"))
    (ward / "images" / f"{train}.png").write_bytes((ward / "images" / f"{test}.png").read_bytes())
    refused(ExportRequest(gated.root, tmp_path / "new" / "out"), "1 pair of train shares its picture")


def test_real_pictures_leave_as_pixels_alone(gated, ward, tmp_path):
    stem = (ward / "train.txt").read_text("utf-8").split()[0]
    exif = Image.Exif()
    exif[0x010E] = "Erika Mustermann"
    with Image.open(ward / "images" / f"{stem}.png") as picture:
        picture.save(ward / "images" / f"{stem}.png", exif=exif)
    done(ExportRequest(gated.root, tmp_path / "out", ("pranet", "imagefolder", "kvasir")))
    assert good(tmp_path / "out")
    assert all(b"Mustermann" not in p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())


def test_names_are_kept_where_that_is_asked_for(gated, tmp_path):
    done(ExportRequest(gated.root, tmp_path / "out", keep_stems=True))
    names = {p.stem for p in (tmp_path / "out" / "pranet").rglob("*.png")}
    assert "Müller-000" in names and any(name.startswith("Müller-000_s") for name in names)
    assert "make sure that none of them tells who" in (tmp_path / "out" / "dataset_card.md").read_text("utf-8")
    assert rows(tmp_path / "out")["s000001"].mask["stem"] == "Müller-000" and good(tmp_path / "out")


def test_a_set_on_the_example_masks_is_exported_alone(tmp_path):
    made = small.synthesized(tmp_path / "set", None)
    events = done(ExportRequest(made.root, tmp_path / "out", square=True))
    assert any(isinstance(e, Notice) and "no real dataset" in e.text for e in events)
    found = rows(tmp_path / "out")
    assert set(found) == set(made.made()) and {(r.height, r.width) for r in found.values()} == {(48, 48)}
    assert {row.mask["source"] for row in found.values()} <= {f"m{k:06d}" for k in range(1, 5)}
    assert good(tmp_path / "out") and not (tmp_path / "out" / "lists" / "real.txt").exists()


def test_sums_are_those_of_sha256sum(gated, tmp_path):
    done(ExportRequest(gated.root, tmp_path / "out", real=False))
    listed = sums.read((tmp_path / "out" / sums.FILE).read_bytes())
    there = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert set(listed) == there - {sums.FILE} and list(listed) == sorted(listed)
    assert all(sha(tmp_path / "out" / name) == digest for name, digest in listed.items())
    assert not any(row.split != "train" or not row.synthetic for row in rows(tmp_path / "out").values())


def test_empty_masks_are_no_leak(tmp_path, ward):
    made = small.synthesized(tmp_path / "set", ward)
    empty = np.zeros((40, 56), np.uint8)
    stem = (ward / "test.txt").read_text("utf-8").split()[0]
    Mask(empty).write(ward / "masks" / f"{stem}.png")
    lines = (made.root / "deal.jsonl").read_text().splitlines()
    first = json.loads(lines[0]) | {"mask_sha256": Mask(empty).digest}
    (made.root / "deal.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    Mask(empty).write(SetFolder(made.root).mask_path("s000001"))
    done(ExportRequest(made.root, tmp_path / "out"))
    assert rows(tmp_path / "out")["s000001"].area == 0 and good(tmp_path / "out")


def test_several_classes_stay_apart(tmp_path):
    data = small.dataset(tmp_path / "ward", 2, 1, 1)
    (data / "dataset.json").write_text(json.dumps({"classes": ["polyp", "tool"]}))
    for path in (data / "masks").iterdir():
        cv2.imwrite(str(path), two_classes(small.mask(len(path.stem), 40, 56).labels, int(path.stem[-1])))
    made = small.synthesized(tmp_path / "set", data, 4)
    lines = []
    for one in made.items():
        mask = Mask(two_classes(made.mask(one).labels, 5))
        made.mask_path(one.id).write_bytes(mask_png(mask))
        lines.append(line(dataclasses.replace(one, mask_sha256=mask.digest)))
    (made.root / "deal.jsonl").write_text("".join(lines), "utf-8")
    head = json.loads((made.root / "set.json").read_text("utf-8"))
    (made.root / "set.json").write_text(json.dumps(head | {"classes": ["polyp", "tool"]}), "utf-8")
    done(ExportRequest(made.root, tmp_path / "out", ("nnunet", "pranet", "coco")))
    assert good(tmp_path / "out")
    masks = [p for row in rows(tmp_path / "out").values() for p in row.masks]
    assert len(masks) == 16 and all(
        set(np.unique(cv2.imread(str(tmp_path / "out" / p), cv2.IMREAD_UNCHANGED))) == {0, 1, 2} for p in masks
    )


def two_classes(labels: np.ndarray, row: int) -> np.ndarray:
    """The mask, and a bar of class 2."""
    labels = labels.copy()
    labels[row : row + 3, 1:50] = 2
    return labels


@pytest.mark.soak
def test_900_masks_in_every_layout(tmp_path):
    data = small.dataset(tmp_path / "ward", 300, 30, 30)
    made = small.synthesized(tmp_path / "set", data, 900)
    shas = set()
    for name in ("one", "two"):
        done(ExportRequest(made.root, tmp_path / name, tuple(LAYOUTS), zip=True))
        *_, found = verify(tmp_path / f"{name}.zip")
        assert found.good, found.sentences()
        shas.add(sha(tmp_path / f"{name}.zip"))
    assert len(shas) == 1 and len(rows(tmp_path / "one")) == 1260
    lists = {p.stem: p.read_text().split() for p in (tmp_path / "one" / "lists").glob("*.txt")}
    assert len(lists["real_plus_synthetic_3x"]) == 1200 and len(lists["real_duplicated"]) == 600
