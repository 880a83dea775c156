"""The command line: one word a verb, one module of `siamese.commands` each. `python -m siamese --help`.

A user's mistake is one line and exit code 2; anything else is a bug: traceback, exit code 1.
"""

from __future__ import annotations

import sys

import typer

from siamese.commands import checkpoint, data, evaluate, export, gate, jobs, study
from siamese.commands.doctor import doctor
from siamese.commands.fetch import fetch
from siamese.commands.sample import sample
from siamese.commands.synthesize import synthesize
from siamese.commands.train import train
from siamese.errors import SiameseError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Siamese Studio: masks to tissue.")
app.command()(train)
app.command()(sample)
app.command()(synthesize)
app.command()(fetch)
app.command()(doctor)
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(data.app, name="data")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(export.app, name="export")
app.add_typer(gate.app, name="gate")
app.add_typer(jobs.app, name="jobs")
app.add_typer(study.app, name="study")


def main() -> None:
    """Entry point: SiameseError → one line on stderr and exit code 2."""
    try:
        app()
    except SiameseError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
