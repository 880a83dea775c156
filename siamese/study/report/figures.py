"""Figures of a report: SVG with text as text, PNG at 300 dpi; told apart by shape and colour; always the same bytes.

Every function takes plain numbers and gives a `Drawing`; what they mean is said beside them, in the report.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.4  # inches: the text width of A4
ROW = 0.3  # inches a row of a forest plot
DPI = 300
PACKED = {"compress_level": 3}  # a tenth larger than the densest, in half the time
# Okabe and Ito's colours, of different lightness too; each with a marker, a dash and a hatch of its own
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#56B4E9", "#CC79A7", "#E69F00", "#000000", "#777777")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
HATCHES = ("", "//", "--", "xx", "\\\\")
SHADES = ("#2b5c8a", "#7fa6c9", "#d9d9d9", "#f0b27a", "#b5541c")  # best to worst
STYLES = {
    "real": ("#0072B2", "o"),
    "synthetic": ("#D55E00", "s"),
    "control": ("#009E73", "^"),
    "": ("#000000", "D"),
}
SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # an organiser's text may hold dollars
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial", "sans-serif"],
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.edgecolor": "#444444",
    "hatch.linewidth": 0.6,
    "hatch.color": "#ffffff",
    "path.simplify": False,
}
_ONE = threading.Lock()  # matplotlib's settings belong to the whole process


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, drawn when it is first asked for.

    Args:
        name: of its files, without ending.
        says: what is to be seen, in words, for those who cannot see it.
        height: inches.
        draw: puts it onto an empty figure.
    """

    name: str
    says: str
    height: float
    draw: Callable[[Figure], None]

    @cached_property
    def svg(self) -> bytes:
        """SVG whose text is text; ids are unlike those of other drawings, so that several may stand in one page."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        file = io.StringIO()
        with self._drawn() as figure:
            facts = {"Date": None, "Title": self.says, "Creator": None}
            FigureCanvasSVG(figure).print_svg(file, metadata=facts)
        text = file.getvalue()
        text = text[text.index("<svg") :]
        used = set(re.findall(r"#([\w-]+)", text))
        text = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", text)
        return text.encode()

    @cached_property
    def png(self) -> bytes:
        """PNG at 300 dpi."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        file = io.BytesIO()
        with self._drawn() as figure:
            figure.set_dpi(DPI)
            FigureCanvasAgg(figure).print_png(file, metadata={"Software": None}, pil_kwargs=PACKED)
        return file.getvalue()

    @cached_property
    def _figure(self) -> Figure:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure((WIDTH, self.height), layout="constrained")
        FigureCanvasAgg(figure)
        self.draw(figure)
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")  # laid out once: a second time would shift it by a hair
        return figure

    @contextmanager
    def _drawn(self) -> Iterator[Figure]:
        import matplotlib

        with _ONE, matplotlib.rc_context({**SETTINGS, "svg.hashsalt": self.name}):
            yield self._figure


@dataclass(frozen=True)
class Row:
    """A line of a forest plot: a value with its interval; NaN where there is none.

    Args:
        label: left of it.
        note: right of it.
        kind: real, synthetic, control, or empty: colour and marker.
        strong: of all raters together: drawn larger.
    """

    label: str
    value: float
    low: float
    high: float
    note: str = ""
    kind: str = ""
    strong: bool = False


def forest(
    name: str,
    says: str,
    rows: Sequence[Row],
    label: str,
    limits: tuple[float, float] | None = None,
    line: float = math.nan,
    zone: tuple[float, float] | None = None,
) -> Drawing:
    """Values with their intervals, one row each, first row on top.

    Args:
        label: of the axis.
        limits: of the axis; None: what is there.
        line: a value to compare with, e.g. 0.5.
        zone: the values that count as equivalent, shaded.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for n, row in enumerate(rows):
            (colour, marker), size = STYLES[row.kind], 7 if row.strong else 4.5
            if not math.isnan(row.low + row.high):
                axes.plot([row.low, row.high], [n, n], color=colour, lw=2.2 if row.strong else 1.1, zorder=2)
            if not math.isnan(row.value):
                face = colour if row.strong else "white"
                axes.plot(row.value, n, marker, color=colour, mfc=face, ms=size, zorder=3, clip_on=False)
            weight = "bold" if row.strong else "normal"
            axes.annotate(
                row.note,
                (1.02, n),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
                weight=weight,
            )
        if zone:
            axes.axvspan(*zone, color="#dddddd", zorder=0, lw=0)
        if not math.isnan(line):
            axes.axvline(line, color="#444444", lw=0.8, ls=(0, (4, 3)), zorder=1)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_fontweight("bold" if row.strong else "normal")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(label)
        if limits:
            axes.set_xlim(*limits)
        else:
            axes.margins(x=0.08)

    return Drawing(name, says, 0.75 + ROW * max(2, len(rows)), draw)


@dataclass(frozen=True)
class Curve:
    """A line of points, e.g. a rater's ROC curve."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


