"""`python -m siamese study templates|new|check|power|rehearse|lock|links`, as a person types them."""

from __future__ import annotations

import json

import pytest

from siamese.study.studies import Study
from tests.shell import siamese
from tests.study.arms_of import names, write_arm


@pytest.fixture(scope="module")
def folders(tmp_path_factory):  # noqa: ANN201
    root = tmp_path_factory.mktemp("folders")
    write_arm(root / "patients", names(6))
    write_arm(root / "made by us", names(6), seed=1)
    (root / "patients" / "test.txt").write_text("\n".join(names(5)))
    return root


def study(root, *words: str):  # noqa: ANN001, ANN201
    return siamese("study", *words, "--workspace", root / "ws")


def test_from_a_template_to_the_links(folders, tmp_path):
    """Every step says what comes next; mistakes are one line and exit code 2."""
    listed = siamese("study", "templates").stdout
    assert [line.partition(":")[0] for line in listed.splitlines()] == [
        "believable",
        "which",
        "paper-polyp",
        "paper-ranks",
    ]
    arms = ("--real", folders / "patients", "--split", "test", "--synthetic", folders / "made by us")
    sizes = ("--per-arm", "3", "--raters", "2")
    made = study(tmp_path, "new", "first", *arms, *sizes, "--pool", "drawn")
    assert made.returncode == 0 and "study check first" in made.stdout
    again = study(tmp_path, "new", "first", *arms)
    assert again.returncode == 2 and "there already" in again.stderr
    wrong = study(tmp_path, "new", "second", *arms, "--template", "nothing")
    assert wrong.returncode == 2 and "paper-polyp" in wrong.stderr

    found = Study.open(tmp_path / "ws" / "studies" / "first")
    assert [arm.name for arm in found.design.arms] == ["patients", "made by us"]
    refused = study(tmp_path, "lock", "first", "--by", "K.")
    assert refused.returncode == 2 and "not prepared" in refused.stderr and "texts.contact" in refused.stderr
    found.write_draft(found.design.model_copy(update={"practice": 2, "size": 64}))
    checked = study(tmp_path, "check", "first")
    assert checked.returncode == 0 and "patients (real): 3 of a pool of 5" in checked.stdout
    assert "clinicians at large" in checked.stdout and "`raters_who_know` is empty" in checked.stdout
    assert len(list((found.folder / "check").iterdir())) == 2
    facts = json.loads(study(tmp_path, "check", "first", "--json").stdout)
    assert len(facts["cues"]) == 15 and any("contact" in line for line in facts["missing"])

    rehearsal = study(tmp_path, "rehearse", "first")
    assert rehearsal.returncode == 0 and "study serve first-rehearsal" in rehearsal.stdout
    few = study(tmp_path, "rehearse", "first", "--measure")
    assert few.returncode == 2 and "10 votes" in few.stderr

    draft = found.design
    arms_ = tuple(arm.model_copy(update={"pool": "drawn"}) for arm in draft.arms)
    reasons = {cue["cue"]: "drawn" for cue in facts["cues"]}
    more = {"organiser": "O.", "raters_who_know": "none", "cue_reasons": reasons, "arms": arms_}
    found.write_draft(
        draft.model_copy(update=more | {"texts": draft.texts.model_copy(update={"contact": "c"})})
    )
    assert "nothing is missing" in study(tmp_path, "check", "first").stdout
    locked = study(tmp_path, "lock", "first", "--by", "K.", "--base", "https://r.example.org")
    assert locked.returncode == 0 and "first is locked" in locked.stdout and "sheet.pdf" in locked.stdout
    assert "was locked already" in study(tmp_path, "lock", "first", "--by", "K.").stdout
    assert study(tmp_path, "check", "first").returncode == 2

    moved = study(
        tmp_path,
        "links",
        "first",
        "--base",
        "https://other.example.org",
        "--again",
        "1",
        "--revoke",
        "2",
        "--by",
        "K.",
    )
    assert moved.returncode == 0 and "2 links" in moved.stdout
    text = (found.folder / "links" / "links.csv").read_text()
    assert text.count("https://other.example.org/#") == 2
    unnamed = study(tmp_path, "links", "first", "--again", "1")
    assert unnamed.returncode == 2 and "--by" in unnamed.stderr


def test_power_needs_no_pictures(folders, tmp_path):
    arms = ("--real", folders / "patients", "--synthetic", folders / "made by us", "--raters", "8")
    study(tmp_path, "new", "large", *arms, "--template", "which")
    said = study(tmp_path, "power", "large")
    assert said.returncode == 0 and "59 presentations of 9 s: about 11 minutes" in said.stdout
    assert "these 8 raters" in said.stdout
    unknown = study(tmp_path, "power", "nobody")
    assert unknown.returncode == 2 and "There is: large" in unknown.stderr
