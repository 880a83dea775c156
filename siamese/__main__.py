"""The command line: one word a verb. `python -m siamese --help`.

A user's mistake is one line and exit code 2; anything else is a bug: traceback, exit code 1.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from siamese import events, recipe
from siamese.errors import MaskError, SiameseError, writing
from siamese.masks.mask import Mask
from siamese.shipped import FILE, find
from siamese.terminal import Bar, StopSignal, console
from siamese.workspace import Workspace, write_atomically

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Siamese Studio: masks to tissue.")
checkpoints = typer.Typer(no_args_is_help=True, help="Look at checkpoints and publish them.")
app.add_typer(checkpoints, name="checkpoint")
evaluations = typer.Typer(no_args_is_help=True, help="Measure checkpoints on held-out pictures.")
app.add_typer(evaluations, name="evaluate")

INDEX_SIZE = 384  # side at which training pictures are read for a segmenter's index, pixels
FEATURE_NET = Path(__file__).resolve().parents[2] / "shared" / "weights" / "squeezenet1_1_fp16.safetensors"


@app.command()
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
        Literal["auto", "fp32", "bf16"], typer.Option(help="auto: by a short trial")
    ] = "auto",
) -> None:
    """Train a model on folders of pictures and masks. Ctrl+C (or SIGTERM) saves and stops; run again to go on."""
    settings = recipe.read(recipe_file, changes)
    from siamese.tasks.train import TrainRequest
    from siamese.tasks.train import train as work

    request = TrainRequest(settings, tuple(data), run, seconds, start, device, precision)
    with closing(work(request)) as found, StopSignal() as stop, Bar() as bar:
        for event in _recorded(found, run):
            bar.show(event)
            if stop.asked:
                found.close()
                console.print("Stopped as asked; saved. The same command goes on from here.")
                raise typer.Exit(130)


@app.command()
def sample(
    mask: Annotated[Path, typer.Option(help="mask file, or a folder of masks")],
    out: Annotated[Path, typer.Option(help="folder for images/, masks/ and manifest.jsonl")],
    checkpoint: Annotated[str, typer.Option(help="a shipped name or a folder")] = "polyp-compact",
    seeds: Annotated[str, typer.Option(help="comma-separated whole numbers, one picture each")] = "1",
    guidance: Annotated[float | None, typer.Option(min=0, max=15, help="guidance on the mask")] = None,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="sampling steps")] = 20,
    sampler: Annotated[
        Literal["ddim", "dpm"], typer.Option(help="dpm: few steps; ddim: the paper's")
    ] = "dpm",
    style: Annotated[str | None, typer.Option(help="style of a training set")] = None,
    corner_box: Annotated[bool, typer.Option("--corner-box", help="with the black corner box")] = False,
    batch: Annotated[int, typer.Option(min=1, max=64, help="pictures computed together")] = 4,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
) -> None:
    """Synthesize pictures for masks; writes images, masks and a manifest."""
    files = _mask_files(mask)
    only = (
        Mask.read(mask) if not mask.is_dir() else None
    )  # before the model loads: a bad file is said at once
    chosen = _seeds(seeds)
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


@app.command()
def doctor(
    checkpoint: Annotated[str, typer.Option(help="a shipped name or a folder")] = "polyp-compact",
    workspace: Annotated[
        Path | None, typer.Option(help="workspace folder; else SIAMESE_WORKSPACE or the home")
    ] = None,
) -> None:
    """Check this machine: versions, device, precision, disk, checkpoint, workspace; a cure for each failure."""
    from siamese import doctor as doctors

    findings = doctors.examine(Workspace.default().root if workspace is None else workspace, checkpoint)
    for finding in findings:
        print(finding)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@checkpoints.command()
def info(name: Annotated[str, typer.Argument(help="a shipped name or a folder")]) -> None:
    """Print a checkpoint's recipe, size and digest."""
    from siamese.diffusion import checkpoint as files

    folder = find(name)
    settings, metadata = files.read_recipe(folder)
    path = folder / FILE
    facts = {key: value for key, value in metadata.items() if key != "recipe"}
    facts |= {
        "file": str(path),
        "megabytes": f"{path.stat().st_size / 1e6:.2f}",
        "sha256": files.sha256(path),
    }
    print(json.dumps({**facts, "recipe": settings.model_dump()}, indent=2, ensure_ascii=False))


