"""What an answer must be, for each protocol, and which facts a page may send with it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from siamese.errors import StudyError
from siamese.study.design import Protocol

FACTS = ("ms", "hidden_ms", "factor", "dpr", "shown")  # numbers; `css` is a pair of them
EXPECTED = {
    "P1": '{"real": true or false, "confidence": 1 to 10}',
    "P2": '{"order": every position once, best first}',
    "P3": '{"level": 1 to 5}',
    "P4": '{"patient": a position}',
}


def checked(protocol: Protocol, answer: Mapping[str, object], together: int) -> dict[str, object]:
    """The answer, when it is one.

    Args:
        protocol: P1 to P4.
        answer: from a page or a file.
        together: pictures of the presentation; positions are 0 to together − 1, left to right.

    Raises:
        StudyError: anything else; the message says what was expected.
    """
    right = {"P1": _p1, "P2": _p2, "P3": _p3, "P4": _p4}[protocol]
    if not isinstance(answer, Mapping) or not right(answer, together):
        raise StudyError(
            f"The answer {str(answer)[:80]} was not understood; {EXPECTED[protocol]} was expected. Reload the page."
        )
    return dict(answer)


def known_facts(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts that are numbers; the rest is dropped, for a strange browser must not cost a vote."""
    kept: dict[str, object] = {name: facts[name] for name in FACTS if _finite(facts.get(name))}
    css = facts.get("css")
    if isinstance(css, list | tuple) and len(css) == 2 and all(_finite(side) for side in css):
        kept["css"] = list(css)
    return kept


def _p1(answer: Mapping[str, object], together: int) -> bool:
    return (
        set(answer) == {"real", "confidence"}
        and isinstance(answer["real"], bool)
        and _whole(answer["confidence"], 1, 10)
    )


def _p2(answer: Mapping[str, object], together: int) -> bool:
    order = answer.get("order")
    whole = isinstance(order, list | tuple) and all(_whole(one, 0, together - 1) for one in order)
    return set(answer) == {"order"} and whole and sorted(order) == list(range(together))


def _p3(answer: Mapping[str, object], together: int) -> bool:
    return set(answer) == {"level"} and _whole(answer["level"], 1, 5)


def _p4(answer: Mapping[str, object], together: int) -> bool:
    return set(answer) == {"patient"} and _whole(answer["patient"], 0, together - 1)


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _finite(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e18
        and math.isfinite(value)
    )
