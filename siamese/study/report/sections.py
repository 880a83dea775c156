"""What a report consists of, before it becomes a page or a PDF: sections of sentences, a figure and a table each."""

from __future__ import annotations

from dataclasses import dataclass

from siamese.study.report.figures import Drawing


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def without(self, nothing: str) -> Table:
        """Without the columns in which every row says `nothing`."""
        kept = [n for n in range(len(self.head)) if any(row[n] != nothing for row in self.rows)]
        rows = tuple(tuple(row[n] for n in kept) for row in self.rows)
        return Table(tuple(self.head[n] for n in kept), rows)


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Args:
        key: its anchor.
        title: heading.
        lines: what was found, a sentence or two each.
        n: what it was computed from.
        limit: what it does not show.
        drawing, table: None where there is none.
    """

    key: str
    title: str
    lines: tuple[str, ...] = ()
    n: str = ""
    limit: str = ""
    drawing: Drawing | None = None
    table: Table | None = None


@dataclass(frozen=True)
class Report:
    """A whole report.

    Args:
        title: of the study.
        about: one line: protocol and question.
        warnings: what a reader must know before any figure; empty most of the time.
        primary: the first page: first line the one sentence, drawing the one figure, limit the one limit.
        exploratory: all else that was analysed, folded.
        appendix: how the study went, and statistics for those who ask for them, folded.
        methods: a paragraph for a paper.
        marks: name → fingerprint or version, on the first page.
    """

    title: str
    about: str
    warnings: tuple[str, ...]
    primary: Section
    exploratory: tuple[Section, ...]
    appendix: tuple[Section, ...]
    methods: str
    marks: tuple[tuple[str, str], ...]

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """Every figure, in order."""
        sections = (self.primary, *self.exploratory, *self.appendix)
        return tuple(section.drawing for section in sections if section.drawing)
