"""`python -m siamese study templates|new|control|check|power|rehearse|lock|links`: from the design to the links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamese.commands.studies import AsJson, Name, Where, find, workspace_of
from siamese.counted import counted
from siamese.errors import StudyError

if TYPE_CHECKING:
    from siamese.study.design import Arm, Design
    from siamese.study.studies import Study
    from siamese.study.truth import Prepared

By = Annotated[str, typer.Option("--by", help="who does it; stored in the log")]
Base = Annotated[
    str, typer.Option("--base", help="where raters will open the pages, e.g. https://ratings.example.org")
]


def templates() -> None:
    """The designs to begin with, and what each is for."""
    from siamese.study.templates import TEMPLATES

    for one in TEMPLATES.values():
        print(f"{one.key}: {one.about}")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9 and hyphens")],
    real: Annotated[Path, typer.Option("--real", help="folder of patients' pictures")],
    synthetic: Annotated[
        list[Path], typer.Option("--synthetic", help="folder of synthetic pictures; may be repeated")
    ],
    template: Annotated[str, typer.Option("--template", help="see `study templates`")] = "believable",
    control: Annotated[
        Path | None, typer.Option("--control", help="real ones through the autoencoder")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="list beside the real pictures, e.g. test")] = "",
    pool: Annotated[str, typer.Option("--pool", help="what the real pictures are, in words")] = "",
    per_arm: Annotated[int | None, typer.Option("--per-arm", help="pictures of each arm")] = None,
    raters: Annotated[int | None, typer.Option("--raters", help="personal links")] = None,
    database: Annotated[
        str, typer.Option("--database", help="postgresql+psycopg://USER@HOST/DATABASE; else SQLite")
    ] = "",
    workspace: Where = None,
) -> None:
    """Make a study from a template. Everything can be changed in its design.toml until `study lock`."""
    from siamese.study.design import Arm
    from siamese.study.studies import Studies
    from siamese.study.templates import template as template_of

    chosen = template_of(template)
    arms = [Arm(name=_arm_name(real, []), kind="real", source=str(real.absolute()), split=split, pool=pool)]
    for folder in synthetic:
        arms.append(_arm(folder, "synthetic", arms))
    if control:
        arms.append(_arm(control, "control", arms))
    given = {key: value for key, value in (("per_arm", per_arm), ("raters", raters)) if value is not None}
    try:
        design = chosen.fill(tuple(arms), **given)
    except ValueError as error:
        raise StudyError(f"The template cannot be filled like this: {error}") from error
    place = f"url = {json.dumps(database)}\n" if database else ""
    study = Studies(workspace_of(workspace)).new(name, design, place)
    print(f"made {study.folder / 'design.toml'}")
    print(f"Write organiser, contact and the pools there; then `python -m siamese study check {name}`.")


def control(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="a shipped name or a folder")],
    data: Annotated[Path, typer.Option("--data", help="folder of real pictures")],
    out: Annotated[Path, typer.Option("--out", help="folder to write to")],
    split: Annotated[str, typer.Option("--split", help="list beside the pictures, e.g. test")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps")] = "auto",
) -> None:
    """Write a folder of real pictures that went through the autoencoder, for a control arm."""
    from siamese.shipped import find as find_checkpoint

    find_checkpoint(checkpoint)  # before torch: a missing one is said at once
    from siamese.tasks.control import control as work

    _watch(work(checkpoint, data, split, out, device))


def check(
    name: Name,
    again: Annotated[bool, typer.Option("--again", help="prepare the pictures anew")] = False,
    workspace: Where = None,
    as_json: AsJson = False,
) -> None:
    """Prepare the pictures, and say everything that is still missing before lock, and what gives the arms away."""
    from siamese.study import cues, ready, truth

    study = find(name, workspace)
    prepared = truth.prepared(study)
    if again or prepared is None or ready.prepared_otherwise(study.design, prepared.design):
        prepared = _prepare(study)
    draft = study.design
    verdict = cues.check(prepared.design, prepared.items, study.pictures)
    missing = list(ready.problems(study, draft, prepared, verdict))
    sheets = _sheets(study, prepared)
    if as_json:
        found = {"cues": [asdict(cue) | {"tells": cue.tells} for cue in verdict.cues], "missing": missing}
        print(json.dumps(found | {"sheets": [str(path) for path in sheets]}, indent=2, ensure_ascii=False))
        return
    for arm in prepared.design.arms:
        shown = sum(item.arm == arm.name and not item.practice for item in prepared.items)
        print(f"{arm.name} ({arm.kind}): {shown} of a pool of {arm.pool_size}")
        for line in arm.left_out:
            print(f"    {line}")
    print("cues, the strongest first (AUC 0.5 tells nothing):")
    for cue in verdict.cues[:8]:
        print(f"  {'!' if cue.tells else ' '} {cue.sentence()}")
    for path in sheets:
        print(f"look at {path}")
    _print_power(draft)
    print("nothing is missing: `study lock` may follow" if not missing else "before lock:")
    for line in missing:
        print(f"  - {line}")


def power(
    name: Name,
    pilot: Annotated[
        str, typer.Option("--pilot", help="an unblinded P1 study, whose votes give the spreads")
    ] = "",
    workspace: Where = None,
) -> None:
    """What difference the design can detect, for these raters and for clinicians at large, and how long it takes."""
    from siamese.study.spreads import Spreads

    design = find(name, workspace).design
    _print_power(design, _spreads(find(pilot, workspace)) if pilot else Spreads())


def rehearse(
    name: Name,
    base: Base = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="take the pace of the rehearsal into the design")
    ] = False,
    workspace: Where = None,
) -> None:
    """Take the study as a rater would, before lock, in a copy that is never counted; then --measure."""
    from siamese.study import links
    from siamese.study import rehearse as rehearsal
    from siamese.study.studies import Studies

    studies, study = Studies(workspace_of(workspace)), find(name, workspace)
    if not measure:
        copy, link = rehearsal.rehearse(studies, study, base or links.BASE)
        print(f"`python -m siamese study serve {copy.name}`, then open {link}")
        return
    pace = rehearsal.measured(studies, study)
    if pace is None:
        raise StudyError(f"{rehearsal.LEAST} votes are needed; rehearse first.")
    print(f"a presentation takes {pace:g} seconds (median)")
    if not study.locked:
        study.write_draft(study.design.model_copy(update={"pace": pace}))
        _print_power(study.design)


def lock(name: Name, by: By, base: Base = "", workspace: Where = None) -> None:
    """Freeze the design; write orders, links and QR codes, and the protocol sheet. There is no way back."""
    from siamese.study import links
    from siamese.study.lock import SHEET
    from siamese.study.lock import lock as freeze

    study = find(name, workspace)
    before = study.locked
    found = freeze(study, by, base or links.BASE)
    print(
        f"{study.name} {'was locked already' if before else 'is locked'}; design sha256 {study.design_sha256}"
    )
    for line in found.warnings:
        print(f"note: {line}")
    print(f"protocol sheet: {study.folder / SHEET}")
    print(f"links and QR codes, for whoever hands them out: {study.folder / links.FOLDER}")


def links(
    name: Name,
    base: Base = "",
    again: Annotated[
        list[int] | None, typer.Option("--again", help="rater who gets a fresh link; may be repeated")
    ] = None,
    revoke: Annotated[
        list[int] | None, typer.Option("--revoke", help="rater whose link ends; may be repeated")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="who changes links; stored in the log")] = "",
    workspace: Where = None,
) -> None:
    """Where the links are; --base writes them for another address, --again and --revoke change them."""
    from siamese.study import links as work

    study = find(name, workspace)
    for rater in revoke or ():
        work.revoke(study, rater, by)
        print(f"rater {rater}: the link is closed")
    for rater in again or ():
        work.reissue(study, rater, by)
        print(f"rater {rater}: a fresh link, the older ones are closed")
    if not study.locked:
        raise StudyError(f"{study.name} is not locked; links are made by `study lock {study.name}`.")
    folder = work.move_links(study, base or work.base_of(study))
    print(f"{folder / work.FILE}: {counted(len(work.read_keys(study)), 'link')}, rater 0 is the rehearsal")


def _prepare(study: Study) -> Prepared:
    from siamese.study.prepare import prepare
    from siamese.study.truth import Prepared

    found = _watch(prepare(study))
    assert isinstance(found, Prepared)
    return found


def _watch(work: Iterator) -> object:
    """Show a generator's events; its last one."""
    from siamese.terminal import Bar, StopSignal, console

    last = None
    with closing(work), StopSignal() as stop, Bar() as bar:
        for last in work:
            bar.show(last)
            if stop.asked:
                console.print("Stopped as asked.")
                raise typer.Exit(130)
    return last


