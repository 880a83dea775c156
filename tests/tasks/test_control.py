"""The control arm: real pictures through the autoencoder, with masks that still fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamese.errors import DatasetError, StudyError
from siamese.events import Progress, Saved
from siamese.study.arms import pools
from siamese.study.design import Arm, Design
from siamese.study.trained import seen_by_generators
from siamese.tasks.control import control


def test_a_control_arm_is_grouped_with_the_real_pictures_it_was_made_of(
    small_dataset, tiny_checkpoint, tmp_path
):
    shutil.copytree(small_dataset, tmp_path / "real")
    (tmp_path / "real" / "test.txt").write_text("case001\ncase004\n")
    events = list(control(str(tiny_checkpoint), tmp_path / "real", "test", tmp_path / "out"))
    assert isinstance(events[-1], Saved) and sum(isinstance(event, Progress) for event in events) == 2
    assert {path.stem for path in (tmp_path / "out" / "images").iterdir()} == {"case001", "case004"}
    arms = (
        Arm(name="real", kind="real", source=str(tmp_path / "real"), split="test"),
        Arm(name="through", kind="control", source=str(tmp_path / "out")),
    )
    design = Design(arms=arms)
    found = pools(design)
    assert sorted(p.group for p in found["real"]) == sorted(p.group for p in found["through"])
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert [line["image"] for line in lines] == ["images/case001.png", "images/case004.png"]
    for stem in ("case001", "case004"):
        real = cv2.imread(str(small_dataset / "images" / f"{stem}.png"))
        through = cv2.imread(str(tmp_path / "out" / "images" / f"{stem}.png"))
        small = cv2.resize(real, through.shape[1::-1], interpolation=cv2.INTER_AREA)
        other = cv2.resize(cv2.imread(str(small_dataset / "images" / "case007.png")), through.shape[1::-1])
        assert np.abs(through.astype(int) - small).mean() < np.abs(through.astype(int) - other).mean()
        assert np.abs(through.astype(int) - small).mean() > 0.5  # it went through
    trained = arms[1].model_copy(update={"checkpoint": str(tiny_checkpoint)})
    seen, _ = seen_by_generators(Design(arms=(arms[0], trained)))
    assert seen.has(
        cv2.cvtColor(cv2.imread(str(small_dataset / "images" / "case001.png")), cv2.COLOR_BGR2RGB)
    )


def test_a_list_that_is_not_there_is_said_before_anything_is_loaded(small_dataset, tmp_path):
    with pytest.raises(StudyError, match="val.txt is missing"):
        list(control("nowhere", Path(small_dataset), "val", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_damaged_picture_is_named(tiny_checkpoint, tmp_path):
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="broken.png"):
        list(control(str(tiny_checkpoint), tmp_path / "alone", "", tmp_path / "out"))
