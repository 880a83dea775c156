"""PostgreSQL: the role of the rating pages takes votes, and neither changes one nor sees the truth."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import engine, records
from siamese.store.engine import Place, reading, writing
from siamese.store.grants import grant, open_pages
from siamese.store.migrations import migrate
from siamese.study.rating import Rating
from tests.study.rooms import Room, locked_study, vote_through

REFUSED = "permission denied"


@pytest.fixture
def study(tmp_path, shared) -> Room:
    return locked_study(tmp_path, database=shared)


def test_raters_go_through_as_the_role_of_the_pages(study):
    pages = open_pages(study.place)
    rating = Rating(pages, study.id)
    assert rating.enter(study.keys[1]) == 1
    vote_through(study, 1, np.random.default_rng(0), rating=rating)
    where = rating.where(1)
    assert where.stage == "done"
    rating.withdraw(1, "goes")
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM siamese_truth.truth_item",
        "SELECT * FROM siamese_truth.truth_arm",
        "SELECT count(*) FROM siamese_truth.truth_item",
        "UPDATE record SET content = NULL, salt = NULL",
        "DELETE FROM record",
        "TRUNCATE record",
        "UPDATE link SET revoked_at = NULL",
        "INSERT INTO link SELECT study, 'x', rater, issued_at, NULL FROM link",
        "UPDATE assignment SET items = '[]'",
        "INSERT INTO assignment SELECT * FROM assignment",
        "UPDATE study SET design = ''",
        "UPDATE siamese_votes_version SET version_num = ''",
        "INSERT INTO record SELECT * FROM record ON CONFLICT (study, seq) DO UPDATE SET content = NULL",
    ],
)
def test_the_role_of_the_pages_can_do_no_more(pages, statement):
    with pytest.raises(sa.exc.DatabaseError, match=REFUSED), writing(pages) as connection:
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE record DISABLE TRIGGER USER", "DROP TABLE record", "SET ROLE organiser"]
)
def test_nor_become_somebody_who_can(pages, statement):
    with pytest.raises(sa.exc.DatabaseError, match=f"{REFUSED}|must be owner"), writing(pages) as connection:
        connection.execute(sa.text(statement))


@pytest.fixture(scope="module")
def pages(tmp_path_factory, shared) -> sa.Engine:
    study = locked_study(tmp_path_factory.mktemp("workspace"), database=shared)
    vote_through(study, 1, np.random.default_rng(0), 2)
    return open_pages(study.place)


def test_the_truth_cannot_be_opened_through_the_place_of_the_pages(study):
    with pytest.raises((sa.exc.DatabaseError, StudyError), match=f"{REFUSED}|holds no truth"):
        engine.open_truth(study.place.for_pages())


def test_erasing_is_for_the_organiser(study):
    rating = Rating(open_pages(study.place), study.id)
    vote_through(study, 1, np.random.default_rng(0), 1, rating)
    rating.withdraw(1, "goes")
    with pytest.raises(sa.exc.DatabaseError, match=REFUSED), writing(rating.engine) as connection:
        records.erase(connection, study.id, 1)
    with writing(study.votes) as connection:
        assert records.erase(connection, study.id, 1) == 4


def test_a_role_that_can_do_more_is_refused(tmp_path, postgres):
    name = postgres.database()
    with pytest.raises(StudyError, match="holds no votes yet"):
        grant(Place(tmp_path, postgres.url(name), postgres.url(name, "pages")))
    migrate(Place(tmp_path, postgres.url(name)))
    for role, said in (
        ("postgres", "may do more"),
        ("nobody_yet", "CREATE ROLE nobody_yet"),
        ("deputy", "may do more"),
    ):
        if role == "deputy":
            postgres.run("CREATE ROLE deputy LOGIN IN ROLE organiser")
        with pytest.raises(StudyError, match=said):
            grant(Place(tmp_path, postgres.url(name), postgres.url(name, role)))
    with pytest.raises(StudyError, match="SQLite, which has no roles"):
        grant(Place(tmp_path))


def test_pages_do_not_open_with_rights_that_came_later(study, postgres):
    name = study.place.url.split("@/")[1].split("?")[0]
    postgres.run("GRANT USAGE ON SCHEMA siamese_truth TO pages", name)
    postgres.run("GRANT SELECT ON siamese_truth.truth_item TO pages", name)
    with pytest.raises(StudyError, match="SELECT on truth_item"):
        open_pages(study.place)
    grant(study.place)
    open_pages(study.place)
