"""How a figure stands in a table or a forest plot: value, interval, axis."""

from __future__ import annotations

import math

from siamese.study.analysis.estimate import Estimate, number
from siamese.study.design import Design, Protocol
from siamese.study.report.figures import Row
from siamese.study.texts import Scale

SCORES: dict[Protocol, str] = {
    "P1": "share voted real",
    "P2": "mean rank",
    "P3": "mean level",
    "P4": "share taken for the patient's",
}
INTERVAL, INTERVALS, UNKNOWN = "95 % interval", "in brackets: 95 % intervals", "not known"
MOST_ROWS, MOST_CURVES = 20, 12  # of raters in one figure


def words(one: Estimate, sign: bool = False, percent: bool = False) -> tuple[str, str]:
    """Value and interval."""
    times, digits, unit = (100, 0, " %") if percent else (1, 2, "")
    if not one.known:
        return UNKNOWN, ""
    low, high = (number(times * bound, digits, sign) for bound in (one.low, one.high))
    between = "none" if math.isnan(one.low) else f"{low} to {high}{unit}"
    return number(times * one.value, digits, sign) + unit, between


def joined(one: Estimate) -> str:
    """Value and interval in one cell of a table."""
    value, between = words(one)
    return f"{value} ({between})" if one.known and between != "none" else value


def row(label: str, one: Estimate, kind: str = "", strong: bool = False, sign: bool = False) -> Row:
    """A row of a forest plot, value and interval beside it."""
    note = number(one.value, sign=sign)
    if not math.isnan(one.low):
        note += f" ({number(one.low, sign=sign)} to {number(one.high, sign=sign)})"
    return Row(label, one.value, one.low, one.high, note, kind, strong)


def limits(design: Design) -> tuple[float, float]:
    """The least and the best score of a protocol."""
    return {"P2": (1.0, float(design.together)), "P3": (1.0, 5.0)}.get(design.protocol, (0.0, 1.0))


def not_all(raters: int, most: int) -> str:
    """A sentence, with a space before it, where a figure cannot show every rater; else nothing."""
    return f" The figure shows the first {most} of {raters} raters." if raters > most else ""


def scale_name(design: Design, question: str) -> str:
    """The name of a scale of P3 as raters saw it; empty for the other protocols."""
    return scale_of(design, question).name if question else ""


def scale_of(design: Design, question: str) -> Scale:
    """The scale (P3) of a question."""
    return next(scale for scale in design.texts.scales if scale.key == question)
