"""`python -m siamese export write|verify|zip`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from siamese.errors import AugmentError
from siamese.events import Progress
from siamese.terminal import Bar, StopSignal, console

app = typer.Typer(no_args_is_help=True, help="Write a set as a dataset that trainers eat, and check one.")
LAYOUT_HELP = "pranet, …; several: once each; all: every one"


@app.command()
def write(
    set: Annotated[Path, typer.Argument(help="folder of a set that the gate has seen")],
    out: Annotated[Path, typer.Option(help="new folder; the key with original names is written beside it")],
    layout: Annotated[list[str] | None, typer.Option(help=LAYOUT_HELP)] = None,
    alone: Annotated[bool, typer.Option("--alone", help="synthetic pictures alone, no real ones beside them")] = False,
    flagged: Annotated[bool, typer.Option("--flagged", help="with flagged ones nobody decided on, but copies")] = False,
    square: Annotated[bool, typer.Option("--square", help="squeeze all to the model's square")] = False,
    keep_stems: Annotated[bool, typer.Option("--keep-stems", help="name files by their sources")] = False,
    zip: Annotated[bool, typer.Option("--zip", help="write OUT.zip too")] = False,
    title: Annotated[str, typer.Option(help="of the set; default: the plan's name")] = "",
    licence: Annotated[str, typer.Option(help="of the set, for its card")] = "",
    source_licence: Annotated[
        list[str] | None, typer.Option(help="licence of a source, as DATASET=LICENCE; several: once each")
    ] = None,
    consent: Annotated[str, typer.Option(help="basis of consent of the patients, for the card")] = "",
    contact: Annotated[str, typer.Option(help="whom to ask, for the card")] = "",
    published: Annotated[str, typer.Option(help="date such as 2026-11-26, for croissant.json")] = "",
    number: Annotated[int, typer.Option(min=1, max=999, help="of the dataset in nnU-Net")] = 501,
    prompt: Annotated[str, typer.Option(help="text of every line of prompt.json")] = "an image of a polyp",
    workspace: Annotated[
        Path | None, typer.Option(help="where names of datasets are looked for; default as in `data import`")
    ] = None,
) -> None:
    """Export what the gate let through: layouts, lists, manifest, sums, card, marks. The same twice: the same bytes."""
    from siamese.export.layouts import DEFAULT, LAYOUTS
    from siamese.tasks.export import ExportRequest, export
    from siamese.workspace import Workspace

    wanted = tuple(dict.fromkeys(layout or (DEFAULT,)))
    request = ExportRequest(
        set=set,
        out=out,
        layouts=tuple(LAYOUTS) if "all" in wanted else wanted,
        real=not alone,
        flagged=flagged,
        square=square,
        keep_stems=keep_stems,
        zip=zip,
        workspace=workspace or Workspace.default().root,
        title=title,
        number=number,
        prompt=prompt,
        licence=licence,
        consent=consent,
        contact=contact,
        published=published,
        licences=tuple(_licence(said) for said in source_licence or ()),
    )
    with closing(export(request)) as work, StopSignal() as stop, Bar() as bar:
        for event in work:
            bar.show(event)
            if stop.asked:
                work.close()
                console.print("Stopped as asked; nothing is left of it.")
                raise typer.Exit(130)


def _licence(said: str) -> tuple[str, str]:
    name, sign, licence = said.partition("=")
    if not (name and sign and licence):
        raise AugmentError(f"--source-licence {said}: expected DATASET=LICENCE, e.g. kvasir-seg='research only'.")
    return name, licence


@app.command()
def verify(
    where: Annotated[Path, typer.Argument(help="folder or zip of an export")],
    no_key: Annotated[
        bool, typer.Option("--no-key", help="do not look for the original names that the key beside it knows")
    ] = False,
) -> None:
    """Check everything: sums, marks, manifest, splits, lists, masks, names. Exit code 2: something is wrong."""
    from siamese.export.findings import Verified, in_words
    from siamese.export.verify import verify as work

    with Bar() as bar:
        for event in work(where, use_key=not no_key):
            if isinstance(event, Verified):
                found = event
            elif isinstance(event, Progress):
                bar.show(event)
    print(" ".join([in_words(found), *found.notes]))
    if not found.good:
        raise AugmentError("\n  - ".join([f"{where} is not what it says:", *found.sentences()]))


@app.command("zip")
def pack(
    folder: Annotated[Path, typer.Argument(help="folder of an export")],
    out: Annotated[Path | None, typer.Option(help="default: FOLDER.zip")] = None,
) -> None:
    """Pack an export: the same files give the same zip."""
    from siamese.export.archive import pack as work
    from siamese.tasks.export import zip_path

    target = out or zip_path(folder)
    with Bar() as bar:
        for event in work(folder, target):
            bar.show(event)
    console.print(f"saved {target}")
