"""`python -m siamese sample`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from siamese import events
from siamese.commands.numbers import seeds as whole_numbers
from siamese.errors import MaskError
from siamese.masks.mask import Mask
from siamese.sections import SAMPLERS, Sampler
from siamese.shipped import find
from siamese.terminal import Bar, StopSignal, console


def sample(
    mask: Annotated[Path, typer.Option(help="mask file, or a folder of masks")],
    out: Annotated[Path, typer.Option(help="folder for images/, masks/ and manifest.jsonl")],
    checkpoint: Annotated[str, typer.Option(help="a shipped name or a folder")] = "polyp-compact",
    seeds: Annotated[str, typer.Option(help="comma-separated whole numbers, one picture each")] = "1",
    guidance: Annotated[float | None, typer.Option(min=0, max=15, help="guidance on the mask")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="sampling steps")] = None,
    sampler: Annotated[Sampler, typer.Option(help=SAMPLERS)] = "sde",
    style: Annotated[str | None, typer.Option(help="style of a training set")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="family sd15: what to paint, in words, instead of the trained prompt")
    ] = None,
    corner_box: Annotated[bool, typer.Option("--corner-box", help="with the black corner box")] = False,
    batch: Annotated[int, typer.Option(min=1, max=64, help="pictures computed together")] = 4,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
) -> None:
    """Synthesize pictures for masks; writes images, masks and a manifest."""
    files = _mask_files(mask)
    only = (
        Mask.read(mask) if not mask.is_dir() else None
    )  # before the model loads: a bad file is said at once
    chosen = whole_numbers(seeds)
    said = " ".join((prompt or "").split())
    find(checkpoint)  # before torch: a missing one is said at once
    from siamese.tasks.sample import SampleRequest, load
    from siamese.tasks.sample import sample as work
    from siamese.tasks.save import PairFolder

    request = SampleRequest(
        seeds=chosen,
        guidance=guidance,
        steps=steps,
        sampler=sampler,
        style=style,
        prompt=said or None,
        corner_box=corner_box,
        batch=batch,
    )
    loaded = load(checkpoint, device)
    folder = PairFolder(out)
    problems = []
    with StopSignal() as stop, Bar() as bar:
        for number, file in enumerate(files):
            try:
                read = only or Mask.read(file)
            except MaskError as error:
                problems.append(str(error))
                continue
            with closing(work(loaded, read, request)) as found:
                for event in found:
                    if isinstance(event, events.Notice):
                        bar.show(events.Notice(f"{file.name}: {event.text}"))
                    elif isinstance(event, events.Preview):
                        bar.show(
                            events.Progress(file.name, event.step, event.total, None, event.seconds_left)
                        )
                    else:
                        bar.show(events.Saved(folder.write(file.stem, event)))
                    if stop.asked:
                        console.print(f"Stopped as asked; {number} of {len(files)} masks are finished.")
                        raise typer.Exit(130)
    if problems:
        raise MaskError(f"{len(problems)} of {len(files)} masks were left out. " + " ".join(problems))


def _mask_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(
        f for f in path.iterdir() if f.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
    )
    if not files:
        raise MaskError(f"{path} holds no mask pictures; name a PNG file or a folder of them.")
    return files
