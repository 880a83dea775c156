"""Where the two halves of a study lie, and how they are opened: SQLite files in its folder, or a PostgreSQL server.

Writers take their turn from the first statement (`BEGIN IMMEDIATE`): a deferred transaction that reads and then writes
fails at once when another one wrote meanwhile, whatever the busy timeout.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from siamese.errors import MachineError, StudyError
from siamese.store.drives import refuse_network
from siamese.store.tables import TRUTH_SCHEMA, VERSIONS

Half = Literal["votes", "truth"]
DATABASE = "database.toml"
BUSY = 30.0  # seconds a writer waits for its turn; fifty raters at once take a fraction of one
EXPECTED = "postgresql+psycopg://USER@HOST/DATABASE without a password (set PGPASSWORD or write ~/.pgpass)"


class NotPrepared(StudyError):
    """The study has no database yet."""


class Unreachable(StudyError):
    """The database did not answer; the same request again is safe, for records are stored once."""


@dataclass(frozen=True)
class Place:
    """Where a study's votes and truth lie.

    Args:
        folder: of the study; with SQLite it holds both files.
        url: of a PostgreSQL database, without a password; empty: SQLite.
        pages: the same database as the role of the rating pages sees it; empty: not said.
    """

    folder: Path
    url: str = ""
    pages: str = ""

    @classmethod
    def of(cls, folder: str | Path) -> Place:
        """The place of a study's folder: what `database.toml` says (`url`, `pages`), else two SQLite files in it.

        Raises:
            StudyError: `database.toml` cannot be read, or names no PostgreSQL database.
        """
        folder = Path(folder).absolute()
        file = folder / DATABASE
        try:
            found = tomllib.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError) as error:
            raise StudyError(f"{file} cannot be read ({error}); mend it, or delete it for SQLite.") from error
        place = cls(folder, str(found.get("url", "")), str(found.get("pages", "")))
        for name, url in (("url", place.url), ("pages", place.pages)):
            if (url or name == "url") and not _postgresql(url):
                raise StudyError(f'{file}: {name} = "{_safe(url)}" was found; expected {EXPECTED}.')
        return place

    def for_pages(self) -> Place:
        """The same study as the rating pages reach it: on PostgreSQL with their own role.

        Raises:
            StudyError: PostgreSQL, and no other role is named.
        """
        if not self.url:
            return self
        if not self.pages or make_url(self.pages).username == make_url(self.url).username:
            raise StudyError(
                f"{self.folder / DATABASE} names no role for the rating pages, which must not reach the truth; add "
                'pages = "postgresql+psycopg://OTHER_USER@HOST/DATABASE" and run `python -m siamese study grant`.'
            )
        return Place(self.folder, self.pages)

    def file(self, half: Half) -> Path:
        """With SQLite: the file of a half."""
        return self.folder / f"{half}.sqlite"

    def __str__(self) -> str:
        return _safe(self.url) if self.url else str(self.folder)


def open_votes(place: Place, write: bool = False) -> sa.Engine:
    """An engine on the votes half.

    Args:
        place: where.
        write: `writing` queues for its turn; without, every change is refused.

    Raises:
        NotPrepared: not there yet. Unreachable: no answer.
        StudyError: on a network drive, of another version, or PostgreSQL without its driver.
    """
    return _current(engine_of(place, "votes", write), place, "votes")


def open_truth(place: Place, write: bool = False) -> sa.Engine:
    """An engine on the truth half; `siamese.study.truth` and backups alone call it.

    Raises:
        StudyError: as `open_votes`.
    """
    return _current(engine_of(place, "truth", write), place, "truth")


def engine_of(place: Place, half: Half, write: bool) -> sa.Engine:
    """An engine on a half of any version."""
    if place.url:
        return _server(place.url, write)
    engine = _file(place.file(half), write)
    return engine.execution_options(schema_translate_map={TRUTH_SCHEMA: None}) if half == "truth" else engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one state of the database, however many statements it runs.

    Raises:
        Unreachable: no answer.
    """
    with _answering(), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            yield connection.execution_options(siamese_reads=True)
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection in a transaction that is committed at the end, and on disk then; nothing of it after an error.

    Raises:
        Unreachable: no answer; whether the transaction was committed is not known.
        MachineError: the disk is full.
    """
    with _answering(), engine.begin() as connection:
        yield connection


@contextmanager
def once(place: Place, half: Half, write: bool = False) -> Iterator[sa.Connection]:
    """One transaction on a half of any version; nothing stays open after it.

    Raises:
        StudyError: as `open_votes`, but for the version.
    """
    engine = engine_of(place, half, write)
    try:
        with writing(engine) if write else reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def version_of(connection: sa.Connection, half: Half) -> str:
    """The migration that a half has come to; empty: none."""
    schema = TRUTH_SCHEMA if half == "truth" and connection.dialect.name == "postgresql" else None
    table = version_table(half)
    if not sa.inspect(connection).has_table(table, schema=schema):
        return ""
    return (
        connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(table, schema=schema)))
        or ""
    )


def version_table(half: Half) -> str:
    """Where a half's version is written."""
    return f"siamese_{half}_version"


def _current(engine: sa.Engine, place: Place, half: Half) -> sa.Engine:
    with reading(engine) as connection:
        found = version_of(connection, half)
    if found != VERSIONS[half]:
        engine.dispose()
    if not found:
        raise NotPrepared(
            f"{place} holds no {half} yet; `python -m siamese study check` prepares the pictures first."
        )
    if found > VERSIONS[half]:
        raise StudyError(f"{place} was written by a newer Siamese Studio ({half} {found}); update this one.")
    if found < VERSIONS[half]:
        raise StudyError(
            f"{place} was written by an older Siamese Studio ({half} {found}); stop its pages and run "
            "`python -m siamese study migrate NAME`, which makes a backup first."
        )
    return engine


def _file(path: Path, write: bool) -> sa.Engine:
    refuse_network(path.parent)
    if not path.is_file():
        raise NotPrepared(
            f"{path} is not there; `python -m siamese study check` prepares the pictures first. (Where the study was "
            "locked before: restore a backup.)"
        )
    engine = sa.create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY})

    @sa.event.listens_for(engine, "connect")
    def _settings(connection, _record) -> None:  # noqa: ANN001
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
            connection.execute(f"PRAGMA {setting}")
        if not write:
            connection.execute("PRAGMA query_only=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reads = not write or connection.get_execution_options().get("siamese_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _server(url: str, write: bool) -> sa.Engine:
    options = {} if write else {"execution_options": {"postgresql_readonly": True}}
    try:
        return sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, **options)
    except ModuleNotFoundError as error:
        raise StudyError('PostgreSQL needs its driver: pip install "psycopg[binary]>=3.2,<4".') from error


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.TimeoutError) as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        if "disk is full" in said or "No space left" in said:
            raise MachineError(
                f"The study's disk is full ({said}); free some space. Nothing saved before is lost."
            ) from error
        raise Unreachable(
            f"The study's database did not answer ({said}); see that it runs, then try again."
        ) from error


def _postgresql(url: str) -> bool:
    try:
        found = make_url(url)
    except sa.exc.ArgumentError:
        return False
    return found.drivername == "postgresql+psycopg" and bool(found.database) and found.password is None


def _safe(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return url
