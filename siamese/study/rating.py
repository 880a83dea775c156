"""One rater's way through a study, on the votes half alone: where they are, saving, undoing, finishing, withdrawing."""

from __future__ import annotations

import hashlib
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

import sqlalchemy as sa

from siamese.errors import LinkError, StudyError
from siamese.store import records, tables
from siamese.store.engine import reading, writing
from siamese.store.records import Record
from siamese.study.answers import checked, known_facts
from siamese.study.shown import Shown
from siamese.study.way import UNDOABLE, Counts, Presentation, Saved, Where, answered, next_place, stage_of

UNDO = 10_000_000  # microseconds in which the last vote can be taken back
WITHDRAWN = "You have withdrawn; nothing more is stored."


class TooLate(StudyError):
    """The last vote can no longer be taken back."""


class Rating:
    """The raters of one study; one for the process that serves them, safe from several threads.

    The time of a record is the clock's. Nothing is ordered by it (a clock can be set back); the ten seconds of an undo
    are counted by `ticks`, in this process: a clock that jumps, or a new process, opens no window again.

    Args:
        engine: votes half, opened for writing.
        study: id.
        clock: microseconds since 1970.
        ticks: microseconds, never going back.

    Raises:
        StudyError: no such study, or not locked.
    """

    def __init__(
        self,
        engine: sa.Engine,
        study: str,
        clock: Callable[[], int] = records.now,
        ticks: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ):
        self.engine, self.study, self._clock, self._ticks = engine, study, clock, ticks
        with reading(engine) as connection:
            frozen = connection.scalar(sa.select(tables.study.c.design).where(tables.study.c.id == study))
        if frozen is None:
            raise StudyError(
                "The study is not locked yet; `python -m siamese study lock NAME` opens it for raters."
            )
        self.design = Shown.model_validate_json(frozen)
        self._orders: dict[int, tuple[Presentation, ...]] = {}  # frozen at lock
        self._fresh: dict[int, tuple[int, int]] = {}  # rater → seq and tick of the last vote
        self._resumed: dict[int, int] = {}  # rater → place whose pause is over
        self._turn = threading.Lock()  # in order of arrival; SQLite's own waiting is by luck

    def enter(self, key: str) -> int:
        """The rater whose personal link has this secret.

        Raises:
            LinkError: unknown, revoked, or replaced by a newer link.
        """
        t = tables.link.c
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        with reading(self.engine) as connection:
            found = connection.execute(
                sa.select(tables.link).where(t.study == self.study, t.key_sha256 == digest)
            ).one_or_none()
            if found is None:
                raise LinkError("This link is not known here; copy it whole from the message you were sent.")
            newer = connection.scalar(
                sa.select(sa.func.count()).where(
                    t.study == self.study,
                    t.rater == found.rater,
                    t.issued_at > found.issued_at,
                    t.revoked_at.is_(None),
                )
            )
        if found.revoked_at is not None or newer:
            raise LinkError(
                "This link was revoked or replaced by a newer one; ask whoever sent it to you for the newest."
            )
        return found.rater

    def where(self, rater: int) -> Where:
        """Which page comes next."""
        order = self._order(rater)
        with reading(self.engine) as connection:
            counts = self._counts(connection, rater)
            votes = records.latest(connection, self.study, rater, "vote", 20)
        place, stage = next_place(order, counts), stage_of(order, counts, self._resumed.get(rater))
        shows = order[place] if place is not None and stage in ("practice", "item") else None
        scored = [one.place for one in order if one.phase != "practice"]
        return Where(
            stage=stage,
            place=place if place is not None and stage in ("practice", "item", "pause") else -1,
            phase=shows.phase if shows else "",
            question=shows.question if shows else "",
            items=shows.items if shows else (),
            ahead=order[shows.place + 1].items if shows and shows.place + 1 < len(order) else (),
            done=sum(answered(counts, one) for one in scored),
            total=len(scored),
            undo_until=self._undo_until(rater, votes[0].seq) if votes and stage in UNDOABLE else None,
            now=self._clock(),
            minutes_left=0.0 if place is None else (len(order) - place) * self._pace(votes) / 60,
        )

    def consent(self, rater: int, content: Mapping[str, object], client_id: str) -> Record:
        """Store the consent: version of the sheet, role, years in bands."""
        return self._note("consent", rater, content, client_id)

    def screen(self, rater: int, content: Mapping[str, object], client_id: str) -> Record:
        """Store a screen check; another device is another check."""
        return self._note("screen", rater, content, client_id)

    def resume(self, rater: int) -> Where:
        """The pause is over; remembered in this process alone, for after a restart a pause does no harm."""
        self._resumed[rater] = self.where(rater).place
        return self.where(rater)

    def save(
        self,
        rater: int,
        place: int,
        answer: Mapping[str, object],
        facts: Mapping[str, object],
        client_id: str,
    ) -> Saved:
        """Store a vote; it is on disk when this returns.

        Args:
            rater: number.
            place: of the presentation.
            answer: P1 {"real", "confidence"}, P2 {"order"}, P3 {"level"}, P4 {"patient"}.
            facts: what the page measured: ms, hidden_ms, css, factor, dpr, shown.
            client_id: made by the page, once for each click.

        Returns:
            The vote; the one that was there (`stored`) when the place has one already.

        Raises:
            StudyError: no answer to this question, no such place, out of turn, before consent, after the end.
        """
        order = self._order(rater)
        if not 0 <= place < len(order):
            raise StudyError(f"There is no presentation {place}; reload the page.")
        content = {
            "answer": checked(self.design.protocol, answer, len(order[place].items)),
            "facts": known_facts(facts),
        }
        with self._turn, writing(self.engine) as connection:
            records.take_turn(connection, self.study)
            if known := records.find(connection, self.study, client_id, "vote", rater, place):
                return self._saved(rater, known)
            counts = self._counts(connection, rater)
            if answered(counts, place):
                return self._saved(
                    rater, records.latest(connection, self.study, rater, "vote", place=place)[0], stored=True
                )
            self._allow(rater, counts)
            if place != next_place(order, counts):
                raise StudyError(f"Presentation {place} is not the one to answer now; reload the page.")
            vote = self._append(connection, "vote", rater, place, content, client_id)
        self._fresh[rater] = vote.seq, self._ticks()
        return self._saved(rater, vote)

    def undo(self, rater: int, place: int, client_id: str) -> Where:
        """Take the last vote back, within ten seconds; it stays in the log, and the next vote there is a new revision.

        Raises:
            TooLate: more than ten seconds, not the last vote, or the study was finished.
        """
        with self._turn, writing(self.engine) as connection:
            records.take_turn(connection, self.study)
            if not records.find(connection, self.study, client_id, "undo", rater, place):
                last = records.latest(connection, self.study, rater, "vote")
                counts = self._counts(connection, rater)
                ended = counts["finish", None] or counts["withdraw", None] or not answered(counts, place)
                if ended or last[0].place != place or self._undo_until(rater, last[0].seq) is None:
                    raise TooLate(
                        "A vote can be taken back for ten seconds, and only the last one; this one stands."
                    )
                self._append(connection, "undo", rater, place, {}, client_id)
                self._fresh.pop(rater, None)
        return self.where(rater)

    def finish(self, rater: int, content: Mapping[str, object], client_id: str) -> Record:
        """Store the last page: cues used, seen before, comment.

        Raises:
            StudyError: something is not answered yet.
        """
        order = self._order(rater)
        with self._turn, writing(self.engine) as connection:
            records.take_turn(connection, self.study)
            counts = self._counts(connection, rater)
            if counts["finish", None]:
                return records.latest(connection, self.study, rater, "finish")[0]
            self._allow(rater, counts)
            if next_place(order, counts) is not None:
                raise StudyError("Not everything is answered yet; reload the page to go on.")
            return self._append(connection, "finish", rater, None, content, client_id)

    def withdraw(self, rater: int, client_id: str) -> Record:
        """The rater leaves: from now on in no figure and no export. At any time; a second time changes nothing."""
        self._order(rater)
        with self._turn, writing(self.engine) as connection:
            records.take_turn(connection, self.study)
            if known := records.latest(connection, self.study, rater, "withdraw"):
                return known[0]
            return self._append(connection, "withdraw", rater, None, {}, client_id)

    def _note(
        self, kind: Literal["consent", "screen"], rater: int, content: Mapping[str, object], client_id: str
    ) -> Record:
        self._order(rater)
        with self._turn, writing(self.engine) as connection:
            records.take_turn(connection, self.study)
            if self._counts(connection, rater)["withdraw", None]:
                raise StudyError(WITHDRAWN)
            return self._append(connection, kind, rater, None, content, client_id)

    def _append(
        self,
        connection: sa.Connection,
        kind: records.Kind,
        rater: int,
        place: int | None,
        content: Mapping[str, object],
        client_id: str,
    ) -> Record:
        return records.append(connection, self.study, kind, rater, place, content, client_id, self._clock())

    def _allow(self, rater: int, counts: Counts) -> None:
        if counts["withdraw", None]:
            raise StudyError(WITHDRAWN)
        if counts["finish", None]:
            raise StudyError("You have finished; nothing can be changed any more.")
        if not counts["consent", None]:
            raise StudyError(
                "No consent is stored yet; reload the page and read the information sheet first."
            )

    def _order(self, rater: int) -> tuple[Presentation, ...]:
        if rater not in self._orders:
            t = tables.assignment.c
            asked = (
                sa.select(tables.assignment).where(t.study == self.study, t.rater == rater).order_by(t.place)
            )
            with reading(self.engine) as connection:
                rows = connection.execute(asked).all()
            if not rows:
                raise StudyError(f"There is no rater {rater} in this study.")
            self._orders[rater] = tuple(
                Presentation(row.place, row.phase, row.block, row.question, tuple(json.loads(row.items)))
                for row in rows
            )
        return self._orders[rater]

    def _counts(self, connection: sa.Connection, rater: int) -> Counts:
        """(kind, place) → number of records of a rater."""
        t = tables.record.c
        asked = sa.select(t.kind, t.place, sa.func.count()).where(t.study == self.study, t.rater == rater)
        return Counter(
            {(kind, place): n for kind, place, n in connection.execute(asked.group_by(t.kind, t.place))}
        )

    def _undo_until(self, rater: int, seq: int) -> int | None:
        """By the clock; None when vote `seq` is not this rater's last one of this process, or too old."""
        last, tick = self._fresh.get(rater, (0, 0))
        left = UNDO - (self._ticks() - tick)
        return self._clock() + left if last == seq and left > 0 else None

    def _saved(self, rater: int, vote: Record, stored: bool = False) -> Saved:
        until = self._undo_until(rater, vote.seq)
        answer = vote.content["answer"] if vote.content else {}
        return Saved(vote.place or 0, vote.revision, vote.at, until, answer, stored)

    def _pace(self, votes: list[Record]) -> float:
        """Seconds a presentation: the median of the last ones; before there are ten, a guess."""
        facts = [vote.content["facts"] for vote in votes if vote.content]
        known = [one["ms"] / 1000 for one in facts if "ms" in one]
        return statistics.median(known) if len(known) >= 10 else self.design.seconds
