"""Each layout is read by its real consumer, or by the rule that its trainers read it with; then by our own importer."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet
import pytest
import yaml
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from siamese.data.inspect import inspect
from siamese.data.pixels import labels_of, read_image
from siamese.errors import AugmentError, MachineError
from siamese.export import layouts, marks
from siamese.export.layouts import LAYOUTS
from siamese.export.pairs import Entry, Options, Pairs, Written
from tests.export.drawn import entry, labels, pairs, picture

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation"
)  # pycocotools 2.0.11 under numpy 2.4
OPTIONS = Options(title="my first set", mark=lambda data, pair: marks.mark(data))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict:
    """Layout → (folder, what its writer answered)."""
    root = tmp_path_factory.mktemp("written")
    return {
        name: (root / name, layout.write(pairs(), root / name, OPTIONS)) for name, layout in LAYOUTS.items()
    }


def grey(path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def number(name: str) -> int:
    return int(name[-6:])


def filled(label: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(label, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(label), contours, -1, 1, -1)


def test_every_picture_is_there_and_marked_where_it_is_synthetic(written):
    for name, (root, answer) in written.items():
        wanted = {one.id for one in pairs().entries if name != "prompt" or one.split == "train"}
        assert set(answer.files) == set(answer.names) == wanted
        assert len({n.casefold() for n in answer.names.values()}) == len(wanted)
        if name == "parquet":
            continue
        for id, (image, mask) in answer.files.items():
            data = (root / image).read_bytes()
            assert marks.marked(data) == (id[0] == "s") and marks.carried(data) <= {"XMP"}, (name, id)
            difference = np.abs(read_image(root / image).astype(int) - picture(number(id)))
            assert difference.mean() < (3 if image.endswith(".jpg") else 1e-9), (name, id)
            if mask:
                high = 1 if name == "nnunet" else 255
                values = grey(root / mask)
                assert ((values > (0 if name == "nnunet" else 127)) == labels(number(id))).all()
                assert mask.endswith(".jpg") or set(np.unique(values)) <= {0, high}


@pytest.mark.parametrize(
    ("name", "folders"), [("pranet", ("images", "masks")), ("pranet-image", ("image", "mask"))]
)
def test_pranet_pairs_by_sorting(written, name, folders):
    """PraNet (utils/dataloader.py) lists .jpg and .png pictures and .png masks, sorts both and pairs them by place."""
    root = written[name][0]
    for top, below, count in (
        ("TrainDataset", folders, 10),
        ("TestDataset/ward", ("images", "masks"), 1),
        ("ValDataset/ward", ("images", "masks"), 2),
    ):
        images, gts = (sorted(os.listdir(root / top / folder)) for folder in below)
        assert len(images) == len(gts) == count and images == gts
        for file in images:
            assert file.endswith(".png") and not (top != "TrainDataset" and file.startswith("s"))
            mask = grey(root / top / below[1] / file)
            assert mask.shape == grey(root / top / below[0] / file).shape
            assert (mask == labels(number(file[:-4])) * 255).all()


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_coco_is_read_by_pycocotools(written, name):
    root, seen = written[name][0], 0
    for split, count in (("train", 10), ("val", 2), ("test", 1)):
        coco = COCO(str(root / "annotations" / f"instances_{split}.json"))
        images = coco.loadImgs(coco.getImgIds())
        assert len(images) == count and coco.loadCats(coco.getCatIds())[0]["name"] == "lesion"
        for image in images:
            file, label = image["file_name"], labels(number(image["file_name"][:-4]))
            assert (root / split / file).is_file() and image["is_synthetic"] == file.startswith("s")
            assert (image["height"], image["width"]) == label.shape
            found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
            masks = [coco.annToMask(one) for one in found]
            wanted = label if name == "coco" else filled(label)
            assert (np.maximum.reduce([np.zeros_like(label), *masks]) == wanted).all(), file
            assert len(found) == cv2.connectedComponents(label)[0] - 1
            assert sum(one["area"] for one in found) == label.sum()
            for one, mask in zip(found, masks, strict=True):
                box = coco_masks.toBbox(coco_masks.encode(np.asfortranarray(mask)))
                assert one["bbox"] == box.tolist() and coco.annToRLE(one)
            seen += len(found)
    assert seen > 12
    assert ("holes" in " ".join(written[name][1].notes)) == (name == "coco-polygons")


def test_yolo_finds_labels_by_the_pictures_path(written):
    """YOLO trainers swap the last /images/ of a path for /labels/; a line is a class and shares of the sides."""
    root = written["yolo"][0]
    about = yaml.safe_load((root / "data.yaml").read_text("utf-8"))
    assert about["names"] == {0: "lesion"} and "path" not in about
    count = 0
    for split in ("train", "val", "test"):
        for image in sorted((root / about[split]).iterdir()):
            swapped = Path("/labels/".join(image.as_posix().rsplit("/images/", 1))).with_suffix(".txt")
            lines = swapped.read_text().splitlines()
            label = labels(number(image.stem))
            drawn = np.zeros_like(label)
            for line in lines:
                kind, *shares = line.split()
                points = np.array(shares, float).reshape(-1, 2)
                assert kind == "0" and len(points) >= 4 and points.min() >= 0 and points.max() <= 1
                polygon = [(points * label.shape[::-1]).ravel().tolist()]
                drawn |= coco_masks.decode(coco_masks.frPyObjects(polygon, *label.shape))[..., 0]
            assert len(lines) == cv2.connectedComponents(label)[0] - 1
            assert (drawn == filled(label)).mean() > 0.999 and abs(
                int(drawn.sum()) - int(filled(label).sum())
            ) < 4
            count += 1
    assert count == 13


def test_isic_names_are_numbers_of_nobody(written):
    root, answer = written["isic"]
    for part, count in (("Training", 10), ("Validation", 2), ("Test", 1)):
        images = sorted(os.listdir(root / f"ISIC2018_Task1-2_{part}_Input"))
        masks = sorted(os.listdir(root / f"ISIC2018_Task1_{part}_GroundTruth"))
        assert [file.replace(".jpg", "_segmentation.png") for file in images] == masks and len(masks) == count
        assert all(len(file) == len("ISIC_80000001.jpg") for file in images)
    assert answer.names["r000003"] == "ISIC_80000003" and answer.names["s000013"] == "ISIC_90000013"


def test_kvasir_has_the_published_files(written):
    root, answer = written["kvasir"]
    boxes = json.loads((root / "kavsir_bboxes.json").read_text("utf-8"))
    assert boxes["r000001"]["bbox"][0] == {"label": "lesion", "xmin": 3, "ymin": 2, "xmax": 3, "ymax": 2}
    assert set(boxes) == set(answer.names.values()) and boxes["r000002"]["bbox"] == []
    assert boxes["r000001"]["height"] == 64 and boxes["r000001"]["width"] == 80
    assert cv2.imread(str(root / "masks/r000001.jpg"), cv2.IMREAD_UNCHANGED).shape == (64, 80, 3)
    assert (root / "val.txt").read_text() == "r000005\nr000006\n"
    assert any("> 127" in note for note in answer.notes) and any("train.txt" in note for note in answer.notes)


def test_jpeg_masks_are_exact_above_127_whatever_is_drawn(tmp_path):
    draw = np.random.default_rng(3)
    shapes = [draw.integers(0, 2, (64, 80)), np.indices((64, 80)).sum(0) % 2, draw.random((64, 80)) > 0.97]
    drawn = [np.asarray(shape, np.uint8) for shape in shapes]
    made = [
        Entry(f"r{k:06d}", f"r{k:06d}", "train", False, "ward", "x", lambda label=label: (picture(3), label))
        for k, label in enumerate(drawn)
    ]
    LAYOUTS["kvasir"].write(Pairs(made), tmp_path, OPTIONS)
    assert all(
        ((grey(tmp_path / f"masks/r{k:06d}.jpg") > 127) == (label > 0)).all() for k, label in enumerate(drawn)
    )


def test_nothing_is_written_over(tmp_path):
    own = Entry(**{**vars(entry("r000003")), "name": "ISIC_80000004"})
    with pytest.raises(AugmentError, match="is there already"):
        LAYOUTS["isic"].write(Pairs([own, entry("r000004")]), tmp_path, OPTIONS)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    with pytest.raises(AugmentError, match="choose an empty folder"):
        LAYOUTS["isic"].write(Pairs([own]), tmp_path, OPTIONS)
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*.*")}


def test_nnunet_has_one_split_with_real_pictures_alone_in_its_validation(written):
    root = written["nnunet"][0] / "Dataset501_MyFirstSet"
    about = json.loads((root / "dataset.json").read_text("utf-8"))
    (fold,) = json.loads((root / "splits_final.json").read_text("utf-8"))
    cases = {file.removesuffix("_0000.png") for file in os.listdir(root / "imagesTr")}
    assert about["labels"] == {"background": 0, "lesion": 1} and about["numTraining"] == len(cases) == 12
    assert set(fold["train"]) | set(fold["val"]) == cases and not set(fold["train"]) & set(fold["val"])
    assert fold["val"] == ["r000005", "r000006"] and os.listdir(root / "imagesTs") == ["r000007_0000.png"]


def test_nnunet_without_validation_says_what_to_do(tmp_path):
    answer = LAYOUTS["nnunet"].write(Pairs([entry("r000003"), entry("s000004")]), tmp_path, OPTIONS)
    assert not list(tmp_path.rglob("splits_final.json")) and any('"all"' in note for note in answer.notes)


def test_nnunet_numbers_end_at_999(tmp_path):
    with pytest.raises(AugmentError, match="from 1 to 999, not 1000"):
        LAYOUTS["nnunet"].write(pairs(), tmp_path, Options(number=1000))
    LAYOUTS["nnunet"].write(pairs(), tmp_path, Options(number=7, title="Überall, Größe"))
    assert [folder.name for folder in tmp_path.iterdir()] == ["Dataset007_BerallGrE"]


def test_imagefolder_lists_both_columns_of_files(written):
    root = written["imagefolder"][0]
    for split, count in (("train", 10), ("validation", 2), ("test", 1)):
        rows = list(csv.DictReader(io.StringIO((root / split / "metadata.csv").read_text("utf-8"))))
        assert len(rows) == count
        for row in rows:
            assert (root / split / row["image_file_name"]).is_file() and (
                root / split / row["mask_file_name"]
            ).is_file()
            assert row["is_synthetic"] == ("true" if row["id"].startswith("s") else "false")


def test_parquet_holds_the_pictures_themselves(written):
    root, found = written["parquet"][0], {}
    for split, count in (("train", 10), ("validation", 2), ("test", 1)):
        table = pyarrow.parquet.read_table(root / "data" / f"{split}-00000-of-00001.parquet")
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features["image"] == features["mask"] == {"_type": "Image"} and table.num_rows == count
        found |= {row["id"]: row for row in table.to_pylist()}
    assert set(found) == {one.id for one in pairs().entries}
    for id, row in found.items():
        image, mask = (cv2.imdecode(np.frombuffer(row[k]["bytes"], np.uint8), -1) for k in ("image", "mask"))
        assert (image[:, :, ::-1] == picture(number(id))).all() and (mask == labels(number(id)) * 255).all()
        assert marks.marked(row["image"]["bytes"]) == row["is_synthetic"] == (id[0] == "s")


def test_parquet_without_pyarrow_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    with pytest.raises(MachineError, match="pip install"):
        LAYOUTS["parquet"].write(pairs(), tmp_path, OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_prompt_lines_are_read_from_the_folder_above_data(written):
    """The release opens `source` and `target` as they stand, from its own folder."""
    root, answer = written["prompt"]
    rows = [json.loads(line) for line in (root / "data/prompt.json").read_text("utf-8").splitlines()]
    assert len(rows) == 10 and {row["prompt"] for row in rows} == {"an image of a polyp"}
    assert all((root / row["source"]).is_file() and (root / row["target"]).is_file() for row in rows)
    assert any("3 pictures" in note for note in answer.notes)
    assert {file.stem for file in (root / "data/images").iterdir()} == set(answer.names.values())


READ = [
    "pranet",
    "pranet-image",
    "kvasir",
    "isic",
    "nnunet",
    "coco",
    "coco-polygons",
    "imagefolder",
    "prompt",
]


@pytest.mark.parametrize("name", READ)
def test_our_importer_reads_it_back(written, name, tmp_path):
    root, answer = written[name]
    *_, report = inspect(root, tmp_path)
    split = {one.id: one.split for one in pairs().entries}
    ids = {called: id for id, called in answer.names.items()}
    assert len(report.cases) == len(answer.files) and not [p for p in report.problems if p.severity != "note"]
    for case in report.cases:
        id = ids[case.image.stem.removesuffix("_0000")]
        assert case.split == ("" if name == "prompt" else split[id]), (name, id)
        wanted = labels(number(id))
        found = (labels_of(case) > 0).astype(np.uint8)
        if name == "coco-polygons":  # our reader draws them up to a pixel wide
            assert (found >= filled(wanted)).all()
            assert (found <= cv2.dilate(filled(wanted), np.ones((3, 3), np.uint8))).all()
        else:
            assert (found == wanted).all(), (name, id)


def test_several_classes_keep_their_numbers(tmp_path):
    both = labels(3)
    both[:10, :10] = 2
    one = Entry("r000003", "r000003", "train", False, "ward", "x", lambda: (picture(3), both))
    options = Options(classes=("polyp", "tool"))
    for name in LAYOUTS:
        LAYOUTS[name].write(Pairs([one]), tmp_path / name, options)
    coco = COCO(str(tmp_path / "coco/annotations/instances_train.json"))
    found = {a["category_id"]: coco.annToMask(a) for a in coco.loadAnns(coco.getAnnIds())}
    assert (found[2] == (both == 2)).all() and (found[1] == (both == 1)).all()
    assert (grey(tmp_path / "nnunet/Dataset501_Set/labelsTr/r000003.png") == both).all()
    lines = (tmp_path / "yolo/labels/train/r000003.txt").read_text().splitlines()
    assert {line[0] for line in lines} == {"0", "1"}
    assert (grey(tmp_path / "pranet/TrainDataset/masks/r000003.png") == both).all()
    with pytest.raises(AugmentError, match="label 2"):
        LAYOUTS["nnunet"].write(Pairs([one]), tmp_path / "one", Options())


def test_what_may_not_be_written_is_refused(tmp_path):
    held_out = Entry(**{**vars(entry("s000009")), "split": "test"})
    twice = [entry("r000003"), Entry(**{**vars(entry("r000004")), "name": "R000003"})]
    path = Entry(**{**vars(entry("r000004")), "name": "../r000004"})
    other = Entry("r000005", "r000005", "train", False, "ward", "x", lambda: (picture(3), labels(3)[:-1]))
    for name, layout in LAYOUTS.items():
        for wrong, words in (
            ([held_out], "training only"),
            (twice, "taken"),
            ([path], "no file"),
            ([other], "one size"),
        ):
            with pytest.raises(AugmentError, match=words):
                layout.write(Pairs(wrong), tmp_path / name, OPTIONS)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and "4" in file.name]


def test_the_same_pairs_give_the_same_bytes(written, tmp_path):
    for name, (root, answer) in written.items():
        assert (
            isinstance(answer, Written) and LAYOUTS[name].write(pairs(), tmp_path / name, OPTIONS) == answer
        )
        one, other = (
            {f.relative_to(top): f.read_bytes() for f in top.rglob("*.*")} for top in (root, tmp_path / name)
        )
        assert one == other, name
    assert layouts.DEFAULT in LAYOUTS
