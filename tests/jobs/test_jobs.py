"""Jobs in real processes: one at a time, stopped, killed, resumed, refused; what a folder says is all that is known."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from siamese import disk, lockfile
from siamese.errors import SiameseError
from siamese.jobs import history, request
from siamese.jobs.jobs import Job, Jobs
from siamese.jobs.status import newest
from siamese.workspace import Workspace
from tests.conftest import ROOT
from tests.jobs.conftest import LONG, SHORT, tiny, until


def saves(job: Job, step: int) -> bool:
    found = newest(job.folder)
    return found is not None and found[1] >= step


def process(job: Job, who: str) -> int:
    return request.read_json(job.folder / "process.json")[who]["pid"]


def test_one_at_a_time_killed_and_resumed(jobs: Jobs, small_dataset: Path) -> None:
    first = jobs.submit("train", tiny(small_dataset, *LONG), "First try!", owner="anna")
    second = jobs.submit("train", tiny(small_dataset, "--set", "sise=64"), "Second")
    third = jobs.submit("train", tiny(small_dataset), "Third")
    assert [job.name for job in jobs.list()] == ["Third", "Second", "First try!"]
    assert first.id.endswith("_train_first-try") and jobs.find(first.id).owner == "anna"
    third.cancel()
    until(third, lambda: third.status().state == "stopped")
    assert third.status().reason == "Cancelled before its turn came."
    until(first, lambda: saves(first, 5))
    assert first.status().state == "running"
    assert (second.status().state, second.status().ahead) == ("queued", 1)
    with pytest.raises(SiameseError, match="at work or waiting already"):
        first.resume()
    shown = [e for e in disk.entries(jobs.workspace, "anna") if e.kind == "run"]
    assert {e.title for e in shown if e.note == "at work now"} == {first.id, second.id}

    os.kill(process(first, "runner"), signal.SIGKILL)
    assert (first.status().state, second.status().state) == ("running", "queued")  # the child holds the turn
    os.kill(process(first, "child"), signal.SIGKILL)
    until(first, lambda: first.status().state == "interrupted")
    at = newest(first.folder)[1]
    assert f"goes on from step {at} of stage autoencoder" in first.reason
    assert Jobs(jobs.workspace).recover() == []  # half-done work waits for a person
    until(second, lambda: second.status().state == "failed")  # its turn came only now
    assert request.read_json(second.folder / "ended.json")["code"] == 2
    assert "sise is unknown; did you mean 'size'?" in second.reason
    assert not (third.folder / "process.json").exists()  # it never ran

    jobs.find(first.id).resume([f"train_autoencoder.steps={at + 3}"])
    until(first, lambda: first.status().state == "finished")
    seen = history.read(first.folder)
    steps = [step for step, _ in seen.series("autoencoder", "L1")]
    assert steps == list(range(1, steps[-1] + 1)) and steps[-1] >= at + 3
    assert len(seen.sessions) == 2 and seen.done[-1].complete
    assert [path for _, path in seen.saved if path.is_dir()][-1].name == f"autoencoder-{at + 3:07d}"
    assert first.log()[0].count("$ siamese train") == 2
    with pytest.raises(SiameseError, match="finished"):
        jobs.find(first.id).resume()


@pytest.mark.soak  # what it says is in test_failure.py
def test_memory_that_runs_out_names_the_setting(jobs: Jobs, small_dataset: Path) -> None:
    """A layer of 360 GB, refused at once: the job may have 8 GB of addresses."""
    wide = ("--set", "autoencoder.widths=[16,16,100000]")
    words = ["jobs", "submit", "--workspace", str(jobs.workspace.root), "train"]
    subprocess.run(
        [sys.executable, "-m", "siamese", *words, *tiny(small_dataset, *SHORT, *wide)],
        cwd=ROOT,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)),
    )
    [job] = jobs.list()
    until(job, lambda: not job.status().active)
    found = job.status()
    assert found.state == "failed", job.log()[0]
    said = "Memory ran out. Resume with train_autoencoder.accumulate=2 (now 1: batch 8 in smaller parts, same result)"
    assert found.reason.startswith(said)
    assert "train_autoencoder.batch=4 (now 8)" in found.reason
    assert found.cure == ("train_autoencoder.accumulate=2",)


@pytest.mark.soak  # listing one is in test_cluster.py
def test_a_run_from_the_shell_is_listed_stopped_and_can_be_resumed(jobs: Jobs, small_dataset: Path) -> None:
    folder = jobs.workspace.runs / "by hand"
    words = ["train", *tiny(small_dataset, *LONG), "--run", str(folder)]
    shell = subprocess.Popen([sys.executable, "-m", "siamese", *words], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (folder / "process.json").exists():
        assert shell.poll() is None
        time.sleep(0.05)
    job = jobs.find("by hand")
    assert (job.status().state, job.name, job.verb) == ("running", "by hand", "train")
    assert job.arguments == tuple(words)
    job.cancel()
    assert shell.wait() == 130
    assert job.status().state == "stopped"
    job.cancel()  # nothing happens
    assert request.read(folder).arguments[-1] == "{run}"  # a workspace may be moved


def test_waiting_jobs_are_queued_again_after_a_restart(jobs: Jobs) -> None:
    """Two that waited when the computer went off, one that was cancelled, one that had begun."""
    names = []
    for k, name in enumerate(("one", "two", "cancelled", "begun")):
        folder = jobs.workspace.runs / name
        folder.mkdir()
        request.make("train", ["nowhere.toml", "--data", "x"], name).write(folder)
        names.append(jobs.find(name))
        if k >= 2:
            (folder / ("cancel" if name == "cancelled" else "process.json")).touch()
    one, two, cancelled, begun = names
    assert one.status().state == "interrupted" and "before its turn came" in one.reason
    one.cancel()
    assert one.status().state == "stopped"
    assert [job.id for job in jobs.recover()] == ["two"]
    until(two, lambda: two.status().state == "failed")
    assert "No recipe at nowhere.toml" in two.reason
    assert cancelled.status().state == "stopped" and begun.status().state == "interrupted"


def test_what_is_no_job_is_no_job(jobs: Jobs, tmp_path: Path) -> None:
    runs, outside = jobs.workspace.runs, tmp_path / "outside"
    outside.mkdir()
    request.make("train", ["x.toml"], "outside").write(outside)
    (runs / "link").symlink_to(outside)
    (runs / "empty").mkdir()
    (runs / "a file").write_text("x")
    bad = {
        "half": '{"verb": "train", "argum',
        "list": "[1, 2]",
        "deep": "[" * 100000,
        "verb": json.dumps({"verb": "rm", "arguments": ["rm", "-rf"], "name": "x"}),
        "words": json.dumps({"verb": "train", "arguments": [["train"]], "name": "x"}),
        "lane": json.dumps({"verb": "train", "arguments": ["train"], "name": "x", "lane": "../../x"}),
        "other": json.dumps({"verb": "train", "arguments": ["sample"], "name": "x"}),
    }
    for name, text in bad.items():
        (runs / name).mkdir()
        (runs / name / "request.json").write_text(text)
    assert jobs.list() == []
    for name in ("link", "..", ".", "", "../outside", "half", "a/b", "nul\x00", "a" * 300, ".lane-gpu.lock"):
        with pytest.raises(SiameseError, match="not there any more"):
            jobs.find(name)
    (runs / "half" / "recipe.json").write_text("also half")
    (runs / "half" / "ended.json").write_text('{"state": "dancing", "reason": 7}')
    (runs / "half" / "process.json").write_text('{"child": {"pid": 1, "started": "x"}}')
    job = jobs.find("half")
    assert job.status().state == "interrupted" and job.log() == ("", 0)
    job.cancel(force=True)
    with pytest.raises(SiameseError, match="not known here"):
        job.resume()


def test_bad_requests_leave_nothing(jobs: Jobs) -> None:
    with pytest.raises(SiameseError, match="No job can 'rm'; choose one of: train, evaluate, sample"):
        jobs.submit("rm", ["-rf"], "x")
    with pytest.raises(SiameseError, match="leave --run /tmp out"):
        jobs.submit("train", ["x.toml", "--run", "/tmp"], "x")
    with pytest.raises(SiameseError, match="plain file name"):
        jobs.submit("train", ["x.toml"], "x", files={"../x": b""})
    assert list(jobs.workspace.runs.iterdir()) == []


def test_the_command_line(jobs: Jobs, small_dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from siamese.__main__ import app

    def say(*words: str) -> str:
        app(["jobs", *words, "--workspace", str(jobs.workspace.root)], standalone_mode=False)
        return capsys.readouterr().out.strip()

    where = ["--workspace", str(jobs.workspace.root)]
    app(
        ["jobs", "submit", "--name", "By word", *where, "sample", "--mask", "nowhere.png"],
        standalone_mode=False,
    )
    id = capsys.readouterr().out.strip()
    job = jobs.find(id)
    until(job, lambda: not job.status().active)
    assert job.arguments == ("sample", "--mask", "nowhere.png", "--out", str(job.folder / "pictures"))
    assert "nowhere.png" in say("log", id, "--follow")
    assert say("list").startswith(f"{id}  failed: ")
    facts = json.loads(say("status", id, "--json"))
    assert facts["state"] == "failed" and facts["name"] == "By word"
    assert say("recover") == ""
    say("cancel", id)
    assert say("status", id).startswith("failed: ")


def test_a_lock_that_is_looked_at_can_be_taken(tmp_path: Path) -> None:
    with lockfile.take(tmp_path, lockfile.RUNNER) as lock:
        assert lock and lockfile.held(tmp_path) and lockfile.take(tmp_path, lockfile.RUNNER) is None
        assert not lockfile.held(tmp_path, lockfile.NAME)
    assert not lockfile.held(tmp_path)


def test_a_log_is_read_in_pieces(jobs: Jobs) -> None:
    folder = jobs.workspace.runs / "a"
    folder.mkdir()
    (folder / "recipe.json").write_text("{}")
    (folder / "log.txt").write_text("één\n\x1b[1mtwo\x1b[0m\nthree\n")
    job = Jobs(Workspace(jobs.workspace.root)).find("a")
    pieces, offset = [], 0
    while (found := job.log(offset, most=16))[0]:
        pieces.append(found[0])
        offset = found[1]
    assert "".join(pieces) == "één\ntwo\nthree\n" and len(pieces) == 3
    assert job.log(-1, most=6)[0] == "three\n"
    assert job.log(10**9)[0].startswith("één")
