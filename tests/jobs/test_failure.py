"""Why a job failed: what the command line, torch and the system really say becomes a sentence with a cure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from siamese import recipe
from siamese.jobs import request
from siamese.jobs.failure import Failure, explain
from tests.conftest import ROOT, TINY

CUDA = (
    "Traceback (most recent call last):\n  File x\n"
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.5 GiB\n"
)
CPU = "RuntimeError: [enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried ...\n"


def failed(folder: Path, code: int, said: str, verb: str = "train", processes: int = 1) -> Failure:
    return explain(folder, request.make(verb, ["x"], "x", processes=processes), code, said)


def at(folder: Path, stage: str, *changes: str) -> None:
    settings = recipe.read(TINY, changes)
    (folder / "recipe.json").write_text(settings.json())
    line = {"event": "Progress", "time": 1.0, "stage": stage, "step": 3, "total": 40}
    (folder / "events.jsonl").write_text(json.dumps(line) + "\n")


@pytest.mark.parametrize(
    ("code", "said"), [(1, CUDA), (1, CPU), (1, "MemoryError\n"), (-9, "siamese 3/40\n"), (137, "")]
)
def test_memory(tmp_path: Path, code: int, said: str) -> None:
    at(tmp_path, "siamese", "train_siamese.batch=12", "train_siamese.accumulate=2")
    found = failed(tmp_path, code, said)
    assert "memory ran out" in found.reason.lower() and "The last save stays." in found.reason
    assert "train_siamese.accumulate=3 (now 2: batch 12 in smaller parts, same result)" in found.reason
    assert "compute.gradient_checkpointing=true (now false: about a third slower)" in found.reason
    assert "train_siamese.batch=6 (now 12)" in found.reason
    assert found.cure == ("train_siamese.accumulate=3",)
    assert recipe.read(TINY, found.cure).train_siamese.accumulate == 3


def test_memory_where_little_is_left_to_lower(tmp_path: Path) -> None:
    at(tmp_path, "segmenter", "train_segmenter.batch=1", "size=128")
    found = failed(tmp_path, 1, CUDA)
    assert "size=64 (now 128; needs a new run)" in found.reason and found.cure == ()
    (tmp_path / "recipe.json").write_text("{")
    assert "lower batch or size" in failed(tmp_path, 1, CUDA).reason
    assert "a smaller --batch" in failed(tmp_path, 1, CUDA, verb="sample").reason


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (
            ["train", "nowhere.toml", "--data", "x", "--run", "y"],
            "No recipe at nowhere.toml; shipped ones lie in",
        ),
        (["train", "--nonsense"], "No such option: --nonsense"),
        (["sample", "--mask", "nowhere.png"], "Missing option '--out'."),
    ],
)
def test_a_refusal_is_the_command_lines_own_sentence(words: list[str], wanted: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "siamese", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    found = failed(tmp_path, 2, "siamese 3/40 1.2/s\n" + run.stdout + run.stderr).reason
    assert found.startswith(wanted) and "│" not in found and "Usage" not in found


def test_other_ends(tmp_path: Path) -> None:
    problems = "old line\n/data: 2 problems found.\n  - a.png has no mask.\n  - b.png has no mask.\n"
    assert (
        failed(tmp_path, 2, problems).reason
        == "/data: 2 problems found. - a.png has no mask. - b.png has no mask."
    )
    full = "Traceback (most recent call last):\nOSError: [Errno 28] No space left on device\n"
    assert failed(tmp_path, 1, full).reason.startswith("The disk is full; free some space")
    bug = "Traceback (most recent call last):\n  File x\nZeroDivisionError: division by zero\n"
    found = failed(tmp_path, 1, bug).reason
    assert found.startswith("ZeroDivisionError: division by zero") and str(tmp_path / "log.txt") in found
    assert "signal 11 (SIGSEGV)" in failed(tmp_path, -11, "").reason
    assert failed(tmp_path, 2, "").reason == "Refused without a word."
    line = {"event": "Failed", "time": 1.0, "text": "The data is gone."}
    (tmp_path / "events.jsonl").write_text(json.dumps(line) + "\n")
    assert failed(tmp_path, 1, "torchrun's own words\n", processes=2).reason == "The data is gone."
