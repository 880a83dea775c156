"""Every layout is recognised, with its splits, classes and prompts."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest

from siamese.data.pixels import labels_of
from siamese.data.shapes import run_lengths, unrolled
from siamese.errors import DatasetError, MaskError
from tests.data import sources
from tests.data.sources import kinds, look, put, scene


def test_kvasir_seg_with_its_jpeg_masks(tmp_path):
    report = look(sources.kvasir(tmp_path / "in", 4), tmp_path / "cache")
    assert report.layout == "Kvasir-SEG" and len(report.usable) == 4
    assert set(kinds(report)) == {"JPEG masks"} and not report.refusals(leave_out=False)
    for k, case in enumerate(report.cases):  # blurred edges are cut where they were
        assert (labels_of(case) == scene(k)[1] // 255).mean() > 0.995 and case.labels == (1,)


def test_pranet_keeps_train_and_test_and_names_sets(tmp_path):
    report = look(sources.pranet(tmp_path / "in"), tmp_path / "cache")
    assert report.layout.startswith("PraNet")
    assert Counter(c.split for c in report.cases) == {"train": 6, "test": 4}
    assert {c.subset for c in report.cases} == {"", "CVC-300", "ETIS"}
    assert len({c.stem for c in report.cases}) == 10  # 0.png is there three times


def test_isic_pairs_by_suffix_and_keeps_the_official_split(tmp_path):
    report = look(sources.isic(tmp_path / "in"), tmp_path / "cache")
    assert report.layout == "ISIC" and Counter(c.split for c in report.cases) == {"train": 3, "test": 3}


def test_prompt_json_gives_styles_and_prompts(tmp_path):
    report = look(sources.prompts(tmp_path / "data"), tmp_path / "cache")
    assert report.layout == "Siamese-Diffusion prompt.json" and len(report.usable) == 6
    assert report.prompts == {"style1": "A photo of a polyp.", "style2": "A photo of a polyp in blue light."}
    assert Counter(c.style for c in report.cases) == {"style1": 4, "style2": 2}


def test_prompt_json_reaches_nothing_outside(tmp_path):
    root = sources.prompts(tmp_path / "data")
    sources.pair(tmp_path / "outside.png", tmp_path / "outside_mask.png", 1)
    line = {"source": "../outside_mask.png", "target": str(tmp_path / "outside.png"), "prompt": "x"}
    with (root / "prompt.json").open("a") as file:
        file.write("\n" + json.dumps(line))
    report = look(root, tmp_path / "cache")
    assert len(report.cases) == 6 and kinds(report)["listed, not there"] == ("outside.png",)


def test_nnunet_labels_are_classes_and_fold_0_is_the_split(tmp_path):
    report = look(sources.nnunet(tmp_path / "in"), tmp_path / "cache")
    assert report.layout == "nnU-Net raw" and report.classes == ("polyp", "tool")
    assert Counter(c.split for c in report.cases) == {"train": 4, "val": 2}
    assert all(np.array_equal(labels_of(c), sources.labels_of(k)) for k, c in enumerate(report.cases))


def coco(root, categories, rows) -> None:
    """One picture with annotations."""
    put(root / "pictures" / "a.png", scene(0)[0])
    images = [{"id": 7, "file_name": "a.png", "width": 96, "height": 96, "patient_id": 4}]
    rows = [{"id": k, "image_id": 7, **row} for k, row in enumerate(rows)]
    cats = [{"id": k, "name": name} for k, name in categories.items()]
    (root / "train.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": cats}))


def packed_runs(runs: list[int]) -> str:
    """COCO's text for run lengths, by its own algorithm (cocoapi, rleToString)."""
    text = ""
    for k, run in enumerate(runs):
        value, more = run - (runs[k - 2] if k > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(bits + (32 if more else 0) + 48)
    return text


def test_coco_polygons_and_both_kinds_of_run_lengths(tmp_path):
    region = np.zeros((96, 96), np.uint8)
    region[40:60, 50:90] = 1
    flat = region.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = [int(v) for v in np.diff([0, *edges, flat.size])]
    square = [10, 20, 30, 20, 30, 50, 10, 50]
    rows = [
        {"category_id": 3, "segmentation": [square]},
        {"category_id": 9, "segmentation": {"counts": runs, "size": [96, 96]}, "iscrowd": 1},
        {"category_id": 9, "segmentation": {"counts": packed_runs(runs), "size": [96, 96]}},
    ]
    coco(tmp_path / "in", {3: "polyp", 9: "tool"}, rows)
    report = look(tmp_path / "in", tmp_path / "cache")
    labels = labels_of(report.cases[0])
    assert report.layout == "COCO" and report.classes == ("polyp", "tool") and report.cases[0].group == "4"
    assert np.array_equal(labels == 2, region == 1)
    assert (labels[20:50, 10:30] == 1).all() and abs((labels == 1).sum() - 600) <= 60  # the rim may be drawn
    assert run_lengths(packed_runs(runs)) == tuple(runs)


def test_damaged_coco_regions_are_left_out_not_drawn(tmp_path):
    with pytest.raises(MaskError):
        unrolled([5, 5], 4, 4)
    with pytest.raises(MaskError):
        run_lengths("a b")
    for k, region in enumerate(
        (
            [[1, 2, 3]],
            {"counts": "\x01", "size": [96, 96]},
            [["x"]],
            None,
            {"size": 3},
            [[1e9, 0, 1, 1, 2, 2]],
        )
    ):
        root = tmp_path / f"in{k}"
        coco(root, {3: "polyp"}, [{"category_id": 3, "segmentation": region}])
        report = look(root, tmp_path / "cache")
        assert "damaged regions" in kinds(report) and report.refusals(leave_out=True)


def test_a_table_of_classes_says_what_colours_mean(tmp_path):
    root = tmp_path / "in"
    for k in range(3):
        put(root / f"images/{k}.png", scene(k)[0])
        mask = np.zeros((96, 96, 3), np.uint8)
        mask[10:30] = (255, 0, 0)
        mask[50:70] = (0, 0, 128)
        put(root / f"masks/{k}.png", mask)
    assert [p.severity for p in look(root, tmp_path / "cache").problems if p.kind == "unknown labels"] == [
        "cure"
    ]
    (root / "classes.csv").write_text("name,r,g,b\nbackground,0,0,0\npolyp,255,0,0\ntool,0,0,128\n")
    report = look(root, tmp_path / "cache")
    assert report.classes == ("polyp", "tool") and not report.problems
    assert [labels_of(report.cases[0])[row, 0] for row in (0, 20, 60)] == [0, 1, 2]


def test_small_numbers_in_masks_are_classes_and_0_1_is_not(tmp_path):
    for name, top in (("two", 2), ("one", 1)):
        for k in range(3):
            put(tmp_path / name / f"images/{k}.png", scene(k)[0])
            put(tmp_path / name / f"masks/{k}.png", np.minimum(sources.labels_of(k), top))
    assert look(tmp_path / "two", tmp_path / "cache").classes == ("class 1", "class 2")
    assert look(tmp_path / "one", tmp_path / "cache").classes == ()


def test_a_palette_mask_gives_its_places(tmp_path):
    from PIL import Image

    root = tmp_path / "in"
    for k in range(2):
        put(root / f"images/{k}.png", scene(k)[0])
        picture = Image.fromarray(sources.labels_of(k), mode="P")
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        (root / "masks").mkdir(exist_ok=True)
        picture.save(root / f"masks/{k}.png")
    report = look(root, tmp_path / "cache")
    assert report.classes == ("class 1", "class 2")
    assert np.array_equal(labels_of(report.cases[0]), sources.labels_of(0))


def test_text_lists_are_the_split(tmp_path):
    root = sources.kvasir(tmp_path / "in", 5)
    (root / "train.txt").write_text("anna000\nimages/anna001.jpg\n")
    (root / "val.txt").write_text("anna002.jpg\n")
    (root / "test.txt").write_text("anna003\nnobody\n")
    report = look(root, tmp_path / "cache")
    assert [c.split for c in report.cases] == ["train", "train", "val", "test", ""]
    found = kinds(report)
    assert found["unlisted"] == ("anna004",) and found["listed, not there"] == ("nobody",)


def test_what_is_no_dataset_is_refused_with_what_was_looked_for(tmp_path):
    (tmp_path / "in").mkdir()
    put(tmp_path / "in" / "holiday.jpg", scene(0)[0])
    for source in (tmp_path / "in", tmp_path / "nowhere"):
        with pytest.raises(DatasetError):
            look(source, tmp_path / "cache")
    with pytest.raises(DatasetError, match="Kvasir-SEG.*PraNet.*ISIC.*prompt.json.*nnU-Net.*COCO"):
        look(tmp_path / "in", tmp_path / "cache")


def test_a_picture_turned_by_exif_fits_its_mask_either_way(tmp_path):
    from PIL import Image

    root = tmp_path / "in"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    picture = cv2.resize(scene(0)[0], (96, 64))
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn clockwise
    for stem, shape in (("shown", (96, 64)), ("stored", (64, 96))):
        Image.fromarray(picture).save(root / f"images/{stem}.jpg", exif=exif, quality=95)
        mask = np.zeros(shape, np.uint8)
        mask[:20, :30] = 255
        put(root / f"masks/{stem}.png", mask)
    report = look(root, tmp_path / "cache")
    shown, stored = report.case("shown"), report.case("stored")
    assert (shown.height, shown.width, shown.as_stored) == (96, 64, False)
    assert (stored.height, stored.width, stored.as_stored) == (64, 96, True)
    assert shown.stripped == {"EXIF"} and kinds(report)["turned, mask not"] == ("stored",)
