"""How a study went, as sections of a report: raters, exclusions, steadiness, learning, times, cues."""

from __future__ import annotations

import math
from collections.abc import Iterator

from siamese.counted import counted
from siamese.study.analysis.agreement import agreement
from siamese.study.analysis.estimate import number
from siamese.study.analysis.repeats import repeats
from siamese.study.analysis.screening import screen
from siamese.study.analysis.times import TENTHS, learning, pace, slowing
from siamese.study.analysis.times import Curve as Course
from siamese.study.report import figures
from siamese.study.report.bands import bands
from siamese.study.report.cells import INTERVALS, MOST_CURVES, MOST_ROWS, UNKNOWN, joined, not_all, scale_name
from siamese.study.report.figures import Curve, Row
from siamese.study.report.gather import Gathered, Vote
from siamese.study.report.sections import Section, Table

UNITS = ((180, 1, "seconds"), (5 * 3600, 60, "minutes"), (math.inf, 3600, "hours"))


def conduct(gathered: Gathered) -> Iterator[Section]:
    """Every section that has something to say."""
    yield _raters(gathered)
    table, protocol = gathered.table, gathered.design.protocol
    if len(table.main()):
        yield _repeats(gathered)
        limits = {"P1": (0.0, 1.0), "P2": (1.0, gathered.design.together), "P4": (0.0, 1.0)}.get(protocol)
        yield from _course("learning", "Do raters change on the way?", learning(table, protocol), limits)
        yield _times(gathered)
        yield from _course("slowing", "Do they get faster or slower?", slowing(table))
        yield _timeline(gathered)
    if flags := _flags(gathered):
        yield flags
    if any(any(rater.last.values()) for rater in gathered.raters):
        yield _remarks(gathered)
    if len(table.main()):
        yield _coefficients(gathered)


def exclusions_in_words(gathered: Gathered) -> tuple[str, ...]:
    """Who took part and what was left out, a sentence each; every count is there, zeros too."""
    out = sum(
        vote.rater in {r.number for r in gathered.left_out} and not vote.late for vote in gathered.votes
    )
    asked = sum(rater.expected for rater in gathered.included)
    parts = [
        f"{counted(gathered.invited, 'rater was', 'raters were')} invited: {gathered.silent} never began, "
        f"{gathered.withdrawn} withdrew (in no figure), {len(gathered.left_out)} left out by the rules of the frozen "
        f"design ({counted(out, 'vote')}), {len(gathered.included)} counted.",
        f"Of {counted(asked, 'vote')} asked of them {gathered.missing} are missing; nothing was filled in.",
        f"{counted(gathered.undone, 'vote was', 'votes were')} taken back within ten seconds, as raters may.",
        f"{counted(gathered.late, 'vote')} came after unblinding, in no figure.",
    ]
    return tuple(parts)


def _raters(gathered: Gathered) -> Section:
    rules, rows = gathered.design.exclusions, []
    shown = bands(gathered.raters)
    for rater in gathered.raters:
        rows.append(
            (
                f"rater {rater.number}",
                *shown[rater.number],
                f"{rater.answered} of {rater.expected}",
                f"{rater.quick} of {rater.timed}",
                "none" if math.isnan(rater.steady) else f"{100 * rater.steady:.0f} % of {rater.repeated}",
                rater.left_out or "yes",
            )
        )
    repeat = (
        f"with under {100 * rules.least_repeat:.0f} % of hidden repeats as before"
        if rules.least_repeat
        else ""
    )
    leave = "who did not finish" if rules.unfinished == "leave" else ""
    quick = f"with more than {100 * rules.most_quick:.0f} % of votes faster than {rules.fastest:g} s"
    said = "; ".join(part for part in (quick, repeat, leave) if part)
    return Section(
        "raters",
        "Raters, exclusions, missing votes",
        (*exclusions_in_words(gathered), f"Rules, frozen before the first vote: left out are raters {said}."),
        limit="Roles and years are what raters said of themselves; bands that fewer than three share are merged.",
        table=Table(
            ("rater", "role", "years", "votes", "quick", "repeats as before", "in the figures"), tuple(rows)
        ),
    )


def _repeats(gathered: Gathered) -> Section:
    found = repeats(gathered.table, gathered.design.protocol)
    rows = []
    for one in found:
        name = "all raters" if one.rater is None else f"rater {one.rater}"
        rows.append((name, *(joined(value) for value in (one.raw, one.kappa, one.weighted, one.icc))))
    return Section(
        "repeats",
        "Do raters agree with themselves? Hidden repeats",
        (found[0].raw.means, "Repeats are never counted in a score."),
        n=f"Computed from {found[0].raw.n.words()}, each beside its first time.",
        limit=found[0].raw.does_not_show,
        table=Table(
            (INTERVALS, "same answer", "Cohen's kappa", "weighted kappa", "ICC(A,1)"), tuple(rows)
        ).without(UNKNOWN),
    )


