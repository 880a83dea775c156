"""`python -m siamese study …`: blind rating studies. The words of each part lie in `study_<part>.py` beside this file."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from siamese.counted import counted
from siamese.study.studies import RaterStatus, Studies, Study
from siamese.study.studies import status as counts
from siamese.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True, help="Blind rating studies: design, lock, links, pages, votes, report."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the study's name")]
Where = Annotated[
    Path | None, typer.Option("--workspace", help="default: SIAMESE_WORKSPACE or ~/SiameseStudio")
]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


def find(name: str, workspace: Path | None) -> Study:
    """The study of a name in a workspace."""
    return Studies(Workspace.default() if workspace is None else Workspace(workspace)).find(name)


@app.command()
def status(name: Name, workspace: Where = None, as_json: AsJson = False) -> None:
    """Counts of every rater, and the head of the chain; never anything by arm."""
    found = counts(find(name, workspace))
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    elif not found.locked_at:
        print(f"{found.name}: not locked yet")
    else:
        print(
            f"{found.name}: locked {_clock(found.locked_at)}, {counted(found.recorded, 'record')}, head {found.head}"
        )
        for rater in found.raters:
            print(f"  {_words(rater)}")


def _words(rater: RaterStatus) -> str:
    name = f"rater {rater.number}" if rater.number else "rehearsal"
    state = (
        "withdrawn"
        if rater.withdrawn
        else "finished"
        if rater.finished
        else "consented"
        if rater.consented
        else "not begun"
    )
    last = f", last {_clock(rater.last)}" if rater.last else ""
    return f"{name}: {rater.answered} of {rater.total}, {state}{last}"


def _clock(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at / 1e6))
