"""Backups: made while raters vote, looked at whole, restored into either database; a damaged one is refused."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import backup, engine, records, tables
from siamese.store.engine import reading, writing
from siamese.store.wholeness import look
from siamese.study.rating import Rating
from siamese.study.studies import Studies, Study, status
from siamese.workspace import Workspace
from tests.study.rooms import Room, locked_study, rating_of, vote_through


@pytest.fixture
def study(tmp_path, database) -> Room:
    """Rater 1 has finished, rater 2 withdrew and was erased."""
    study = locked_study(tmp_path / "here", database=database)
    vote_through(study, 1, np.random.default_rng(1))
    vote_through(study, 2, np.random.default_rng(2), 3)
    rating_of(study).withdraw(2, "goes")
    with writing(study.votes) as connection:
        records.erase(connection, study.id, 2)
    return study


def rows(study: Study) -> dict[str, list[tuple]]:
    """Everything that is stored of a study, by table."""
    found = {}
    for engine_, metadata in ((study.votes, tables.VOTES), (engine.open_truth(study.place), tables.TRUTH)):
        with reading(engine_) as connection:
            for table in metadata.sorted_tables:
                own = (table.c.id if table.name == "study" else table.c.study) == study.id
                asked = sa.select(table).where(own).order_by(*table.primary_key.columns)
                found[table.name] = [tuple(row) for row in connection.execute(asked)]
    return found


def elsewhere(tmp_path: Path, name: str = "again", toml: str = "") -> engine.Place:
    """A place in another workspace."""
    url, pages = (line.split('"')[1] for line in toml.splitlines()) if toml else ("", "")
    return Studies(Workspace(tmp_path / "there")).place(name, url, pages)


def test_a_backup_brings_everything_back(tmp_path, study):
    file = backup.backup(study.place, study.id, tmp_path / "study.zip")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    seen = backup.verify_file(file)
    assert (seen.recorded, seen.head, seen.pictures, seen.broken) == (
        status(study).recorded,
        status(study).head,
        16,
        (),
    )
    place = elsewhere(tmp_path)
    assert backup.restore(file, place) == seen
    again = Study.open(place.folder)
    assert (again.id, again.shown, status(again).raters) == (study.id, study.shown, status(study).raters)
    assert rows(again) == rows(study) and rows(again)["record"][-1]
    assert look(again.place, again.id) == seen
    assert {stat.S_IMODE(again.place.file(half).stat().st_mode) for half in ("votes", "truth")} == {0o600}
    assert (again.folder / "design.toml").read_bytes() == (study.folder / "design.toml").read_bytes()
    vote_through(again, 0, np.random.default_rng(3))  # it goes on, triggers and all
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), writing(again.votes) as connection:
        connection.execute(sa.text("DELETE FROM record"))


def test_a_backup_moves_a_study_to_a_server(tmp_path, study, postgres):
    file = backup.backup(study.place, study.id, tmp_path / "study.zip", pictures=False)
    place = elsewhere(tmp_path, toml=postgres.toml(postgres.database()))
    shutil.copytree(study.pictures, place.folder / "pictures")
    backup.restore(file, place)
    moved = Study.open(place.folder)
    assert rows(moved) == rows(study) and look(moved.place, moved.id).broken == ()
    with pytest.raises(StudyError, match="never replaced"):
        backup.restore(file, place)
    assert rows(moved) == rows(study)


def test_a_backup_is_made_while_raters_vote(tmp_path, study):
    rating, stop = Rating(study.votes, study.id), threading.Event()

    def vote() -> None:
        rng = np.random.default_rng(4)
        while not stop.is_set() and rating.where(0).stage != "done":
            vote_through(study, 0, rng, 1, rating)

    rater = threading.Thread(target=vote)
    rater.start()
    try:
        for number in range(4):
            file = backup.backup(study.place, study.id, tmp_path / f"{number}.zip", pictures=False)
            assert backup.verify_file(file).broken == ()
    finally:
        stop.set()
        rater.join()
    assert look(study.place, study.id).broken == ()


def test_what_was_there_is_set_aside(tmp_path):
    study = locked_study(tmp_path)
    vote_through(study, 1, np.random.default_rng(1), 3)
    file = backup.backup(study.place, study.id, tmp_path / "study.zip")
    vote_through(study, 1, np.random.default_rng(1), 2)
    with pytest.raises(StudyError, match="open in another process"):
        backup.restore(file, study.place)  # `study` itself has it open
    assert status(study).raters[1].answered == 3
    study.votes.dispose()
    backup.restore(file, study.place)
    again = Study.open(study.folder)
    assert status(again).raters[1].answered == 1  # two were practice
    (aside,) = (study.folder / "backups").glob("*_before_restore")
    with sqlite3.connect(aside / "votes.sqlite") as kept:
        assert kept.execute("SELECT count(*) FROM record WHERE kind = 'vote'").fetchone() == (5,)
    kept.close()


def test_a_damaged_database_is_named_and_replaced(tmp_path):
    study = locked_study(tmp_path)
    vote_through(study, 1, np.random.default_rng(1))
    file = backup.backup(study.place, study.id, tmp_path / "study.zip")
    head = status(study).head
    study.votes.dispose()
    path = study.place.file("votes")
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 4] = b"\xff" * 4096
    path.write_bytes(data)
    (problem, *_) = look(study.place, study.id).broken
    assert "votes.sqlite is damaged" in problem and "restore a backup" in problem
    path.write_bytes(b"no database" * 1000)
    assert "votes.sqlite is damaged" in look(study.place, study.id).broken[0]
    backup.restore(file, study.place)
    found = look(study.place, study.id, head)
    assert found.broken == () and found.head == head


def test_pictures_that_are_missing_or_others_are_named(tmp_path):
    study = locked_study(tmp_path)
    one, two = sorted(study.pictures.iterdir())[:2]
    one.unlink()
    two.write_bytes(two.read_bytes() + b"x")
    missing, changed = look(study.place, study.id).broken
    assert missing == f"1 of 16 pictures missing: {one.stem}." and changed.startswith(
        "1 of 16 pictures not as at lock"
    )


def test_votes_changed_inside_a_backup_are_found(tmp_path):
    """Also by somebody who computes the digests of the files again."""
    study = locked_study(tmp_path)
    vote_through(study, 1, np.random.default_rng(1), 3)
    file = backup.backup(study.place, study.id, tmp_path / "study.zip")
    inside = tmp_path / "inside"
    shutil.unpack_archive(file, inside)
    with sqlite3.connect(inside / "votes.sqlite") as forged:
        forged.execute("DROP TRIGGER record_update")
        forged.execute("UPDATE record SET content = replace(content, ':', ': ') WHERE seq = 3")
    forged.close()
    plain = pack(inside, tmp_path / "plain.zip", honest=False)
    with pytest.raises(StudyError, match="votes.sqlite is not what was saved"):
        backup.verify_file(plain)
    clever = pack(inside, tmp_path / "clever.zip")
    assert backup.verify_file(clever).broken == ("The content of record 3 was changed after it was written.",)
    with pytest.raises(StudyError, match="nothing was restored.*record 3"):
        backup.restore(clever, elsewhere(tmp_path))
    assert not (tmp_path / "there" / "studies" / "again").exists()


@pytest.mark.parametrize("damage", ["cut", "text", "missing", "flipped", "escape", "newer"])
def test_what_is_no_whole_backup_is_refused(tmp_path, damage):
    study = locked_study(tmp_path)
    file = backup.backup(study.place, study.id, tmp_path / "study.zip")
    data = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "text":
        file.write_text("no zip")
    elif damage == "missing":
        file.unlink()
    elif damage == "flipped":
        data[len(data) // 2] ^= 0xFF
        file.write_bytes(data)
    else:
        inside = tmp_path / "inside"
        shutil.unpack_archive(file, inside)
        manifest = json.loads((inside / "backup.json").read_text())
        if damage == "escape":
            manifest["sha256"]["pictures/../../../outside"] = "0" * 64
        else:
            manifest["format"] = 2
        (inside / "backup.json").write_text(json.dumps(manifest))
        pack(inside, file, honest=False)
    with pytest.raises(StudyError, match="backup|cannot be read|damaged"):
        backup.verify_file(file)
    with pytest.raises(StudyError, match="backup|cannot be read|damaged"):
        backup.restore(file, elsewhere(tmp_path))
    assert not (tmp_path / "there" / "studies" / "again").exists() and not (tmp_path / "outside").exists()


def test_a_backup_is_not_restored_over_another_study(tmp_path):
    first, second = locked_study(tmp_path), locked_study(tmp_path, name="second")
    file = backup.backup(first.place, first.id, tmp_path / "study.zip")
    with pytest.raises(StudyError, match="holds another study"):
        backup.restore(file, second.place)
    assert look(second.place, second.id).broken == ()


def test_a_study_without_a_database_has_nothing_to_save(tmp_path):
    with pytest.raises(StudyError, match="nothing was saved"):
        backup.backup(engine.Place(tmp_path), "0" * 32, tmp_path / "study.zip")
    assert [path.name for path in tmp_path.iterdir()] == []


def pack(folder: Path, target: Path, honest: bool = True) -> Path:
    """A zip of a folder; `honest`: the manifest has the digests of what is inside."""
    if honest:
        manifest = json.loads((folder / "backup.json").read_text())
        manifest["sha256"] = {name: backup._digest(folder / name) for name in manifest["sha256"]}
        (folder / "backup.json").write_text(json.dumps(manifest))
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder))
    return target
