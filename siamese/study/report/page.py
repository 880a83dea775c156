"""A report as one HTML file: no script, no other file, figures inside; everything but the primary result is folded."""

from __future__ import annotations

from html import escape

from siamese.study.report.sections import Report, Section, Table

FOLDED = "Exploratory: not what the study was planned for. Such figures give ideas; they prove nothing."
STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1.25rem 4rem; background: #fff; color: #1c1c1c;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
.about, .note, .n, .marks { color: #555; }
.about { margin: 0 0 1.5rem; }
.note, .n, .limit, .marks { font-size: .875rem; }
.warning { border-left: .3rem solid #a40000; background: #fbecec; padding: .6rem .9rem; }
.answer { font-size: 1.3rem; line-height: 1.4; margin: 0 0 1rem; }
.limit { border-left: .2rem solid #b8b8b8; padding-left: .7rem; margin: .6rem 0; }
figure { margin: 1rem 0; }
figure svg { width: 100%; height: auto; max-width: 46rem; }
details { border-top: 1px solid #d8d8d8; }
details:last-of-type { border-bottom: 1px solid #d8d8d8; }
summary { cursor: pointer; padding: .55rem 0; font-weight: 600; }
details > div { padding: 0 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #e6e6e6; }
td { white-space: pre-line; }
thead th { border-bottom: 1px solid #888; }
tbody th { font-weight: 500; min-width: 4.5rem; }
.methods { white-space: pre-line; user-select: all; border: 1px solid #d8d8d8; padding: .8rem 1rem; }
.marks dt { float: left; clear: left; width: 12rem; }
.marks dd { margin: 0 0 0 12rem; overflow-wrap: anywhere; font-family: ui-monospace, monospace; font-size: .8rem; }
@page { margin: 18mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  main > section:first-of-type { break-after: page; }
  details::details-content { content-visibility: visible; }
  figure, table { break-inside: avoid; }
}
"""


def page(report: Report) -> bytes:
    """The whole file."""
    title = escape(report.title)
    parts = [
        f'<header><h1>{title}</h1><p class="about">{escape(report.about)}</p></header><main>',
        *(f'<p class="warning">{escape(line)}</p>' for line in report.warnings),
        _primary(report.primary),
        f'<section><h2>Exploratory</h2><p class="note">{FOLDED}</p>',
        *(_folded(section) for section in report.exploratory),
        "</section><section><h2>How the study went</h2>",
        *(_folded(section) for section in report.appendix),
        '</section><section><h2>Methods</h2><p class="note">For a paper; one click marks it whole.</p>',
        f'<p class="methods">{escape(report.methods)}</p></section>',
        '<section><h2>Fingerprints</h2><dl class="marks">',
        *(f"<dt>{escape(name)}</dt><dd>{escape(mark)}</dd>" for name, mark in report.marks),
        "</dl></section></main>",
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style>"
    )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'.encode()


def _primary(section: Section) -> str:
    answer, *more = section.lines
    lines = "".join(f"<p>{escape(line)}</p>" for line in more)
    return f'<section><p class="answer">{escape(answer)}</p>{_figure(section)}{_ending(section)}{lines}</section>'


def _folded(section: Section) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in section.lines)
    inside = f"{lines}{_figure(section)}{_table(section.table)}{_ending(section)}"
    return (
        f'<details id="{section.key}"><summary>{escape(section.title)}</summary><div>{inside}</div></details>'
    )


def _ending(section: Section) -> str:
    limit = f'<p class="limit">{escape(section.limit)}</p>' if section.limit else ""
    return limit + (f'<p class="n">{escape(section.n)}</p>' if section.n else "")


def _figure(section: Section) -> str:
    if section.drawing is None:
        return ""
    svg = section.drawing.svg.decode().replace("<svg ", '<svg role="img" ', 1)
    return f"<figure>{svg}</figure>"


def _table(table: Table | None) -> str:
    if table is None:
        return ""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
