"""`python -m siamese study status|verify|backup|restore|migrate|grant|erase`, as a person calls them."""

from __future__ import annotations

import json
import stat
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from siamese.__main__ import app
from siamese.errors import SiameseError
from siamese.study.design import Design
from siamese.study.studies import Studies, status
from siamese.workspace import Workspace
from tests.study.rooms import Room, locked_study, rating_of, vote_through


@pytest.fixture
def study(tmp_path) -> Room:
    study = locked_study(tmp_path)
    vote_through(study, 1, np.random.default_rng(0))
    vote_through(study, 2, np.random.default_rng(0), 5)
    return study


@pytest.fixture
def call(tmp_path):
    """Exit code and what was said: a SiameseError is code 2, as `python -m siamese` makes it."""

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["study", *words, "--workspace", str(tmp_path)])
        if isinstance(done.exception, SiameseError):
            return 2, str(done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    return run


def test_status_says_how_far_everybody_is(study, call):
    code, said = call("status", "believable")
    assert code == 0 and "26 records" in said and status(study).head in said
    assert "rehearsal: 0 of 14, not begun" in said and "rater 1: 14 of 14, finished, last 20" in said
    assert "rater 2: 3 of 14, consented" in said and "ours" not in said and "patients" not in said
    found = json.loads(call("status", "believable", "--json")[1])
    assert [rater["answered"] for rater in found["raters"]] == [0, 14, 3]
    rating_of(study).withdraw(2, "goes")
    assert "rater 2: 3 of 14, withdrawn" in call("status", "believable")[1]
    code, said = call("status", "other")
    assert code == 2 and "There is: believable" in said


def test_status_of_a_draft(tmp_path, call):
    Studies(Workspace(tmp_path)).new("draft", Design())
    assert call("status", "draft") == (0, "draft: not locked yet\n")


def test_verify_says_what_is_broken(study, call):
    head = status(study).head
    assert call("verify", "believable") == (
        0,
        f"whole: 26 records and 16 pictures, head of the chain {head}\n",
    )
    assert call("verify", "believable", "--head", head)[0] == 0
    code, said = call("verify", "believable", "--head", "f" * 64)
    assert code == 2 and said.startswith("BROKEN") and "No record leads to the head" in said
    next(study.pictures.iterdir()).unlink()
    code, said = call("verify", "believable", "--json")
    assert code == 2 and "1 of 16 pictures missing" in json.loads(said)["broken"][0]


def test_a_backup_goes_to_another_name_and_is_looked_at(tmp_path, study, call):
    code, said = call("backup", "believable")
    (file,) = (study.folder / "backups").glob("*_believable.zip")
    assert code == 0 and str(file) in said and "whole: 26 records and 16 pictures" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert call("verify", str(file))[0] == 0
    code, said = call("restore", str(file), "again")
    assert code == 0 and "whole: 26 records" in said
    assert call("status", "again")[1].splitlines()[1:] == call("status", "believable")[1].splitlines()[1:]
    small = tmp_path / "new" / "small.zip"
    assert call("backup", "believable", "--to", str(small), "--without-pictures")[0] == 0
    names = [zipfile.ZipFile(path).namelist() for path in (file, small)]
    assert set(names[0]) - set(names[1]) == {
        f"{kind}/{item}.png" for kind in ("pictures", "masks") for item in study.arms
    }
    code, said = call("restore", str(file), "Bad Name")
    assert code == 2 and "no name for a study" in said


def test_erase_is_for_those_who_withdrew(study, call):
    code, said = call("erase", "believable", "2")
    assert code == 2 and "has not withdrawn" in said
    rating_of(study).withdraw(2, "goes")
    assert call("erase", "believable", "2") == (0, "rater 2: 8 contents erased\n")
    assert call("verify", "believable")[0] == 0


def test_migrate_and_grant_say_what_they_found(study, call):
    assert call("migrate", "believable") == (0, "believable: up to date\n")
    code, said = call("grant", "believable")
    assert code == 2 and "SQLite, which has no roles" in said
