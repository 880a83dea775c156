"""Personal links: what is in the files, what is in the database, and what opens the pages."""

from __future__ import annotations

import csv
import hashlib
import shutil

import cv2
import pytest
import sqlalchemy as sa

from siamese.errors import LinkError, StudyError
from siamese.store import records, tables
from siamese.store.engine import reading
from siamese.study import links
from siamese.study.lock import lock
from siamese.study.studies import Study
from tests.study.arms_of import design_of, excused, prepared_study, two_arms
from tests.study.rooms import rating_of

BASE = "https://r.example.org/study"


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Study:
    root = tmp_path_factory.mktemp("links")
    design = excused(design_of(two_arms(root, 2), per_arm=2, practice=0, raters=3, block=5))
    study, _ = prepared_study(root / "ws", design)
    lock(study, "K.", BASE)
    return study


@pytest.fixture
def study(locked, tmp_path) -> Study:
    shutil.copytree(locked.folder, tmp_path / "drawn")
    return Study.open(tmp_path / "drawn")


def rows(study: Study) -> list[dict[str, str]]:
    return list(csv.DictReader((study.folder / links.FOLDER / links.FILE).read_text().splitlines()))


def test_every_rater_has_a_secret_that_only_the_file_knows(study):
    found = rows(study)
    assert [row["rater"] for row in found] == ["0", "1", "2", "3"]
    assert all(row["link"] == f"{BASE}/#{row['key']}" and len(row["key"]) == 22 for row in found)
    assert len({row["key"] for row in found}) == 4
    with reading(study.votes) as connection:
        stored = {row.rater: row.key_sha256 for row in connection.execute(sa.select(tables.link))}
    assert stored == {int(r["rater"]): hashlib.sha256(r["key"].encode()).hexdigest() for r in found}
    data = study.place.file("votes").read_bytes()
    assert not any(row["key"].encode() in data for row in found)
    rating = rating_of(study)
    assert [rating.enter(row["key"]) for row in found] == [0, 1, 2, 3]


def test_files_are_the_owners_alone_and_the_codes_can_be_read(study):
    folder = study.folder / links.FOLDER
    assert folder.stat().st_mode & 0o777 == 0o700
    names = {"links.csv", "rehearsal.png", "rehearsal.svg"} | {
        f"rater-00{k}.{e}" for k in (1, 2, 3) for e in ("png", "svg")
    }
    assert {path.name for path in folder.iterdir()} == names
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for row, name in zip(rows(study), ("rehearsal", "rater-001", "rater-002", "rater-003"), strict=True):
        picture = cv2.imread(str(folder / f"{name}.png"))
        assert cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0] == row["link"]
        assert (folder / f"{name}.svg").read_text().startswith("<svg")


def test_links_move_with_the_address_and_keep_their_secrets(study):
    before = {row["rater"]: row["key"] for row in rows(study)}
    links.move_links(study, "http://10.0.0.5:7870/")
    assert {row["rater"]: row["key"] for row in rows(study)} == before
    assert all(row["link"].startswith("http://10.0.0.5:7870/#") for row in rows(study))
    assert links.base_of(study) == "http://10.0.0.5:7870"
    for wrong in ("ratings.example.org", "ftp://x", "https://x/#y", "https://x/?a=b", "https://", ""):
        with pytest.raises(StudyError, match="no address"):
            links.move_links(study, wrong)


def test_a_fresh_link_closes_the_older_one(study):
    old = links.read_keys(study)
    new = links.reissue(study, 2, "K.")
    rating = rating_of(study)
    assert rating.enter(new) == 2 and links.read_keys(study)[2] == new != old[2]
    with pytest.raises(LinkError, match="revoked or replaced"):
        rating.enter(old[2])
    assert rating.enter(old[1]) == 1 and links.base_of(study) == BASE
    t = tables.link.c
    with reading(study.votes) as connection:
        closed = connection.scalars(sa.select(t.key_sha256).where(t.revoked_at.is_not(None))).all()
    assert closed == [links.key_sha256(old[2])]


def test_a_revoked_link_opens_nothing_and_its_files_go(study):
    keys = links.read_keys(study)
    links.revoke(study, 3, "K.")
    with pytest.raises(LinkError):
        rating_of(study).enter(keys[3])
    assert "rater-003.png" not in {path.name for path in (study.folder / links.FOLDER).iterdir()}
    assert set(links.read_keys(study)) == {0, 1, 2}
    with pytest.raises(StudyError, match="no open link"):
        links.revoke(study, 3, "K.")
    assert rating_of(study).enter(links.reissue(study, 3, "K.")) == 3
    with reading(study.votes) as connection:
        audits = [one.content for one in records.records(connection, study.id, kinds=("audit",))][1:]
        assert records.verify(connection, study.id).broken == ""
    assert audits == [{"what": w, "rater": 3, "by": "K."} for w in ("revoke link", "new link")]


def test_mistakes_are_refused_and_change_nothing(study):
    before = rows(study)
    for change in (links.revoke, links.reissue):
        with pytest.raises(StudyError, match="no rater 9"):
            change(study, 9, "K.")
        with pytest.raises(StudyError, match="Say who"):
            change(study, 1, " ")
    assert rows(study) == before
    assert all(rating_of(study).enter(row["key"]) == int(row["rater"]) for row in before)


def test_lost_files_are_made_again_one_rater_after_the_other(study):
    shutil.rmtree(study.folder / links.FOLDER)
    with pytest.raises(StudyError, match="nowhere else"):
        links.move_links(study, BASE)
    keys = {rater: links.reissue(study, rater, "K.") for rater in (1, 2)}
    assert links.read_keys(study) == keys and rating_of(study).enter(keys[1]) == 1


def test_a_draft_has_no_links(tmp_path):
    study, _ = prepared_study(tmp_path / "ws", design_of(two_arms(tmp_path, 2), per_arm=2, practice=0))
    for change in (links.revoke, links.reissue):
        with pytest.raises(StudyError, match="not locked"):
            change(study, 1, "K.")
