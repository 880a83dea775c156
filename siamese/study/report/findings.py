"""The statistics of an unblinded study as sections of a report: all that is exploratory."""

from __future__ import annotations

import math
from collections.abc import Iterator

from siamese.study.analysis.agreement import NOT_SHOWN, Agreement, agreement
from siamese.study.analysis.differences import Difference, differences
from siamese.study.analysis.equivalence import equivalence
from siamese.study.analysis.estimate import Estimate, interval_words, number, p_words
from siamese.study.analysis.mos import WHAT, ArmMos, mos
from siamese.study.analysis.primary import arms
from siamese.study.analysis.ranks import Positions, friedman, nemenyi, positions, strengths
from siamese.study.analysis.roc import Roc, auc_draws, roc
from siamese.study.analysis.tables import Votes
from siamese.study.design import Design
from siamese.study.report import figures
from siamese.study.report.cells import (
    INTERVAL,
    INTERVALS,
    MOST_CURVES,
    MOST_ROWS,
    SCORES,
    UNKNOWN,
    joined,
    limits,
    not_all,
    row,
    scale_name,
    scale_of,
    words,
)
from siamese.study.report.figures import Bar, Curve, Drawing, Row
from siamese.study.report.sections import Section, Table

SHARES = ("P1", "P4")


def exploratory(votes: Votes, design: Design) -> Iterator[Section]:
    """All else that was planned beforehand to be shown, but not to decide anything."""
    if not len(votes.main()):
        return
    inference = design.primary.inference
    found, pairs = mos(votes, design.protocol, inference), differences(votes, inference)
    for question in votes.main().questions:
        yield _mos([one for one in found if one.question == question], design, question)
        own = [pair for pair in pairs if pair.question == question]
        if own:
            yield _differences(own, design, question)
    if design.protocol == "P1":
        yield from _rocs(votes, design)
    if design.protocol == "P2":
        yield _ranks(votes, design)
    if design.protocol == "P3":
        yield from (_levels(votes.main().asked(q), design, q) for q in votes.main().questions)
    if design.together > 1:
        yield _positions(positions(votes))
    yield _agreement(agreement(votes, design.protocol), design)


def _mos(found: list[ArmMos], design: Design, question: str) -> Section:
    rows: list[Row] = []
    for one in found:
        rows.append(row(one.arm, one.together, one.kind, strong=True))
        if len(found) * (1 + len(one.raters)) <= 2 * MOST_ROWS:
            rows += [row(f"rater {n}", each, one.kind) for n, each in one.raters.items()]
    what, name = WHAT[design.protocol], scale_name(design, question)
    drawing = figures.forest(
        f"mos_{question or design.protocol.lower()}",
        f"{name + ': ' if name else ''}{what}, of every arm: all raters (large) and each rater (small).",
        rows,
        SCORES[design.protocol],
        limits(design),
        0.5 if design.protocol == "P4" else math.nan,
    )
    table = Table(
        ("arm", "kind", "MOS", INTERVAL, "n", *(("voted real",) if design.protocol == "P1" else ())),
        tuple((*_cells(one.arm, one.kind, one.together), *_voted(one, design)) for one in found),
    )
    return Section(
        f"mos-{question or 'all'}",
        f"MOS of every arm{': ' + name if name else ''}",
        (
            f"MOS here is {what.removeprefix('MOS as ')}. Intervals: bootstrap over mask groups{_reach(design)}.",
        ),
        n=f"{_total(found)} Votes on one picture are not independent; the intervals know that.",
        limit=found[0].together.does_not_show,
        drawing=drawing,
        table=table,
    )


