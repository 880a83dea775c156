"""`python -m siamese gate`: scores once, moves thresholds without scoring again, stores decisions, says what blocks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from siamese.augment.folder import SetFolder
from siamese.gate import rules
from tests.gate.sets import pairs, write_set
from tests.shell import siamese


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[SetFolder, str]:
    """A set in the folder of a run, and what `gate` said of it."""
    run = tmp_path_factory.mktemp("runs") / "night"
    found = write_set(run / "set", pairs(4))
    said = siamese("gate", run, "--workspace", run.parent)
    assert said.returncode == 0, said.stderr
    return found, said.stdout


def test_it_scores_and_says_what_the_rules_cost(scored: tuple[SetFolder, str]) -> None:
    found, said = scored
    assert len(found.scores()) == 4
    assert "All pictures:" in said and "Nothing blocks the export." in said and "report.md" in said


def test_thresholds_move_without_scoring_again(scored: tuple[SetFolder, str]) -> None:
    found, _ = scored
    before = (found.root / "scores.jsonl").stat().st_mtime_ns
    said = siamese("gate", found.root, "--set", "rules.mask_fit.flag=1", "--set", "blurred.flag=none")
    assert said.returncode == 0 and "4 pictures wait for a decision" in said.stdout
    assert (found.root / "scores.jsonl").stat().st_mtime_ns == before
    assert rules.read(found).mask_fit.flag == 1 and rules.read(found).blurred.flag is None
    said = siamese("gate", found.root, "--set", "rules.mask_fits.flag=1")
    assert (
        said.returncode == 2 and "did you mean 'mask_fit'" in said.stderr and "Traceback" not in said.stderr
    )


def test_a_decision_lifts_the_block(scored: tuple[SetFolder, str]) -> None:
    found, _ = scored
    scores = found.scores()
    found.write_scores(
        dataclasses.replace(one, copy=1.3, copy_by="whole picture") if id in ("s000002", "s000003") else one
        for id, one in scores.items()
    )
    shown = siamese("gate", found.root)
    assert "waits for a decision on 2 possible copies: s000002, s000003" in shown.stdout
    assert "may be a copy (whole picture)" in shown.stdout
    said = siamese(
        "gate", "decide", found.root, "s000002", "reject", "--reason", "copy", "--by", "A. Example"
    )
    assert said.returncode == 0 and "1 possible copy: s000003" in said.stdout
    said = siamese("gate", "decide", found.root, "s000003", "accept")
    assert said.returncode == 0 and "Nothing blocks the export." in said.stdout
    report = (found.root / "report.md").read_text("utf-8")
    assert "reject copy (A. Example)" in report
    said = siamese("gate", "decide", found.root, "s000002,s000003", "undo")
    assert "2 pictures taken back" in said.stdout and rules.blocked(found) == ("s000002", "s000003")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("s000009", "accept"), "has not looked at s000009"),
        (("s000001", "reject"), "needs its reason"),
        ((",", "accept"), "has not looked at any of these"),
        (("s000001", "maybe"), "accept"),
        (("s000001", "reject", "--reason", "fog"), "texture"),
    ],
)
def test_a_word_that_cannot_be_is_refused(
    scored: tuple[SetFolder, str], words: tuple[str, ...], says: str
) -> None:
    found, _ = scored
    before = found.decisions()
    said = siamese("gate", "decide", found.root, *words)
    assert said.returncode == 2 and says in said.stderr and found.decisions() == before


def test_a_folder_without_a_set_is_said(tmp_path: Path) -> None:
    said = siamese("gate", tmp_path)
    assert said.returncode == 2 and "holds no set" in said.stderr


def test_a_changed_file_cannot_be_accepted(scored: tuple[SetFolder, str]) -> None:
    found, _ = scored
    found.write_scores(
        dataclasses.replace(one, changed=id == "s000004") for id, one in found.scores().items()
    )
    said = siamese("gate", "decide", found.root, "s000004", "accept")
    assert said.returncode == 2 and "s000004 cannot be accepted" in said.stderr
