"""From the log and the truth to votes that count: what does not, and why, is counted too.

Out of everything: the rehearsal (rater 0), practice, votes taken back, raters who have withdrawn. Out of every score
but in exports with a flag: hidden repeats, raters whom the frozen design leaves out, votes that came after unblinding.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import sqlalchemy as sa

from siamese.counted import counted
from siamese.errors import StudyError
from siamese.store import records, tables
from siamese.store.engine import reading
from siamese.store.records import Record
from siamese.study.analysis.repeats import steadiness
from siamese.study.analysis.tables import COUNTED, Votes
from siamese.study.analysis.times import Quick, quick
from siamese.study.design import Design, Exclusions
from siamese.study.studies import Study
from siamese.study.truth import Truth

SCREEN = ("dark", "light", "red", "zoom")


@dataclass(frozen=True)
class Vote:
    """An answer that was not taken back: one presentation of one rater.

    Args:
        at: microseconds since 1970, by the server's clock; of a kit by the rater's.
        late: stored after unblinding.
    """

    rater: int
    place: int
    phase: str
    block: int
    question: str
    items: tuple[str, ...]
    repeats: int | None
    answer: Mapping[str, object]
    facts: Mapping[str, object]
    revision: int
    at: int
    late: bool

    @property
    def seconds(self) -> float:
        """From the picture on the screen to the answer, without the time the page was hidden; NaN: not measured."""
        measured = self.facts.get("ms")
        if measured is None:
            return math.nan
        return max(0.0, (float(measured) - float(self.facts.get("hidden_ms", 0))) / 1000)


@dataclass(frozen=True)
class Rater:
    """One rater who began and did not withdraw.

    Args:
        role, years: bands; empty: not said.
        answered, expected: presentations that enter a score.
        quick, timed: votes faster than the design allows, of those whose time is known.
        steady, repeated: share of pictures that got the same answer on a hidden repeat (NaN: none), of how many votes.
        left_out: why none of the votes counts; empty: they count.
        width_cm: of a picture on the screen, median; NaN: not measured.
        screen: what the screen check found: squares counted in the dark, light and red field, zoom.
        last: what was written on the last page: cues, seen_before, comment.
    """

    number: int
    role: str = ""
    years: str = ""
    answered: int = 0
    expected: int = 0
    quick: int = 0
    timed: int = 0
    steady: float = math.nan
    repeated: int = 0
    left_out: str = ""
    width_cm: float = math.nan
    screen: Mapping[str, float] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Everything that enters a score was answered."""
        return self.answered == self.expected


@dataclass(frozen=True, eq=False)
class Gathered:
    """A study after unblinding.

    Args:
        study, design: the whole frozen design.
        truth: where pictures come from.
        votes: of all raters in `raters`, also those that do not count; without practice.
        raters: who began and did not withdraw.
        invited: raters of the design.
        withdrawn: how many withdrew.
        undone: votes taken back within ten seconds.
        head, records, broken: the chain of the log, and what is wrong with it.
    """

    study: Study
    design: Design
    truth: Truth
    votes: tuple[Vote, ...]
    raters: tuple[Rater, ...]
    invited: int
    withdrawn: int
    undone: int
    head: str
    records: int
    broken: str

    @property
    def included(self) -> tuple[Rater, ...]:
        """Raters whose votes count."""
        return tuple(rater for rater in self.raters if not rater.left_out)

    @property
    def left_out(self) -> tuple[Rater, ...]:
        """Raters whom the frozen design leaves out."""
        return tuple(rater for rater in self.raters if rater.left_out)

    @property
    def silent(self) -> int:
        """Raters who never began."""
        return self.invited - self.withdrawn - len(self.raters)

    @property
    def missing(self) -> int:
        """Votes that the included raters did not give."""
        return sum(rater.expected - rater.answered for rater in self.included)

    @property
    def late(self) -> int:
        """Votes stored after unblinding; none of them counts."""
        return sum(vote.late for vote in self.votes)

    def counts(self, vote: Vote) -> bool:
        """The vote enters a score or, as a hidden repeat, the agreement with oneself."""
        return not vote.late and vote.rater in self._included

    @cached_property
    def _included(self) -> set[int]:
        return {rater.number for rater in self.included}

    def own(self, rater: int) -> Votes:
        """Votes of one rater before unblinding, also of one whom the design leaves out."""
        return as_table([vote for vote in self.votes if vote.rater == rater and not vote.late], self.truth)

    @cached_property
    def table(self) -> Votes:
        """Votes of the included raters, one row a picture, hidden repeats with their phase."""
        return as_table([vote for vote in self.votes if self.counts(vote)], self.truth)


