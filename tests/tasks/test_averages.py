"""Averaged weights: a second copy only where there is something to average, and counted so by the dry run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from siamese import recipe
from siamese.tasks import rehearsal
from siamese.tasks.loop import Loop
from siamese.tasks.memory import memory_of, saved_bytes
from siamese.tasks.run import RunFolder
from siamese.tasks.train import TrainRequest
from tests.conftest import TINY
from tests.tasks.resumed import goes_on, saved, trained

ONE = ('stages=["segmenter"]', "train_segmenter.steps=6", "train_segmenter.checkpoint_every=1000")
NONE = (*ONE, "train_segmenter.ema=0")
SOME = (*ONE, "train_segmenter.ema=0.5")


def request(run: Path, dataset: Path, *settings: str) -> TrainRequest:
    return TrainRequest(recipe.read(TINY, settings), (dataset,), run, precision="fp32")


@pytest.mark.parametrize("settings", [NONE, SOME])
def test_the_copy_is_as_large_as_the_dry_run_says(settings: tuple[str, ...], tmp_path: Path) -> None:
    tiny = recipe.read(TINY, settings)
    found, run = rehearsal.cast(tiny, "segmenter", torch.device("cpu"), None), RunFolder(tmp_path)
    planned, counted = memory_of(tiny, None), rehearsal._Alive()
    with counted:
        there = [value.detach() for value in found.whole.parameters()]
        assert counted.bytes == planned.weights
        loop = Loop("segmenter", found.task.bench, run, found.task, found.whole, None, lambda: False)
        standing = planned.weights + planned.averages
        assert counted.bytes == standing
        loop.step = 1
        loop._save()
    assert counted.peak - standing < planned.weights / 2  # no copy of all while it saves
    assert planned.averages == (0 if settings == NONE else sum(value.nbytes for value in there))
    on_disk = sum(value.nbytes for part in saved(tmp_path, "segmenter", 1) for value in part.values())
    assert on_disk == saved_bytes(tiny, "segmenter") - planned.optimizer  # it has made no step yet


def test_without_averages_a_resumed_run_is_the_unbroken_one(small_dataset: Path, tmp_path: Path) -> None:
    whole, half = (request(tmp_path / name, small_dataset, *NONE) for name in ("whole", "half"))
    trained(half, until=3)
    model, state = saved(half.run, "segmenter", 3)
    assert not [name for name in state if name.startswith("averaged.")]
    assert all(
        torch.equal(model[name.removeprefix("weight.")], value)
        for name, value in state.items()
        if name.startswith("weight.")
    )
    older = {
        f"averaged.{name.removeprefix('weight.')}": torch.full_like(value, 7.0)
        for name, value in state.items()
        if name.startswith("weight.")
    }
    save_file(state | older, half.run / "checkpoints" / "segmenter-0000003" / "state.safetensors")
    goes_on(whole, half, at=3, rel=1e-4, atol=1e-5)


def test_averages_may_begin_and_end_with_a_resume(small_dataset: Path, tmp_path: Path) -> None:
    without, averaged = (request(tmp_path, small_dataset, *settings) for settings in (NONE, SOME))
    trained(without, until=2)
    trained(averaged, until=4)
    model, state = saved(tmp_path, "segmenter", 4)
    names = [name.removeprefix("weight.") for name in state if name.startswith("weight.")]
    assert all(torch.equal(model[name], state[f"averaged.{name}"]) for name in names)
    assert any(not torch.equal(model[name], state[f"weight.{name}"]) for name in names)
    trained(without, until=5)
    model, state = saved(tmp_path, "segmenter", 5)
    assert all(torch.equal(model[name], state[f"weight.{name}"]) for name in names)
    assert not any(name.startswith("averaged.") for name in state)
