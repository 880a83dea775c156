"""`python -m siamese data check|import`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamese.counted import counted
from siamese.terminal import Bar, StopSignal, console
from siamese.workspace import Workspace

if TYPE_CHECKING:
    from siamese.data.report import Report

app = typer.Typer(no_args_is_help=True, help="Look at pictures with masks, and bring them in.")

SHOWN = 12  # names of one problem on the screen
Source = Annotated[
    Path, typer.Argument(help="folder or zip: Kvasir-SEG, PraNet, ISIC, prompt.json, nnU-Net raw, COCO")
]
Group = Annotated[
    str, typer.Option("--group", help="CSV column or regular expression on names that tells patients apart")
]
Split = Annotated[str, typer.Option("--split", help="train/val/test, e.g. 80/10/10")]
Seed = Annotated[int, typer.Option(min=0, help="of the split and of the ids")]
Resplit = Annotated[bool, typer.Option("--resplit", help="ignore the split that the source has")]


@app.command()
def check(
    source: Source,
    group: Group = "",
    split: Split = "80/10/10",
    seed: Seed = 0,
    resplit: Resplit = False,
    as_json: Annotated[bool, typer.Option("--json", help="everything, for programs")] = False,
) -> None:
    """Print every problem, the split, burnt-in text and near-duplicates; nothing is written. Exit code 2: refused."""
    from siamese.data.groups import Choices, plan

    choices = Choices("check", shares=_shares(split), seed=seed, resplit=resplit)
    with tempfile.TemporaryDirectory() as cache, _inspected(source, Path(cache), group) as report:
        chosen = plan(report, choices) if report.usable else None
        found = report.summary()
        if chosen:
            found["plan"] = {"counts": chosen.counts, "groups": chosen.groups, "method": chosen.method}
            found["plan"]["across"] = [[p.one, p.other] for p in chosen.across]
        if as_json:
            print(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            _print(found)
        if not found["can_import"]:
            raise typer.Exit(2)


@app.command("import")
def bring_in(
    source: Source,
    name: Annotated[str, typer.Option("--name", help="of the new dataset: a-z, 0-9, hyphens")],
    workspace: Annotated[
        Path | None, typer.Option(help="default: SIAMESE_WORKSPACE or ~/SiameseStudio")
    ] = None,
    text: Annotated[
        Literal["blank", "leave-out", "keep"], typer.Option(help="pictures with burnt-in text")
    ] = "blank",
    group: Group = "",
    split: Split = "80/10/10",
    seed: Seed = 0,
    resplit: Resplit = False,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="near-duplicates may stand in two splits")
    ] = False,
    leave_out: Annotated[
        bool, typer.Option("--leave-out-problems", help="import the rest where cases have problems")
    ] = False,
) -> None:
    """Bring pictures and masks in: without EXIF and names, text blanked, split by patient. Originals stay."""
    from siamese.data import importing
    from siamese.data.groups import Choices

    importing.check_name(name)
    place = Workspace(workspace) if workspace else Workspace.default()
    choices = Choices(
        name,
        text=text,
        leave_out=leave_out,
        shares=_shares(split),
        seed=seed,
        resplit=resplit,
        duplicates="keep" if keep_duplicates else "join",
    )
    with _inspected(source, place.cache, group) as report:
        _watch(importing.bring_in(report, place.datasets, choices))


@contextmanager
def _inspected(source: Path, cache: Path, group: str) -> Iterator[Report]:
    from siamese.data.inspect import inspect

    report = _watch(inspect(source, cache, group=group))
    try:
        yield report
    finally:
        report.close()


def _watch(work: Iterator) -> object:
    """Show a generator's events; its last one."""
    last = None
    with closing(work), StopSignal() as stop, Bar() as bar:
        for last in work:
            bar.show(last)
            if stop.asked:
                work.close()
                console.print("Stopped as asked; nothing was written.")
                raise typer.Exit(130)
    return last


def _shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in text.split("/"))
    except ValueError:
        shares = ()
    if len(shares) != 3 or min(shares) < 0 or not shares[0] > 0:
        raise typer.BadParameter(f"--split {text}: expected three parts such as 80/10/10.")
    return shares


def _print(found: dict) -> None:
    print(
        f"{found['source']}: {found['layout']}, {found['usable']} of {found['cases']} cases can be imported"
    )
    print(f"sizes {'×'.join(map(str, found['smallest']))} to {'×'.join(map(str, found['largest']))} pixels")
    if found["classes"]:
        print("classes: " + ", ".join(f"{k} {name}" for k, name in enumerate(found["classes"], 1)))
    words = {"cure": "MUST BE CURED", "left out": "WOULD BE LEFT OUT", "note": "note"}
    for problem in found["problems"]:
        print(f"{words[problem['severity']]}: {problem['text']}")
        _names(problem["stems"], problem["count"])
    if found["stripped"]:
        listed = ", ".join(
            f"{kind} of {counted(count, 'picture')}" for kind, count in found["stripped"].items()
        )
        print(f"will be stripped: {listed}")
    print(f"burnt-in text found in {counted(len(found['texts']), 'picture')}")
    _names(found["texts"], len(found["texts"]))
    print(f"near-duplicates: {counted(len(found['duplicates']), 'pair')}")
    for pair in found["duplicates"][:SHOWN]:
        print(f"    {pair['one']} ~ {pair['other']} ({pair['correlation']:.3f})")
    if "plan" in found:
        counts = " / ".join(f"{split} {count}" for split, count in found["plan"]["counts"].items())
        print(f"split: {counts}, {found['plan']['method']}")
        for one, other in found["plan"]["across"][:SHOWN]:
            print(f"    would stand in two splits, is joined: {one} ~ {other}")


def _names(stems: list[str], count: int) -> None:
    if stems:
        more = f" and {count - SHOWN} more" if count > SHOWN else ""
        print(f"    {', '.join(stems[:SHOWN])}{more}")
