"""Exports read by what is too large for the suite: nnU-Net v2's own integrity check, `datasets`, supervision."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamese.export.layouts import LAYOUTS
from siamese.export.pairs import Options
from tests.export.drawn import labels, pairs, picture

pytestmark = pytest.mark.soak

# Without their dependencies and into a folder of their own: those bring torchvision, which breaks the app's torch.
NNUNET = (
    "nnunetv2>=2.8,<3",
    "batchgenerators>=0.25,<0.26",
    "acvl_utils>=0.2,<0.3",
    "nibabel>=5,<6",
    "SimpleITK>=2.5,<3",
    "blosc2>=3,<5",
    "ndindex>=1.9,<2",
    "msgpack>=1,<2",
    "numexpr>=2.10,<3",
)
CHECK = """
import sys
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
if __name__ == "__main__":
    verify_dataset_integrity(sys.argv[1], 2)
"""


@pytest.fixture(scope="module")
def nnunet(tmp_path_factory) -> dict[str, str]:
    """An environment in which nnU-Net can be imported, with the torch that is here."""
    folder = tmp_path_factory.mktemp("nnunet")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *NNUNET]
    subprocess.run(install, check=True)
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def integrity(root: Path, script: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script.write_text(CHECK)
    return subprocess.run([sys.executable, script, root], env=env, capture_output=True, text=True)


def test_nnunet_finds_its_raw_folder_sound(tmp_path, nnunet):
    LAYOUTS["nnunet"].write(pairs(), tmp_path, Options(title="my first set"))
    (root,) = tmp_path.glob("Dataset*")
    run = integrity(root, tmp_path / "check.py", nnunet)
    assert run.returncode == 0 and "verify_dataset_integrity Done" in run.stdout, run.stdout + run.stderr
    assert "NaturalImage2DIO" in run.stdout and "Error" not in run.stdout
    # The check can fail: 255 in place of 1, a case too few.
    spoilt = shutil.copytree(root, tmp_path / "spoilt" / root.name)
    cv2.imwrite(str(spoilt / "labelsTr/r000001.png"), labels(1) * 255)
    run = integrity(spoilt, tmp_path / "check.py", nnunet)
    assert run.returncode != 0 and "Unexpected labels" in run.stdout
    (spoilt / "imagesTr/r000001_0000.png").unlink()
    assert "expected number of training cases" in integrity(spoilt, tmp_path / "check.py", nnunet).stderr


def test_nnunet_takes_the_split_as_its_own(tmp_path, nnunet):
    """Its trainer reads splits_final.json from the preprocessed folder; every case of it must be a training case."""
    LAYOUTS["nnunet"].write(pairs(), tmp_path, Options())
    (root,) = tmp_path.glob("Dataset*")
    code = (
        "import json, sys\nfrom nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets as names\n"
        "print('CASES', json.dumps(sorted(names(sys.argv[1]))))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, root], env=nnunet, capture_output=True, text=True, check=True
    )
    cases = json.loads(run.stdout.split("CASES ")[1])
    (fold,) = json.loads((root / "splits_final.json").read_text())
    assert sorted(fold["train"] + fold["val"]) == cases and not any(
        name.startswith("s") for name in fold["val"]
    )


@pytest.mark.parametrize("name", ["imagefolder", "parquet"])
def test_datasets_loads_pictures_and_masks(tmp_path, monkeypatch, name):
    for key, value in (
        ("HF_HOME", str(tmp_path / "home")),
        ("HF_HUB_OFFLINE", "1"),
        ("HF_DATASETS_OFFLINE", "1"),
    ):
        monkeypatch.setenv(key, value)
    import datasets

    LAYOUTS[name].write(pairs(), tmp_path / name, Options())
    found = datasets.load_dataset(str(tmp_path / name), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 10, "validation": 2, "test": 1}
    for split, rows in found.items():
        assert rows.features["image"] == rows.features["mask"] == datasets.Image()
        for row in rows:
            number = int(row["id"][1:])
            assert (np.asarray(row["image"]) == picture(number)).all()
            assert (np.asarray(row["mask"]) == labels(number) * 255).all()
            assert row["is_synthetic"] is row["id"].startswith("s") and not (
                row["is_synthetic"] and split != "train"
            )
    assert sum(found["train"]["is_synthetic"]) == 6


def test_supervision_reads_yolo_and_coco(tmp_path):
    import supervision

    for name in ("yolo", "coco", "coco-polygons"):
        LAYOUTS[name].write(pairs(), tmp_path / name, Options())
    read = supervision.DetectionDataset
    yolo, exact, polygons = tmp_path / "yolo", tmp_path / "coco", tmp_path / "coco-polygons"
    found = {
        "yolo": read.from_yolo(
            str(yolo / "images/train"), str(yolo / "labels/train"), str(yolo / "data.yaml"), force_masks=True
        ),
        "coco": read.from_coco(
            str(exact / "train"), str(exact / "annotations/instances_train.json"), force_masks=True
        ),
        "coco-polygons": read.from_coco(
            str(polygons / "train"), str(polygons / "annotations/instances_train.json"), force_masks=True
        ),
    }
    for name, dataset in found.items():
        assert dataset.classes == ["lesion"] and len(dataset) == 10
        for path, image, detections in dataset:
            label = labels(int(Path(path).stem[1:]))
            assert image.shape[:2] == label.shape and len(detections) == cv2.connectedComponents(label)[0] - 1
            if not len(detections):
                continue
            union = detections.mask.any(axis=0)
            if name == "coco":
                assert (union == (label > 0)).all()
            else:  # its own drawing of polygons reaches a pixel further; holes are filled
                assert (
                    union[label > 0].all()
                    and not union[cv2.dilate(_filled(label), np.ones((3, 3))) == 0].any()
                )


def _filled(label: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(label, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(label), contours, -1, 1, -1)
