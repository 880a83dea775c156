"""What the screen "Rate" shows of a study, as HTML: where it stands, cues, contact sheets, links, counts, reports."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from siamese.counted import counted

if TYPE_CHECKING:
    from siamese.study.cues import Cue
    from siamese.study.design import Design
    from siamese.study.studies import Status, Study

STEPS = ("Design", "Pictures", "Lock", "Raters", "Results")


def told(text: str, bad: bool = False) -> str:
    """One outcome, said to everybody who reads or hears the page."""
    if not text:
        return ""
    lines = "<br>".join(html.escape(line) for line in text.splitlines())
    return f"<p class='ra-said{' bad' if bad else ''}' role='status'>{lines}</p>"


def steps(done: int, then: str) -> str:
    """Where a study stands: `done` of STEPS are behind it, and what comes next in words."""
    marks = "".join(
        f"<li class='{'done' if k < done else 'now' if k == done else ''}'"
        f"{' aria-current=step' if k == done else ''}>{'✓ ' if k < done else ''}{name}</li>"
        for k, name in enumerate(STEPS)
    )
    return f"<ol class='ra-steps'>{marks}</ol><p class='ra-next'>{html.escape(then)}</p>"


def listed(head: str, lines: Iterable[str], otherwise: str) -> str:
    """A headed list; `otherwise` where it is empty."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<p>{html.escape(head)}</p><ul class='ra-list'>{items}</ul>" if items else told(otherwise)


def cost(design: Design) -> str:
    """Minutes of a rater beside what the design can detect."""
    from siamese.study.power import minutes, power

    taken = minutes(design)
    shown = counted(taken.presentations, "presentation")
    time_ = f"{shown} of {taken.seconds:g} s: about {taken.total:.0f} minutes a rater."
    warning = f"<p class='ra-said bad'>{html.escape(taken.warning)}</p>" if taken.warning else ""
    able = "".join(f"<li>{html.escape(line)}</li>" for line in power(design).sentences(design.raters))
    return f"<p><strong>{html.escape(time_)}</strong></p>{warning}<ul class='ra-list'>{able}</ul>"


def cues(found: Sequence[Cue]) -> str:
    """How well each simple cue alone separates the arms: AUC with its interval, the strongest first."""
    rows = []
    for cue in found:
        low, high = (100 * min(max(value, 0), 1) for value in (cue.low, cue.high))
        bar = (
            f"<span class='ra-auc' aria-hidden='true'><i style='left:{low:.0f}%;width:{max(high - low, 1):.0f}%'></i>"
            f"<b style='left:{100 * cue.auc:.0f}%'></b></span>"
        )
        sign = "⚠ needs a reason" if cue.tells else "weak"
        rows.append(f"<tr><td>{html.escape(cue.sentence())}</td><td>{bar}</td><td>{sign}</td></tr>")
    head = "<tr><th scope='col'>Cue</th><th scope='col'>AUC 0 to 1, 0.5 tells nothing</th><th scope='col'></th></tr>"
    return f"<table class='ra-table'><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def sheets(pictures: Mapping[str, bytes]) -> str:
    """Contact sheets by arm, PNG; inside the page, so that no file of them lies in a cache."""
    return "".join(
        f"<details class='ra-sheet'><summary>Look at the pictures of {html.escape(arm)}</summary>"
        f"<img alt='prepared pictures of {html.escape(arm)}' src='{_data(png)}'></details>"
        for arm, png in pictures.items()
    )


def links(study: Study) -> str:
    """Every personal link with its QR code."""
    from siamese.study import links as work

    base, cards = work.base_of(study), []
    for rater, key in sorted(work.read_keys(study).items()):
        code = study.folder / work.FOLDER / f"{f'rater-{rater:03d}' if rater else 'rehearsal'}.png"
        picture = (
            f"<img alt='QR code of the link' src='{_data(code.read_bytes())}'>" if code.is_file() else ""
        )
        who = f"Rater {rater}" if rater else "Rehearsal (you, never counted)"
        address = html.escape(work.link(base, key))
        cards.append(f"<li><strong>{who}</strong>{picture}<code tabindex='0'>{address}</code></li>")
    return f"<ul class='ra-links'>{''.join(cards)}</ul>"


def counts(found: Status) -> str:
    """Counts of each rater, never by arm."""
    rows = []
    for one in found.raters:
        state = (
            "withdrawn"
            if one.withdrawn
            else "finished"
            if one.finished
            else "at it"
            if one.consented
            else "has not begun"
        )
        last = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last / 1e6)) if one.last else ""
        who = f"Rater {one.number}" if one.number else "Rehearsal"
        rows.append(
            f"<tr><th scope='row'>{who}</th><td>{state}</td><td>{one.answered} of {one.total}</td><td>{last}</td></tr>"
        )
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("", "", "Answered", "Last"))
    table = f"<table class='ra-table'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"{table}<p class='ra-soft'>{counted(found.recorded, 'record')} in the chain, head {found.head[:16]}</p>"


def report(page: bytes) -> str:
    """A report inside the page; its own document, which runs nothing and reaches nothing."""
    inside = html.escape(page.decode(), quote=True)
    return f"<iframe class='ra-report' title='Report' sandbox srcdoc='{inside}'></iframe>"


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
