"""The truth: open to the organiser before lock, closed after it, opened once by an act that is recorded."""

from __future__ import annotations

import os

import pytest
import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import records
from siamese.store.engine import open_truth, reading, writing
from siamese.store.migrations import migrate
from siamese.store.tables import truth_arm
from siamese.study.design import Arm, Design
from siamese.study.lock import lock
from siamese.study.studies import Studies, Study
from siamese.study.truth import Blind, Item, freeze, prepared, truth_of, unblind, write_items
from siamese.workspace import Workspace
from tests.store.postgres import postgres  # noqa: F401
from tests.study.arms_of import design_of, excused, prepared_study, two_arms

ARMS = (Arm(name="a", kind="real", source="x"), Arm(name="b", kind="synthetic", source="y"))


def items(count: int) -> list[Item]:
    return [
        Item(f"{k:032x}", "ab"[k % 2], f"g{k // 2}", f"/f{k}.png", "0" * 64, k > 3, {"zoom": k})
        for k in range(count)
    ]


def draft(tmp_path, **settings: object) -> Study:  # noqa: ANN001
    study = Studies(Workspace(tmp_path)).new("s", Design(arms=ARMS, **settings))
    migrate(study.place, study.id)
    return study


def test_what_was_written_is_read_back_until_it_is_replaced(tmp_path):
    study = draft(tmp_path)
    assert prepared(Studies(Workspace(tmp_path)).new("t", Design())) is None
    assert prepared(study) is None
    write_items(study, study.design, items(6))
    found = prepared(study)
    assert found.design == study.design and list(found.items) == items(6)
    other = study.design.model_copy(update={"seed": 4})
    write_items(study, other, items(2))
    assert prepared(study).design.seed == 4 and len(prepared(study).items) == 2
    freeze(study, study.design)
    assert prepared(study).design.seed == 0 and len(prepared(study).items) == 2
    if os.name == "posix":
        assert study.place.file("truth").stat().st_mode & 0o777 == 0o600


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def locked(request, tmp_path_factory) -> Study:
    """A locked study on each database."""
    root = tmp_path_factory.mktemp("locked")
    place = ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        place = server.toml(server.database())
    design = excused(design_of(two_arms(root, 3), per_arm=2, practice=1, block=5))
    study, _ = prepared_study(root / "ws", design, place=place)
    lock(study, "K.")
    return study


def test_nothing_is_opened_without_a_record_of_it(locked):
    """In one order: blind, opened, and the record stands before the answer."""
    for look in (truth_of, prepared):
        with pytest.raises(Blind, match="study unblind"):
            look(locked)
    for change in (lambda: freeze(locked, Design()), lambda: write_items(locked, Design(), [])):
        with pytest.raises(StudyError, match="locked"):
            change()
    for by, reason in (("", "all have voted"), ("K.", "  ")):
        with pytest.raises(StudyError, match="Say who"):
            unblind(locked, by, reason)
    with pytest.raises(Blind):
        truth_of(locked)
    found = unblind(locked, " K. ", "all have voted")
    with reading(locked.votes) as connection:
        audits = records.records(connection, locked.id, kinds=("audit",))
        assert records.verify(connection, locked.id).broken == ""
    assert [audit.content["what"] for audit in audits] == ["lock", "unblind"]
    assert (found.by, found.reason, found.at) == ("K.", "all have voted", audits[-1].at)
    again = unblind(
        locked, "L.", "to write the report"
    )  # each opening is a record; the first one is the date
    assert (again.by, again.at) == ("K.", found.at) and truth_of(locked) == again
    with reading(locked.votes) as connection:
        assert len(records.records(connection, locked.id, kinds=("audit",))) == 3


def test_the_truth_is_the_one_of_the_votes(locked):
    found = unblind(locked, "K.", "a test")
    assert found.design.sha256 == locked.design_sha256 and found.kinds == {
        "patients": "real",
        "ours": "synthetic",
    }
    assert len(found.items) == 5 and {item.arm for item in found.items.values()} == {"patients", "ours"}
    assert {path.stem for path in locked.pictures.iterdir()} == set(found.items)
    assert len(found.design.secret) == 64 and found.design.secret not in locked.shown.model_dump_json()
    with writing(open_truth(locked.place, write=True)) as connection:
        mine = truth_arm.c.study == locked.id
        text = connection.scalar(sa.select(truth_arm.c.design).where(mine).limit(1))
        connection.execute(
            sa.update(truth_arm).where(mine).values(design=text.replace("drawn, and new", "drawn, not new"))
        )
    with pytest.raises(StudyError, match="another design"):
        truth_of(locked)


def test_a_draft_has_nothing_to_unblind(tmp_path):
    study = draft(tmp_path)
    with pytest.raises(StudyError, match="not locked"):
        unblind(study, "K.", "now")
    with pytest.raises(Blind):
        truth_of(study)
