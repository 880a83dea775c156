"""The values of the page's settings, checked; whatever is wrong is said in one sentence."""

from __future__ import annotations

import math
import re

from siamese.errors import SiameseError

LARGEST_SEED = 2**31 - 1
LONGEST_PROMPT = 400  # characters
MOST = 16  # pictures of one run
MOST_STEPS = 1000
HIGHEST_GUIDANCE = 15
GUIDANCES = (1.0, 2.0, 3.0, 5.0)  # rows of a contact sheet, at first
MOST_ROWS = 8
FEWEST_COLUMNS, MOST_COLUMNS = 2, 8


class SettingError(SiameseError):
    """A setting on the page that is empty or outside its range."""


def whole(value: float | None, name: str, low: int, high: int) -> int:
    """A whole number of the page within its range.

    Raises:
        SettingError: empty, not whole, or outside.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value != int(value) or not low <= value <= high:
        found = f"{value:g}" if number else "empty"
        raise SettingError(f"{name} is {found}; a whole number from {low} to {high} was expected.")
    return int(value)


def fit(value: float | None) -> float:
    """The guidance, 0 to 15.

    Raises:
        SettingError: empty or outside.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= HIGHEST_GUIDANCE:
        found = f"{value:g}" if isinstance(value, int | float) else "empty"
        raise SettingError(
            f"Fit to the outline (guidance) is {found}; a number from 0 to {HIGHEST_GUIDANCE} was expected."
        )
    return float(value)


def prompt(text: str | None) -> str:
    """What to paint, in words; empty: as the model was trained.

    Raises:
        SettingError: too long.
    """
    found = " ".join((text or "").split())
    if len(found) > LONGEST_PROMPT:
        raise SettingError(
            f"The prompt has {len(found)} characters; {LONGEST_PROMPT} are the most, shorten it."
        )
    return found


def fits(text: str | None) -> tuple[float, ...]:
    """The rows of a contact sheet from a text such as "1, 2, 3, 5": 1 to 8 different numbers from 0 to 15.

    Raises:
        SettingError: what was found, and an example.
    """
    words = [word for word in re.split(r"[\s,;]+", (text or "").strip()) if word]
    wanted = f"1 to {MOST_ROWS} numbers from 0 to {HIGHEST_GUIDANCE} with commas between were expected"
    example = "write for example 1, 2, 3, 5."
    if not 1 <= len(words) <= MOST_ROWS:
        raise SettingError(f"The sheet has {len(words)} guidance values; {wanted}: {example}")
    found = []
    for word in words:
        try:
            found.append(fit(float(word)))
        except (ValueError, SettingError) as error:
            raise SettingError(
                f"“{word[:20]}” is no guidance value for the sheet; {wanted}: {example}"
            ) from error
    return tuple(dict.fromkeys(found))


def seeds(first: int, count: int) -> tuple[int, ...]:
    """`count` seeds from `first` on; after the largest comes 0."""
    return tuple((first + i) % (LARGEST_SEED + 1) for i in range(count))
