"""Several processes, or several parts, compute what one does with the same batch."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from siamese import recipe
from siamese.events import Done, Progress, Scalars
from siamese.tasks.train import TrainRequest, train
from tests.conftest import ROOT, TINY

STEPS = 5
SETTINGS = [
    'stages=["base","siamese"]',
    f"train_base.steps={STEPS}",
    f"train_siamese.steps={STEPS}",
    "train_base.ema=0.5",
    "train_siamese.ema=0.5",
]


def request(run: Path, dataset: Path, start: Path, *more: str) -> TrainRequest:
    settings = recipe.read(TINY, (*SETTINGS, *more))
    return TrainRequest(settings, (dataset,), run, start=str(start), device="cpu", precision="fp32")


def alone_here(given: TrainRequest) -> dict[str, dict[int, dict]]:
    """Losses of each stage and step of a training in this process."""
    found: dict[str, dict[int, dict]] = {}
    for event in train(given):
        if isinstance(event, Scalars):
            found.setdefault(event.stage, {})[event.step] = event.values
    return found


def two_processes(run: Path, dataset: Path, start: Path) -> dict[str, dict[int, dict]]:
    """Losses of each stage and step, from the run's own record."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "--",
    ]
    command += ["siamese", "train", str(TINY), "--data", str(dataset), "--run", str(run)]
    command += ["--start", str(start), "--precision", "fp32", "--device", "cpu"]
    for setting in SETTINGS:
        command += ["--set", setting]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    losses: dict[str, dict[int, dict]] = {}
    for line in (run / "events.jsonl").read_text("utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "Scalars":
            assert event["step"] not in losses.get(event["stage"], {}), "two processes wrote the same step"
            losses.setdefault(event["stage"], {})[event["step"]] = event["values"]
    return losses


@pytest.fixture(scope="module")
def alone(small_dataset: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory):
    run = tmp_path_factory.mktemp("alone")
    return run, alone_here(request(run, small_dataset, tiny_checkpoint))


def same(found: dict[str, dict[int, dict]], wanted: dict[str, dict[int, dict]]) -> None:
    assert found.keys() == wanted.keys() == {"base", "siamese"}
    for stage, steps in wanted.items():
        assert found[stage].keys() == steps.keys() == set(range(1, STEPS + 1))
        for step, values in steps.items():
            assert found[stage][step].keys() == values.keys(), (stage, step)
            for name, value in values.items():
                assert found[stage][step][name] == pytest.approx(value, rel=1e-5, abs=1e-5), (
                    stage,
                    step,
                    name,
                )


def test_two_processes_compute_what_one_does(
    alone, small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:  # noqa: ANN001
    run, wanted = alone
    same(two_processes(tmp_path, small_dataset, tiny_checkpoint), wanted)
    last = f"checkpoints/siamese-{STEPS:07d}/model.safetensors"
    ours, theirs = load_file(tmp_path / last), load_file(run / last)
    assert ours.keys() == theirs.keys()
    assert all(abs(ours[name].double() - theirs[name].double()).max() < 1e-4 for name in ours)


def test_a_step_in_parts_computes_what_one_does(
    alone, small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:  # noqa: ANN001
    parts = ("train_base.accumulate=2", "train_siamese.accumulate=4")
    parts += ("compute.gradient_checkpointing=true", "compute.channels_last=true")
    same(alone_here(request(tmp_path, small_dataset, tiny_checkpoint, *parts)), alone[1])


def test_batches_made_by_other_processes_are_the_same(
    alone, small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:  # noqa: ANN001
    found = alone_here(request(tmp_path, small_dataset, tiny_checkpoint, "compute.workers=2"))
    assert found == alone[1]
    assert not multiprocessing.active_children()


def test_so_are_those_of_the_detail(small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Its guides come from the autoencoder, which other processes cannot ask on a GPU: they are made before."""
    words = ('stages=["autoencoder"]', "autoencoder.detail=[8,8]", "train_autoencoder.trains=detail")
    words += ("train_autoencoder.steps=4", "train_autoencoder.crop=32")
    run = [
        request(tmp_path / str(workers), small_dataset, tiny_checkpoint, *words, f"compute.workers={workers}")
        for workers in (0, 2)
    ]
    in_turn, ahead = (alone_here(one) for one in run)
    assert in_turn == ahead and in_turn["autoencoder"].keys() == set(range(1, 5))


def test_a_stop_while_guides_are_made_is_heard(
    small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    words = ('stages=["autoencoder"]', "autoencoder.detail=[8,8]", "train_autoencoder.trains=detail")
    asked = request(tmp_path, small_dataset, tiny_checkpoint, *words, "compute.workers=2")
    seen = []
    for event in train(asked):
        seen.append(event)
        if isinstance(event, Progress):
            (tmp_path / "cancel").touch()
    assert isinstance(seen[-1], Done) and not seen[-1].complete
    assert [(e.stage, e.step) for e in seen if isinstance(e, Progress)] == [("encoding pictures", 1)]


@pytest.mark.soak
def test_compiled_blocks_compute_the_same(small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The base stage alone: compiling for the processor takes minutes."""
    short = ('stages=["base"]', "train_base.steps=2")
    plain = alone_here(request(tmp_path / "plain", small_dataset, tiny_checkpoint, *short))
    compiled = alone_here(
        request(tmp_path / "compiled", small_dataset, tiny_checkpoint, *short, "compute.compile=true")
    )
    for step, values in plain["base"].items():
        assert compiled["base"][step] == pytest.approx(values, rel=1e-4)
