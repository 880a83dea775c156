"""A rater's way through: stages in order, votes once, undo, two tabs, jumping clocks, revoked links, withdrawal."""

from __future__ import annotations

import hashlib
import itertools
import secrets

import numpy as np
import pytest
import sqlalchemy as sa

from siamese.errors import LinkError, StudyError
from siamese.store import records, tables
from siamese.store.engine import reading, writing
from siamese.study.rating import Rating, TooLate
from tests.study.rooms import an_answer, facts, locked_study, rating_of, vote_through

REAL = {"real": True, "confidence": 7}
FAKE = {"real": False, "confidence": 2}
SECOND = 1_000_000
ids = (f"id-{n}" for n in itertools.count())


class Clock:
    """A wall clock that is set by hand; `ticks` is the monotonic one beside it."""

    def __init__(self):
        self.wall, self.tick = 1_800_000_000 * SECOND, 0

    def go(self, seconds: float) -> None:
        self.wall += int(seconds * SECOND)
        self.tick += int(seconds * SECOND)

    def rating(self, study) -> Rating:
        return Rating(study.votes, study.id, lambda: self.wall, lambda: self.tick)


@pytest.fixture
def study(tmp_path):
    return locked_study(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(study, rating: Rating, votes: int = 0) -> Rating:
    """Rater 1 has consented, checked the screen and given `votes` votes."""
    vote_through(study, 1, np.random.default_rng(1), votes, rating)
    return rating


def votes_of(study, rater: int = 1) -> list[records.Record]:
    with reading(study.votes) as connection:
        return records.records(connection, study.id, rater, ("vote",))


def test_the_stages_come_in_order(study):
    rating = rating_of(study)
    where = rating.where(1)
    assert (where.stage, where.items, where.place, where.done, where.total) == ("information", (), -1, 0, 14)
    rating.consent(1, {"version": "1"}, next(ids))
    assert rating.where(1).stage == "screen"
    rating.screen(1, {"px_per_cm": 38}, next(ids))
    stages, shown, ahead = [], [], None
    while (where := rating.where(1)).stage not in ("finish",):
        stages.append(where.stage)
        if where.stage == "pause":
            assert where.items == () and where.ahead == ()
            assert rating.resume(1).stage == "item"
            continue
        assert ahead is None or where.items == ahead
        ahead = where.ahead or None
        shown.append(where.items)
        rating.save(1, where.place, REAL, {}, next(ids))
    assert (
        stages
        == ["practice"] * 2
        + ["item"] * 5
        + ["pause"]
        + ["item"] * 5
        + ["pause"]
        + ["item"] * 2
        + ["pause"]
        + ["item"] * 2
    )
    assert shown[-2:] == shown[2:4] and len(set(shown)) == 14  # hidden repeats at the end
    assert where.done == where.total == 14 and where.minutes_left == 0
    rating.finish(1, {"comment": "gut"}, next(ids))
    assert rating.where(1).stage == "done"
    assert rating.where(2).stage == "information"


@pytest.mark.parametrize("protocol", ["P1", "P2", "P3", "P4"])
def test_every_protocol_goes_through(tmp_path, protocol):
    study = locked_study(tmp_path, protocol, per_arm=3, raters=1)
    together = {"P1": 1, "P3": 1}.get(protocol, 2)
    vote_through(study, 1, np.random.default_rng(0))
    rating = rating_of(study)
    assert rating.where(1).stage == "done" and rating.design.together == together
    assert (
        len(votes_of(study))
        == {"P1": 2 + 6 + 2, "P2": 2 + 3 + 2, "P3": 2 + 18 + 2, "P4": 2 + 3 + 2}[protocol]
    )
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""


WRONG = {
    "P1": [
        {},
        {"real": 1, "confidence": 3},
        {**REAL, "confidence": 0},
        {**REAL, "confidence": 11},
        {**REAL, "x": 1},
        [],
    ],
    "P2": [{"order": one} for one in ([0], [0, 0], [0, 2], "01", [True, False])],
    "P3": [{"level": one} for one in (0, 6, 2.0, True)],
    "P4": [{"patient": one} for one in (2, -1, None)],
}
RIGHT = {"P1": REAL, "P2": {"order": [1, 0]}, "P3": {"level": 5}, "P4": {"patient": 1}}


@pytest.mark.parametrize("protocol", RIGHT)
def test_only_an_answer_to_the_question_is_stored(tmp_path, protocol):
    study = locked_study(tmp_path, protocol, raters=1)
    rating = begun(study, rating_of(study))
    for wrong in WRONG[protocol]:
        with pytest.raises(StudyError, match="expected"):
            rating.save(1, 0, wrong, {}, next(ids))
    assert votes_of(study) == []
    assert rating.save(1, 0, RIGHT[protocol], {}, next(ids)).answer == RIGHT[protocol]


def test_strange_facts_cost_no_vote(study):
    rating = begun(study, rating_of(study))
    sent = {
        "ms": 1200,
        "dpr": float("nan"),
        "css": [400, 400],
        "factor": "1",
        "hidden_ms": True,
        "more": {},
        "shown": 10**30,
    }
    rating.save(1, 0, REAL, sent, next(ids))
    assert votes_of(study)[0].content == {"answer": REAL, "facts": {"ms": 1200, "css": [400, 400]}}


def test_a_second_click_with_the_same_id_is_the_same_vote(study):
    rating = begun(study, rating_of(study))
    first = rating.save(1, 0, REAL, {}, "click")
    again = rating.save(1, 0, REAL, {}, "click")
    assert (again.at, again.revision, again.stored) == (first.at, 1, False) and len(votes_of(study)) == 1
    with pytest.raises(StudyError, match="another record"):
        rating.save(1, 1, REAL, {}, "click")
    vote_through(study, 2, np.random.default_rng(0), 0, rating)
    with pytest.raises(StudyError, match="another record"):
        rating.save(2, 0, FAKE, {}, "click")  # nobody receives somebody else's vote


def test_two_tabs_store_one_vote(study):
    one, other = begun(study, rating_of(study)), rating_of(study)
    one.save(1, 0, REAL, {}, next(ids))
    saved = other.save(1, 0, FAKE, {}, next(ids))
    assert saved.stored and saved.answer == REAL and saved.revision == 1 and len(votes_of(study)) == 1
    assert one.where(1).place == other.where(1).place == 1


def test_nothing_is_skipped(study):
    rating = begun(study, rating_of(study))
    for place in (1, 5, 99, -1):
        with pytest.raises(StudyError, match="reload"):
            rating.save(1, place, REAL, {}, next(ids))
    assert votes_of(study) == []


def test_before_consent_and_after_the_end_nothing_is_stored(study):
    rating = rating_of(study)
    with pytest.raises(StudyError, match="consent"):
        rating.save(1, 0, REAL, {}, next(ids))
    begun(study, rating, 3)
    with pytest.raises(StudyError, match="Not everything"):
        rating.finish(1, {}, next(ids))
    vote_through(study, 1, np.random.default_rng(0), rating=rating)
    last = len(rating._orders[1]) - 1
    assert rating.save(1, last, FAKE, {}, next(ids)).stored  # answered before: it stands
    with pytest.raises(TooLate):
        rating.undo(1, last, next(ids))
    assert rating.finish(1, {"comment": "x"}, next(ids)).content["comment"] == ""  # the first one stands


def test_undo_is_a_new_revision_within_ten_seconds(study, clock):
    rating = begun(study, clock.rating(study))
    saved = rating.save(1, 0, REAL, {}, next(ids))
    assert saved.undo_until - clock.wall == 10 * SECOND
    clock.go(4)
    where = rating.where(1)
    assert where.undo_until - where.now == 6 * SECOND
    where = rating.undo(1, 0, "undo")
    assert where.place == 0 and where.undo_until is None
    assert rating.undo(1, 0, "undo").place == 0  # sent twice
    saved = rating.save(1, 0, FAKE, {}, next(ids))
    assert saved.revision == 2 and saved.answer == FAKE
    assert [(vote.revision, vote.content["answer"]) for vote in votes_of(study)] == [(1, REAL), (2, FAKE)]
    clock.go(10)
    assert rating.where(1).undo_until is None
    with pytest.raises(TooLate, match="ten seconds"):
        rating.undo(1, 0, next(ids))
    assert rating.where(1).place == 1


def test_only_the_last_vote_can_be_taken_back(study, clock):
    rating = begun(study, clock.rating(study), 2)
    for place in (0, 2, 99):
        with pytest.raises(TooLate):
            rating.undo(1, place, next(ids))
    assert rating.undo(1, 1, next(ids)).place == 1
    with pytest.raises(TooLate):
        rating.undo(1, 0, next(ids))  # undone back step by step: no


def test_a_late_copy_of_an_undone_click_does_not_come_back(study, clock):
    rating = begun(study, clock.rating(study))
    rating.save(1, 0, REAL, {}, "slow")
    rating.undo(1, 0, next(ids))
    rating.save(1, 0, REAL, {}, "slow")  # the network delivers it a second time
    assert rating.where(1).place == 0 and rating.where(1).undo_until is None


@pytest.mark.parametrize("jump", [-3600, -5, 3600])
def test_a_clock_that_jumps_loses_nothing_and_opens_no_window_again(study, clock, jump):
    rating = begun(study, clock.rating(study))
    rating.save(1, 0, REAL, {}, next(ids))
    clock.go(11)
    clock.wall += jump * SECOND
    with pytest.raises(TooLate):
        rating.undo(1, 0, next(ids))
    for place in range(1, 6):
        clock.go(1)
        saved = rating.save(1, place, FAKE, {}, next(ids))
        assert saved.undo_until - saved.at == 10 * SECOND
    clock.wall -= 2 * jump * SECOND  # and back
    clock.go(5)
    assert rating.undo(1, 5, next(ids)).place == 5  # five seconds have passed, whatever the clock says
    assert [vote.place for vote in votes_of(study)] == list(range(6))
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id) == records.Verdict(9, records.head(connection, study.id))


