"""The blinding audit: `python -m ui.rating.audit --study FOLDER` drives a session and judges all that was received.

It runs on a copy of what the pages may see, made without the truth, and stores nothing in the study. It asks more than
that the arms look alike: whatever was delivered must be alike for every single picture, so it needs no truth either.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from siamese.errors import SiameseError, StudyError
from siamese.store import records, tables
from siamese.store.engine import Place, open_votes, reading, writing
from siamese.store.migrations import migrate
from siamese.study.draft import read_draft
from siamese.study.shown import Shown
from siamese.study.studies import DRAFT, ID, Study
from ui.rating.audit_findings import findings
from ui.rating.audit_session import Seen, session

HOUSE = Path(__file__).parents[2]
SHORTEST = 3  # letters of a word worth looking for
TABLES = (tables.study, tables.item, tables.rater, tables.assignment)


@dataclass(frozen=True)
class Verdict:
    """What an audit saw and found.

    Args:
        findings: what tells pictures or arms apart, or should not be there; none: blind.
        seen: all that the browser received.
        words: how many words were looked for.
    """

    findings: tuple[str, ...]
    seen: Seen
    words: int

    @property
    def text(self) -> str:
        """For people."""
        seen = self.seen
        head = (
            f"{seen.presentations} presentations, {len(seen.pictures)} pictures, {len(seen.answers)} answers, "
            f"{len(seen.files)} other files; {self.words} names, paths and ids looked for."
        )
        if not self.findings:
            return f"{head}\nNothing was found that tells one picture from another beside its pixels."
        return "\n  - ".join([f"{head}\n{len(self.findings)} found:", *self.findings])


def audit(
    study: Study, rater: int = 0, words: Sequence[str] = (), program: Sequence[str] = ("ui.rating",)
) -> Verdict:
    """Drive a whole session in a real browser.

    Args:
        study: locked.
        rater: whose order is used; 0: the organiser's rehearsal.
        words: more that must not be found, e.g. names of files.
        program: module that serves, and its arguments before ours.

    Raises:
        StudyError: not locked, or no such rater. SiameseError: no browser or no Playwright here.
    """
    visible = Visible.of(study, rater)
    looked_for = _words(study, visible, words)
    with tempfile.TemporaryDirectory(prefix="siamese-audit-") as name:
        copy = Path(name) / "study"
        key = _copy(study, visible, rater, copy)
        # Playwright runs once in a thread, and the caller's may have one
        with _served(copy, program) as url, ThreadPoolExecutor(1) as own:
            seen = own.submit(session, url, key, visible.shown).result()
    return Verdict(tuple(findings(seen, visible.shown, looked_for)), seen, len(looked_for))


@dataclass(frozen=True)
class Visible:
    """What the pages may see of a study and one rater: the study as they know it, rows by table."""

    shown: Shown
    rows: dict[str, list[dict]]

    @classmethod
    def of(cls, study: Study, rater: int) -> Visible:
        """Read it from the votes half.

        Raises:
            StudyError: not locked, or no such rater.
        """
        own = {tables.rater: "number", tables.assignment: "rater"}
        rows = {}
        with reading(open_votes(study.place)) as connection:
            for table in TABLES:
                of = table.c.id if table is tables.study else table.c.study
                asked = sa.select(table).where(of == study.id)
                if table in own:
                    asked = asked.where(table.c[own[table]] == rater)
                rows[table.name] = [dict(row) for row in connection.execute(asked).mappings()]
        if not rows["study"]:
            raise StudyError(
                f"{study.name} is not locked yet; `study lock {study.name}` first, then audit it."
            )
        if not rows["assignment"]:
            raise StudyError(f"There is no rater {rater} in {study.name}.")
        return cls(Shown.model_validate_json(rows["study"][0]["design"]), rows)


@contextmanager
def _served(folder: Path, program: Sequence[str]) -> Iterator[str]:
    """The pages as a process; their address."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    command = [sys.executable, "-m", *program, "--study", str(folder), "--port", str(port)]
    with subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if "are at" not in process.stdout.readline():
                raise SiameseError("The rating pages did not start; see the lines above.")
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


def _copy(study: Study, visible: Visible, rater: int, folder: Path) -> str:
    """A study of SQLite with one rater, no truth, no draft, no links; the secret of a new link."""
    folder.mkdir(mode=0o700)
    (folder / ID).write_text(study.id, "ascii")
    place = Place(folder)
    migrate(place)
    place.file("truth").unlink()
    key = secrets.token_urlsafe(24)
    engine = open_votes(place, write=True)
    with writing(engine) as connection:
        for table in TABLES:
            connection.execute(sa.insert(table), visible.rows[table.name])
        link = {"study": study.id, "rater": rater, "issued_at": records.now()}
        digest = hashlib.sha256(key.encode()).hexdigest()
        connection.execute(sa.insert(tables.link).values(key_sha256=digest, **link))
    engine.dispose()
    shutil.copytree(study.pictures, folder / "pictures")
    if study.masks.is_dir():
        shutil.copytree(study.masks, folder / "masks")
    return key


def _words(study: Study, visible: Visible, more: Sequence[str]) -> tuple[str, ...]:
    """What must not be found: ids, digests, paths of the study; of the draft what says where pictures come from."""
    found = [str(row[name]) for row in visible.rows["item"] for name in ("id", "sha256")]
    found += [study.id, str(study.folder), "truth.sqlite", "votes.sqlite", *more]
    with suppress(StudyError):  # a draft that was tidied away cannot be searched for
        for arm in read_draft(study.folder / DRAFT).arms:
            source = Path(arm.source)
            found += [arm.name, arm.source, source.name, arm.split, arm.pool, arm.curated_by]
            found += sorted({path.stem for path in source.rglob("*.*")}) if source.is_dir() else []
    return tuple(dict.fromkeys(word for word in found if len(word) >= SHORTEST))


def main(argv: list[str] | None = None) -> int:
    """0: blind; 1: something was found; 2: the audit could not be done."""
    parser = argparse.ArgumentParser(
        prog="python -m ui.rating.audit", description="Does anything un-blind this study?"
    )
    parser.add_argument("--study", type=Path, required=True, help="the study's folder")
    parser.add_argument("--rater", type=int, default=0, help="whose order (default 0: the rehearsal's)")
    parser.add_argument(
        "--word", action="append", default=[], help="one more word that must not be found; repeatable"
    )
    args = parser.parse_args(argv)
    try:
        verdict = audit(Study.open(args.study), args.rater, args.word)
    except SiameseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(verdict.text + "\n")
    return 1 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main())
