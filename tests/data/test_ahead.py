"""What is made ahead, by a thread or by processes, is what would be made in turn; nothing of it is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from siamese.data import ahead as module
from siamese.data.ahead import ahead
from tests.conftest import ROOT


def square(item: int) -> dict[str, torch.Tensor]:
    return {"x": torch.full((3, 4), float(item**2)), "process": torch.tensor(os.getpid())}


def squares(made) -> list[float]:  # noqa: ANN001
    return [one["x"][0, 0].item() for one in made]


@pytest.mark.parametrize("processes", [0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_all_are_made_in_order(processes: int, count: int) -> None:
    assert squares(ahead(square, range(count), processes)) == [k**2 for k in range(count)]
    assert not multiprocessing.active_children()


def test_a_thread_is_of_this_process_and_processes_are_others() -> None:
    assert {int(one["process"]) for one in ahead(square, range(5))} == {os.getpid()}
    both = multiprocessing.get_context("fork").Barrier(2)

    def together(item: int) -> dict[str, torch.Tensor]:
        if item:
            both.wait(60)  # one alone, however quick, does not get past it
        return square(item)

    first, *others = (int(one["process"]) for one in ahead(together, range(7), 2))
    assert first == os.getpid() and len(set(others)) == 2 and first not in others


@pytest.mark.parametrize("processes", [0, 2])
def test_who_stops_early_leaves_nothing_behind(processes: int) -> None:
    made = ahead(square, range(1000), processes)
    assert [next(made)["x"][0, 0].item() for _ in range(3)] == [0, 1, 4]
    made.close()
    assert not multiprocessing.active_children()


def test_the_global_random_numbers_are_left_alone() -> None:
    before = torch.get_rng_state()
    squares(ahead(square, range(4), 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_without_room_in_shared_memory_a_thread_makes_them(monkeypatch, tmp_path: Path) -> None:  # noqa: ANN001
    monkeypatch.setattr(module, "SHARED_MEMORY", tmp_path / "none")
    assert {int(one["process"]) for one in ahead(square, range(5), 2)} == {os.getpid()}
    assert module.idle_cores() == 0


def test_room_is_for_what_is_handed_over(monkeypatch, tmp_path: Path) -> None:  # noqa: ANN001
    monkeypatch.setattr(module, "SHARED_MEMORY", tmp_path)  # a disk, whose room we can ask for
    large = {"x": torch.empty(2**44, dtype=torch.uint8, device="meta")}
    assert module._room(large) == 0 < module._room(square(1))


@pytest.mark.parametrize("processes", [0, 2])
def test_what_fails_there_fails_here(processes: int) -> None:
    def third(item: int) -> dict[str, torch.Tensor]:
        if item == 3:
            raise ValueError("no third")
        return square(item)

    made = ahead(third, range(9), processes)
    assert [next(made)["x"][0, 0].item() for _ in range(3)] == [0, 1, 4]
    with pytest.raises(ValueError, match="no third"):
        next(made)
    assert not multiprocessing.active_children()


def ended(item: int) -> dict[str, torch.Tensor]:
    """The square, but a forked process does not survive the fourth."""
    if item == 3 and multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGTERM)
    return square(item)


def test_when_a_process_is_ended_from_outside_the_rest_is_made_here(caplog) -> None:  # noqa: ANN001
    made = list(ahead(ended, range(9), 2))
    assert squares(made) == [k**2 for k in range(9)]
    assert int(made[-1]["process"]) == os.getpid() and "ended from outside" in caplog.text
    assert not multiprocessing.active_children()


def test_ctrl_c_is_for_the_process_that_asks() -> None:
    def interrupted(item: int) -> dict[str, torch.Tensor]:
        if item:
            os.kill(os.getpid(), signal.SIGINT)
        return square(item)

    first, *others = ahead(interrupted, range(4), 2)
    assert squares([first, *others]) == [0, 1, 4, 9]
    assert os.getpid() not in {int(one["process"]) for one in others}


def test_they_end_with_the_process_that_asks(tmp_path: Path) -> None:
    """Killed, it can tell them nothing; left over, they would hold on to its GPU."""
    note = tmp_path / "processes"
    script = f"""
import os, signal, torch
from siamese.data.ahead import ahead
made = ahead(lambda item: {{"process": torch.tensor(os.getpid())}}, range(9), 2)
found = {{int(next(made)["process"]) for _ in range(8)}} - {{os.getpid()}}
open({str(note)!r}, "w").write(" ".join(map(str, found)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    left, end = note.read_text().split(), time.monotonic() + 60
    assert left
    while any(_running(pid) for pid in left):
        assert time.monotonic() < end, "left over"
        time.sleep(0.05)


def _running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_cores_are_shared_under_torchrun(monkeypatch) -> None:  # noqa: ANN001
    cores = len(os.sched_getaffinity(0))
    assert module.idle_cores() == min(module.MOST, cores - 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(cores))
    assert module.idle_cores() == 0
