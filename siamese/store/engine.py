"""Where the two halves of a study lie, and how they are opened: SQLite files in its folder, or a PostgreSQL server.

Writers take their turn from the first statement (`BEGIN IMMEDIATE`): a deferred transaction that reads and then writes
fails at once when another one wrote meanwhile, whatever the busy timeout.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from siamese.errors import StudyError
from siamese.store.tables import TRUTH_SCHEMA

VOTES_FILE, TRUTH_FILE, DATABASE = "votes.sqlite", "truth.sqlite", "database.toml"
BUSY = 30_000  # milliseconds a writer waits for its turn; fifty raters at once take a fraction of a second
NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "afs",
    "9p",
    "ceph",
    "lustre",
    "glusterfs",
    "davfs",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.s3fs",
)


@dataclass(frozen=True)
class Place:
    """Where a study's votes and truth lie.

    Args:
        folder: of the study; with SQLite it holds both files.
        url: of a PostgreSQL database, without a password (PGPASSWORD or ~/.pgpass has it); empty: SQLite.
        pages: the same database as the role of the rating pages sees it; empty: not said.
    """

    folder: Path
    url: str = ""
    pages: str = ""

    @classmethod
    def of(cls, folder: str | Path) -> Place:
        """The place of a study's folder: what `database.toml` says, else two SQLite files in it.

        Raises:
            StudyError: `database.toml` cannot be read, or names no PostgreSQL database.
        """
        folder = Path(folder).absolute()
        try:
            found = tomllib.loads((folder / DATABASE).read_text("utf-8"))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError) as error:
            raise StudyError(
                f"{folder / DATABASE} cannot be read ({error}); mend it, or delete it for SQLite."
            ) from error
        place = cls(folder, str(found.get("url", "")), str(found.get("pages", "")))
        for name, url in (("url", place.url), ("pages", place.pages)):
            if (url or name == "url") and not _postgresql(url):
                raise StudyError(
                    f'{folder / DATABASE}: {name} = "{url}" was found; expected postgresql+psycopg://USER@HOST/DATABASE '
                    "without a password (set PGPASSWORD or write ~/.pgpass)."
                )
        return place

    def for_pages(self) -> Place:
        """The same study as the rating pages reach it: on PostgreSQL with their own role.

        Raises:
            StudyError: PostgreSQL, and no role of its own is named.
        """
        if not self.url:
            return self
        if not self.pages or make_url(self.pages).username == make_url(self.url).username:
            raise StudyError(
                f"{self.folder / DATABASE} names no role for the rating pages, which must not reach the truth; add "
                'pages = "postgresql+psycopg://OTHER_USER@HOST/DATABASE" (see `python -m siamese study grant --help`).'
            )
        return Place(self.folder, self.pages)

    @property
    def votes_file(self) -> Path:
        """With SQLite: the half that the rating pages see."""
        return self.folder / VOTES_FILE

    @property
    def truth_file(self) -> Path:
        """With SQLite: the half that says where pictures come from."""
        return self.folder / TRUTH_FILE

    def __str__(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True) if self.url else str(self.folder)


def open_votes(place: Place, write: bool = False) -> sa.Engine:
    """An engine on the votes half.

    Args:
        place: where.
        write: writers queue for their turn (`writing`); without, every change is refused.

    Raises:
        StudyError: not there, on a network drive, or PostgreSQL without its driver.
    """
    return _server(place.url, write) if place.url else _file(place.votes_file, write)


def open_truth(place: Place, write: bool = False) -> sa.Engine:
    """An engine on the truth half; `siamese.study.truth` alone calls it.

    Raises:
        StudyError: as `open_votes`.
    """
    if place.url:
        return _server(place.url, write)
    return _file(place.truth_file, write).execution_options(schema_translate_map={TRUTH_SCHEMA: None})


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one state of the database, however many statements it runs."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            yield connection.execution_options(siamese_reads=True)
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection in a transaction that is committed at the end, and durable then; nothing of it on an error."""
    with engine.begin() as connection:
        yield connection


def network_drive(path: Path, mounts: str) -> str:
    """The kind of network drive that a path lies on, e.g. "nfs4"; empty: a disk of this computer.

    Args:
        path: absolute.
        mounts: content of /proc/mounts.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        point = words[1].encode().decode("unicode_escape") if "\\" in words[1] else words[1]
        inside = point == "/" or path.as_posix() == point or path.as_posix().startswith(point + "/")
        if inside and len(point) >= len(best):  # the later of two at one point lies above
            best, kind = point, words[2]
    return kind if kind.startswith(NETWORK) else ""


def refuse_network(folder: Path) -> None:
    """Raise a StudyError when SQLite's files would lie on a network drive, whose locks lose votes."""
    folder = folder.resolve()
    if sys.platform == "win32":
        kind = "a network share" if str(folder).startswith("\\\\") else ""
    else:
        mounts = Path("/proc/mounts")
        kind = network_drive(folder, mounts.read_text("utf-8", "replace")) if mounts.is_file() else ""
    if kind:
        raise StudyError(
            f"{folder} lies on a network drive ({kind}), where SQLite can lose votes; move the study to a disk of this "
            "computer, or name a PostgreSQL server in its database.toml."
        )


def _file(path: Path, write: bool) -> sa.Engine:
    refuse_network(path.parent)
    if not path.is_file():
        raise StudyError(
            f"{path} is not there; the study was not prepared yet, or its folder is not whole: restore a backup."
        )
    engine = sa.create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY / 1000})

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
    try:
        options = {} if write else {"execution_options": {"postgresql_readonly": True}}
        return sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, **options)
    except ModuleNotFoundError as error:
        raise StudyError('PostgreSQL needs its driver: pip install "psycopg[binary]>=3.2,<4".') from error


def _postgresql(url: str) -> bool:
    try:
        found = make_url(url)
    except sa.exc.ArgumentError:
        return False
    return found.drivername == "postgresql+psycopg" and bool(found.database) and found.password is None
