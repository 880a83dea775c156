"""A short document as PDF: headings, paragraphs, tables; any alphabet that DejaVu has."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

MARGIN, WIDTH, INDENT = 57, 469, 6  # points, of A4; reportlab indents its frame
FONTS = {"Sheet": "DejaVuSans.ttf", "Sheet-Bold": "DejaVuSans-Bold.ttf"}
SHORT = {2: (0.28, 0.72), 4: (0.36, 0.3, 0.22, 0.12)}  # widths of columns, by their number


@dataclass(frozen=True)
class Part:
    """A heading, its paragraphs, and a table whose first row is its head (unless it has two columns of marks)."""

    heading: str
    lines: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()


def pages(title: str, about: str, parts: Sequence[Part], foot: str) -> bytes:
    """The whole file; the same content gives the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer

    _register()
    styles = _styles()
    story = [Paragraph(escape(title), styles["title"]), Paragraph(escape(about), styles["small"])]
    for part in parts:
        lines = [Paragraph(escape(line).replace("\n", "<br/>"), styles["plain"]) for line in part.lines]
        story.append(KeepTogether([Paragraph(escape(part.heading), styles["heading"]), *lines[:1]]))
        story += lines[1:]
        if part.table:
            story += [_table(part.table, styles), Spacer(1, 4)]
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 14,
        title=title,
        author="",
        subject="Protocol sheet",
        creator="Siamese Studio",
        invariant=1,
    )

    def numbered(canvas, _document) -> None:  # noqa: ANN001
        canvas.setFont("Sheet", 7)
        canvas.setFillGray(0.35)
        canvas.drawString(MARGIN + INDENT, MARGIN - 8, foot)
        canvas.drawRightString(MARGIN + INDENT + WIDTH, MARGIN - 8, str(canvas.getPageNumber()))

    document.build(story, onFirstPage=numbered, onLaterPages=numbered)
    return file.getvalue()


def _register() -> None:
    import matplotlib
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in FONTS.items():
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, folder / file))


def _styles() -> dict:
    from reportlab.lib.styles import ParagraphStyle

    plain = ParagraphStyle("plain", fontName="Sheet", fontSize=9, leading=12.5, spaceAfter=4)
    return {
        "plain": plain,
        "title": ParagraphStyle("title", plain, fontName="Sheet-Bold", fontSize=16, leading=20, spaceAfter=3),
        "heading": ParagraphStyle(
            "heading", plain, fontName="Sheet-Bold", fontSize=11, leading=14, spaceBefore=9, spaceAfter=3
        ),
        "small": ParagraphStyle("small", plain, fontSize=8, leading=11),
        "cell": ParagraphStyle("cell", plain, fontSize=8, leading=10.5, spaceAfter=0, splitLongWords=1),
        "head": ParagraphStyle("head", plain, fontName="Sheet-Bold", fontSize=8, leading=10.5, spaceAfter=0),
    }


def _table(rows: Sequence[Sequence[str]], styles: dict):  # noqa: ANN202
    from reportlab.lib.colors import Color
    from reportlab.platypus import Paragraph, Table

    headed = rows[0] in (("Where", "Text"),) or len(rows[0]) > 2
    cells = [
        [
            Paragraph(escape(cell).replace("\n", "<br/>"), styles["head" if headed and k == 0 else "cell"])
            for cell in row
        ]
        for k, row in enumerate(rows)
    ]
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, Color(0.85, 0.85, 0.85)),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    widths = [WIDTH * share for share in SHORT[len(rows[0])]]
    return Table(cells, colWidths=widths, repeatRows=int(headed), style=style, hAlign="LEFT")
