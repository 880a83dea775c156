"""Averaged weights: a second copy only where there is something to average, and counted so by the dry run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from siamese import recipe
from siamese.events import Scalars
from siamese.tasks import rehearsal
from siamese.tasks.loop import Loop
from siamese.tasks.memory import memory_of, saved_bytes
from siamese.tasks.run import RunFolder
from siamese.tasks.train import TrainRequest, train
from tests.conftest import TINY
from tests.tasks.test_train import losses

ONE = ('stages=["segmenter"]', "train_segmenter.steps=6", "train_segmenter.checkpoint_every=1000")
NONE = (*ONE, "train_segmenter.ema=0")
SOME = (*ONE, "train_segmenter.ema=0.5")


def trained(run: Path, dataset: Path, *settings: str, until: int | None = None) -> list:
    """Events of a training, closed after step `until`."""
    request = TrainRequest(recipe.read(TINY, settings), (dataset,), run, precision="fp32")
    found = []
    with closing(train(request)) as events:
        for event in events:
            found.append(event)
            if isinstance(event, Scalars) and event.step == until:
                break
    return found


def saved(run: Path, step: int) -> tuple[dict, dict]:
    """Model and state of a checkpoint."""
    folder = run / "checkpoints" / f"segmenter-{step:07d}"
    return load_file(folder / "model.safetensors"), load_file(folder / "state.safetensors")


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
    on_disk = sum(value.nbytes for part in saved(tmp_path, 1) for value in part.values())
    assert on_disk == saved_bytes(tiny, "segmenter") - planned.optimizer  # it has made no step yet


def test_without_averages_a_resumed_run_is_the_unbroken_one(small_dataset: Path, tmp_path: Path) -> None:
    whole = losses(trained(tmp_path / "whole", small_dataset, *NONE), "segmenter")
    half = tmp_path / "half"
    trained(half, small_dataset, *NONE, until=3)
    model, state = saved(half, 3)
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
    save_file(state | older, half / "checkpoints" / "segmenter-0000003" / "state.safetensors")
    rest = losses(trained(half, small_dataset, *NONE), "segmenter")
    assert rest == {step: pytest.approx(whole[step], rel=1e-4) for step in (4, 5, 6)}
    ends = [
        load_file(run / "checkpoints" / "segmenter-0000006" / "model.safetensors")
        for run in (half, tmp_path / "whole")
    ]
    assert all(torch.allclose(value, ends[1][name], atol=1e-5) for name, value in ends[0].items())


def test_averages_may_begin_and_end_with_a_resume(small_dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(run, small_dataset, *NONE, until=2)
    trained(run, small_dataset, *SOME, until=4)
    model, state = saved(run, 4)
    names = [name.removeprefix("weight.") for name in state if name.startswith("weight.")]
    assert all(torch.equal(model[name], state[f"averaged.{name}"]) for name in names)
    assert any(not torch.equal(model[name], state[f"weight.{name}"]) for name in names)
    trained(run, small_dataset, *NONE, until=5)
    model, state = saved(run, 5)
    assert all(torch.equal(model[name], state[f"weight.{name}"]) for name in names)
    assert not any(name.startswith("averaged.") for name in state)
