"""A workspace whose jobs are ended after the test, whatever it left running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from siamese.jobs.jobs import Job, Jobs
from siamese.workspace import Workspace
from tests.conftest import TINY

SHORT = ("--precision", "fp32", "--set", 'stages=["autoencoder"]')
LONG = (*SHORT, "--set", "train_autoencoder.steps=1000000", "--set", "train_autoencoder.checkpoint_every=5")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    found = Jobs(Workspace(tmp_path / "workspace"))
    yield found
    for job in found.list():
        job.cancel(force=True)
        while job.status().active:
            time.sleep(0.05)


def tiny(dataset: Path, *more: str) -> list[str]:
    """Arguments of a training of the tiny model."""
    return [str(TINY), "--data", str(dataset), *more]


def until(job: Job, seen: Callable[[], object]) -> None:
    """Wait until something is seen, at most until the job is over."""
    while not seen():
        if not job.status().active:
            assert seen(), f"{job.id}: {job.status()}\n{job.log()[0]}"
        time.sleep(0.05)