def gather(study: Study, truth: Truth) -> Gathered:
    """Read the log of an unblinded study and apply what its design says.

    Raises:
        StudyError: the truth does not know a picture that was shown.
    """
    design = truth.design
    a = tables.assignment.c
    with reading(study.votes) as connection:
        found = records.records(connection, study.id)
        places = connection.execute(
            sa.select(tables.assignment).where(a.study == study.id, a.rater > 0, a.phase != "practice")
        ).all()
        verdict = records.verify(connection, study.id)
    withdrawn = {record.rater for record in found if record.kind == "withdraw" and record.rater}
    mine = [record for record in found if record.rater and record.rater not in withdrawn]
    begun = {record.rater for record in mine if record.kind in ("consent", "vote")}
    opened = [record.seq for record in found if record.kind == "audit" and _says(record, "unblind")]
    votes = _votes(mine, places, opened[0] if opened else len(found))
    unknown = {item for vote in votes for item in vote.items} - set(truth.items)
    if unknown:
        raise StudyError(
            f"The truth of {study.name} does not know {counted(len(unknown), 'picture')} that raters saw; "
            "votes and truth are of different studies or times: restore both from one backup."
        )
    expected = Counter(row.rater for row in places if row.phase in COUNTED)
    timely = {number: [vote for vote in votes if vote.rater == number and not vote.late] for number in begun}
    raters = tuple(
        _rater(number, design, timely[number], truth, mine, expected[number]) for number in sorted(begun)
    )
    return Gathered(
        study,
        design,
        truth,
        votes,
        raters,
        invited=len({row.rater for row in places}),
        withdrawn=len(withdrawn),
        undone=sum(record.kind == "undo" for record in mine),
        head=verdict.head,
        records=verdict.count,
        broken=verdict.broken,
    )


def as_table(votes: Sequence[Vote], truth: Truth) -> Votes:
    """Votes as columns: rankings and choices become one row a picture."""
    columns: dict[str, list[object]] = defaultdict(list)
    for vote in votes:
        for position, item in enumerate(vote.items):
            known = truth.items[item]
            real, confidence = _believed(vote.answer)
            row = {
                "rater": vote.rater,
                "item": item,
                "arm": known.arm,
                "kind": truth.kinds[known.arm],
                "group": known.group,
                "place": vote.place,
                "block": vote.block,
                "phase": vote.phase,
                "question": vote.question,
                "value": value(vote, position),
                "real": real,
                "confidence": confidence,
                "presentation": vote.place,
                "seconds": vote.seconds,
                "at": vote.at,
                "repeats": -1 if vote.repeats is None else vote.repeats,
                "position": position,
            }
            for name, cell in row.items():
                columns[name].append(cell)
    names = Votes.__dataclass_fields__
    return Votes(**{name: np.array(columns[name]) for name in names})


def value(vote: Vote, position: int) -> float:
    """What a picture got: P1 signed confidence, P2 rank (k is best), P3 level, P4 1 when taken for the patient's."""
    answer = vote.answer
    if "real" in answer:
        return float(answer["confidence"]) * (1 if answer["real"] else -1)
    if "order" in answer:
        return float(len(vote.items) - answer["order"].index(position))
    if "level" in answer:
        return float(answer["level"])
    return float(answer["patient"] == position)


