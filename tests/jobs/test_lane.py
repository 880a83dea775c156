"""The lane and trainings that a shell began: they take it where it is free, say who has it, and wait for nobody."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from typer.testing import CliRunner

from siamese import lockfile
from siamese.__main__ import app
from siamese.jobs import request
from siamese.jobs.jobs import Jobs
from tests.conftest import ROOT
from tests.jobs.conftest import LONG, tiny, until

LANE = ".lane-gpu.lock"
TWO_STEPS = ("--precision", "fp32", "--set", 'stages=["segmenter"]', "--set", "train_segmenter.steps=2")


def said_by_a_training(run: Path, dataset: Path) -> str:
    """What a training of two steps prints."""
    found = CliRunner().invoke(app, ["train", *tiny(dataset, *TWO_STEPS), "--run", str(run)])
    assert found.exit_code == 0, found.output
    assert (run / "checkpoints" / "segmenter-0000002" / "model.safetensors").is_file()
    return " ".join(found.output.split())


def test_jobs_wait_for_a_training_of_the_shell(jobs: Jobs, small_dataset: Path) -> None:
    assert jobs.workspace.datasets.is_dir()  # made when it is asked for
    folder = jobs.workspace.runs / "by hand"
    words = ["train", *tiny(small_dataset, *LONG), "--run", str(folder)]
    shell = subprocess.Popen([sys.executable, "-m", "siamese", *words], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not lockfile.held(folder.parent, LANE):
        assert shell.poll() is None
        time.sleep(0.05)
    job = jobs.submit("sample", ["--mask", "nowhere.png"], "waits")
    until(job, lambda: lockfile.held(job.folder, lockfile.RUNNER))
    assert (job.status().state, job.status().ahead) == ("queued", 1)
    jobs.find("by hand").cancel()
    assert shell.wait() == 130
    until(job, lambda: job.status().state == "failed")
    assert "nowhere.png" in job.reason


def test_a_training_of_the_shell_says_who_has_the_lane_and_goes_on(
    jobs: Jobs, small_dataset: Path, tmp_path: Path
) -> None:
    runs = jobs.workspace.runs
    assert jobs.workspace.drafts.is_dir()
    (runs / "first").mkdir()
    request.write_process(runs / "first", 1)
    plain = tmp_path / "runs" / "plain"
    with lockfile.take(runs, LANE), lockfile.take(runs / "first", lockfile.RUNNER):
        said = said_by_a_training(runs / "second", small_dataset)
        assert "first is at work in this workspace already" in said
        assert "python -m siamese jobs submit train" in said
        assert "at work in this workspace" not in said_by_a_training(plain, small_dataset)
        minded = runs / "minded"
        minded.mkdir()
        with lockfile.take(minded, lockfile.RUNNER):  # a job: its runner waited for the turn
            assert "at work in this workspace" not in said_by_a_training(minded, small_dataset)
    assert not (plain.parent / LANE).exists()
    assert "at work in this workspace" not in said_by_a_training(runs / "third", small_dataset)
    assert not lockfile.held(runs, LANE)
