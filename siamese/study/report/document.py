"""A report as PDF: first page the primary result, then the rest; the same bytes for the same report."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from siamese.study.report.figures import WIDTH
from siamese.study.report.page import FOLDED
from siamese.study.report.sections import Report, Section, Table

if TYPE_CHECKING:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Flowable

MARGIN = 57  # points; 20 mm
TEXT = 481  # points: width of the text on A4
HEIGHT = 560  # points: of a figure at most
MOST_TOGETHER = 14  # rows of a table that is kept on one page


def document(report: Report) -> bytes:
    """The whole file."""
    from reportlab import rl_config
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    rl_config.useA85 = 0  # bytes as they are: a fifth smaller, and much quicker
    styles = _styles()
    file = io.BytesIO()
    template = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 14,
        title=report.title,
        author="",
        subject=report.about,
        creator="Siamese Studio",
        invariant=1,
        pageCompression=1,
    )
    foot = " · ".join(f"{name} {mark[:16]}" for name, mark in report.marks if len(mark) >= 40)

    def numbered(canvas, _template) -> None:  # noqa: ANN001
        canvas.setFont("DejaVu", 7)
        canvas.setFillGray(0.35)
        canvas.drawString(MARGIN, MARGIN - 8, foot)
        canvas.drawRightString(MARGIN + TEXT, MARGIN - 8, str(canvas.getPageNumber()))

    template.build(list(_story(report, styles)), onFirstPage=numbered, onLaterPages=numbered)
    return file.getvalue()


def _story(report: Report, styles: dict[str, ParagraphStyle]) -> Iterator[Flowable]:
    from reportlab.platypus import PageBreak, Paragraph

    def text(words: str, style: str) -> Paragraph:
        return Paragraph(escape(words).replace("\n", "<br/>"), styles[style])

    yield text(report.title, "title")
    yield text(report.about, "small")
    yield from (text(line, "warning") for line in report.warnings)
    yield text(report.primary.lines[0], "answer")
    yield from _figure(report.primary)
    yield text(report.primary.limit, "limit")
    yield text(report.primary.n, "small")
    yield from (text(line, "plain") for line in report.primary.lines[1:])
    yield PageBreak()
    for heading, note, sections in (
        ("Exploratory", FOLDED, report.exploratory),
        ("How the study went", "", report.appendix),
    ):
        head = [text(heading, "part"), *([text(note, "small")] if note else [])]
        for section in sections:
            yield from _section(section, styles, head)
            head = []
    yield text("Methods", "part")
    yield text(report.methods, "plain")
    yield text("Fingerprints", "part")
    yield _grid(Table(("", ""), report.marks), styles, headed=False)


def _section(section: Section, styles: dict[str, ParagraphStyle], head: list[Flowable]) -> Iterator[Flowable]:
    """A section, on one page where it fits; `head` comes before it and stays with it."""
    from reportlab.platypus import KeepTogether, Paragraph, Spacer

    first = [*head, Paragraph(escape(section.title), styles["heading"])]
    first += [Paragraph(escape(line), styles["plain"]) for line in section.lines]
    first += _figure(section)
    last = [Paragraph(escape(section.limit), styles["limit"])] if section.limit else []
    last += [Paragraph(escape(section.n), styles["small"])] if section.n else []
    if section.table is None:
        yield KeepTogether(first + last)
        return
    whole = [_grid(section.table, styles), Spacer(1, 4), *last]
    if len(section.table.rows) <= MOST_TOGETHER:
        yield KeepTogether([*first, *whole])
    else:
        yield KeepTogether(first)
        yield from whole


def _figure(section: Section) -> list[Flowable]:
    from reportlab.platypus import Image

    if section.drawing is None:
        return []
    drawing = section.drawing
    scale = min(TEXT / WIDTH, HEIGHT / drawing.height)
    return [Image(io.BytesIO(drawing.png), scale * WIDTH, scale * drawing.height)]


def _grid(table: Table, styles: dict[str, ParagraphStyle], headed: bool = True) -> Flowable:
    from reportlab.lib.colors import Color
    from reportlab.platypus import Paragraph, TableStyle
    from reportlab.platypus import Table as Grid

    def cells(row: Sequence[str], style: str) -> list[Paragraph]:
        return [Paragraph(escape(cell).replace("\n", "<br/>"), styles[style]) for cell in row]

    rows = ([cells(table.head, "head")] if headed else []) + [cells(row, "cell") for row in table.rows]
    light, dark = Color(0.85, 0.85, 0.85), Color(0.45, 0.45, 0.45)
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, light),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    if headed:
        style.append(("LINEBELOW", (0, 0), (-1, 0), 0.6, dark))
    return Grid(
        rows,
        _widths(table, headed),
        repeatRows=int(headed),
        splitInRow=1,
        style=TableStyle(style),
        hAlign="LEFT",
    )


def _widths(table: Table, headed: bool) -> list[float]:
    """Of the columns, points: as wide as their text where all fits, else at least as wide as their longest word."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    columns = list(zip(*((table.head,) if headed else ()), *table.rows, strict=True))

    def widest(column: Sequence[str], separator: str | None, most: float) -> float:
        parts = [part for cell in column for line in cell.split("\n") for part in line.split(separator)]
        return min(max((stringWidth(part, "DejaVu-Bold", 7.5) for part in parts), default=0.0), most) + 9

    least = [
        widest(column, None, TEXT / len(columns) - 10) for column in columns
    ]  # a word longer than that is cut
    wanted = [widest(column, "\n", TEXT) for column in columns]
    spare, more = TEXT - sum(least), sum(wanted) - sum(least)
    if sum(wanted) <= TEXT:
        return wanted
    return [low + spare * (high - low) / more for low, high in zip(least, wanted, strict=True)]


def _styles() -> dict[str, ParagraphStyle]:
    """The fonts are matplotlib's: they lie on every machine that draws the figures."""
    import matplotlib
    from reportlab.lib.colors import Color
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    registerFont(TTFont("DejaVu", fonts / "DejaVuSans.ttf"))
    registerFont(TTFont("DejaVu-Bold", fonts / "DejaVuSans-Bold.ttf"))
    grey, red = Color(0.35, 0.35, 0.35), Color(0.64, 0, 0)

    def style(name: str, size: float, bold: bool = False, **more: object) -> ParagraphStyle:
        font = "DejaVu-Bold" if bold else "DejaVu"
        return ParagraphStyle(
            name, fontName=font, fontSize=size, leading=size * 1.42, spaceAfter=4, splitLongWords=1, **more
        )

    made = (
        style("title", 16, bold=True),
        style("part", 13, bold=True, spaceBefore=14, keepWithNext=1),
        style("heading", 10, bold=True, spaceBefore=9, keepWithNext=1),
        style("answer", 13, spaceBefore=12),
        style("plain", 9),
        style("limit", 8.5, leftIndent=8, textColor=grey, spaceBefore=3),
        style("small", 8, textColor=grey),
        style("warning", 9, bold=True, textColor=red, spaceBefore=6),
        style("cell", 7.5),
        style("head", 7.5, bold=True),
    )
    return {one.name: one for one in made}
