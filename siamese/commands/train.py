"""`python -m siamese train`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from siamese import events, recipe
from siamese.jobs.request import note
from siamese.terminal import Bar, StopSignal


def train(
    recipe_file: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="a .toml of assets/recipes or your own")
    ],
    data: Annotated[
        list[Path], typer.Option("--data", help="folder with images/ and masks/; may be repeated")
    ],
    run: Annotated[Path, typer.Option("--run", help="run folder; the same command resumes it")],
    changes: Annotated[list[str], typer.Option("--set", help="key=value, e.g. train_base.steps=500")] = [],  # noqa: B006
    seconds: Annotated[
        float | None, typer.Option(min=1, help="stop after that time, saved and resumable")
    ] = None,
    start: Annotated[str | None, typer.Option(help="checkpoint to start the weights from")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="auto: by a short trial")
    ] = "auto",
) -> None:
    """Train a model on folders of pictures and masks. Ctrl+C (or SIGTERM) saves and stops; run again to go on."""
    settings = recipe.read(recipe_file, changes)
    from siamese.tasks.crew import rank
    from siamese.tasks.record import recorded
    from siamese.tasks.train import TrainRequest
    from siamese.tasks.train import train as work

    request = TrainRequest(settings, tuple(data), run, seconds, start, device, precision)
    with StopSignal() as stop, Bar(silent=rank() > 0) as bar, closing(work(request)) as found:
        for event in found if rank() else recorded(found, run):
            bar.show(event)
            if not rank():
                note(run)
            if stop.asked:
                (run / "cancel").touch()  # looked at before every step, by all processes alike
    if stop.asked:
        bar.show(events.Notice("Stopped as asked; saved. The same command goes on from here."))
        raise typer.Exit(130)