def _course(
    key: str, title: str, found: Course, limits: tuple[float, float] | None = None
) -> Iterator[Section]:
    known = [(n, value) for n, value in enumerate(found.tenths) if not math.isnan(value)]
    if len(known) < 2:
        return
    middles = [(n + 0.5) / TENTHS for n, _ in known]
    says = f"{found.what[0].upper()}{found.what[1:]} in each tenth of a rater's votes, all raters together."
    curve = Curve("all raters", middles, [value for _, value in known])
    yield Section(
        key,
        title,
        (found.trend.means,),
        n=f"Computed from {found.trend.n.words()}.",
        limit=found.trend.does_not_show,
        drawing=figures.lines(
            key, says, [curve], "from the first vote (0) to the last (1)", found.what, limits
        ),
    )


def _times(gathered: Gathered) -> Section:
    found = pace(gathered.table)
    rows = [
        Row(
            "All raters" if one.rater is None else f"Rater {one.rater}",
            one.value,
            one.low,
            one.high,
            f"{number(one.value, 1)} ({number(one.low, 1)} to {number(one.high, 1)})",
            strong=one.rater is None,
        )
        for one in found[: 1 + MOST_ROWS]
    ]
    says = "Seconds a vote: median, and the middle half of the votes, of all raters and of each."
    return Section(
        "times",
        "How long a vote took",
        (found[0].means,),
        n=f"Computed from {found[0].n.words()}.{not_all(len(found) - 1, MOST_ROWS)}",
        limit=found[0].does_not_show,
        drawing=figures.forest("times", says, rows, "seconds a vote"),
    )


def _timeline(gathered: Gathered) -> Section:
    by_rater: dict[int, list[Vote]] = {}
    for vote in sorted(gathered.votes, key=lambda vote: vote.at):
        if gathered.counts(vote):
            by_rater.setdefault(vote.rater, []).append(vote)
    longest = max((own[-1].at - own[0].at) / 1e6 for own in by_rater.values())
    _, seconds, unit = next(entry for entry in UNITS if longest <= entry[0])
    curves = [
        Curve(
            f"rater {rater}",
            [(vote.at - own[0].at) / 1e6 / seconds for vote in own],
            list(range(1, len(own) + 1)),
        )
        for rater, own in sorted(by_rater.items())[:MOST_CURVES]
    ]
    says = f"Votes of every rater over time, from the rater's first vote; a flat stretch is a pause ({unit})."
    return Section(
        "timeline",
        "When the votes came",
        (),
        n=f"{counted(sum(map(len, by_rater.values())), 'vote')}, hidden repeats included, practice left out."
        + not_all(len(by_rater), MOST_CURVES),
        limit="Days and hours are not shown, so that nobody's shift can be read off.",
        drawing=figures.lines(
            "timeline", says, curves, f"{unit} since the rater's first vote", "votes", steps=True
        ),
    )


def _flags(gathered: Gathered) -> Section | None:
    found = [
        one
        for one in screen(gathered.table, gathered.design.protocol, gathered.design.exclusions)
        if one.sentences
    ]
    if not found:
        return None
    return Section(
        "flags",
        "Votes that look odd",
        ("Flags for a human to look at; nobody is left out because of them.",),
        limit="An odd pattern is not a wrong one.",
        table=Table(
            ("rater", "what"), tuple((f"rater {one.rater}", "\n".join(one.sentences)) for one in found)
        ),
    )


def _remarks(gathered: Gathered) -> Section:
    rows = tuple(
        (f"rater {rater.number}", *(rater.last[name] or "–" for name in ("cues", "seen_before", "comment")))
        for rater in gathered.raters
        if any(rater.last.values())
    )
    return Section(
        "remarks",
        "What raters said at the end",
        ("In their own words, as written.",),
        limit="What people name as a cue need not be what decided.",
        table=Table(("rater", "cues", "seen before", "comment"), rows),
    )


def _coefficients(gathered: Gathered) -> Section:
    found = agreement(gathered.table, gathered.design.protocol)
    rows = [
        (scale_name(gathered.design, one.question) or "all votes", joined(one.fleiss), joined(one.alpha))
        for one in found
    ]
    return Section(
        "coefficients",
        "Further coefficients: Fleiss' kappa, Krippendorff's alpha",
        (),
        n=f"Computed from {found[0].raw.n.words()}.",
        limit=found[0].fleiss.does_not_show if found[0].fleiss.known else found[0].raw.does_not_show,
        table=Table((INTERVALS, "Fleiss' kappa", "Krippendorff's alpha"), tuple(rows)),
    )
