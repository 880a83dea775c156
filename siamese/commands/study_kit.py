"""`python -m siamese study kit|import`: raters behind a firewall."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamese.commands.studies import Name, Where, find
from siamese.errors import SiameseError


def kit(
    name: Name,
    rater: Annotated[
        list[int] | None,
        typer.Option("--rater", min=0, help="this rater; may be repeated (default: all but 0)"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say how large they are; write nothing")] = False,
    workspace: Where = None,
) -> None:
    """One HTML file for each rater who cannot reach the pages: pictures and questions, never the truth."""
    from siamese.study.kit import Kits
    from siamese.study.studies import status

    study = find(name, workspace)
    numbers = rater or [one.number for one in status(study).raters if one.number]
    kits = Kits(study, list(dict.fromkeys(numbers)))
    for planned in kits.planned:
        print(f"rater {planned.rater}: {planned.size / 1e6:.1f} MB ({planned.pictures} pictures)")
    if dry_run:
        return
    for written in kits.write():
        print(f"written {written.path}")
    print(
        "Hand each file to its rater alone; it holds the pictures, so treat it like them (few mail servers carry more "
        f"than 20 MB). The answers come back as a file: `study import {study.name} FILE`."
    )


def import_(
    name: Name,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="votes files that raters sent back")],
    workspace: Where = None,
) -> None:
    """Take the votes of kits, each once; nothing of a file that is refused. Exit code 2: some were refused."""
    from siamese.study.kit_import import import_votes

    study, refused = find(name, workspace), False
    for path in files:
        try:
            print(f"{path.name}: {import_votes(study, path).words}")
        except SiameseError as error:
            refused = True
            typer.echo(str(error), err=True)
    if refused:
        raise typer.Exit(2)
