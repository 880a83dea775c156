"""The lane and the tokens, without a page."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from siamese.events import Notice, Preview
from tests.ui.conftest import until
from ui.identity import Identity, IdentityError
from ui.lane import Lane, Waiting


def test_jobs_run_one_after_another_on_one_thread():
    lane, threads = Lane(), []

    def work(name: str) -> Iterator[Notice]:
        for _ in range(3):
            threads.append((name, threading.get_ident()))
            yield Notice(name)

    jobs = [lane.submit(lambda n=n: work(n)) for n in "abc"]
    for name, job in zip("abc", jobs, strict=True):
        told = [e for e in job.events() if not isinstance(e, Waiting)]
        assert told == [Notice(name)] * 3
    assert [name for name, _ in threads] == list("aaabbbccc")
    assert len({thread for _, thread in threads}) == 1


def test_a_stop_ends_the_work_within_one_event_and_closes_it():
    lane, closed, steps = Lane(), threading.Event(), []

    def work() -> Iterator[Notice]:
        try:
            while True:
                steps.append(1)
                yield Notice("step")
        finally:
            closed.set()

    job = lane.submit(work)
    events = job.events()
    next(events)
    job.stop()
    assert closed.wait(10)
    until(lambda: lane.busy == 0, "an empty lane")
    count = len(steps)
    assert list(lane.submit(lambda: iter([Notice("next")])).events()) == [Notice("next")]
    assert len(steps) == count


def test_leaving_the_loop_early_stops_the_work():
    lane, closed = Lane(), threading.Event()

    def work() -> Iterator[Notice]:
        try:
            while True:
                yield Notice("step")
        finally:
            closed.set()

    events = lane.submit(work).events()
    next(events)
    events.close()
    assert closed.wait(10)


def test_who_waits_is_told_how_many_come_first_and_can_give_up():
    lane, go = Lane(), threading.Event()

    def blocked() -> Iterator[Notice]:
        go.wait(30)
        yield Notice("late")

    first = lane.submit(blocked)
    second = lane.submit(lambda: iter([Notice("second")]))
    third = lane.submit(lambda: iter([Notice("third")]))
    waiting = third.events()
    assert next(waiting) == Waiting(2)
    second.stop()
    assert next(waiting) == Waiting(1)
    assert list(second.events()) == []
    go.set()
    assert [e for e in first.events() if not isinstance(e, Waiting)] == [Notice("late")]
    assert [e for e in waiting if not isinstance(e, Waiting)] == [Notice("third")]


def test_an_error_reaches_the_page_and_the_lane_goes_on():
    lane = Lane()

    def broken() -> Iterator[Notice]:
        yield Notice("fine")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(lane.submit(broken).events())
    assert list(lane.submit(lambda: iter([Notice("next")])).events()) == [Notice("next")]


def test_a_slow_page_gets_the_newest_preview_and_every_other_event():
    lane, done = Lane(), threading.Event()

    def work() -> Iterator[Preview | Notice]:
        for step in range(50):
            yield Preview(step, 50, np.zeros((1, 2, 2, 3), np.uint8))
        yield Notice("finished")
        done.set()

    job = lane.submit(work)
    assert done.wait(10)
    events = list(job.events())
    assert [getattr(e, "step", e) for e in events] == [49, Notice("finished")]


def test_a_token_names_its_owner_and_cannot_be_forged(tmp_path):
    (tmp_path / "other").mkdir()
    identity, other = Identity(tmp_path), Identity(tmp_path / "other")
    token = identity.mint("Zoë O'Neil")
    assert identity.owner(token) == "Zoë O'Neil"
    assert Identity(tmp_path).owner(token) == "Zoë O'Neil"  # after a restart of the server
    body, signature = token.split(".")
    forged = other.mint("Zoë O'Neil")
    for bad in ("", None, 5, "a.b", body, f"{body}.", f"{body}.{signature[::-1]}", token + "x", forged):
        with pytest.raises(IdentityError, match="reload"):
            identity.owner(bad)
    with pytest.raises(IdentityError, match="30 days"):
        identity.owner(identity.mint("ana", now=0))
    assert (tmp_path / "page.key").stat().st_mode & 0o077 == 0