def _differences(pairs: list[Difference], design: Design, question: str) -> Section:
    rows = [row(f"{pair.first} −\n{pair.second}", pair.estimate, strong=True, sign=True) for pair in pairs]
    name = scale_name(design, question)
    head = ("pair", "difference", INTERVAL, "groups for : against : equal", "p after Holm", "verdict")
    cells = []
    for pair in pairs:
        groups = f"{pair.better} : {pair.worse} : {pair.ties}" if pair.paired else "not paired"
        name_of = f"{pair.first} minus {pair.second}"
        cells.append((name_of, *words(pair.estimate, sign=True), groups, p_words(pair.p_holm), pair.verdict))
    paired = (
        "within mask groups" if all(pair.paired for pair in pairs) else "where masks are shared, else across"
    )
    return Section(
        f"pairs-{question or 'all'}",
        f"Which arms are told apart{': ' + name if name else ''}",
        (
            f"Differences of the MOS of two arms, {paired}. p by sign test over mask groups (Mann-Whitney test where "
            f"not paired), corrected after Holm for {len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'}.",
        ),
        n=f"Computed from {pairs[0].estimate.n.words()} for the first pair.",
        limit=pairs[0].estimate.does_not_show,
        drawing=figures.forest(
            f"pairs_{question or 'all'}",
            f"{name + ': ' if name else ''}difference of every two arms. Dashed: none.",
            rows,
            f"difference in {SCORES[design.protocol]}",
            line=0.0,
        ),
        table=Table(head, tuple(cells)),
    )


def _rocs(votes: Votes, design: Design) -> Iterator[Section]:
    real = next((arm.name for arm in design.arms if arm.kind == "real"), "")
    for n, arm in enumerate(arm for arm in votes.main().arms if votes.kind_of(arm) != "real"):
        found = roc(votes, arm, real, design.primary.inference)
        if found.raters:
            yield _roc(votes, design, found, n)


def _roc(votes: Votes, design: Design, found: Roc, n: int) -> Section:
    curves = [
        Curve(f"rater {one.rater} ({number(one.auc.value)})", *zip(*one.points, strict=True))
        for one in found.raters[:MOST_CURVES]
    ]
    rows = [("mean of all", *words(found.auc), "", "", "")]
    for one in found.raters:
        rows.append(
            (
                f"rater {one.rater}",
                *words(one.auc),
                joined(one.d_prime),
                f"{number(one.criterion.value, sign=True)}",
                one.lean,
            )
        )
    lines = [f"{found.auc.words()}. {found.auc.means}"]
    primary = design.primary
    if primary.kind == "equivalence" and (found.synthetic, found.real) != arms(design):
        drawn = auc_draws(votes, found.synthetic, found.real, primary.inference)
        tested = equivalence(drawn, 0.5, primary.margin, primary.alpha)
        lines.append(
            f"Held against the margin of the primary question ({number(tested.band[0])} to {number(tested.band[1])}; "
            f"{interval_words(tested.low, tested.high, tested.level)}): {tested.verdict}."
        )
    lines.append(
        "d′ says how far apart real and synthetic look to a rater (0: guessing), the criterion to which answer the "
        "rater leans (above 0: real)."
    )
    return Section(
        f"roc-{n}",
        f"Telling {found.synthetic} from {found.real}: ROC, AUC, d′ and bias",
        tuple(lines),
        n=f"Computed from {found.auc.n.words()}; AUC from signed confidence, d′ from real or synthetic alone."
        + not_all(len(found.raters), MOST_CURVES),
        limit=found.auc.does_not_show,
        drawing=figures.roc(
            f"roc_{n}",
            f"ROC curve of every rater, {found.synthetic} against {found.real}; one point for each level of signed "
            "confidence, in brackets the AUC. The diagonal is guessing.",
            curves,
        ),
        table=Table(("rater", "AUC", INTERVAL, "d′ (interval)", "criterion", "leaning"), tuple(rows)),
    )


