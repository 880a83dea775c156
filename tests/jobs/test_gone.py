"""What a job needs is gone: its own folder, the folder it was begun from, a system that starts it. It says so."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from siamese import recipe
from siamese.errors import MachineError
from siamese.events import Scalars
from siamese.jobs import processes, request
from siamese.jobs.jobs import Jobs
from siamese.jobs.status import newest
from siamese.tasks.train import TrainRequest, train
from tests.conftest import TINY
from tests.jobs.conftest import LONG, tiny, until


def test_folders_that_are_moved_or_deleted(jobs: Jobs, small_dataset: Path) -> None:
    """One at work is moved, one that waits is moved, one that waits is deleted; the last one's turn comes."""
    runs = jobs.workspace.runs
    work = jobs.submit("train", tiny(small_dataset, *LONG), "work")
    waits = jobs.submit("train", tiny(small_dataset, *LONG), "waits")
    deleted = jobs.submit("train", tiny(small_dataset, *LONG), "deleted")
    last = jobs.submit("train", tiny(small_dataset, "--set", "sise=64"), "last")
    until(work, lambda: newest(work.folder))
    child = request.read_json(work.folder / "process.json")["child"]
    shutil.rmtree(deleted.folder)
    for job in (waits, work):
        job.folder.rename(runs / f"moved {job.name}")
    until(last, lambda: last.status().state == "failed")
    assert "sise is unknown" in last.reason
    for name, when in (("moved work", "while it worked"), ("moved waits", "before its turn came")):
        moved = jobs.find(name)
        until(moved, lambda moved=moved: moved.status().state == "failed")
        assert moved.reason.startswith(f"Its folder was moved or deleted {when}"), moved.reason
        assert moved.status().resumable
    assert not processes.alive(child)
    assert {path.name for path in runs.iterdir() if path.is_dir()} == {last.id, "moved work", "moved waits"}


def test_the_folder_it_was_begun_from(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone when the job is submitted; and, of another job, when its turn comes."""
    begun_from = tmp_path / "begun from"
    begun_from.mkdir()
    monkeypatch.chdir(begun_from)
    begun_from.rmdir()
    job = jobs.submit("train", ["mine.toml", "--data", "x"], "at once")
    until(job, lambda: job.status().state == "failed")
    assert job.reason.startswith(
        "The folder that it was begun from is gone, and relative paths with it; submit it"
    )
    assert "No recipe at mine.toml" in job.reason

    monkeypatch.chdir(tmp_path)
    later = jobs.workspace.runs / "later"
    later.mkdir()
    asked = request.make("train", ["mine.toml", "--data", "x"], "later")
    dataclasses.replace(asked, cwd=str(begun_from)).write(later)
    [job] = jobs.recover()
    until(job, lambda: job.status().state == "failed")
    assert f"begun from ({begun_from}) is gone" in job.reason


def test_a_job_that_the_system_does_not_start(jobs: Jobs) -> None:
    job = jobs.submit("train", ["x" * 200_000], "too long for an argument")
    until(job, lambda: job.status().state == "failed")
    assert job.reason == "It could not be started (Argument list too long); mend that, then resume."


def test_a_training_does_not_make_its_folder_again(small_dataset: Path, tmp_path: Path) -> None:
    settings = recipe.read(TINY, ['stages=["segmenter"]', "train_segmenter.checkpoint_every=4"])
    run = tmp_path / "run"
    with pytest.raises(
        MachineError, match=r"run was moved or deleted while it trained; train again, with --run"
    ):
        for event in train(TrainRequest(settings, (small_dataset,), run, precision="fp32")):
            if isinstance(event, Scalars) and event.step == 2:
                shutil.rmtree(run)
    assert not run.exists()
