"""Rules: thresholds, verdicts with reasons, what a person's decision changes and what it cannot, files that lie."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from siamese.augment.folder import SetFolder
from siamese.augment.item import Decision, Scores
from siamese.errors import AugmentError
from siamese.gate import rules
from siamese.gate.rules import KINDS, Limits, Rules

GOOD = Scores("s000001", 0.9, 0.4, "", "", 0.3, "s000002", 0.1, 1, 0.0, 0.45, 0.01, 150.0)


def scored(id: str = "s000001", **values: object) -> Scores:
    return dataclasses.replace(GOOD, id=id, **values)


def decided(id: str, word: str, reason: str = "") -> Decision:
    return Decision(id, word, reason, "A. Example", "2026-01-01T00:00:00Z")  # type: ignore[arg-type]


def set_of(folder: Path, *scores: Scores) -> SetFolder:
    found = SetFolder(folder)
    found.write_scores(scores)
    return found


BAD = {
    "mask_fit": {"mask_fit": 0.1},
    "copies": {"copy": 1.01, "copy_by": "lesion crop"},
    "too_dark": {"brightness": 0.1},
    "too_bright": {"brightness": 0.9},
    "clipped": {"clipped": 0.5},
    "blurred": {"sharpness": 5.0},
    "near_duplicate": {"nearest": 0.001},
}


def test_an_ordinary_picture_is_accepted_without_a_reason() -> None:
    assert rules.verdict(GOOD, Rules()) == ("accept", ())


@pytest.mark.parametrize("name", BAD)
def test_each_rule_flags_by_default_and_never_rejects(name: str) -> None:
    word, reasons = rules.verdict(scored(**BAD[name]), Rules())
    assert word == "flag" and len(reasons) == 1
    assert list(rules.broken(scored(**BAD[name]), Rules())) == [name]


def test_every_rule_but_the_raters_has_a_default() -> None:
    assert {name for name in KINDS if Rules().of(name).flag is not None} == set(BAD)
    assert set(Rules.model_fields) == set(KINDS)


def test_a_reason_says_value_and_threshold_and_where_a_copy_was_found() -> None:
    found = scored(copy=1.234, copy_by="lesion crop", nearest=0.01)
    _, (copy, near) = rules.verdict(found, Rules())
    assert "lesion crop" in copy and "1.23" in copy and "at most 1 expected" in copy
    assert "s000002" in near and "0.01" in near


def test_a_score_at_the_threshold_and_one_that_is_missing_break_nothing() -> None:
    assert rules.verdict(scored(copy=1.0, mask_fit=None, rating=None), Rules())[0] == "accept"
    assert rules.verdict(scored(copy=None), Rules())[0] == "accept"
    strict = Rules(rating=Limits(flag=0.5))
    assert rules.verdict(scored(rating=None), strict)[0] == "accept"
    assert rules.verdict(scored(rating=0.4), strict)[0] == "flag"


def test_reject_beats_flag() -> None:
    strict = rules.changed(Rules(), ["rules.mask_fit.reject=0.2"])
    assert rules.verdict(scored(mask_fit=0.21), strict)[0] == "flag"
    assert rules.verdict(scored(mask_fit=0.1, sharpness=1.0), strict)[0] == "reject"


def test_a_person_decides_of_everything_but_a_changed_file(tmp_path: Path) -> None:
    found = set_of(
        tmp_path,
        scored("s000001"),
        scored("s000002", mask_fit=0.1),
        scored("s000003", copy=2.0),
        scored("s000004", copy=2.0),
        scored("s000005", changed=True),
        scored("s000006", sharpness=1.0),
    )
    assert rules.blocked(found) == ("s000003", "s000004")
    for id, word in (
        ("s000001", "reject"),
        ("s000002", "accept"),
        ("s000003", "accept"),
        ("s000005", "accept"),
    ):
        found.decide(decided(id, word, "texture" if word == "reject" else ""))
    standing = rules.standing(found)
    assert {id: one.state for id, one in standing.items()} == {
        "s000001": "rejected",
        "s000002": "accepted",
        "s000003": "accepted",
        "s000004": "flagged",
        "s000005": "rejected",
        "s000006": "flagged",
    }
    assert standing["s000001"].decision is not None and standing["s000001"].decision.reason == "texture"
    assert standing["s000005"].verdict == "reject" and standing["s000005"].reasons == (rules.CHANGED,)
    assert rules.blocked(found) == ("s000004",)
    found.decide(decided("s000003", ""))  # taken back
    assert rules.blocked(found) == ("s000003", "s000004")


def test_a_copy_that_the_rules_reject_blocks_nothing_until_it_is_accepted_by_a_person(tmp_path: Path) -> None:
    found = set_of(tmp_path, scored("s000001", copy=3.0))
    rules.write(found, rules.changed(Rules(), ["copies.reject=2"]))
    assert rules.standing(found)["s000001"].state == "rejected" and rules.blocked(found) == ()


def test_rules_in_force_are_those_written(tmp_path: Path) -> None:
    found = set_of(tmp_path, scored(mask_fit=0.5))
    assert rules.read(found) == Rules()
    changed = rules.changed(Rules(), ["rules.mask_fit.flag=0.6", "blurred.flag=none", "too_dark.reject=0.1"])
    rules.write(found, changed)
    assert rules.read(found) == changed and changed.blurred.flag is None and changed.too_dark.reject == 0.1
    assert rules.standing(found)["s000001"].state == "flagged"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("rules.mask_fitt.flag=0.4", "did you mean 'mask_fit'"),
        ("rules.mask_fit.flga=0.4", "did you mean 'flag'"),
        ("rules.mask_fit.flag=much", "valid number"),
        ("rules.mask_fit=0.4", "expected e.g."),
        ("rules.mask_fit.flag", "expected e.g."),
        ("rules.mask_fit.reject=0.9", "exchange the two thresholds"),
        ("rules.too_bright.reject=0.1", "exchange the two thresholds"),
        ("rules.copies.flag=1.5", "stricter"),
        ("rules.copies.flag=none", "stricter"),
        ("rules.mask_fit.flag=nan", "finite number"),
        ("rules.mask_fit.flag=inf", "finite number"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused_in_words(change: str, says: str) -> None:
    with pytest.raises(AugmentError, match=says):
        rules.changed(Rules(), [change])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mask_fit": 3}', '{"copies": {"flag": 9}}', "[" * 100_000])
def test_a_damaged_file_of_rules_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(AugmentError, match="rules.json"):
        rules.read(SetFolder(tmp_path))
