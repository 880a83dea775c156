"""A real PostgreSQL server in a temporary folder, reached through a socket in it; as an unprivileged user when root."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

OWNER, PAGES = "organiser", "pages"


@dataclass(frozen=True)
class Server:
    """A running server; every test makes databases of its own in it."""

    folder: Path

    def url(self, database: str, role: str = OWNER) -> str:
        """What `database.toml` says."""
        return f"postgresql+psycopg://{role}@/{database}?host={self.folder}"

    def database(self) -> str:
        """A new database of the organiser; its name."""
        name = f"study_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} OWNER {OWNER}")
        return name

    def toml(self, name: str) -> str:
        """A `database.toml` with the role of the pages."""
        return f'url = "{self.url(name)}"\npages = "{self.url(name, PAGES)}"\n'

    def run(self, statement: str, database: str = "postgres") -> None:
        """Execute one statement as the superuser, outside of a transaction."""
        engine = sa.create_engine(self.url(database, "postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def crash_and_start(self) -> None:
        """Kill every process of the server at once, without a last write, and start it again."""
        _control(self.folder, "restart", "-m", "immediate")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server."""
    folder = Path(
        tempfile.mkdtemp(prefix="siamese-pg-")
    )  # short: the path of a socket has 107 characters at most
    if os.geteuid() == 0:
        shutil.chown(folder, _somebody())
    try:
        _program(
            "initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"
        )
        settings = f"listen_addresses=''\nunix_socket_directories='{folder}'\nmax_connections=120\n"
        settings += "fsync=off\n"  # no test cuts the power; what a killed process has written stays
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(settings)
        _control(folder, "start")
        server = Server(folder)
        server.run(f"CREATE ROLE {OWNER} LOGIN")
        server.run(f"CREATE ROLE {PAGES} LOGIN")
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            _control(folder, "stop", "-m", "immediate")
        shutil.rmtree(folder)


def _control(folder: Path, *words: str) -> None:
    _program("pg_ctl", "-D", str(folder / "data"), "-l", str(folder / "log"), "-w", *words)


def _program(name: str, *words: str) -> None:
    """Run a program of PostgreSQL, which refuses to work for root."""
    known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    path = str(known[-1]) if known else shutil.which(name)
    assert path, f"{name} of PostgreSQL is missing: .ci/postgres installs it"
    before = {"user": _somebody(), "cwd": "/"} if os.geteuid() == 0 else {}
    # no pipe: the server would hold it open for as long as it runs
    code = subprocess.run(
        [path, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **before
    ).returncode
    assert code == 0, f"{name} {' '.join(words)} ended with {code}"


def _somebody() -> str:
    return "postgres" if Path("/etc/passwd").read_text().find("\npostgres:") >= 0 else "nobody"
