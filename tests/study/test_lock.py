"""Lock: everything missing at once, then all is frozen together, or nothing is."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from siamese import lockfile
from siamese.errors import StudyError
from siamese.store import records, tables
from siamese.store.engine import open_truth, reading, writing
from siamese.store.wholeness import look
from siamese.study import cues, links, ready, truth
from siamese.study.design import Design, Primary
from siamese.study.lock import CHECK, SHEET, compared, lock
from siamese.study.orders import orders
from siamese.study.rehearse import measured, rehearse
from siamese.study.studies import DRAFT, Studies, Study
from siamese.study.texts import SCALES, Scale, Texts
from siamese.workspace import Workspace
from tests.conftest import ROOT
from tests.study.arms_of import design_of, excused, prepared_study, two_arms
from tests.study.rooms import rating_of, vote_through


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Study, truth.Prepared]:
    """A prepared study that nobody changes; tests copy it."""
    root = tmp_path_factory.mktemp("made")
    design = excused(design_of(two_arms(root, 6), block=10, apart=3))
    return prepared_study(root / "ws", design)


@pytest.fixture
def study(made, tmp_path) -> Study:
    shutil.copytree(made[0].folder, tmp_path / "studies" / "drawn")
    return Study.open(tmp_path / "studies" / "drawn")


def change(study: Study, **settings: object) -> None:
    study.write_draft(Design.model_validate(study.design.model_dump() | settings))


def refused(study: Study) -> str:
    with pytest.raises(StudyError) as error:
        lock(study, "K.")
    assert not study.locked and not (study.folder / SHEET).exists()
    return str(error.value)


def test_everything_that_is_missing_is_said_at_once(study):
    texts = {"contact": "", "information": "It takes {hours} hours.", "question_p1": " ", "question_p4": ""}
    change(
        study,
        organiser="",
        raters_who_know="",
        cue_reasons={},
        primary={"kind": "preference", "first": "nobody", "margin": 0.6, "inference": "all"},
        texts=study.design.texts.model_dump() | texts,
        pace=400.0,
        arms=[arm.model_dump() | {"pool": ""} for arm in study.design.arms],
    )
    said = refused(study)
    for words in (
        "`organiser` is empty",
        "`raters_who_know` is empty",
        "arm patients: `pool` is empty",
        "arm ours: `pool` is empty",
        "no generator of the study was trained",
        "names nobody, which is no arm",
        "P1 cannot answer a question of the kind preference",
        "a margin of 0.6",
        "2 raters cannot stand for clinicians at large",
        "texts.contact is empty",
        "texts.question_p1 is empty",
        "texts.information has {hours}",
        "half an hour is the most",
        "tells them apart; change the pictures, or write into `cue_reasons`",
    ):
        assert words in said, words
    assert "question_p4" not in said  # another protocol's
    assert said.count("\n  - ") == int(said.split(", ")[1].split()[0])


def test_a_study_that_nobody_prepared_or_that_was_changed_since_is_refused(study, made, tmp_path):
    bare = Studies(Workspace(tmp_path)).new("bare", made[0].design)
    assert "not prepared" in refused(bare)
    for settings in ({"seed": 5}, {"jpeg": 80}, {"outline": "circle"}, {"arms": study.design.arms[::-1]}):
        change(study, **settings)
        assert "changed after its pictures were prepared" in refused(study)
        change(study, **made[0].design.model_dump())
    change(
        study,
        title="Another title",
        raters=3,
        block=20,
        arms=[a.model_dump() | {"pool": "more words"} for a in study.design.arms],
    )
    assert lock(study, "K.").record["raters"] == 3


def test_pictures_that_are_gone_or_too_few_are_said(study, made):
    some = next(study.pictures.iterdir())
    some.unlink()
    assert "1 prepared picture is missing" in refused(study)
    shutil.copy(made[0].pictures / some.name, some)
    design, items = made[1].design, list(made[1].items)
    real = [item for item in items if item.arm == "patients" and not item.practice]
    truth.write_items(study, design, [item for item in items if item != real[0] and not item.practice])
    said = refused(study)
    assert (
        "arm patients has 3 pictures; per_arm asks for 4" in said
        and "0 presentations are there for practice" in said
    )


def test_copies_in_two_arms_cannot_be_excused(study, made):
    one, other = (
        next(i for i in made[1].items if i.arm == arm and not i.practice) for arm in ("patients", "ours")
    )
    shutil.copy2(study.pictures / f"{one.id}.png", study.pictures / f"{other.id}.png")
    assert "1 pair of nearly the same picture in ours and in patients" in refused(study)


def test_all_is_written_together(study, made):
    (study.folder / CHECK).mkdir()
    found = lock(study, " K. ", "https://r.example.org/p")
    assert study.locked and found.record["by"] == "K." and "2 raters" in found.warnings[-1]
    assert not (study.folder / CHECK).exists()
    assert not look(study.place, study.id).broken
    with reading(study.votes) as connection:
        rows = {
            t.name: connection.execute(sa.select(t)).all() for t in (tables.item, tables.rater, tables.link)
        }
        places = connection.execute(sa.select(tables.assignment)).all()
        record = records.records(connection, study.id)[0]
    assert {row.id for row in rows["item"]} == {item.id for item in made[1].items}
    for row in rows["item"]:
        assert row.sha256 == hashlib.sha256((study.pictures / f"{row.id}.png").read_bytes()).hexdigest()
    assert [row.number for row in rows["rater"]] == [0, 1, 2] and len(rows["link"]) == 3
    assert record.kind == "audit" and record.content == found.record and record.rater is None
    sheet = (study.folder / SHEET).read_bytes()
    assert record.content["sheet_sha256"] == hashlib.sha256(sheet).hexdigest() and sheet.startswith(b"%PDF")
    assert record.content["design_sha256"] == study.design_sha256
    opened = truth.unblind(study, "K.", "a test")
    assert opened.design.primary == Primary(
        first="ours", second="patients"
    )  # named when the draft named none
    assert opened.design.arms[0].pool_size == 6
    expected = orders(opened.design, list(opened.items.values()), bytes.fromhex(opened.design.secret))
    for rater, order in expected.items():
        mine = [row for row in places if row.rater == rater]
        assert [(r.place, r.phase, r.block, tuple(json.loads(r.items)), r.repeats) for r in mine] == [
            (p.place, p.phase, p.block, p.items, p.repeats) for p in order.places
        ]


def test_what_raters_get_holds_nothing_of_the_truth(study):
    lock(study, "K.")
    data = study.place.file("votes").read_bytes()
    wal = study.folder / "votes.sqlite-wal"
    data += wal.read_bytes() if wal.exists() else b""
    secret = json.loads(truth.unblind(study, "K.", "a test").design.json())["secret"]
    for word in (b'patients"', b"case00", b'synthetic","source', secret.encode(), b"mask_group", b"/made/"):
        assert word not in data, word
    assert b"Are they believable?" in data


def test_locking_twice_changes_nothing(study):
    first = lock(study, "K.")
    files = {p: p.read_bytes() for p in (study.folder / "links").iterdir()} | {study.folder / SHEET: b""}
    again = lock(Study.open(study.folder), "L.", "https://elsewhere.example.org")
    assert again.record == first.record
    assert all(path.read_bytes() == data for path, data in files.items() if data)
    with reading(study.votes) as connection:
        assert [one.content["what"] for one in records.records(connection, study.id)] == ["lock"]
    with pytest.raises(StudyError, match="is locked"):
        study.write_draft(Design())
    with pytest.raises(StudyError, match="is locked"):
        _ = study.design
    (study.folder / DRAFT).write_text("title = 'changed'\n")
    assert study.shown.title == "Are they believable?"


def test_a_failure_in_the_middle_leaves_a_draft_that_can_be_locked(study):
    """The database itself refuses: once before the votes half begins, once in the midst of it."""
    for half, table in (("truth", "truth_arm"), ("votes", "assignment")):
        path = study.place.file(half)
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk on fire'); END"
            )
        with pytest.raises(sa.exc.IntegrityError, match="disk on fire"):
            lock(study, "K.")
        assert not Study.open(study.folder).locked and truth.prepared(study) is not None
        with reading(study.votes) as connection:
            assert [
                connection.scalar(sa.select(sa.func.count()).select_from(t))
                for t in (tables.item, tables.record)
            ] == [0, 0]
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER broken")
        engine.dispose()
    assert lock(study, "K.").record["raters"] == 2
    assert not look(study.place, study.id).broken


KILLED = """
import sys
from siamese.study import lock
from siamese.study.studies import Study
print("ready", flush=True)
lock.lock(Study.open(sys.argv[1]), "K.")
"""


@pytest.mark.soak
def test_a_lock_that_is_killed_at_any_moment_can_be_asked_for_again(made, tmp_path, rng):
    ended, whole = Counter(), None
    for n in range(20):
        shutil.copytree(made[0].folder, tmp_path / f"k{n}")
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / f"k{n}")], stdout=subprocess.PIPE, cwd=ROOT
        )
        process.stdout.readline()
        begun = time.monotonic()
        if whole is None:  # the first one is not killed: it says how long a lock takes here and now
            process.wait()
            whole = time.monotonic() - begun
        else:
            time.sleep(rng.uniform(0, 1.3 * whole))
        process.kill()
        process.wait()
        study = Study.open(tmp_path / f"k{n}")
        ended[study.locked] += 1
        lock(study, "K.")
        assert not look(study.place, study.id).broken and (study.folder / SHEET).exists()
        assert [rating_of(study).enter(key) for key in links.read_keys(study).values()] == [0, 1, 2]
        with reading(study.votes) as connection:
            assert len(records.records(connection, study.id)) == 1
        assert truth.unblind(study, "K.", "a test").design.sha256 == study.design_sha256
    assert ended[True] and ended[False]  # both sides of the moment were met


def test_two_cannot_lock_at_once(study):
    held = lockfile.take(study.folder, "lock.lock")
    with held, pytest.raises(StudyError, match="somebody else"):
        lock(study, "K.")
    lock(study, "K.")


def test_who_locks_and_where_the_pages_are_must_be_said(study):
    with pytest.raises(StudyError, match="Say who"):
        lock(study, " ")
    with pytest.raises(StudyError, match="no address"):
        lock(study, "K.", "ratings.example.org")
    assert not study.locked


def test_a_locked_study_can_be_rated_to_its_end(study, rng):
    lock(study, "K.")
    assert vote_through(study, 1, rng) == 2 + 8 + 1  # practice, pictures, one repeat
    assert rating_of(study).where(1).stage == "done"


@pytest.fixture
def rng():  # noqa: ANN201
    import numpy as np

    return np.random.default_rng(0)


def test_a_rehearsal_is_a_copy_that_tells_the_pace(study, rng):
    studies = Studies(Workspace(study.folder.parents[1]))
    change(study, organiser="", cue_reasons={}, texts={"contact": ""})  # a rehearsal asks for none of it
    copy, link = rehearse(studies, study, "http://127.0.0.1:7870")
    assert (
        copy.name == "drawn-rehearsal"
        and copy.locked
        and not study.locked
        and link.startswith("http://127.0.0.1:7870/#")
    )
    rating = rating_of(copy)
    assert rating.enter(link.partition("#")[2]) == 0
    assert measured(studies, study) is None
    vote_through(copy, 0, rng)
    assert 0.9 <= measured(studies, study) <= 9
    second, _ = rehearse(studies, study)
    assert second.id != copy.id and measured(studies, study) is None
    assert {path.name for path in study.pictures.iterdir()} == {
        path.name for path in second.pictures.iterdir()
    }


def test_the_arms_of_the_primary_question_are_found_when_none_is_named():
    arms = [("c", "control"), ("r", "real"), ("s", "synthetic"), ("t", "synthetic")]
    design = design_of(tuple({"name": n, "kind": k, "source": "x"} for n, k in arms))
    assert compared(design) == ("s", "r")
    assert compared(design.model_copy(update={"primary": Primary(first="r")})) == ("r", "c")
    without = design.model_copy(update={"arms": design.arms[2:], "protocol": "P2"})
    assert compared(without) == ("s", "t")


def test_texts_are_asked_for_where_they_are_read(made):
    design = made[0].design
    levels = Scale(key="mine", name="Mine", question="", levels=("a", "b", "", "d", "e"))
    texts = Texts(contact="x", scales=(*SCALES[:1], levels), question_p1="")
    asked = list(
        ready.problems(made[0], design.model_copy(update={"protocol": "P3", "texts": texts}), None, None)
    )
    assert any("scales[1].question is empty" in line for line in asked)
    assert any("scales[1].levels[2] is empty" in line for line in asked)
    assert not any("question_p1" in line for line in asked)
    braces = Texts(
        contact="x",
        pause="Break {",
        words=Texts().words.model_copy(update={"undo": "Undo ({seconds} of {rest})"}),
    )
    asked = list(ready.problems(made[0], design.model_copy(update={"texts": braces}), None, None))
    assert any("texts.words.undo has {rest}" in line for line in asked) and any(
        "texts.pause" in line for line in asked
    )


def test_every_question_must_fit_its_protocol(made):
    kinds = Counter()
    for protocol in ready.FITS:
        for kind in ("equivalence", "difference", "preference", "description"):
            design = made[0].design.model_copy(update={"protocol": protocol, "primary": Primary(kind=kind)})
            said = " ".join(ready.problems(made[0], design, None, None))
            kinds[protocol] += "cannot answer a question" in said
    assert kinds == {"P1": 1, "P2": 2, "P3": 2, "P4": 2}


def test_a_reason_excuses_the_cue_it_names(made):
    study, prepared = made
    verdict = cues.check(prepared.design, prepared.items, study.pictures)
    telling = [cue.cue for cue in verdict.cues if cue.tells]
    assert telling  # drawn arms differ
    design = study.design.model_copy(update={"cue_reasons": {telling[0]: "meant"}})
    said = [line for line in ready.problems(study, design, prepared, verdict) if "cue_reasons" in line]
    assert len(said) == len(telling) - telling.count(telling[0])


def test_arms_swapped_after_the_lock_answer_nothing(study):
    lock(study, "K.")
    opened = truth.unblind(study, "K.", "a trial")
    arms = {item.id: item.arm for item in opened.items.values()}
    one, other = (next(name for name, own in arms.items() if own == arm) for arm in ("patients", "ours"))
    with writing(open_truth(study.place, write=True)) as connection:
        for name, arm in ((one, "ours"), (other, "patients")):
            t = tables.truth_item
            connection.execute(sa.update(t).where(t.c.item == name).values(arm=arm))
    with pytest.raises(StudyError, match="was changed after the lock"):
        truth.truth_of(study)
