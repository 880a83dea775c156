"""After an erasure nothing of the contents is left in the files of the database."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import records
from siamese.store.engine import reading, writing
from siamese.store.erasure import erase
from tests.study.rooms import Room, locked_study, rating_of, vote_through

SECRET = "The mucosa of case seven gave it away"


def on_disk(study: Room, postgres) -> bytes:
    """Every byte of the table's files, -wal included, while the study is open."""
    if not study.place.url:
        return b"".join(path.read_bytes() for path in study.folder.glob("votes.sqlite*"))
    postgres.run("CHECKPOINT")
    with reading(study.votes) as connection:
        file = connection.scalar(sa.text("SELECT pg_relation_filepath('record')"))
        toast = "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = 'record'::regclass"
        files = [file, connection.scalar(sa.text(toast))]
    return b"".join((Path(postgres.folder) / "data" / name).read_bytes() for name in files)


def test_nothing_is_left_on_disk(tmp_path, database, request):
    postgres = request.getfixturevalue("postgres") if database else None
    study = locked_study(tmp_path, database=database)
    rating = rating_of(study)
    for rater in (1, 2):
        rating.consent(rater, {"comment": f"{SECRET} {rater}"}, f"consent-{rater}")
        vote_through(study, rater, np.random.default_rng(rater), 3, rating)
    assert f"{SECRET} 1".encode() in on_disk(study, postgres)
    with pytest.raises(StudyError, match="not withdrawn"):
        erase(study.votes, study.id, 1)
    rating.withdraw(1, "goes")
    assert erase(study.votes, study.id, 1) == 6
    assert erase(study.votes, study.id, 1) == 0
    left = on_disk(study, postgres)
    assert f"{SECRET} 1".encode() not in left and f"{SECRET} 2".encode() in left
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""
    vote_through(study, 2, np.random.default_rng(0), rating=rating)
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), writing(study.votes) as connection:
        connection.execute(sa.text("UPDATE record SET content = NULL, salt = NULL WHERE rater = 2"))