def _sheets(study: Study, prepared: Prepared) -> list[Path]:
    """Write a contact sheet for each arm into `check/`."""
    from siamese.atomic import private_folder, write_atomically
    from siamese.errors import writing
    from siamese.study.contact import contact_sheet
    from siamese.study.lock import CHECK

    folder, written = study.folder / CHECK, []
    with writing(folder):
        private_folder(folder)
    for k, arm in enumerate(prepared.design.arms, 1):
        own = [item for item in prepared.items if item.arm == arm.name]
        if own:
            path = folder / f"arm-{k}.png"
            write_atomically(path, contact_sheet(own, study.pictures))
            written.append(path)
    return written


def _print_power(design: Design, spreads=None) -> None:  # noqa: ANN001 - a Spreads; imported late
    from siamese.study import power as work
    from siamese.study.spreads import Spreads

    taken = work.minutes(design)
    print(
        f"{counted(taken.presentations, 'presentation')} of {taken.seconds:g} s: about {taken.total:.0f} minutes a "
        "rater"
    )
    if taken.warning:
        print(f"  {taken.warning}")
    for line in work.power(design, spreads or Spreads()).sentences(design.raters):
        print(line)


def _spreads(pilot: Study):  # noqa: ANN202
    from siamese.study.report.compose import gathered_of
    from siamese.study.spreads import spreads_of

    gathered = gathered_of(pilot)
    if gathered.design.protocol != "P1":
        raise StudyError(f"{pilot.name} is no P1 study; spreads come from votes of real or synthetic.")
    votes, main = gathered.table, gathered.table.phase == "main"
    return spreads_of(votes.rater[main], votes.arm[main], votes.item[main], votes.value[main] > 0)


def _arm(folder: Path, kind: Literal["synthetic", "control"], others: list[Arm]) -> Arm:
    from siamese.study.design import Arm

    return Arm(name=_arm_name(folder, others), kind=kind, source=str(folder.absolute()))


def _arm_name(folder: Path, others: list[Arm]) -> str:
    base = re.sub(r"[^\w .+()-]", " ", folder.absolute().name).strip()[:70] or "pictures"
    taken, name, number = {arm.name for arm in others}, base, 2
    while name in taken:
        name, number = f"{base} {number}", number + 1
    return name
