"""The two databases that studies live in."""

from __future__ import annotations

import pytest

from tests.store.postgres import Server, postgres  # noqa: F401


@pytest.fixture(scope="session")
def shared(postgres: Server) -> str:  # noqa: F811
    """A database of the server for many studies, as a hospital would have it; its `database.toml`."""
    return postgres.toml(postgres.database())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Content of a `database.toml`: none (SQLite), or the shared database of the PostgreSQL server."""
    return "" if request.param == "sqlite" else request.getfixturevalue("shared")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest) -> str:
    """As `database`, without a table yet."""
    if request.param == "sqlite":
        return ""
    server = request.getfixturevalue("postgres")
    return server.toml(server.database())
