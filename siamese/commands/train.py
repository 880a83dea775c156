"""`python -m siamese train`."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from siamese import events, presets, recipe
from siamese.errors import RecipeError
from siamese.jobs import lane
from siamese.jobs.request import note
from siamese.terminal import Bar, StopSignal


def _list_presets(wanted: bool) -> None:
    if wanted:
        width = max(map(len, presets.PRESETS))
        for found in presets.PRESETS.values():
            print(f"{found.name:{width}}  {found.sentence}")
        raise typer.Exit


def train(
    recipe_file: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="a .toml of assets/recipes or your own")
    ],
    data: Annotated[
        list[Path], typer.Option("--data", help="folder with images/ and masks/; may be repeated")
    ],
    run: Annotated[Path | None, typer.Option("--run", help="run folder; the same command resumes it")] = None,
    named: Annotated[
        list[str], typer.Option("--preset", help="settings by name, before --set; may be repeated")
    ] = [],  # noqa: B006
    changes: Annotated[list[str], typer.Option("--set", help="key=value, e.g. train_base.steps=500")] = [],  # noqa: B006
    seconds: Annotated[
        float | None, typer.Option(min=1, help="stop after that time, saved and resumable")
    ] = None,
    start: Annotated[str | None, typer.Option(help="checkpoint to start the weights from")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="auto: by a short trial")
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what it needs (memory, hours, disk) and train nothing")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", help="with --dry-run: every setting")] = False,
    list_presets: Annotated[
        bool,
        typer.Option(
            "--list-presets", callback=_list_presets, is_eager=True, help="names for --preset, and exit"
        ),
    ] = False,
) -> None:
    """Train a model on folders of pictures and masks. Ctrl+C (or SIGTERM) saves and stops; run again to go on."""
    settings = recipe.read(
        recipe_file, [*(c for name in named for c in presets.preset(name).changes), *changes]
    )
    if dry_run:
        _plan(settings, data, start, device, precision, verbose)
        return
    if run is None:
        raise RecipeError(
            "Training needs a folder for what it makes: --run FOLDER (--dry-run alone needs none)."
        )
    from siamese.tasks.crew import rank
    from siamese.tasks.record import recorded
    from siamese.tasks.train import TrainRequest
    from siamese.tasks.train import train as work

    request = TrainRequest(settings, tuple(data), run, seconds, start, device, precision)
    with (
        StopSignal() as stop,
        Bar(silent=rank() > 0) as bar,
        ExitStack() as held,
        closing(work(request)) as found,
    ):
        for event in found if rank() else recorded(found, run):
            bar.show(event)
            if not rank() and note(run) and (said := held.enter_context(lane.joined(run))):
                bar.show(events.Notice(said))
            if stop.asked:
                (run / "cancel").touch()  # looked at before every step, by all processes alike
    if stop.asked:
        bar.show(events.Notice("Stopped as asked; saved. The same command goes on from here."))
        raise typer.Exit(130)


def _plan(
    settings: recipe.Recipe, data: list[Path], start: str | None, device: str, precision: str, verbose: bool
) -> None:
    """Print what the training would need."""
    from siamese.data import dataset
    from siamese.tasks.plan import plan

    pictures = sum(len(dataset.read(folder, "train").cases) for folder in data)
    for line in plan(settings, pictures, start, device, precision).lines(verbose):
        print(line)