def test_a_new_process_opens_no_window_again(study, clock):
    begun(study, clock.rating(study), 1)
    fresh = clock.rating(study)
    clock.wall -= 3600 * SECOND
    assert fresh.where(1).undo_until is None
    with pytest.raises(TooLate):
        fresh.undo(1, 0, next(ids))


def test_a_link_opens_until_it_is_revoked_or_replaced(study):
    rating = rating_of(study)
    assert [rating.enter(study.keys[n]) for n in (0, 1, 2)] == [0, 1, 2]
    for wrong in ("", "x", study.keys[1][:-1], "\ud800"):
        with pytest.raises(LinkError, match="not known"):
            rating.enter(wrong)
    new = secrets.token_urlsafe(24)
    link = tables.link
    with writing(study.votes) as connection:
        row = {"study": study.id, "key_sha256": hashlib.sha256(new.encode()).hexdigest(), "rater": 1}
        connection.execute(sa.insert(link).values(**row, issued_at=records.now() + SECOND))
        connection.execute(sa.update(link).where(link.c.rater == 2).values(revoked_at=records.now()))
    assert rating.enter(new) == 1 and rating.enter(study.keys[0]) == 0
    for gone in (study.keys[1], study.keys[2]):
        with pytest.raises(LinkError, match="newest"):
            rating.enter(gone)