def _ranks(votes: Votes, design: Design) -> Section:
    tested, strong = friedman(votes), strengths(votes, design.primary.inference)
    lines = [tested.w.means]
    rows = []
    apart = (
        nemenyi(dict(zip(tested.arms, tested.mean_ranks, strict=True)), tested.w.n.groups)
        if tested.w.known
        else None
    )
    if apart:
        lines.append(apart.means)
        told = "; ".join(
            f"{pair.higher} and {pair.lower}: {number(pair.gap)} apart, "
            f"{'told apart' if pair.separable else 'not told apart at this size'}"
            for pair in apart.pairs
        )
        lines.append(f"{told}.")
    for arm, one in strong.items():
        rank = number(apart.mean_ranks[arm]) if apart else "not known"
        rows.append((arm, rank, *words(one, percent=True)))
    lines.append(
        "“Put first”: the probability (Plackett-Luce) that an arm is put first when all arms stand side by side."
    )
    return Section(
        "ranks",
        "Ranks: Friedman, Kendall's W, Plackett-Luce",
        tuple(lines),
        n=f"Computed from {tested.w.n.words()} in {tested.w.n.groups} mask groups.",
        limit=f"{tested.w.does_not_show} {next(iter(strong.values())).does_not_show}",
        drawing=spread("ranks", votes.main(), design),
        table=Table(("arm", "mean rank of groups", "put first", INTERVAL), tuple(rows)),
    )


def _levels(asked: Votes, design: Design, question: str) -> Section:
    scale = scale_of(design, question)
    rows = tuple((arm, *map(str, _counts(asked.of(arm), 5))) for arm in asked.arms)
    return Section(
        f"levels-{question}",
        f"How often each level was given: {scale.name}",
        (f"“{scale.question}”",),
        n=f"Computed from {asked.n.words()}.",
        limit="Levels are words; it does not show that the steps between them are equal.",
        drawing=spread(f"levels_{question}", asked, design),
        table=Table(("arm", *scale.levels), rows),
    )


def spread(name: str, asked: Votes, design: Design) -> Drawing:
    """How ranks (P2), or levels of one scale (P3), fall on the arms."""
    if design.protocol == "P3":
        scale = scale_of(design, asked.questions[0])
        best, parts, says = 5, scale.levels, f"{scale.name}: levels given to every arm."
    else:
        best = design.together
        parts = tuple(f"rank {rank}{' (best)' if rank == best else ''}" for rank in range(best, 0, -1))
        says = f"Ranks given to every arm; {best} is best."
    bars = [Bar(arm, [n / len(asked.of(arm)) for n in _counts(asked.of(arm), best)]) for arm in asked.arms]
    return figures.stacked(name, says, bars, parts)


def _counts(own: Votes, best: int) -> list[int]:
    """How often each rank or level was given, best first."""
    return [int((own.value == grade).sum()) for grade in range(best, 0, -1)]


def _positions(found: Positions) -> Section:
    return Section(
        "positions", "Does the place on the screen matter?", (found.means,), limit=found.does_not_show
    )


def _agreement(found: tuple[Agreement, ...], design: Design) -> Section:
    lines, rows = [], []
    for one in found:
        name = scale_name(design, one.question)
        lines.append(
            f"{name + ': ' if name else ''}{one.raw.means} {one.ac.means if one.ac.known else ''}".strip()
        )
        rows.append((name or "all votes", *map(joined, (one.raw, one.ac, one.icc_single, one.icc_mean))))
    head = (
        INTERVALS,
        "raw agreement",
        f"Gwet's {'AC1' if design.protocol in SHARES else 'AC2'}",
        "ICC(A,1)",
        "ICC(A,k)",
    )
    return Section(
        "agreement",
        "Do the raters agree with each other?",
        tuple(lines),
        n=f"Computed from {found[0].raw.n.words()}; Fleiss' kappa and Krippendorff's alpha stand further down.",
        limit=NOT_SHOWN,
        table=Table(head, tuple(rows)).without(UNKNOWN),
    )


def _cells(arm: str, kind: str, one: Estimate) -> tuple[str, ...]:
    return (arm, kind, *words(one), one.n.words())


def _voted(one: ArmMos, design: Design) -> tuple[str, ...]:
    if design.protocol != "P1":
        return ()
    return (f"{round(one.together.value * one.together.n.votes)} of {one.together.n.votes}",)


def _total(found: list[ArmMos]) -> str:
    votes = sum(one.together.n.votes for one in found)
    return f"{votes:,} judgements of {sum(one.together.n.pictures for one in found):,} pictures."


def _reach(design: Design) -> str:
    return (
        " and raters (clinicians at large)"
        if design.primary.inference == "all"
        else ", the raters as they are"
    )
