"""Many raters over HTTP and a server killed at random moments: every vote that was shown as saved is there, once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

from siamese.store import records
from siamese.store.engine import reading
from siamese.store.grants import grant
from siamese.study.studies import status
from tests.store.postgres import postgres  # noqa: F401 - a fixture
from tests.study.rooms import Room, locked_study
from tests.ui.rating_load import Server, Voter


@pytest.mark.parametrize(
    ("raters", "votes", "kills", "kind"),
    [
        (10, 30, 5, "sqlite"),
        pytest.param(50, 200, 200, "sqlite", marks=pytest.mark.soak),
        pytest.param(50, 200, 200, "postgresql", marks=pytest.mark.soak),
    ],
)
def test_no_vote_is_lost_or_doubled_over_http(tmp_path, request, raters, votes, kills, kind):
    database = ""
    if kind == "postgresql":
        server = request.getfixturevalue("postgres")
        database = server.toml(server.database())
    study = locked_study(
        tmp_path, raters=raters, per_arm=votes // 2, repeats=0, practice=0, block=50, database=database
    )
    if database:
        grant(study.place)
    server, draw, progress = Server(study.folder), random.Random(6), threading.Semaphore(0)
    crowd = [Voter(server.url, study.keys[number], number, progress) for number in range(1, raters + 1)]
    try:
        for voter in crowd:
            voter.start()
        saved = 0
        for moment in sorted(draw.sample(range(1, raters * votes), kills)):
            while saved < moment and any(voter.is_alive() for voter in crowd):
                saved += progress.acquire(timeout=0.1)
            time.sleep(draw.uniform(0, 0.01))
            server.kill()
        for voter in crowd:
            voter.join()
    finally:
        server.close()
    assert [voter.failed for voter in crowd if voter.failed] == []
    assert sum(voter.pictures for voter in crowd) > raters
    check(study, crowd, votes)


def check(study: Room, crowd: list[Voter], votes: int) -> None:
    """What was shown as saved against what is stored."""
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""
        log = records.records(connection, study.id)
    stored = {record.client_id: record for record in log}
    for voter in crowd:
        for place, client_id, answer in voter.saved:
            vote = stored[client_id]
            assert (vote.kind, vote.rater, vote.place, vote.content["answer"]) == (
                "vote",
                voter.number,
                place,
                answer,
            )
        for place, client_id in voter.undone:
            assert (stored[client_id].kind, stored[client_id].place) == ("undo", place)
    kept = Counter((one.kind, one.rater, one.place) for one in log)
    assert sum(one.kind == "vote" for one in log) == sum(len(voter.saved) for voter in crowd)
    for voter in crowd:
        open_still = {
            kept["vote", voter.number, place] - kept["undo", voter.number, place] for place in range(votes)
        }
        assert open_still == {1}
    assert all(rater.finished and rater.answered == votes for rater in status(study).raters if rater.number)
