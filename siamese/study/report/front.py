"""The first page of a report: one sentence, one figure, one limit."""

from __future__ import annotations

import math
from collections.abc import Callable

from siamese.study.analysis.differences import difference
from siamese.study.analysis.estimate import Estimate, number
from siamese.study.analysis.mos import arm_mos
from siamese.study.analysis.primary import SCORE, Answer, answer, arms
from siamese.study.analysis.roc import roc
from siamese.study.analysis.tables import Votes
from siamese.study.design import Design
from siamese.study.report import figures
from siamese.study.report.cells import MOST_ROWS, SCORES, limits, not_all, row
from siamese.study.report.figures import Drawing, Row
from siamese.study.report.findings import spread
from siamese.study.report.sections import Section


def primary(votes: Votes, design: Design) -> Section:
    """The first page: one sentence, one figure, one limit."""
    found = answer(votes, design)
    return Section(
        "primary",
        "The primary result",
        (found.sentence,),
        n=f"Computed from {found.n.words()}.{'' if found.figure == 'ranks' else not_all(found.n.raters, MOST_ROWS)}",
        limit=found.limit,
        drawing=_primary_figure(votes, design, found) if len(votes.main()) else None,
    )


def _primary_figure(votes: Votes, design: Design, found: Answer) -> Drawing | None:
    first, second = arms(design)
    counted, inference = votes.main(), design.primary.inference
    if design.protocol == "P3":
        counted = counted.asked(design.texts.scales[0].key)
    together = Row("All raters", found.estimate, found.low, found.high, _note(found), strong=True)
    if math.isnan(found.estimate):
        return spread("primary", counted, design) if design.protocol in ("P2", "P3") else None
    if design.protocol == "P1" and design.primary.kind == "equivalence":
        each = {one.rater: one.auc for one in roc(votes, first, second, inference).raters}
        says = f"AUC of {first} against {second}, of all raters and of each. Dashed: guessing."
        return _by_rater("primary", says, together, each, "AUC (0.5: guessing)", (0, 1), 0.5, found.band)
    if found.figure == "ranks":
        return spread("primary", counted, design)
    if design.primary.kind == "description":
        of = _each(counted, lambda own: arm_mos(own, first, design.protocol))
        says = f"{first}, {SCORE[design.protocol]}, of all raters and of each."
        return _by_rater("primary", says, together, of, SCORES[design.protocol], limits(design))
    if design.protocol == "P4":
        of = _each(counted.of(first, second), lambda own: arm_mos(own, first, "P4"))
        says = f"How often {first} was taken for the patient's, by all raters and by each. Dashed: guessing."
        label = f"share of pairs in which {first} was taken for the patient's"
        return _by_rater("primary", says, together, of, label, (0, 1), 0.5, found.band)
    of = _each(counted, lambda own: difference(own, first, second).estimate)
    says = (
        f"{first} minus {second}, {SCORE[design.protocol]}, of all raters and of each. Dashed: no difference."
    )
    return _by_rater("primary", says, together, of, f"{first} minus {second}", None, 0.0, found.band)


def _by_rater(
    name: str,
    says: str,
    together: Row,
    raters: dict[int, Estimate],
    label: str,
    limits: tuple[float, float] | None,
    line: float = math.nan,
    zone: tuple[float, float] | None = None,
) -> Drawing:
    rows = [row(f"Rater {n}", one) for n, one in list(raters.items())[:MOST_ROWS] if one.known]
    shaded = " Shaded: what counts as equivalent." if zone else ""
    return figures.forest(name, says + shaded, [together, *rows], label, limits, line, zone)


def _each(counted: Votes, of: Callable[[Votes], Estimate]) -> dict[int, Estimate]:
    return {rater: of(counted.by(rater)) for rater in counted.raters[:MOST_ROWS]}


def _note(found: Answer) -> str:
    between = "" if math.isnan(found.low) else f" ({number(found.low)} to {number(found.high)})"
    return f"{number(found.estimate)}{between}"
