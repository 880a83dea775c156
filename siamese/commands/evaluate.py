"""`python -m siamese evaluate checkpoint`."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from siamese.commands.numbers import numbers
from siamese.commands.numbers import seeds as whole_numbers
from siamese.shipped import find
from siamese.terminal import Bar, StopSignal, console
from siamese.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Measure checkpoints on held-out pictures.")

FEATURE_NET = Path(__file__).resolve().parents[3] / "shared" / "weights" / "squeezenet1_1_fp16.safetensors"


@app.command("checkpoint")
def evaluate_checkpoint(
    name: Annotated[str, typer.Argument(help="a shipped name or a folder")],
    data: Annotated[
        list[Path], typer.Option("--data", help="a training set; the first one's held-out masks are used")
    ],
    out: Annotated[
        Path | None, typer.Option(help="folder for the report; else one in the workspace's runs")
    ] = None,
    split: Annotated[
        Literal["val", "test"], typer.Option(help="val for choices, test for the report")
    ] = "test",
    seeds: Annotated[str, typer.Option(help="comma-separated whole numbers")] = "1,2,3",
    guidance: Annotated[
        str, typer.Option(help="comma-separated values to go through; else the default")
    ] = "",
    against: Annotated[list[str], typer.Option(help="another checkpoint to measure beside it")] = [],  # noqa: B006
    segmenter: Annotated[str, typer.Option(help="the judge of mask fit")] = "polyp-segmenter",
    features: Annotated[
        Path | None, typer.Option(help="SqueezeNet 1.1 weights (.safetensors) for classifier and KID")
    ] = None,
    far: Annotated[int, typer.Option(min=1, help="masks unlike any training mask")] = 50,
    only_fit: Annotated[bool, typer.Option("--only-fit", help="leave out copies and far masks")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
) -> None:
    """Mask fit, realism, spectrum, diversity and copies of a checkpoint, each beside its floor. Sheets hold real
    pictures: keep the folder private."""
    chosen, values = whole_numbers(seeds), numbers(guidance)
    for checkpoint in (name, segmenter, *against):
        find(checkpoint)
    net = features or (FEATURE_NET if FEATURE_NET.is_file() else None)
    folder = out or Workspace.default().runs / f"{time.strftime('%Y%m%d-%H%M%S')}_evaluate_{Path(name).name}"
    from siamese.tasks.evaluate import EvaluateRequest, evaluate

    request = EvaluateRequest(
        checkpoint=name,
        data=tuple(data),
        out=folder,
        split=split,
        seeds=chosen,
        guidance=values,
        against=tuple(against),
        segmenter=segmenter,
        feature_net=net,
        far=far,
        only_fit=only_fit,
        device=device,
    )
    if net is None:
        console.print("No feature net (--features): classifier and KID are left out.")
    with closing(evaluate(request)) as found, StopSignal() as stop, Bar() as bar:
        for event in found:
            bar.show(event)
            if stop.asked:
                console.print("Stopped as asked; nothing was written.")
                raise typer.Exit(130)
    print((folder / "report.md").read_text(encoding="utf-8"))
