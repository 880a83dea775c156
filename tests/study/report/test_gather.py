"""What counts and what does not: every rule of the design applied, every vote left out counted."""

from __future__ import annotations

import secrets
from dataclasses import replace

import numpy as np
import pytest

from siamese.errors import StudyError
from siamese.store import records
from siamese.store.engine import writing
from siamese.study.design import Exclusions
from siamese.study.report.compose import compose
from siamese.study.report.gather import gather
from siamese.study.truth import Blind, truth_of, unblind
from tests.study.report.simulated import open_study, opened, rate, rated
from tests.study.rooms import rating_of


def test_rehearsal_practice_and_votes_taken_back_are_out_and_repeats_in_no_score(tmp_path):
    study = open_study(tmp_path, "P1")
    rate(study, 0)
    rate(study, 1, undo=4)
    rate(study, 2)
    found = opened(study)
    assert [rater.number for rater in found.raters] == [1, 2] and found.silent == 1 and found.invited == 3
    assert (found.undone, found.missing, found.withdrawn, found.late, found.broken) == (1, 0, 0, 0, "")
    assert len(found.table.main()) == 2 * 18 and len(found.table.repeated()) == 2 * 2
    assert set(found.table.phase) == {"main", "repeat"} and 0 not in found.table.rater
    again = next(vote for vote in found.votes if vote.revision == 2)
    assert again.rater == 1  # the second answer counts, and only it
    same = found.table.where((found.table.rater == 1) & (found.table.place == again.place))
    assert len(same) == 1 and same.real[0] == again.answer["real"]


def test_before_unblinding_nothing_opens_and_nothing_of_the_arms_is_said(tmp_path):
    study = open_study(tmp_path, "P1")
    rate(study, 1)
    with pytest.raises(Blind) as refused:
        gather(study, truth_of(study))
    assert "study unblind believable" in str(refused.value)
    assert not any(arm in str(refused.value) for arm in ("patients", "ours", "redrawn"))


def test_the_truth_of_every_vote_is_that_of_its_picture(tmp_path):
    study, found = rated(tmp_path, "P1", raters=1)
    table = found.table
    assert [study.arms[item] for item in table.item] == table.arm.tolist()
    assert set(zip(table.arm, table.kind, strict=True)) == {
        ("patients", "real"), ("ours", "synthetic"), ("redrawn", "control"),
    }  # fmt: skip
    assert (np.sign(table.value) == np.where(table.real == 1, 1, -1)).all()
    assert (np.abs(table.value) == table.confidence).all() and table.arms == ["patients", "ours", "redrawn"]


def test_a_ranking_becomes_one_row_a_picture_best_highest(tmp_path):
    _, found = rated(tmp_path, "P2", raters=1)
    vote = found.votes[0]
    rows = found.table.where(found.table.place == vote.place)
    assert rows.value.tolist() == [3 - vote.answer["order"].index(position) for position in range(3)]
    assert rows.item.tolist() == list(vote.items) and rows.position.tolist() == [0, 1, 2]
    assert np.isnan(rows.real).all() and len(set(rows.group)) == 1


def test_a_choice_becomes_a_one_and_a_nought(tmp_path):
    _, found = rated(tmp_path, "P4", raters=1)
    for vote in found.votes:
        rows = found.table.where(found.table.place == vote.place)
        assert sorted(rows.value) == [0, 1] and rows.value[vote.answer["patient"]] == 1


def test_whoever_withdraws_is_out_of_everything_even_after_unblinding(tmp_path):
    study, before = rated(tmp_path, "P3")
    rating_of(study).withdraw(2, secrets.token_hex(16))
    with writing(study.votes) as connection:
        records.erase(connection, study.id, 2)
    found = gather(study, truth_of(study))
    assert [rater.number for rater in found.raters] == [1, 3] and found.withdrawn == 1 and not found.broken
    assert 2 in before.table.rater and 2 not in found.table.rater
    assert all(vote.rater != 2 for vote in found.votes) and found.head != before.head


def test_votes_after_unblinding_are_counted_and_in_no_figure(tmp_path):
    study = open_study(tmp_path, "P1")
    rate(study, 1)
    rate(study, 2, most=9)
    before = opened(study)
    saved = rate(study, 2)
    unblind(study, "A. Analyst", "a second look")
    after = gather(study, truth_of(study))
    assert saved == after.late == 20 + 2 - 9 and before.late == 0
    assert after.missing == before.missing == 18 - 7 and after.truth.reason == "everybody has finished"
    assert after.table.value.tolist() == before.table.value.tolist()


@pytest.mark.parametrize(
    ("rules", "out"),
    [
        (Exclusions(), {3: "20 of 20 votes faster than 0.5 s, more than 20 %"}),
        (Exclusions(most_quick=1.0), {}),
        (Exclusions(most_quick=1.0, unfinished="leave"), {2: "did not finish: 5 of 18 rated"}),
        (
            Exclusions(fastest=0.0, least_repeat=1.0, unfinished="leave"),
            {
                2: "did not finish: 5 of 18 rated",
                4: "50 % of the answers on 2 hidden repeats as before, fewer than 100 %",
            },
        ),
    ],
)
def test_the_rules_of_the_frozen_design_leave_raters_out_and_say_why(tmp_path, rules, out):
    study = open_study(tmp_path, "P1", raters=4, exclusions=rules)
    rate(study, 1)
    rate(study, 2, most=7)
    rate(study, 3, seconds=0.2)
    rate(study, 4, turned=1)
    found = opened(study)
    assert {rater.number: rater.left_out for rater in found.left_out} == out
    assert set(found.table.rater) == {1, 2, 3, 4} - set(out)
    assert len(found.votes) == 20 + 5 + 20 + 20  # all of them are still known
    assert found.missing == (0 if 2 in out else 13)


def test_a_truth_of_other_pictures_is_refused(tmp_path):
    study, found = rated(tmp_path, "P1", raters=1)
    shown = found.votes[0].items[0]
    items = {item: known for item, known in found.truth.items.items() if item != shown}
    with pytest.raises(StudyError, match="does not know 1 picture that raters saw"):
        gather(study, replace(found.truth, items=items))


def test_times_leave_out_the_hidden_page_and_widths_follow_the_bank_card(tmp_path):
    study, found = rated(tmp_path, "P1", raters=1)
    vote = replace(found.votes[0], facts={"ms": 5000, "hidden_ms": 1500})
    assert vote.seconds == 3.5 and np.isnan(replace(vote, facts={}).seconds)
    assert found.raters[0].width_cm == pytest.approx(454 / 37.8)


def test_the_first_page_says_who_was_left_out(tmp_path):
    study = open_study(tmp_path, "P1", raters=2)
    rate(study, 1)
    rate(study, 2, seconds=0.2)
    [said] = compose(opened(study)).warnings
    assert "leave out 1 of 2 raters (rater 2: 20 of 20 votes faster than 0.5 s" in said
