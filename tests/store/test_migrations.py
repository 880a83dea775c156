"""Migrations: their tables are those of the code, nothing is lost on the way, and a backup is made before."""

from __future__ import annotations

import stat

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from siamese.errors import StudyError
from siamese.store import backup, engine, migrations, records, tables
from siamese.store.engine import Place, open_votes, reading, writing
from siamese.store.migrations import migrate, upgrade, versions
from siamese.store.tables import TRUTH, TRUTH_SCHEMA, VERSIONS, VOTES

STUDY = "0" * 32


@pytest.fixture
def place(tmp_path, empty_database) -> Place:
    (tmp_path / "id").write_text(STUDY)
    if empty_database:
        (tmp_path / "database.toml").write_text(empty_database)
    return Place.of(tmp_path)


@pytest.mark.parametrize("half", ["votes", "truth"])
def test_the_migrated_tables_are_those_of_the_code(place, half):
    migrate(place)
    wanted = VOTES
    if half == "truth":
        wanted = TRUTH if place.url else sa.MetaData(naming_convention=tables.NAMES)
        if not place.url:
            for table in TRUTH.sorted_tables:
                table.to_metadata(wanted, schema=None)
    schema = TRUTH_SCHEMA if half == "truth" and place.url else None
    options = {
        "version_table": engine.version_table(half),
        "version_table_schema": schema,
        "include_schemas": bool(place.url),
        "include_name": lambda name, kind, _: kind != "schema" or name == schema,
    }
    with reading(engine.engine_of(place, half, write=False)) as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), wanted) == []
        assert set(sa.inspect(connection).get_table_names(schema)) >= {
            table.name for table in wanted.sorted_tables
        }


def test_the_version_that_is_asked_for_is_the_newest():
    for half, version in VERSIONS.items():
        folder = str(migrations.HERE)
        script = ScriptDirectory(folder, version_locations=[f"{folder}/{half}"])
        assert script.get_current_head() == version


def test_nothing_is_there_before_and_private_files_after(place):
    with pytest.raises(engine.NotPrepared, match="study check"):
        open_votes(place)
    assert migrate(place, STUDY) is None  # nothing to save
    assert versions(place) == VERSIONS
    if not place.url:
        assert {stat.S_IMODE(place.file(half).stat().st_mode) for half in VERSIONS} == {0o600}
    assert migrate(place, STUDY) is None and not (place.folder / "backups").exists()


def test_an_older_study_is_saved_and_brought_up(place):
    for half in VERSIONS:
        upgrade(place, half, "0001")
    with writing(engine.engine_of(place, "votes", write=True)) as connection:
        row = {"id": STUDY, "design": "{}", "design_sha256": "0" * 64, "locked_at": 1}
        connection.execute(sa.insert(tables.study).values(row))
        for number in range(3):
            records.append(connection, STUDY, "audit", None, None, {"n": number}, f"id-{number}")
        head = records.head(connection, STUDY)
    with pytest.raises(StudyError, match="older Siamese Studio .votes 0001.*study migrate"):
        open_votes(place)
    kept = migrate(place, STUDY)
    assert versions(place) == VERSIONS
    with reading(open_votes(place)) as connection:
        assert records.verify(connection, STUDY) == records.Verdict(3, head)
    assert kept.parent == place.folder / "backups" and stat.S_IMODE(kept.stat().st_mode) == 0o600
    found = backup.verify_file(kept)
    assert (found.recorded, found.head, found.broken) == (3, head, ())


def test_a_newer_study_is_left_alone(place):
    migrate(place)
    with writing(engine.engine_of(place, "votes", write=True)) as connection:
        connection.exec_driver_sql("UPDATE siamese_votes_version SET version_num = '9999'")
    for call in (lambda: open_votes(place), lambda: migrate(place)):
        with pytest.raises(StudyError, match="newer Siamese Studio .votes 9999.*update"):
            call()
