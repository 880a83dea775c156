"""Where studies lie and how they are opened: settings, network drives refused, writers that wait for their turn."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import records
from siamese.store.drives import network_drive, refuse_network
from siamese.store.engine import NotPrepared, Place, Unreachable, open_truth, open_votes, reading, writing
from siamese.store.migrations import migrate
from tests.study.rooms import locked_study

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
server:/export /mnt/share nfs4 rw,vers=4.2 0 0
//nas/studies /mnt/my\\040share cifs rw 0 0
/dev/sdb1 /mnt/share/local xfs rw 0 0
anna@host: /media/ssh fuse.sshfs rw 0 0
host /mnt/c 9p rw 0 0
/dev/sdc1 /data ext4 rw 0 0
server:/over /data nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/studies", ""),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/studies/first", "nfs4"),
        ("/mnt/shared", ""),
        ("/mnt/share/local/studies", ""),
        ("/mnt/my share/x", "cifs"),
        ("/media/ssh/x", "fuse.sshfs"),
        ("/mnt/c/Users", "9p"),
        ("/data/studies", "nfs"),
    ],
)
def test_a_network_drive_is_told_by_where_it_is_mounted(path, kind):
    assert network_drive(Path(path), MOUNTS) == kind
    assert network_drive(Path(path), "") == ""


def test_a_study_on_a_network_drive_is_refused_with_a_cure(tmp_path, monkeypatch):
    refuse_network(tmp_path)  # a disk of this computer
    monkeypatch.setattr("siamese.store.drives.network_drive", lambda path, mounts: "nfs4")
    for call in (lambda: migrate(Place(tmp_path)), lambda: open_votes(Place(tmp_path))):
        with pytest.raises(StudyError, match=r"network drive \(nfs4\).*PostgreSQL"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_what_its_folder_says(tmp_path):
    assert Place.of(tmp_path) == Place(tmp_path) and Place.of(tmp_path).for_pages() == Place(tmp_path)
    file = tmp_path / "database.toml"
    file.write_text(
        'url = "postgresql+psycopg://anna@db/studies"\npages = "postgresql+psycopg://pages@db/studies"\n'
    )
    place = Place.of(tmp_path)
    assert place.for_pages().url == "postgresql+psycopg://pages@db/studies" and str(place) == place.url
    for text, said in (
        ("url = ", "cannot be read"),
        ('url = "sqlite:///x"', "expected postgresql"),
        ('url = ""', "expected postgresql"),
        ("", "expected postgresql"),
        ('url = "postgresql+psycopg://db"', "expected postgresql"),
        ('url = "postgresql+psycopg://anna:secret@db/studies"', "without a password"),
    ):
        file.write_text(text)
        with pytest.raises(StudyError, match=said) as error:
            Place.of(tmp_path)
        assert "secret" not in str(error.value)
    for pages in ("", 'pages = "postgresql+psycopg://anna@db/studies"'):
        file.write_text(f'url = "postgresql+psycopg://anna@db/studies"\n{pages}\n')
        with pytest.raises(StudyError, match="no role for the rating pages"):
            Place.of(tmp_path).for_pages()


def test_a_server_that_does_not_answer_is_said_so(tmp_path):
    place = Place(tmp_path, f"postgresql+psycopg://anna@/studies?host={tmp_path}")
    with pytest.raises(Unreachable, match="did not answer"):
        open_votes(place)


def test_sqlite_waits_for_the_disk_and_keeps_what_refers_to_what(tmp_path):
    study = locked_study(tmp_path)
    with writing(study.votes) as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert found == ["wal", 2, 1, 1, 30_000]  # synchronous 2: FULL
    with sqlite3.connect(study.place.file("votes"), timeout=0) as other:
        with writing(study.votes), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")  # a writer holds its turn from the first moment
        with reading(study.votes) as connection:
            records.head(connection, study.id)
            other.execute("BEGIN IMMEDIATE")  # a reader holds nobody up
    other.close()


def test_a_missing_half_is_named(tmp_path):
    with pytest.raises(NotPrepared, match="votes.sqlite is not there"):
        open_votes(Place(tmp_path))
    with pytest.raises(NotPrepared, match="truth.sqlite is not there"):
        open_truth(Place(tmp_path))


def test_read_then_write_of_many_at_once_loses_nothing(tmp_path, database):
    """Each adds one to what it read: a lost update would show in the sum."""
    study = locked_study(tmp_path, database=database)

    def count(number: int) -> None:
        for turn in range(10):
            with writing(study.votes) as connection:
                records.take_turn(connection, study.id)
                known = records.records(connection, study.id)
                total = known[-1].content["total"] if known else 0
                records.append(
                    connection, study.id, "audit", None, None, {"total": total + 1}, f"{number}-{turn}"
                )

    threads = [threading.Thread(target=count, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(study.votes) as connection:
        assert records.records(connection, study.id)[-1].content == {"total": 80}
        assert records.verify(connection, study.id).count == 80


@pytest.mark.parametrize(
    "content", [{"x": float("nan")}, {"x": object()}, {"x": "\ud800"}, {"x": "a" * 40_000}]
)
def test_a_content_that_cannot_be_kept_is_refused(tmp_path, content):
    study = locked_study(tmp_path)
    with pytest.raises(StudyError, match="answer"), writing(study.votes) as connection:
        records.append(connection, study.id, "audit", None, None, content, "id")


@pytest.mark.parametrize("text", ["\x00", "😀 ü \u2028 \\ \" '"])
def test_any_text_of_a_comment_comes_back(tmp_path, database, text):
    study = locked_study(tmp_path, database=database)
    with writing(study.votes) as connection:
        records.append(connection, study.id, "audit", None, None, {"comment": text}, "id")
    with reading(study.votes) as connection:
        assert records.records(connection, study.id)[0].content == {"comment": text}
        assert records.verify(connection, study.id).broken == ""


@pytest.mark.parametrize("client_id", ["", "a" * 65, "a b", "ä", "a\n"])
def test_a_client_id_is_short_and_plain(tmp_path, client_id):
    study = locked_study(tmp_path)
    with pytest.raises(StudyError, match="reload"), writing(study.votes) as connection:
        records.append(connection, study.id, "audit", None, None, {}, client_id)


def test_a_study_that_is_not_there_takes_no_record(tmp_path, database):
    study = locked_study(tmp_path, database=database)
    with pytest.raises(sa.exc.IntegrityError), writing(study.votes) as connection:
        records.append(connection, "f" * 32, "audit", None, None, {}, "id")