@checkpoints.command()
def publish(
    source: Annotated[Path, typer.Argument(help="a checkpoint folder of a run")],
    target: Annotated[Path, typer.Argument(help="where to put it, e.g. checkpoints/polyp-compact")],
    data: Annotated[
        list[Path], typer.Option("--data", help="for a segmenter: the training sets, for its train index")
    ] = [],  # noqa: B006
    changes: Annotated[
        list[str], typer.Option("--set", help="defaults chosen on val, e.g. sampling.guidance=2")
    ] = [],  # noqa: B006
) -> None:
    """Write a run's checkpoint in half precision with its digest, ready to ship."""
    import torch

    from siamese.diffusion import checkpoint as files

    if files.is_segmenter(find(source)):
        from siamese.data import batches, dataset
        from siamese.segmentation import judge

        read = [dataset.read(folder, "train") for folder in data]
        path = judge.publish(source, target)
        if read:
            shipped = judge.load(target)
            written = shipped.write_index(batches.prepare(read, INDEX_SIZE, shipped.recipe.data), target)
            print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")
    else:
        loaded = files.load(source)
        chosen = recipe.changed(loaded.model.recipe, changes, only="sampling")
        unnamed = chosen.data.model_copy(
            update={"feature_net": None}
        )  # a path of this machine says nothing elsewhere
        loaded.model.recipe = chosen.model_copy(update={"data": unnamed})
        facts = {key: value for key, value in loaded.metadata.items() if key not in ("recipe", "format")}
        path = files.save(loaded.model, target, loaded.digests, torch.float16, **facts)
    write_atomically(target / "model.sha256", f"{files.sha256(path)}  {FILE}\n".encode())
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


@evaluations.command("checkpoint")
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
    chosen, values = _seeds(seeds), _numbers(guidance)
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


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"--seeds {text}: expected whole numbers with commas, e.g. --seeds 1,2,3."
        ) from None


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise typer.BadParameter(f"--guidance {text}: expected numbers with commas, e.g. 1,2,3.") from None


def _mask_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(
        f for f in path.iterdir() if f.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
    )
    if not files:
        raise MaskError(f"{path} holds no mask pictures; name a PNG file or a folder of them.")
    return files


def _recorded(found: Iterator[events.Event], run: Path) -> Iterator[events.Event]:
    """Append figures and milestones to the run's events.jsonl, one JSON line each."""
    file = None
    try:
        for event in found:
            if not isinstance(event, events.Preview | events.Progress):
                if file is None:
                    with writing(run):
                        file = (run / "events.jsonl").open("a", encoding="utf-8")
                line = {"event": type(event).__name__, "time": round(time.time(), 3), **vars(event)}
                with writing(run):
                    file.write(json.dumps(line, default=str) + "\n")
                    file.flush()
            elif isinstance(event, events.Preview):
                _write_preview(event, run)
            yield event
    finally:
        if file is not None:
            file.close()


def _write_preview(event: events.Preview, run: Path) -> None:
    import cv2
    import numpy as np

    folder = run / "previews"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    _, data = cv2.imencode(".png", np.hstack(list(event.images))[..., ::-1])
    write_atomically(folder / f"{time.strftime('%Y%m%d-%H%M%S')}_{event.step:07d}.png", data.tobytes())


def main() -> None:
    """Entry point: SiameseError → one line on stderr and exit code 2."""
    try:
        app()
    except SiameseError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