def test_withdrawing_is_possible_at_any_time_and_final(study):
    rating = begun(study, rating_of(study), 3)
    first = rating.withdraw(1, next(ids))
    assert rating.withdraw(1, next(ids)) == first
    assert rating.where(1).stage == "withdrawn" and rating.where(1).items == ()
    for call in (
        lambda: rating.save(1, 3, REAL, {}, next(ids)),
        lambda: rating.consent(1, {}, next(ids)),
        lambda: rating.screen(1, {}, next(ids)),
        lambda: rating.finish(1, {}, next(ids)),
    ):
        with pytest.raises(StudyError, match="withdrawn"):
            call()
    with pytest.raises(TooLate):
        rating.undo(1, 2, next(ids))
    rating.withdraw(2, next(ids))  # before consent
    with pytest.raises(StudyError, match="no rater 9"):
        rating.withdraw(9, next(ids))


def test_contents_of_a_withdrawn_rater_are_erased_and_the_chain_still_verifies(study):
    rating = begun(study, rating_of(study), 3)
    vote_through(study, 2, np.random.default_rng(3), 3, rating)
    with writing(study.votes) as connection, pytest.raises(StudyError, match="not withdrawn"):
        records.erase(connection, study.id, 1)
    rating.withdraw(1, next(ids))
    with reading(study.votes) as connection:
        before = records.verify(connection, study.id)
    with writing(study.votes) as connection:
        assert records.erase(connection, study.id, 1) == 6
        assert records.erase(connection, study.id, 1) == 0
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id) == before and before.broken == ""
    assert [vote.content for vote in votes_of(study, 1)] == [None] * 3
    assert all(vote.content for vote in votes_of(study, 2))
    assert rating.where(1).stage == "withdrawn"


def test_minutes_left_follow_the_own_pace(study):
    rating = begun(study, rating_of(study))
    assert rating.where(1).minutes_left == pytest.approx(16 * 8 / 60)
    for place in range(10):
        if rating.where(1).stage == "pause":
            rating.resume(1)
        rating.save(
            1, place, REAL, {**facts(np.random.default_rng(0)), "ms": 3000 if place else 900_000}, next(ids)
        )
    assert rating.where(1).minutes_left == pytest.approx(6 * 3 / 60)


def test_a_study_that_is_not_locked_has_no_raters(study):
    with pytest.raises(StudyError, match="not locked"):
        Rating(study.votes, "0" * 32)
    rating = rating_of(study)
    assert set(an_answer(rating, ("a",), np.random.default_rng(0))) == {"real", "confidence"}
