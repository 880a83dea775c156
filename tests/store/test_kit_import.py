"""Votes files of kits on both databases: imported by several at once, every vote is there once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from siamese.store import records
from siamese.store.engine import reading
from siamese.study.kit_import import import_votes
from siamese.study.studies import Study
from tests.study.kits import Log
from tests.study.rooms import locked_study


def test_files_that_are_imported_at_the_same_time_are_taken_once(tmp_path, database):
    study = locked_study(tmp_path, per_arm=4, raters=2, database=database)
    paths = []
    for rater in (1, 2):
        log = Log(study, rater, seed=rater).begin().vote(5)
        paths.append(log.save(tmp_path / f"half-{rater}.json"))
        paths.append(log.undo().whole().save(tmp_path / f"whole-{rater}.json"))
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda path: import_votes(Study.open(study.folder), path), paths * 4))
    votes = sum(entry["kind"] == "vote" for entry in log.records)
    assert sum(one.answers for one in taken) == 2 * votes and sum(one.undone for one in taken) == 2
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""
        for rater in (1, 2):
            found = records.records(connection, study.id, rater, ("vote", "undo"))
            assert [(one.kind, one.place) for one in found][5:7] == [("undo", 4), ("vote", 4)]
            assert len(found) == votes + 1 and len({one.client_id for one in found}) == votes + 1
