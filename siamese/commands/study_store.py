"""`python -m siamese study status|verify|backup|restore|migrate|grant|erase`: what is stored, and that it stays."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamese.commands.studies import AsJson, Name, Where, find, workspace_of
from siamese.counted import counted

if TYPE_CHECKING:
    from siamese.store.wholeness import Wholeness
    from siamese.study.studies import RaterStatus


def status(name: Name, workspace: Where = None, as_json: AsJson = False) -> None:
    """Counts of every rater, and the head of the chain; never anything by arm."""
    from siamese.study.studies import status as counts

    found = counts(find(name, workspace))
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    elif not found.locked_at:
        print(f"{found.name}: not locked yet")
    else:
        print(f"{found.name}: locked {_clock(found.locked_at)}, {counted(found.recorded, 'record')}")
        print(f"  head of the chain: {found.head}")
        for rater in found.raters:
            print(f"  {_words(rater)}")


def verify(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="a study, or a backup file")],
    head: Annotated[str, typer.Option("--head", help="of the chain, as a report or sheet shows it")] = "",
    workspace: Where = None,
    as_json: AsJson = False,
) -> None:
    """Look at a study or a backup whole: database, chain of records, pictures. Exit code 2: something is broken."""
    from siamese.store.backup import verify_file
    from siamese.store.wholeness import look

    if name.endswith(".zip"):
        found = verify_file(Path(name), head)
    else:
        study = find(name, workspace)
        found = look(study.place, study.id, head)
    print(json.dumps(asdict(found), indent=2) if as_json else _said(found))
    if found.broken:
        raise typer.Exit(2)


def backup(
    name: Name,
    to: Annotated[
        Path | None, typer.Option("--to", help="file; default: backups/ in the study's folder")
    ] = None,
    without_pictures: Annotated[
        bool, typer.Option("--without-pictures", help="smaller; the pictures never change after lock")
    ] = False,
    workspace: Where = None,
) -> None:
    """Save a study in one private file, while raters vote; the truth is inside, so keep it to yourself."""
    from siamese.atomic import private_folder
    from siamese.errors import writing
    from siamese.store import backup as backups

    study = find(name, workspace)
    target = to or study.folder / "backups" / time.strftime(f"%Y%m%d-%H%M%S_{study.name}.zip", time.gmtime())
    with writing(target):
        private_folder(target.absolute().parent)
    backups.backup(study.place, study.id, target.absolute(), pictures=not without_pictures)
    print(f"{target}: {_said(backups.verify_file(target))}")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a backup")],
    name: Name,
    url: Annotated[
        str, typer.Option("--url", help="PostgreSQL: postgresql+psycopg://USER@HOST/DATABASE; empty: SQLite")
    ] = "",
    pages: Annotated[
        str, typer.Option("--pages", help="PostgreSQL: the same with the role of the pages")
    ] = "",
    workspace: Where = None,
) -> None:
    """Put a study back from a backup, after looking at it whole; databases that are there are set aside."""
    from siamese.store.backup import restore as put_back
    from siamese.study.studies import Studies

    print(_said(put_back(file, Studies(workspace_of(workspace)).place(name, url, pages))))


def migrate(name: Name, workspace: Where = None) -> None:
    """Bring a study of an older version to the tables of this one; a backup is made first."""
    from siamese.store.migrations import migrate as bring_up

    study = find(name, workspace)
    kept = bring_up(study.place, study.id)
    print(f"{name}: up to date" + (f"; before: {kept}" if kept else ""))


def grant(name: Name, workspace: Where = None) -> None:
    """PostgreSQL: give the role of the rating pages (`pages` in database.toml) its rights, and see it has no more."""
    from siamese.store.grants import grant as give

    role = give(find(name, workspace).place)
    print(f"{role} reads the plan and adds records; it cannot change them, nor read the truth")


def erase(
    name: Name,
    rater: Annotated[int, typer.Argument(min=0, metavar="RATER", help="number of a rater who has withdrawn")],
    workspace: Where = None,
) -> None:
    """Erase the contents of a rater who has withdrawn, for good; the chain still verifies. Older backups keep them."""
    from siamese.store.erasure import erase as erase_for_good

    study = find(name, workspace)
    print(f"rater {rater}: {counted(erase_for_good(study.votes, study.id, rater), 'content')} erased")


def _said(found: Wholeness) -> str:
    if found.broken:
        return "\n".join(("BROKEN", *(f"  - {problem}" for problem in found.broken)))
    what = f"{counted(found.recorded, 'record')} and {counted(found.pictures, 'picture')}"
    return f"whole: {what}, head of the chain {found.head}"


def _words(rater: RaterStatus) -> str:
    states = (
        (rater.withdrawn, "withdrawn"),
        (rater.finished, "finished"),
        (rater.consented, "consented"),
        (True, "not begun"),
    )
    state = next(word for true, word in states if true)
    last = f", last {_clock(rater.last)}" if rater.last else ""
    name = f"rater {rater.number}" if rater.number else "rehearsal"
    return f"{name}: {rater.answered} of {rater.total}, {state}{last}"


def _clock(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at / 1e6))
