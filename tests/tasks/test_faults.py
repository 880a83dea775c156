"""Training and the world: killed at any moment, data that changed, half a run. Nothing that was saved is lost."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import cv2
import pytest

from siamese import recipe
from siamese.events import Notice
from siamese.tasks.record import recorded
from siamese.tasks.train import TrainRequest, train
from tests.conftest import TINY
from tests.tasks.test_train import losses, start

ONE_STAGE = ('stages=["base"]', "train_base.steps=6")


def lines(run: Path) -> int:
    file = run / "events.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def killed_and_resumed(kills: int, seed: int, dataset: Path, unbroken: list, run: Path) -> None:
    """Kill -9 after a random number of events of each call, resume, compare every loss with the unbroken run's."""
    draw = random.Random(seed)
    for _ in range(kills):
        process = start(dataset, run)
        wanted = lines(run) + draw.randrange(2, 160)
        while lines(run) < wanted and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    list(recorded(train(TrainRequest(recipe.read(TINY), (dataset,), run, precision="fp32")), run))
    steps: dict[str, set[int]] = {}
    for text in (run / "events.jsonl").read_text("utf-8").splitlines():
        with suppress(ValueError):  # a line that a kill cut short
            line = json.loads(text)
            if line["event"] == "Scalars":
                expected = losses(unbroken, line["stage"])[line["step"]]
                assert line["values"] == pytest.approx(expected, rel=1e-4), (line["stage"], line["step"])
                steps.setdefault(line["stage"], set()).add(line["step"])
    assert {stage: len(found) for stage, found in steps.items()} == {
        "autoencoder": 40,
        "base": 40,
        "siamese": 40,
        "segmenter": 20,
    }
    for stage, last in (("siamese", 40), ("segmenter", 20)):
        assert (run / "checkpoints" / f"{stage}-{last:07d}" / "model.safetensors").is_file()


@pytest.mark.parametrize("seed", [1])
def test_killed_and_resumed_equals_unbroken(
    seed: int, small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    killed_and_resumed(1, seed, small_dataset, tiny_run[1], tmp_path / "run")


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_killed_twenty_times_and_resumed_equals_unbroken(
    seed: int, small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    killed_and_resumed(5, seed, small_dataset, tiny_run[1], tmp_path / "run")


def test_changed_data_is_said_at_the_next_call(
    small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    dataset, run = tmp_path / "drawn", tmp_path / "run"
    shutil.copytree(small_dataset, dataset)

    def call(steps: int) -> list[str]:
        settings = recipe.read(TINY, (*ONE_STAGE, f"train_base.steps={steps}"))
        request = TrainRequest(settings, (dataset,), run, start=str(tiny_checkpoint), precision="fp32")
        return [e.text for e in train(request) if isinstance(e, Notice)]

    assert not any("data changed" in text for text in call(6))
    images = sorted((dataset / "images").iterdir())
    picture = cv2.imread(str(images[0]))
    picture[-30:-10, 20:50] = 255
    cv2.imwrite(str(images[0]), picture)
    images[1].unlink()
    next((dataset / "masks").glob(f"{images[1].stem}.*")).unlink()
    said = [text for text in call(6) if "data changed" in text]
    assert len(said) == 1
    assert "1 gone, 1 changed" in said[0]
    assert images[0].stem in said[0]
    assert not any("data changed" in text for text in call(6))  # said once