def roc(name: str, says: str, curves: Sequence[Curve]) -> Drawing:
    """ROC curve of every rater: x the false alarms (real pictures taken for synthetic), y the hits, 0 to 1."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#888888", lw=0.8, ls=(0, (4, 3)), label="guessing")
        _lines(axes, curves, marked=12)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.set_xlabel("false alarms: real pictures taken for synthetic")
        axes.set_ylabel("hits: synthetic pictures taken for synthetic")
        _legend(axes, len(curves) + 1)

    return Drawing(name, says, 4.2, draw)


def lines(
    name: str,
    says: str,
    curves: Sequence[Curve],
    x: str,
    y: str,
    limits: tuple[float, float] | None = None,
    steps: bool = False,
) -> Drawing:
    """Lines over a common axis: votes over time (`steps`), share right over the course of the study.

    Args:
        x, y: labels of the axes.
        limits: of y; None: what is there.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        _lines(axes, curves, marked=10, steps=steps)
        axes.set_xlabel(x)
        axes.set_ylabel(textwrap.fill(y, 36))
        axes.margins(0.03)
        if steps:
            axes.set_ylim(bottom=0)
        elif limits:
            axes.set_ylim(*limits)
        if len(curves) > 1:
            _legend(axes, len(curves))

    return Drawing(name, says, 2.7, draw)


@dataclass(frozen=True)
class Bar:
    """How the votes of one arm fall on ranks or levels, best first; shares that sum to 1."""

    label: str
    shares: Sequence[float]


def stacked(name: str, says: str, bars: Sequence[Bar], parts: Sequence[str]) -> Drawing:
    """One bar an arm, divided into ranks or levels, best on the left.

    Args:
        parts: the words of the ranks or levels, best first; at most five.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        shades = [SHADES[round(n * (len(SHADES) - 1) / max(1, len(parts) - 1))] for n in range(len(parts))]
        left = [0.0] * len(bars)
        for n, part in enumerate(parts):
            widths = [bar.shares[n] for bar in bars]
            axes.barh(
                range(len(bars)),
                widths,
                0.66,
                left=left,
                color=shades[n],
                hatch=HATCHES[n],
                ec="white",
                label=part,
            )
            for k, width in enumerate(widths):
                if width >= 0.06:
                    box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"}
                    where = (left[k] + width / 2, k)
                    axes.annotate(
                        f"{100 * width:.0f} %", where, ha="center", va="center", fontsize=7.5, bbox=box
                    )
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper center", ncols=len(parts), frameon=False
        )

    return Drawing(name, says, 0.95 + 0.42 * len(bars), draw)


def _lines(axes: Axes, curves: Sequence[Curve], marked: int, steps: bool = False) -> None:
    for n, curve in enumerate(curves):
        style = {"color": COLOURS[n % len(COLOURS)], "ls": DASHES[n % len(DASHES)], "lw": 1.3, "ms": 4.5}
        every = max(1, math.ceil(len(curve.x) / marked))
        axes.plot(
            curve.x,
            curve.y,
            marker=MARKERS[n % len(MARKERS)],
            markevery=every,
            mfc="white",
            label=curve.label,
            drawstyle="steps-post" if steps else "default",
            **style,
        )


def _legend(axes: Axes, entries: int) -> None:
    columns = 1 + (entries - 1) // 16
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        frameon=False,
        ncols=columns,
        fontsize=8,
        handlelength=3,
    )
