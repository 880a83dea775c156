"""Many raters at once and servers killed at any moment: every vote that was answered as saved is there, once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

from siamese.store import records
from siamese.store.engine import reading
from siamese.store.wholeness import look
from siamese.study.studies import status
from tests.store.load import Rater, Servers
from tests.study.rooms import Room, locked_study


@pytest.mark.parametrize(
    ("raters", "votes", "kills"),
    [(10, 30, 5), pytest.param(50, 200, 200, marks=pytest.mark.soak)],
)
def test_no_vote_is_lost_or_doubled(tmp_path, database, request, raters, votes, kills):
    repeats = votes // 20
    study = locked_study(
        tmp_path,
        raters=raters,
        per_arm=(votes - repeats) // 2,
        repeats=votes - (votes - repeats) // 2 * 2,
        practice=0,
        database=database,
        block=50,
    )
    servers, draw = Servers(study.folder, 2), random.Random(6)
    progress = threading.Semaphore(0)
    crowd = [Rater(servers, number, progress) for number in range(1, raters + 1)]
    try:
        for rater in crowd:
            rater.start()
        saved = 0
        for number, moment in enumerate(sorted(draw.sample(range(1, raters * votes), kills))):
            while saved < moment and any(rater.is_alive() for rater in crowd):
                saved += progress.acquire(timeout=0.1)
            time.sleep(draw.uniform(0, 0.01))
            servers.kill(draw)
            if database and number % 50 == 2:  # the database itself, in the middle of what it does
                request.getfixturevalue("postgres").crash_and_start()
        for rater in crowd:
            rater.join()
    finally:
        servers.close()
    assert [rater.failed for rater in crowd if rater.failed] == []
    check(study, crowd, votes)


def check(study: Room, crowd: list[Rater], votes: int) -> None:
    with reading(study.votes) as connection:
        log = records.records(connection, study.id)
    assert look(study.place, study.id).broken == ()
    stored = {record.client_id: record for record in log}
    assert len(stored) == len(log)
    for rater in crowd:
        for place, client, answer, revision in rater.saved:
            own = (
                [stored[client]]
                if client
                else [
                    one
                    for one in log
                    if (one.kind, one.rater, one.place, one.revision)
                    == ("vote", rater.number, place, revision)
                ]
            )
            assert [(one.kind, one.rater, one.place, one.revision, one.content["answer"]) for one in own] == [
                ("vote", rater.number, place, revision, answer)
            ]
        for place, client in rater.undone:
            assert (stored[client].kind, stored[client].place) == ("undo", place)
    kept = Counter((one.kind, one.rater, one.place) for one in log)
    revisions = Counter((one.kind, one.rater, one.place, one.revision) for one in log if one.kind == "vote")
    assert max(revisions.values()) == 1
    for rater in crowd:
        assert {
            kept["vote", rater.number, place] - kept["undo", rater.number, place] for place in range(votes)
        } == {1}
    found = status(study)
    assert all(one.finished and one.answered == votes for one in found.raters if one.number)
