"""Votes files come back: every vote is taken once, in whatever order; what is not right is refused whole."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from siamese.errors import StudyError
from siamese.store import records
from siamese.store.engine import reading, writing
from siamese.study.kit_import import import_votes
from siamese.study.rating import Rating
from siamese.study.studies import status
from siamese.study.truth import unblind
from tests.shell import siamese
from tests.study.kits import START, Log, sealed
from tests.study.rooms import an_answer, facts, locked_study, rating_of, vote_through


@pytest.fixture
def study(tmp_path):
    return locked_study(tmp_path, per_arm=3, raters=2, repeats=1, practice=1)


def log_of(study, rater: int = 1) -> list[tuple]:
    with reading(study.votes) as connection:
        assert records.verify(connection, study.id).broken == ""
        found = records.records(connection, study.id, rater)
    return [(one.kind, one.place, one.revision, one.client_id) for one in found]


def kinds_of(study, rater: int = 1) -> Counter:
    return Counter(kind for kind, *_ in log_of(study, rater))


@pytest.mark.parametrize("protocol", ["P1", "P2", "P3", "P4"])
def test_a_whole_file_comes_in_as_the_pages_would_have_stored_it(tmp_path, protocol):
    study = locked_study(tmp_path, protocol, per_arm=2, raters=1, repeats=1, practice=1)
    log = Log(study).whole()
    taken = import_votes(study, log.save(tmp_path / "a.json"))
    total = len(log.order)
    assert (taken.answers, taken.known, taken.answered, taken.total, taken.finished) == (
        total,
        0,
        total,
        total,
        True,
    )
    assert rating_of(study).where(1).stage == "done" and status(study).raters[1].finished
    with reading(study.votes) as connection:
        found = records.records(connection, study.id, 1)
        assert records.verify(connection, study.id).broken == ""
    votes = [one for one in found if one.kind == "vote"]
    sent = [one for one in log.records if one["kind"] == "vote"]
    assert [(one.place, one.content["answer"], one.client_id) for one in votes] == [
        (one["place"], one["content"]["answer"], one["id"]) for one in sent
    ]
    assert votes[0].content["facts"] == {**sent[0]["content"]["facts"], "at": sent[0]["at"]}
    assert all(
        abs(one.at - records.now()) < 60_000_000 for one in votes
    )  # when it came in, not the rater's clock
    consent = found[0].content
    assert consent["role"] == "Nurse" and consent["at"] == START and len(consent["kit"]) == 32
    assert found[-1].content["cues"] == "ü 🙂"


def test_every_vote_is_taken_once_in_whatever_order_files_come(study, tmp_path):
    log = Log(study).begin().vote(3)
    half = log.save(tmp_path / "half.json")
    later = log.vote(2).undo().save(tmp_path / "later.json")
    full = log.whole().save(tmp_path / "full.json")
    first = import_votes(study, half)
    assert (first.answers, first.finished, first.answered) == (3, False, 3)
    once = log_of(study)
    same = import_votes(study, half)
    assert (same.answers, same.known) == (0, 3) and "no new answer, 3 were here already" in same.words
    assert log_of(study) == once
    last = import_votes(study, full)
    assert (last.answers, last.undone, last.known, last.answered) == (6, 1, 3, 8) and last.finished
    everything = log_of(study)
    for path in (later, half, full, full):
        again = import_votes(study, path)
        assert (again.answers, again.undone) == (0, 0)
    assert log_of(study) == everything
    assert kinds_of(study) == {"consent": 1, "screen": 1, "vote": 9, "undo": 1, "finish": 1}
    revised = [place for kind, place, revision, _ in everything if kind == "vote" and revision == 2]
    assert revised == [4]


def test_an_answer_taken_back_after_the_first_file_is_revised_by_the_second(study, tmp_path):
    log = Log(study).begin().vote(2)
    import_votes(study, log.save(tmp_path / "before.json"))
    taken = import_votes(study, log.undo().vote(1).save(tmp_path / "after.json"))
    assert (taken.answers, taken.undone, taken.known, taken.answered) == (1, 1, 2, 2)
    assert [one[:3] for one in log_of(study)][-3:] == [("vote", 1, 1), ("undo", 1, 1), ("vote", 1, 2)]


def test_what_was_answered_by_the_link_stands(study, tmp_path):
    vote_through(study, 1, np.random.default_rng(5), most=4)
    mine = {one[1]: one[3] for one in log_of(study) if one[0] == "vote"}
    log = Log(study).begin().vote(3).undo().vote(4)
    taken = import_votes(study, log.save(tmp_path / "a.json"))
    assert (taken.answers, taken.undone, taken.elsewhere, taken.answered) == (2, 0, 5, 6)
    assert "5 were left out: answered elsewhere before" in taken.words
    now = {one[1]: one[3] for one in log_of(study) if one[0] == "vote"}
    assert {place: now[place] for place in mine} == mine and set(now) == set(range(6))
    rating = rating_of(study)
    where = rating.resume(1)
    assert where.place == 6  # and the link goes on where the kit ended
    saved = rating.save(1, 6, an_answer(rating, where.items, log.rng), facts(log.rng), "online")
    assert not saved.stored


def test_two_kits_of_one_rater_do_not_mix(study, tmp_path):
    here, there = Log(study, seed=1).begin().vote(3), Log(study, seed=2).begin().vote(5)
    import_votes(study, here.save(tmp_path / "here.json"))
    taken = import_votes(study, there.save(tmp_path / "there.json"))
    assert (taken.answers, taken.elsewhere, taken.answered) == (2, 3, 5)


def test_a_withdrawal_in_a_file_takes_no_answer_and_ends_it(study, tmp_path):
    log = Log(study).begin().vote(3)
    sent = log.save(tmp_path / "sent.json")
    gone = Log(study, seed=9).act("withdraw").save(tmp_path / "gone.json")
    everything = log.act("withdraw").save(tmp_path / "everything.json")
    import_votes(study, sent)
    taken = import_votes(study, gone)
    assert taken.withdrawn and taken.answers == 0 and "has withdrawn" in taken.words
    assert rating_of(study).where(1).stage == "withdrawn"
    once = log_of(study)
    for path in (sent, gone, everything):  # what was answered before comes in no more
        assert import_votes(study, path).withdrawn
    assert log_of(study) == once and once[-1][0] == "withdraw"
    with writing(study.votes) as connection:
        assert records.erase(connection, study.id, 1) == len(once)
    assert import_votes(study, sent).answers == 0


def test_a_withdrawal_with_answers_in_its_file_brings_none_of_them(study, tmp_path):
    import_votes(study, Log(study).begin().vote(3).act("withdraw").save(tmp_path / "a.json"))
    assert kinds_of(study) == {"withdraw": 1}


def test_a_rehearsal_by_kit_is_rater_0(study, tmp_path):
    assert import_votes(study, Log(study, 0).whole().save(tmp_path / "a.json")).rater == 0


def test_what_comes_after_the_unblinding_is_said_to_count_no_more(study, tmp_path):
    log = Log(study).begin().vote(2)
    assert not import_votes(study, log.save(tmp_path / "before.json")).late
    unblind(study, "the organiser", "all have sent their files")
    path = log.vote(1).save(tmp_path / "after.json")
    taken = import_votes(study, path)
    assert taken.late and "enter no figure" in taken.words and not import_votes(study, path).late


def refused(study, path, sentence: str) -> None:
    before = [log_of(study, rater) for rater in (0, 1, 2)]
    with pytest.raises(StudyError, match=sentence) as error:
        import_votes(study, path)
    assert "\n" not in str(error.value) and [log_of(study, rater) for rater in (0, 1, 2)] == before


def test_foreign_damaged_and_too_large_files_are_refused_whole(study, tmp_path):
    good = Log(study).begin().vote(2).save(tmp_path / "good.json").read_bytes()
    bad = tmp_path / "bad.json"
    for data, sentence in (
        (b"", "no votes file"),
        (b"\x89PNG\r\n", "no votes file"),
        (b'{"what":"answers of a rating kit"}', "changed or cut short"),
        (good[:-40], "changed or cut short"),
        (good[60:], "no votes file"),
        (good.replace(b'"rater":1', b'"rater":2'), "changed or cut short"),
        (json.dumps(json.loads(good), indent=1).encode(), "changed or cut short"),
        (good + b" " * (8 * 2**20), "more than 8 MB"),
    ):
        bad.write_bytes(data)
        refused(study, bad, sentence)
    refused(study, tmp_path / "missing.json", "cannot be read")
    refused(study, tmp_path, "cannot be read")
    sealed(bad, json.loads('{"what":"answers of a rating kit","a":' + "[" * 900 + "]" * 900 + "}"))
    refused(study, bad, "edited")
    (tmp_path / "mailed.json").write_bytes(good.rstrip() + b"\r\n")  # a line end that a mail program added
    assert import_votes(study, tmp_path / "mailed.json").answers == 2


def test_files_of_another_study_design_rater_or_version_are_refused(study, tmp_path):
    other = locked_study(tmp_path / "other", per_arm=3, raters=2, repeats=1, practice=1)
    log, path = Log(study).begin().vote(2), tmp_path / "a.json"
    refused(study, Log(other).begin().vote(1).save(path), "another study")
    refused(study, log.save(path, design_sha256="0" * 64), "another design")
    refused(study, log.save(path, rater=2), "another order")
    refused(study, log.save(path, rater=99), "no rater 99")
    refused(study, log.save(path, kit="0" * 32), "another order")
    refused(study, log.save(path, format=2), "newer version")
    refused(study, log.save(path, more=1), "edited")


def test_acts_that_cannot_have_happened_are_refused_whole(study, tmp_path):
    path = tmp_path / "a.json"

    def edited(change, sentence: str) -> None:
        log = Log(study).begin().vote(4)
        change(log.records)
        refused(study, log.save(path), sentence)

    edited(lambda r: r.pop(0), "comes before consent")
    edited(lambda r: r.pop(3), "answers out of turn")
    edited(lambda r: r.insert(5, r[4]), "answers out of turn")
    edited(lambda r: r[3].update(pictures=r[4]["pictures"]), "other pictures")
    edited(
        lambda r: r[3]["content"].update(answer={"real": True, "confidence": 11}), "no answer to the question"
    )
    edited(lambda r: r[3].update(content={}), "no answer to the question")
    edited(lambda r: r[3].update(id=r[2]["id"]), "the id of another")
    edited(lambda r: r[3].update(place=99), "out of turn")
    edited(lambda r: r[3].update(place="1"), "edited")
    edited(lambda r: r[3].update(kind="audit"), "edited")
    edited(lambda r: r[3].update(id="x' OR 1=1"), "edited")
    edited(lambda r: r.append({**r[-1], "kind": "undo", "id": "a" * 32, "place": 0}), "not the last one")
    edited(lambda r: r.append({**r[0], "kind": "finish", "id": "a" * 32}), "not answered")
    gone = {"kind": "withdraw", "id": "a" * 32}
    edited(lambda r: r.extend([{**r[0], **gone}, {**r[0], "id": "b" * 32}]), "after a withdrawal")
    log = Log(study).whole()
    refused(study, log.act("screen").save(path), "after the end")


def test_an_answer_that_was_changed_after_it_came_in_is_refused(study, tmp_path):
    log = Log(study).begin().vote(3)
    path = log.save(tmp_path / "a.json")
    import_votes(study, path)
    log.records[3]["content"]["answer"]["real"] ^= True
    refused(study, log.vote(2).save(path), "says something else")  # the two new ones are not taken either


def test_an_id_of_another_rater_is_refused(study, tmp_path):
    import_votes(study, Log(study, 2, seed=3).begin().vote(2).save(tmp_path / "a.json"))
    refused(study, Log(study, 1, seed=3).begin().vote(2).save(tmp_path / "b.json"), "edited")


def test_strange_facts_and_texts_cost_no_vote(study, tmp_path):
    log = Log(study).begin().vote(1)
    log.records[1]["content"] = {
        "dpr": None,
        "window": [1, None],
        "note": "x" * 9000,
        "deep": {"a": 1},
        "dark": 3,
    }
    log.records[2]["content"]["facts"] = {"ms": 900, "dpr": None, "css": "?", "more": [1]}
    path = tmp_path / "a.json"
    assert import_votes(study, log.save(path)).answers == 1
    with reading(study.votes) as connection:
        screen, vote = records.records(connection, study.id, 1)[1:]
    assert set(screen.content) == {"note", "dark", "at"} and len(screen.content["note"]) == 3000
    assert vote.content["facts"] == {"ms": 900, "at": log.records[2]["at"]}


def test_kits_and_files_on_the_command_line(study, tmp_path):
    said = siamese("study", "kit", study.name, "--workspace", tmp_path, "--dry-run")
    assert (
        said.returncode == 0
        and said.stdout.count(" MB (8 pictures)") == 2
        and not (study.folder / "kits").exists()
    )
    said = siamese("study", "kit", study.name, "--rater", 2, "--workspace", tmp_path)
    assert [path.name for path in (study.folder / "kits").iterdir()] == ["rater-02.html"], said.stderr
    good, bad = Log(study, 2).whole().save(tmp_path / "good.json"), tmp_path / "bad.json"
    bad.write_text("{}")
    said = siamese("study", "import", study.name, good, bad, "--workspace", tmp_path)
    assert (
        said.returncode == 2
        and "good.json: rater 2: 8 answers taken; 8 of 8 answered, finished." in said.stdout
    )
    assert "bad.json is no votes file" in said.stderr
    said = siamese("study", "import", study.name, good, "--workspace", tmp_path)
    assert said.returncode == 0 and "no new answer, 8 were here already" in said.stdout
    assert "ours" not in said.stdout and Rating(study.votes, study.id).where(2).stage == "done"