def _believed(answer: Mapping[str, object]) -> tuple[float, float]:
    if "real" not in answer:
        return math.nan, math.nan
    return float(bool(answer["real"])), float(answer["confidence"])


def _says(record: Record, what: str) -> bool:
    return bool(record.content) and record.content.get("what") == what


def _votes(found: Iterable[Record], places: Iterable[sa.Row], unblinded: int) -> tuple[Vote, ...]:
    """The last vote of every place that was not taken back."""
    kept: dict[tuple[int, int], Record] = {}
    for record in found:
        if record.kind == "vote":
            kept[record.rater, record.place] = record
        elif record.kind == "undo":
            kept.pop((record.rater, record.place), None)
    made = []
    for row in places:
        record = kept.get((row.rater, row.place))
        if record is None or record.content is None:
            continue
        made.append(
            Vote(
                row.rater,
                row.place,
                row.phase,
                row.block,
                row.question,
                tuple(json.loads(row.items)),
                row.repeats,
                record.content["answer"],
                record.content["facts"],
                record.revision,
                int(record.content["facts"].get("at", record.at)),  # of a kit: the rater's clock
                late=record.seq > unblinded,
            )
        )
    return tuple(sorted(made, key=lambda vote: (vote.rater, vote.place)))


def _rater(
    number: int, design: Design, own: Sequence[Vote], truth: Truth, found: Iterable[Record], expected: int
) -> Rater:
    """What is known of a rater from the votes before unblinding."""
    scored = [vote for vote in own if vote.phase in COUNTED]
    table = as_table(own, truth)
    fast = next(iter(quick(table, design.exclusions.fastest)), Quick(number, 0, 0, design.exclusions.fastest))
    notes = {record.kind: record.content or {} for record in found if record.rater == number}
    consent, screen, last = (notes.get(kind, {}) for kind in ("consent", "screen", "finish"))
    rater = Rater(
        number,
        role=str(consent.get("role", "")),
        years=str(consent.get("years", "")),
        answered=len(scored),
        expected=expected,
        quick=fast.count,
        timed=fast.of,
        steady=steadiness(table).get(number, math.nan),
        repeated=sum(vote.phase == "repeat" for vote in own),
        width_cm=_width(own, screen),
        screen={name: _number(screen.get(name)) for name in SCREEN},
        last={name: str(last.get(name, "")).strip() for name in ("cues", "seen_before", "comment")},
    )
    return replace(rater, left_out=_why_left_out(rater, design.exclusions))


def _why_left_out(rater: Rater, rules: Exclusions) -> str:
    why = []
    if rules.unfinished == "leave" and not rater.finished:
        why.append(f"did not finish: {rater.answered} of {rater.expected} rated")
    if rater.timed and rater.quick / rater.timed > rules.most_quick:
        share = f"{rater.quick} of {counted(rater.timed, 'vote')} faster than {rules.fastest:g} s"
        why.append(f"{share}, more than {100 * rules.most_quick:.0f} %")
    if rater.steady < rules.least_repeat:  # NaN is not
        share = f"{100 * rater.steady:.0f} % of the answers on {counted(rater.repeated, 'hidden repeat')} as before"
        why.append(f"{share}, fewer than {100 * rules.least_repeat:.0f} %")
    return "; ".join(why)


def _width(votes: Iterable[Vote], screen: Mapping[str, object]) -> float:
    """Median width of a picture on the screen by the bank card that the rater laid on it."""
    scale = _number(screen.get("px_per_cm"))
    widths = [vote.facts["css"][0] for vote in votes if "css" in vote.facts]
    return float(np.median(widths) / scale) if widths and scale > 0 else math.nan


def _number(found: object) -> float:
    """NaN for what is none; contents of kits are anybody's."""
    return float(found) if isinstance(found, int | float) and abs(found) < 1e9 else math.nan
