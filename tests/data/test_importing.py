"""What an import writes: private, whole or not at all, readable by everything else."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import stat
import sys
from collections import defaultdict
from dataclasses import replace

import cv2
import numpy as np
import pytest

from siamese.data import batches, dataset
from siamese.data.groups import Choices, plan
from siamese.data.importing import bring_in, check_name
from siamese.errors import DatasetError
from siamese.sections import AugmentationRecipe, DataRecipe
from tests.data import sources
from tests.data.sources import bring, look, put, scene
from tests.data.test_inspect import written


@pytest.fixture
def private(tmp_path):
    """Ten pictures of three patients with EXIF, one with text, and the import of them."""
    from PIL import Image, ImageCms

    root = tmp_path / "anna-clinic"
    (root / "images").mkdir(parents=True)
    exif = Image.Exif()
    exif[270] = "Anna Example"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for k in range(10):
        picture, mask = scene(k)
        if k == 3:
            picture, mask = written(picture), cv2.resize(mask, (400, 400), interpolation=0)
        name = f"patient{k // 3}anna_frame{k}".replace("anna", "")
        Image.fromarray(picture).save(root / f"images/{name}.png", exif=exif, icc_profile=profile)
        put(root / f"masks/{name}.png", mask)
    return root


def digests(root) -> dict:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()}


def test_an_import_is_private_and_originals_stay(private, tmp_path):
    before = digests(private)
    report = look(private, tmp_path / "cache")
    folder = bring(report, tmp_path / "datasets", Choices("mine"))
    assert digests(private) == before
    assert report.group_rule == "guessed from names such as “patient…”"
    words = [b"patient", b"anna", b"Anna", b"frame"]
    for path in folder.rglob("*"):
        assert not any(w.decode() in path.name for w in words)
        if path.is_file() and path.name != "key.csv":
            data = path.read_bytes().replace("“patient…”".encode(), b"")  # the rule's kind, no patient
            assert not any(w in data for w in words), path
            assert b"iCCP" not in data and b"eXIf" not in data
    with (folder / "key.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10 and {r["group"] for r in rows} == {f"patient{k}" for k in range(4)}
    ids = {p.stem for p in (folder / "images").iterdir()}
    assert ids == {r["id"] for r in rows} == {f"mine-{n:04d}" for n in range(1, 11)}
    assert [r["original"] for r in rows] != sorted(r["original"] for r in rows)
    about = json.loads((folder / "dataset.json").read_text())
    assert about["stripped"] == {"EXIF": 10, "ICC": 10} and about["text"]["blanked"] == 1
    if sys.platform != "win32":
        assert stat.S_IMODE((folder / "key.csv").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_pixels_are_the_originals_but_for_text(private, tmp_path):
    folder = bring(look(private, tmp_path / "cache"), tmp_path / "datasets", Choices("mine", seed=4))
    with (folder / "key.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            before, after = (
                cv2.imread(str(p)) for p in (private / row["original"], folder / f"images/{row['id']}.png")
            )
            same = (before == after).all()
            assert same != row["original"].endswith("frame3.png")
            mask = cv2.imread(str(folder / f"masks/{row['id']}.png"), cv2.IMREAD_UNCHANGED)
            assert set(np.unique(mask)) == {0, 255} and mask.ndim == 2 and mask.shape == before.shape[:2]


@pytest.mark.parametrize(("text", "count", "kept"), [("keep", 10, True), ("leave-out", 9, False)])
def test_text_may_be_kept_or_left_out(private, tmp_path, text, count, kept):
    report = look(private, tmp_path / "cache")
    folder = bring(report, tmp_path / "datasets", Choices("mine", text=text))
    assert len(list((folder / "images").iterdir())) == count
    one = replace(Choices("other", text=text), text_of={report.texts[0]: "blank"})
    assert len(plan(report, one).splits) == 10
    about = json.loads((folder / "dataset.json").read_text())
    assert about["text"]["kept"] == int(kept)


def test_groups_never_straddle_and_the_split_is_the_seeds(tmp_path):
    root = tmp_path / "in"
    for k in range(30):
        sources.pair(root / f"images/video{k // 3}_{k}.png", root / f"masks/video{k // 3}_{k}.png", k)
    report = look(root, tmp_path / "cache")
    made = [plan(report, Choices("x", seed=seed)) for seed in (1, 1, 2)]
    assert made[0] == made[1] and made[0].splits != made[2].splits
    splits = defaultdict(set)
    for case in report.cases:
        splits[case.group].add(made[0].splits[case.stem])
    assert len(splits) == 10 and all(len(s) == 1 for s in splits.values())
    assert made[0].counts == {"train": 24, "val": 3, "test": 3}
    alone = look(root, tmp_path / "cache", group=r"_(\d)")
    assert {c.group for c in alone.cases} == set("0123456789")
    for bad in ("(", "zzz"):
        with pytest.raises(DatasetError, match="pattern|regular"):
            look(root, tmp_path / "cache", group=bad)


def test_a_column_of_a_table_names_patients_and_centres(tmp_path):
    root = sources.kvasir(tmp_path / "in", 6)
    lines = [f"anna{k:03d}.jpg,p{k % 2},C{k // 3}" for k in range(6)]
    (root / "list.csv").write_text("\n".join(["image,patient_id,centre", *lines]))
    report = look(root, tmp_path / "cache")
    assert [c.group for c in report.cases] == ["p0", "p1"] * 3
    folder = bring(report, tmp_path / "datasets", Choices("mine"))
    assert set(dataset.read(folder).styles) == {"mine-C0", "mine-C1"}


def test_near_duplicates_join_one_split_or_stay(tmp_path):
    root = sources.pranet(tmp_path / "in")
    put(root / "TestDataset/ETIS/images/0.png", np.ascontiguousarray(scene(1)[0][:, ::-1]))
    report = look(root, tmp_path / "cache")
    joined, kept = (plan(report, Choices("x", duplicates=how)) for how in ("join", "keep"))
    moved = next(c.stem for c in report.cases if c.subset == "ETIS" and c.stem.endswith("0"))
    assert joined.moved == (moved,) and kept.moved == () and len(joined.across) == len(kept.across) == 1
    assert joined.splits[moved] == joined.splits[joined.across[0].one] and kept.splits[moved] == "test"
    assert joined.counts["test"] == 3 and joined.counts["val"] == 1  # val is taken from train, test stays
    fresh = plan(report, Choices("x", resplit=True, shares=(60, 20, 20)))
    assert fresh.counts == {"train": 6, "val": 2, "test": 2}
    assert fresh.splits[moved] == fresh.splits[joined.across[0].one]


def test_everything_that_reads_datasets_reads_it(tmp_path):
    report = look(sources.prompts(tmp_path / "data"), tmp_path / "cache")
    folder = bring(report, tmp_path / "datasets", Choices("mine"))
    found = dataset.read(folder, "train")
    assert found.classes == () and set(found.styles) <= set(found.prompts) == {"mine-style1", "mine-style2"}
    assert found.prompts["mine-style1"] == "A photo of a polyp."
    assert set(np.unique(batches.prepare([found], 64, DataRecipe()).masks)) == {0, 1}


def test_classes_stay_labels_up_to_the_hint(tmp_path):
    report = look(sources.nnunet(tmp_path / "in"), tmp_path / "cache")
    folder = bring(report, tmp_path / "datasets", Choices("mine"))
    found = dataset.read(folder, "train")
    assert found.classes == ("polyp", "tool") and len(found.cases) == 4
    pictures = batches.prepare([found], 64, DataRecipe())
    assert set(np.unique(pictures.masks)) == {0, 1, 2}
    for seed in range(8):
        drawn = batches.augment(pictures, seed % 4, AugmentationRecipe(paste=1.0), seed)
        assert set(np.unique(drawn.mask)) <= {0, 1, 2}
    hint = batches.to_hint(pictures.masks)
    assert len(np.unique(hint.permute(0, 2, 3, 1).reshape(-1, 3).numpy(), axis=0)) == 3
    binary = dataset.Dataset(folder, found.cases)
    with pytest.raises(DatasetError, match="classes differ"):
        batches.prepare([found, binary], 64, DataRecipe())
    (folder / "dataset.json").write_text('{"classes": ["polyp"]}')
    assert dataset.read(folder).classes == ()
    (folder / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match=r"dataset\.json cannot be used"):
        dataset.read(folder)


def test_refusals_come_at_once_and_nothing_is_written(tmp_path):
    root = sources.kvasir(tmp_path / "in", 4)
    (root / "masks/anna000.jpg").unlink()
    report = look(root, tmp_path / "cache")
    target = tmp_path / "datasets"
    (target / "taken").mkdir(parents=True)
    with pytest.raises(DatasetError) as caught:
        next(bring_in(report, target, Choices("taken")))
    assert len(caught.value.problems) == 2 and list(target.rglob("*")) == [target / "taken"]
    assert bring(report, target, Choices("rest", leave_out=True)).is_dir()
    assert len(dataset.read(target / "rest").cases) == 3
    for name in ("", "a/b", "..", "A", "con", "x" * 41, "default-0123456789ab-own", "-a"):
        with pytest.raises(DatasetError):
            check_name(name)


def test_cancelling_leaves_nothing_and_a_change_meanwhile_is_said(tmp_path):
    root = sources.kvasir(tmp_path / "in", 12)
    report = look(root, tmp_path / "cache")
    target = tmp_path / "datasets"
    work = bring_in(report, target, Choices("mine"))
    next(work)
    assert not (target / "mine").exists()  # a half import is never visible
    work.close()
    assert list(target.iterdir()) == []
    put(root / "images" / "anna003.jpg", scene(99)[0])
    with pytest.raises(DatasetError, match="1 picture changed meanwhile"):
        bring(report, target, Choices("mine"))
    assert list(target.iterdir()) == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    from siamese.errors import MachineError

    report = look(sources.kvasir(tmp_path / "in", 2), tmp_path / "cache")
    (tmp_path / "datasets").mkdir(mode=0o500)
    with pytest.raises(MachineError):
        bring(report, tmp_path / "datasets", Choices("mine"))
