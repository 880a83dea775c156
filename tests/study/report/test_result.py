"""What a rater sees of the own result: own votes, and nobody else's."""

from __future__ import annotations

import json
import secrets

import pytest

from siamese.study.report.compose import gathered_of
from siamese.study.report.result import write_results
from tests.study.report.simulated import open_study, opened, rate, rated
from tests.study.rooms import rating_of


def results(study) -> dict[str, dict]:
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in (study.folder / "results").glob("*.json")
    }


@pytest.mark.parametrize(
    ("protocol", "says", "line"),
    [
        ("P1", "You were right about ", "ours (made by a computer): you called "),
        ("P2", "You put the patient's picture first in ", "patients (taken from patients): mean rank "),
        ("P3", "You graded 12 pictures", "Realism, patients (taken from patients): mean level "),
        (
            "P4",
            "You found the patient's picture in ",
            "ours (made by a computer): you took it for the patient's in ",
        ),
    ],
)
def test_every_protocol_has_a_sentence_and_the_own_figures_by_arm(tmp_path, protocol, says, line):
    study, gathered = rated(tmp_path, protocol, raters=2)
    assert write_results(gathered) == 2
    found = results(study)
    assert set(found) == {"1", "2"} and set(found["1"]) == {"sentence", "lines"}
    assert found["1"]["sentence"].startswith(says) and any(
        said.startswith(line) for said in found["1"]["lines"]
    )
    assert "nobody" not in found["1"]["sentence"] and "says nothing of how well" in found["1"]["lines"][-1]


def test_the_share_right_is_counted_without_controls_repeats_and_practice(tmp_path):
    study, gathered = rated(tmp_path, "P1", raters=2)
    write_results(gathered)
    own = gathered.table.main().by(2)
    own = own.where(own.kind != "control")
    right = sum((vote == 1) == (kind == "real") for vote, kind in zip(own.real, own.kind, strict=True))
    assert f"You were right about {right} of 12 pictures" in results(study)["2"]["sentence"]


def test_a_result_does_not_change_with_the_votes_of_others(tmp_path):
    alone = open_study(tmp_path, "P1", raters=2, name="alone")
    rate(alone, 1)
    write_results(opened(alone))
    both, gathered = rated(tmp_path, "P1", raters=2, name="both")
    write_results(gathered)
    assert results(alone)["1"] == results(both)["1"] and "2" not in results(alone)


def test_whoever_withdraws_has_no_result_any_more_and_whoever_was_left_out_still_has(tmp_path):
    study = open_study(tmp_path, "P4", raters=3)
    rate(study, 1)
    rate(study, 2)
    rate(study, 3, seconds=0.1)
    gathered = opened(study)
    assert [rater.number for rater in gathered.left_out] == [3] and write_results(gathered) == 3
    rating_of(study).withdraw(2, secrets.token_hex(16))
    assert write_results(gathered_of(study)) == 2 and set(results(study)) == {"1", "3"}
