"""A study in one private zip file: both halves, its pictures, its papers. Made while raters vote, and looked at whole.

Inside, the halves are always SQLite files, also those of a PostgreSQL server (its rows are read in one snapshot): one
format to keep, to look at without a server, and to restore into either.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import sqlalchemy as sa

from siamese.atomic import beside, private_folder, write_atomically
from siamese.errors import StudyError, writing
from siamese.store import engine, migrations
from siamese.store.engine import BUSY, DATABASE, Half, Place
from siamese.store.tables import TRUTH, TRUTH_SCHEMA, VERSIONS, VOTES
from siamese.store.wholeness import Wholeness, look

MANIFEST = "backup.json"
PICTURES = ("pictures", "masks")
PAPERS = ("id", "design.toml", "sheet.pdf", "links")
FORMAT = 1


@dataclass(frozen=True)
class Contents:
    """What a backup's manifest says."""

    study: str
    made: int
    pictures: bool
    digests: dict[str, str]


def backup(place: Place, study: str, target: Path, pictures: bool = True) -> Path:
    """Write a study into a zip file of mode 0600; raters may be voting.

    Args:
        place: where it lies.
        study: id.
        target: the file; one that is there is replaced once the new one is whole.
        pictures: False leaves the prepared pictures out (they never change after lock).

    Raises:
        StudyError: nothing there to save. MachineError: disk full or folder not writable.
    """
    with writing(target), tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as making:
        for half in VERSIONS:
            _save_half(place, half, study, Path(making) / f"{half}.sqlite")
        names = (*PAPERS, *(PICTURES if pictures else ()))
        files = {path.relative_to(making).as_posix(): path for path in sorted(Path(making).iterdir())}
        files |= {
            path.relative_to(place.folder).as_posix(): path
            for name in names
            for path in _files(place.folder / name)
        }
        digests = {name: _digest(path) for name, path in files.items()}
        manifest = {
            "format": FORMAT,
            "study": study,
            "made": time.time_ns() // 1000,
            "pictures": pictures,
            "sha256": digests,
        }
        with (
            beside(target, ".writing-", durable=True) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
            for name, path in files.items():
                archive.write(path, name)
    return target


def verify_file(path: Path, seen: str = "") -> Wholeness:
    """Look at a backup whole: every file's digest, both databases, the chain, the pictures.

    Args:
        path: the zip file.
        seen: a head of the chain that a report shows.

    Raises:
        StudyError: it is no backup, or damaged so that it cannot be opened.
    """
    with _unpacked(path) as (folder, contents):
        return look(Place(folder), contents.study, seen, pictures=contents.pictures)


def restore(source: Path, place: Place) -> Wholeness:
    """Put a study back from a backup, after looking at it whole.

    With SQLite the databases that are there are set aside in `backups/`, not deleted. A PostgreSQL database that holds
    the study already is refused: rows there are never replaced.

    Args:
        source: the zip file.
        place: its folder may be new, or hold this study.

    Raises:
        StudyError: the backup is not whole, the folder holds another study, or somebody has the study open.
        MachineError: disk full or folder not writable.
    """
    with _unpacked(source) as (folder, contents):
        found = look(Place(folder), contents.study, pictures=contents.pictures)
        if found.broken:
            raise StudyError(f"{source} is not whole, nothing was restored: {found.broken[0]}")
        with suppress(FileNotFoundError):
            if (there := (place.folder / "id").read_text("utf-8").strip()) != contents.study:
                raise StudyError(f"{place.folder} holds another study ({there[:32]}); choose another folder.")
        with writing(place.folder):
            private_folder(place.folder)
            if place.url:
                _fill_server(folder, place, contents.study)
            else:
                _set_aside(place)
                for half in VERSIONS:
                    write_atomically(place.file(half), (folder / f"{half}.sqlite").read_bytes())
            for name in contents.digests:
                if not name.endswith(".sqlite") and name != "id":
                    private_folder((place.folder / name).parent)
                    write_atomically(place.folder / name, (folder / name).read_bytes())
            write_atomically(place.folder / "id", contents.study.encode())
    migrations.migrate(place)
    return found


def _save_half(place: Place, half: Half, study: str, target: Path) -> None:
    if place.url:
        with engine.once(place, half) as source:
            version = engine.version_of(source, half)
            migrations.upgrade(Place(target.parent), half, version)
            with engine.once(Place(target.parent), half, write=True) as copy:
                _copy_rows(source, copy, half, study)
    elif not place.file(half).is_file():
        raise StudyError(f"{place.file(half)} is not there; nothing was saved.")
    else:
        with (
            closing(sqlite3.connect(place.file(half), timeout=BUSY)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
    with closing(sqlite3.connect(target)) as copy:  # one file, no -wal beside it
        copy.execute("PRAGMA journal_mode=DELETE")
    target.chmod(0o600)


def _fill_server(folder: Path, place: Place, study: str) -> None:
    """In one transaction: the server holds both halves or none."""
    migrations.migrate(place)
    with engine.once(place, "votes", write=True) as server:
        for half in VERSIONS:
            for table in _tables(server, half):
                if server.execute(_of(table, study).limit(1)).first():
                    raise StudyError(
                        f"{place} holds this study already, and rows there are never replaced; name an empty database "
                        f"in {DATABASE} and restore again."
                    )
            with engine.once(Place(folder), half) as source:
                _copy_rows(source, server, half, study)


def _copy_rows(source: sa.Connection, target: sa.Connection, half: Half, study: str) -> None:
    """Copy the rows of a study between databases of one version, in the order in which they may be written."""
    into = {table.name: table for table in _tables(target, half)}
    for table in _tables(source, half):
        asked = _of(table, study).order_by(*table.primary_key.columns)
        found = source.execute(asked, execution_options={"yield_per": 1000})
        for part in found.mappings().partitions():
            target.execute(sa.insert(into[table.name]), [dict(row) for row in part])


def _tables(connection: sa.Connection, half: Half) -> list[sa.Table]:
    """The tables of a half as the database itself describes them, parents first and the log last."""
    schema = TRUTH_SCHEMA if half == "truth" and connection.dialect.name == "postgresql" else None
    known = (VOTES if half == "votes" else TRUTH).sorted_tables
    names = sorted((table.name for table in known), key=lambda name: name == "record")
    return [sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection) for name in names]


def _of(table: sa.Table, study: str) -> sa.Select:
    return sa.select(table).where((table.c.id if table.name == "study" else table.c.study) == study)


def _set_aside(place: Place) -> None:
    """Move the databases that are there into `backups/`; refused while another process has them open."""
    found = [place.file(half) for half in VERSIONS if place.file(half).is_file()]
    for path in found:
        try:
            with closing(sqlite3.connect(path, timeout=1)) as alone:
                alone.execute("PRAGMA journal_mode=DELETE")  # needs to be the only one; takes -wal in
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StudyError(
                    f"{path} is open in another process; close the rating pages and the studio, then restore again."
                ) from error
        except sqlite3.DatabaseError:  # damaged: the reason for restoring
            continue
    aside = place.folder / "backups" / time.strftime("%Y%m%d-%H%M%S_before_restore", time.gmtime())
    for path in found:
        private_folder(aside)
        for part in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            with suppress(FileNotFoundError):
                os.replace(part, aside / part.name)


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Path, Contents]]:
    """A backup's files in a temporary folder, every digest compared, the databases brought to this version."""
    with tempfile.TemporaryDirectory(prefix="siamese-backup-") as made:
        folder = Path(made)
        try:
            with zipfile.ZipFile(path) as archive:
                contents = _contents(json.loads(archive.read(MANIFEST)))
                for name in contents.digests:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as source, (folder / name).open("wb") as target:
                        shutil.copyfileobj(source, target)
        except OSError as error:
            raise StudyError(f"{path} cannot be read ({error.strerror or error}).") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{path} is no backup of a study, or damaged ({error}).") from error
        for name, digest in contents.digests.items():
            if _digest(folder / name) != digest:
                raise StudyError(f"{path} is damaged: {name} is not what was saved.")
        migrations.migrate(Place(folder))
        yield folder, contents


def _contents(manifest: dict) -> Contents:
    digests = {str(name): str(digest) for name, digest in manifest["sha256"].items()}
    tops = {*PAPERS, *PICTURES, *(f"{half}.sqlite" for half in VERSIONS)}
    for name in digests:
        parts = PurePosixPath(name).parts
        if not parts or parts[0] not in tops or ".." in parts or "\\" in name:
            raise ValueError(f"{name[:80]} does not belong there")
    if manifest["format"] != FORMAT or not {f"{half}.sqlite" for half in VERSIONS} <= set(digests):
        raise ValueError("of another kind")
    return Contents(str(manifest["study"]), int(manifest["made"]), bool(manifest["pictures"]), digests)


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path] * path.is_file()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
