"""A training that is ended at a step and goes on: it must become what the unbroken one is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from siamese.events import Scalars
from siamese.tasks.train import TrainRequest, train
from tests.tasks.test_train import losses


def trained(request: TrainRequest, until: int | None = None) -> list:
    """Events of a training, closed after step `until`."""
    found = []
    with closing(train(request)) as events:
        for event in events:
            found.append(event)
            if isinstance(event, Scalars) and event.step == until:
                break
    return found


def saved(run: Path, stage: str, step: int) -> tuple[dict, dict]:
    """Model and state of a checkpoint."""
    folder = run / "checkpoints" / f"{stage}-{step:07d}"
    return load_file(folder / "model.safetensors"), load_file(folder / "state.safetensors")


def goes_on(whole: TrainRequest, half: TrainRequest, at: int, rel: float, atol: float) -> tuple[dict, list]:
    """`half`, ended at step `at`, has the losses and the weights of `whole`, which nobody ends.

    Returns:
        The losses of each step of `whole`; the events of `half` to its end.
    """
    (stage,) = whole.recipe.stages
    unbroken, events = losses(trained(whole), stage), trained(half)
    rest = losses(events, stage)
    last = max(unbroken)
    assert unbroken.keys() == set(range(1, last + 1))
    assert rest == {step: pytest.approx(unbroken[step], rel=rel) for step in range(at + 1, last + 1)}
    one, other = (
        load_file(request.run / "checkpoints" / f"{stage}-{last:07d}" / "model.safetensors")
        for request in (whole, half)
    )
    assert one.keys() == other.keys()
    assert all(torch.allclose(value, other[name], atol=atol) for name, value in one.items())
    return unbroken, events
