"""Reports for people: contact sheets as PNG, figures as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np

SIDE = 160  # of a picture on a sheet, pixels
NUMBER = (0, 170, 255)  # colour of the numbers
COLUMNS = 12  # cases beside each other


class Measured(Protocol):
    """A value with its 95 % interval over n cases."""

    value: float
    low: float
    high: float
    n: int


class Named(Protocol):
    """A row of a table."""

    name: str
    figures: Mapping[str, Measured]


def grid(
    rows: Sequence[np.ndarray], side: int = SIDE, columns: int = COLUMNS, numbered: bool = False
) -> bytes:
    """PNG of cases side by side; each of `rows` is (N,S,S) or (N,S,S,3) uint8 and gives a case one picture.

    `numbered` writes 1 to N on the pictures of the first row.
    """
    count = len(rows[0])
    bands = []
    for start in range(0, count, columns):
        band = np.full((len(rows) * side, columns * side, 3), 255, np.uint8)
        for r, row in enumerate(rows):
            for c, picture in enumerate(row[start : start + columns]):
                small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
                small = small if small.ndim == 3 else np.repeat(small[..., None], 3, axis=2)
                if numbered and r == 0:
                    place = (4, side - 6)
                    cv2.putText(small, str(start + c + 1), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, NUMBER, 1)
                band[r * side : (r + 1) * side, c * side : (c + 1) * side] = small
        bands.append(band)
    return cv2.imencode(".png", np.vstack(bands)[..., ::-1])[1].tobytes()


def table(facts: Mapping[str, object], rows: Sequence[Named], far: Mapping[str, Measured]) -> str:
    """Markdown: the facts, one line a figure and one column a row, mask fit on far masks."""
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "| | " + " | ".join(row.name for row in rows) + " |", "|" + "---|" * (len(rows) + 1)]
    names = dict.fromkeys(name for row in rows for name in row.figures)
    for name in names:
        cells = [_cell(row.figures[name]) if name in row.figures else "" for row in rows]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if far:
        lines += ["", "| far masks | Dice (empty: share of pixels seen as lesion) | n |", "|---|---|---|"]
        lines += [f"| {kind} | {_cell(f)} | {f.n} |" for kind, f in far.items()]
    return "\n".join(lines) + "\n"


def _cell(figure: Measured) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
