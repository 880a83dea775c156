"""Counts in words: “1 picture has no mask”, “1,203 pictures have no mask”."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what it counts.

    Args:
        one: what follows the number 1, with its verb where there is one, e.g. "picture has".
        many: what follows every other number; empty: `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
