"""Where masks come from, and what is said of those that cannot be used."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamese.augment import plan as plans
from siamese.augment import sources
from siamese.errors import AugmentError
from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from tests.conftest import draw_case, write_dataset


def plan(source: str, *where: str, **more: object) -> plans.Plan:
    return plans.parse({"masks": {"source": source, "where": list(where), **more}})


def write_masks(folder: Path, *names: str) -> Path:
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(Mask.from_array(draw_case(k)[1]).png())
    return folder


def test_a_dataset_lends_its_train_split_only(tmp_path):
    root = write_dataset(tmp_path / "datasets" / "Klinik Süd 1", 5, 48)
    (root / "train.txt").write_text("case000\ncase003\n")
    (root / "test.txt").write_text("case001\n")
    (root / "key.csv").write_text("id,original,group\ncase000,Müller.png,p7\ncase003,b.png,\n")
    found = sources.read(plan("dataset", "Klinik Süd 1"), tmp_path)
    assert [(m.source.dataset, m.source.stem, m.source.group) for m in found.masks] == [
        ("Klinik Süd 1", "case000", "p7"),
        ("Klinik Süd 1", "case003", ""),
    ]
    assert found.roots == (root.resolve(),) and not found.notes
    first = found.masks[0]
    assert (
        Mask(first.labels).digest == first.source.sha256 == Mask.read(root / "masks" / "case000.png").digest
    )
    same = sources.read(plan("dataset", str(root), "Klinik Süd 1"), tmp_path)
    assert [m.source for m in same.masks] == [m.source for m in found.masks]


def test_cases_that_the_plan_leaves_out_are_left_out_and_strangers_named(tmp_path):
    root = write_dataset(tmp_path / "mine", 4, 32)
    found = sources.read(plan("dataset", str(root), without=["case001", "mine/case002"]), None)
    assert [m.source.stem for m in found.masks] == ["case000", "case003"]
    assert found.notes == ("2 masks left out, as masks.without says.",)
    found = sources.read(plan("dataset", str(root), without=["case9"]), None)
    assert len(found.masks) == 4
    assert found.notes == ("masks.without names what no mask is called: case9.",)


def test_a_dataset_that_is_not_there_names_those_that_are(tmp_path):
    write_dataset(tmp_path / "datasets" / "mine", 1, 32)
    for name in ("yours", "../datasets/mine/../none", "\0"):
        with pytest.raises(AugmentError, match="no dataset .* the workspace holds mine"):
            sources.read(plan("dataset", name), tmp_path)


def test_every_unreadable_mask_of_a_dataset_is_listed_at_once(tmp_path):
    root = write_dataset(tmp_path / "mine", 4, 32)
    (root / "masks" / "case001.png").write_bytes(b"")
    (root / "masks" / "case003.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.raises(
        AugmentError, match=r"2 masks of .*(?s:.*)case001.png is empty(?s:.*)case003.png is a damaged"
    ):
        sources.read(plan("dataset", str(root)), None)
    (root / "masks" / "case002.png").unlink()
    with pytest.raises(AugmentError, match="case002.png has no mask"):
        sources.read(plan("dataset", str(root)), None)


def test_classes_of_a_dataset_stay_labels(tmp_path):
    root = write_dataset(tmp_path / "mine", 1, 32)
    labels = np.zeros((32, 32), np.uint8)
    labels[4:20, 4:20], labels[10:14, 10:14] = 1, 2
    cv2.imwrite(str(root / "masks" / "case000.png"), labels)
    (root / "dataset.json").write_text('{"classes": ["polyp", "tool"]}')
    found = sources.read(plan("dataset", str(root)), None)
    assert (found.masks[0].labels == labels).all() and found.classes == ("polyp", "tool")


def test_a_folder_lends_what_can_be_read_and_names_the_rest(tmp_path):
    folder = write_masks(tmp_path / "Masken Ö", "a b.png", "tief/Fläche.png", "a b.bmp")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "photo.webp").write_bytes(b"RIFF....WEBP")
    (folder / "notes.docx").write_text("words")
    cv2.imwrite(str(folder / "grey.png"), np.arange(0, 200, dtype=np.uint8).reshape(10, 20))
    found = sources.read(plan("folder", str(folder)), None)
    assert [m.source.stem for m in found.masks] == ["a b.bmp", "a b.png", "grey", "tief/Fläche"]
    said = "\n".join(found.notes)
    assert "1 file that is no picture" in said and "2 of 6 mask files left out" in said
    assert (
        "broken.png" in said
        and "photo.webp is a WebP picture" in said
        and "1 of 6" in said
        and "grey.png" in said
    )
    bad = write_masks(tmp_path / "bad", "x.png")
    (bad / "x.png").write_bytes(b"x")
    with pytest.raises(AugmentError, match="None of the 1 mask files can be read"):
        sources.read(plan("folder", str(bad)), None)
    with pytest.raises(AugmentError, match="No mask was found; put mask files"):
        (tmp_path / "empty").mkdir()
        sources.read(plan("folder", str(tmp_path / "empty")), None)
    with pytest.raises(AugmentError, match="it is a dataset"):
        sources.read(plan("folder", str(write_dataset(tmp_path / "mine", 1, 32))), None)


def test_a_zip_lends_its_masks_and_a_hostile_one_nothing(tmp_path):
    folder = write_masks(tmp_path / "masks", "x y.png", "ü/z.png")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as file:
        for path in folder.rglob("*.png"):
            file.write(path, path.relative_to(folder))
    found = sources.read(plan("folder", str(tmp_path / "good.zip")), None)
    assert [m.source.stem for m in found.masks] == ["x y", "ü/z"] and found.masks[1].labels.any()
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as file:
        file.writestr("../../evil.png", folder.joinpath("x y.png").read_bytes())
    with pytest.raises(AugmentError, match="lead out of it"):
        sources.read(plan("folder", str(tmp_path / "out.zip")), None)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.png", bytes(300 << 20))
    with pytest.raises(AugmentError, match="as traps do"):
        sources.read(plan("folder", str(tmp_path / "bomb.zip")), None)
    (tmp_path / "torn.zip").write_bytes((tmp_path / "good.zip").read_bytes()[:100])
    with pytest.raises(AugmentError, match="damaged or no zip"):
        sources.read(plan("folder", str(tmp_path / "torn.zip")), None)
    assert not (tmp_path.parent / "evil.png").exists()


def test_the_library_lends_its_owners_outlines(tmp_path):
    library = Workspace(tmp_path).library("Ö")
    mask = Mask.from_array(draw_case(1)[1])
    library.add(mask, "mine")
    library.add(Mask.from_array(draw_case(2)[1]), "case 2", collection="clinic")
    assert len(sources.read(plan("library", owner="Ö"), tmp_path).masks) == 2
    found = sources.read(plan("library", "clinic", owner="Ö"), tmp_path)
    assert len(found.masks) == 1 and found.masks[0].source.kind == "library"
    with pytest.raises(AugmentError, match=r"no collection 'other'; it holds \(own outlines\), clinic"):
        sources.read(plan("library", "other", owner="Ö"), tmp_path)
    with pytest.raises(AugmentError, match="save an outline in the studio first"):
        sources.read(plan("library", owner="nobody"), tmp_path)
    with pytest.raises(AugmentError, match="--workspace"):
        sources.read(plan("library"), None)


def test_the_examples_are_there_without_a_workspace():
    found = sources.read(plan("examples"), None)
    assert len(found.masks) == 6 and found.limits.lesions == (1, 2)
