"""Votes files of kits come back: each act is taken once, all of a file or nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from siamese.counted import counted
from siamese.errors import StudyError
from siamese.store import records
from siamese.store.engine import writing
from siamese.store.records import Record
from siamese.study.kit_order import kit_id, order_of
from siamese.study.kit_votes import AGAIN, Entry, VotesFile, follow, plain, read_votes, vote_content
from siamese.study.studies import Study


@dataclass(frozen=True)
class Taken:
    """What an import did with a file.

    Args:
        rater: number.
        answers: votes taken now, those taken back again included.
        undone: of these, or of those that were here, how many the rater took back in this file.
        known: votes of the file that were here already.
        elsewhere: votes left out because their place was answered by another vote, e.g. with the personal link.
        answered: presentations that are answered now.
        total: presentations, practice included.
        finished: the last page is here.
        withdrawn: the rater has withdrawn: nothing but that was taken.
        late: the study was unblinded before; what was taken now enters no figure.
    """

    rater: int
    answers: int
    undone: int
    known: int
    elsewhere: int
    answered: int
    total: int
    finished: bool
    withdrawn: bool
    late: bool

    @property
    def words(self) -> str:
        """For people, one line."""
        who = f"rater {self.rater}"
        if self.withdrawn:
            return f"{who} has withdrawn; that is stored, and no answer of the file was taken."
        parts = [f"{counted(self.answers, 'answer')} taken" if self.answers else "no new answer"]
        if self.undone:
            parts.append(f"{self.undone} taken back by the rater")
        if self.known:
            parts.append(f"{counted(self.known, 'was', 'were')} here already")
        if self.elsewhere:
            parts.append(f"{counted(self.elsewhere, 'was', 'were')} left out: answered elsewhere before")
        end = "finished" if self.finished else "not finished"
        late = " The study was unblinded before: answers taken now enter no figure." if self.late else ""
        return f"{who}: {', '.join(parts)}; {self.answered} of {self.total} answered, {end}.{late}"


def import_votes(study: Study, path: Path) -> Taken:
    """Take the votes of a file: as new records of now, with the times of the rater's clock among their facts.

    Raises:
        StudyError: not a votes file, changed, of another study, design or order, or with acts that cannot have happened
            so. Nothing of the file is taken then.
    """
    file = read_votes(path)
    if file.study != study.id:
        raise StudyError(f"{path.name} belongs to another study, not to {study.name}; import it there.")
    if not study.locked or file.design_sha256 != study.design_sha256:
        raise StudyError(
            f"{path.name} was made for another design ({file.design_sha256[:12]}…) than the locked one of "
            f"{study.name}; make new kits with `study kit`."
        )
    order = order_of(study, file.rater)
    if file.kit != kit_id(study, file.rater, order):
        raise StudyError(
            f"{path.name} says rater {file.rater}, whose kit has another order: it was edited, or comes from a copy of "
            f"{study.name}; {AGAIN}"
        )
    try:
        follow(file, order, study.shown.protocol)
    except StudyError as error:
        raise StudyError(f"{path.name} was edited: {error}; {AGAIN}") from error
    with writing(study.votes) as connection:
        records.take_turn(connection, study.id)
        return _Merge(connection, study, path, file).run(len(order))


class _Merge:
    """The acts of one file beside the records that are there, in one transaction."""

    def __init__(self, connection: sa.Connection, study: Study, path: Path, file: VotesFile):
        self._connection, self._study, self._path, self._file = connection, study, path, file
        self._there = records.records(connection, study.id, file.rater)
        self._known = {record.client_id: record for record in self._there}
        self._open = _standing(self._there)
        self._kinds = {record.kind for record in self._there}
        self._counts: Counter[str] = Counter()

    def run(self, total: int) -> Taken:
        """Take what is new."""
        left = [entry for entry in self._file.records if entry.kind == "withdraw"]
        if left or "withdraw" in self._kinds:
            if "withdraw" not in self._kinds:
                self._append(left[0], {"at": left[0].at})
        else:
            for entry in self._file.records:
                self._take(entry)
        return Taken(
            rater=self._file.rater,
            answers=self._counts["taken"],
            undone=self._counts["undone"],
            known=self._counts["known"],
            elsewhere=self._counts["elsewhere"],
            answered=len(self._open),
            total=total,
            finished="finish" in self._kinds,
            withdrawn="withdraw" in self._kinds,
            late=self._counts["taken"] > 0 and self._unblinded(),
        )

    def _unblinded(self) -> bool:
        audits = records.records(self._connection, self._study.id, kinds=("audit",))
        return any(audit.content and audit.content.get("what") == "unblind" for audit in audits)

    def _take(self, entry: Entry) -> None:
        if entry.id in self._known:
            self._same(entry, self._known[entry.id])
            self._counts["known"] += entry.kind == "vote"
        elif entry.kind == "vote":
            self._vote(entry)
        elif entry.kind == "undo":
            self._undo(entry)
        elif entry.kind != "finish" or "finish" not in self._kinds:  # the first last page stands
            more = {"kit": self._file.kit} if entry.kind == "consent" else {}
            self._append(entry, {**plain(entry.content), **more, "at": entry.at})

    def _vote(self, entry: Entry) -> None:
        if entry.place in self._open:
            self._counts["elsewhere"] += 1
            return
        self._append(entry, vote_content(entry, self._study.shown.protocol, len(entry.pictures)))
        self._open[entry.place] = entry.id
        self._counts["taken"] += 1

    def _undo(self, entry: Entry) -> None:
        """Only of the vote that the rater meant: another one at that place, given elsewhere, stands."""
        before = self._file.records[: self._file.records.index(entry)]
        meant = [one.id for one in before if (one.kind, one.place) == ("vote", entry.place)][-1]
        if self._open.get(entry.place) == meant:
            self._append(entry, {"at": entry.at})
            del self._open[entry.place]
            self._counts["undone"] += 1

    def _same(self, entry: Entry, record: Record) -> None:
        """The id is known: it must be the same act."""
        same = (record.kind, -1 if record.place is None else record.place) == (entry.kind, entry.place)
        if same and entry.kind == "vote" and record.content is not None:
            same = record.content["answer"] == entry.content["answer"]
        if not same:
            raise StudyError(
                f"{self._path.name} was edited: the act {entry.id} was stored before and says something else; {AGAIN}"
            )

    def _append(self, entry: Entry, content: dict[str, object]) -> None:
        place = entry.place if entry.kind in ("vote", "undo") else None
        try:
            records.append(
                self._connection, self._study.id, entry.kind, self._file.rater, place, content, entry.id
            )
        except StudyError as error:
            raise StudyError(
                f"{self._path.name} was edited: the act {entry.id} cannot be stored; {AGAIN}"
            ) from error
        self._kinds.add(entry.kind)


def _standing(there: Iterable[Record]) -> dict[int, str]:
    """Place → id of the vote that stands there."""
    open_: dict[int, str] = {}
    for record in there:
        if record.kind == "vote" and record.place is not None:
            open_[record.place] = record.client_id
        elif record.kind == "undo" and record.place is not None:
            open_.pop(record.place, None)
    return open_
