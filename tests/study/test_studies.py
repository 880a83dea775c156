"""Studies in a workspace: private, named, drafts that come back whole, counts without arms."""

from __future__ import annotations

import stat

import numpy as np
import pytest

from siamese.errors import StudyError
from siamese.study.design import HIDDEN, Arm, Design, Primary
from siamese.study.draft import read_draft
from siamese.study.shown import Shown
from siamese.study.studies import Studies, status
from siamese.study.texts import Scale, Texts
from siamese.workspace import Workspace
from tests.study.rooms import locked_study, vote_through

DESIGN = Design(
    title='"Echt" oder\nnicht? ü 🙂 \x7f',
    arms=(Arm(name="patients", kind="real", source="a"), Arm(name="ours (2)", kind="synthetic", source="b")),
    primary=Primary(margin=0.15),
    cue_reasons={"mean colour": "white balance differs"},
    texts=Texts(scales=(Scale(key="fit", name="Passt", question="Wie gut?", with_mask=True),)),
)


@pytest.fixture
def studies(tmp_path) -> Studies:
    return Studies(Workspace(tmp_path))


def test_a_draft_comes_back_whole_and_says_what_each_setting_means(studies):
    study = studies.new("first", DESIGN)
    assert study.design == DESIGN and studies.find("first").design.sha256 == DESIGN.sha256
    text = (study.folder / "design.toml").read_text("utf-8")
    assert all(field.description in text for field in Design.model_fields.values() if field.description)
    assert stat.S_IMODE(study.folder.stat().st_mode) == 0o700
    study.write_draft(Design(title="Other"))
    assert studies.find("first").design.title == "Other"
    assert [found.name for found in studies.list()] == ["first"]


def test_all_problems_of_a_draft_are_named_at_once(studies):
    path = studies.new("first", DESIGN).folder / "design.toml"
    arm = '[[arms]]\nname = "a"\nkind = "real"\nsource = "s"\nchoice = "curated"\n'
    path.write_text(f'titel = "x"\nper_arm = 1\n[texts]\nlanguage = "?"\n{arm}')
    with pytest.raises(StudyError) as error:
        read_draft(path)
    said = str(error.value)
    assert (
        "titel is unknown; did you mean title?" in said and "per_arm: " in said and "texts.language: " in said
    )
    assert "say out of how many" in said
    path.write_text("title = ")
    with pytest.raises(StudyError, match="mend it"):
        read_draft(path)


@pytest.mark.parametrize("name", ["", "../up", "Big", "a/b", "-x", "a" * 61])
def test_names_are_plain(studies, name):
    with pytest.raises(StudyError, match="no name for a study"):
        studies.new(name, DESIGN)


def test_an_unknown_study_is_answered_with_those_there_are(studies):
    with pytest.raises(StudyError, match="none yet"):
        studies.find("first")
    studies.new("first", DESIGN)
    with pytest.raises(StudyError, match="There is: first"):
        studies.find("second")
    with pytest.raises(StudyError, match="there already"):
        studies.new("first", DESIGN)
    (studies.folder / "first" / "id").write_text("x")
    with pytest.raises(StudyError, match="no study"):
        studies.find("first")
    assert studies.list() == []


def test_pages_know_of_the_design_what_is_shown_and_no_more():
    shown = Shown.model_validate_json(DESIGN.shown())
    hidden = set(Design.model_fields) - set(Shown.model_fields)
    assert hidden == HIDDEN and {"arms", "primary", "seed", "secret"} <= HIDDEN
    assert shown.title == DESIGN.title and shown.together == DESIGN.together and shown.scale("fit").with_mask


def test_a_lock_freezes_the_draft(tmp_path):
    study = locked_study(tmp_path)
    (study.folder / "design.toml").write_text("nonsense")  # a copy; never read again
    assert study.locked and study.shown.protocol == "P1"
    with pytest.raises(StudyError, match="locked"):
        study.write_draft(DESIGN)
    with pytest.raises(StudyError, match="unblind"):
        _ = study.design


def test_status_counts_raters_and_names_no_arm(tmp_path):
    study = locked_study(tmp_path, raters=3)
    assert not status(Studies(Workspace(tmp_path)).new("draft", DESIGN)).locked_at
    vote_through(study, 1, np.random.default_rng(0))
    vote_through(study, 2, np.random.default_rng(0), most=5)
    found = status(study)
    assert [(r.number, r.answered, r.total, r.consented, r.finished) for r in found.raters] == [
        (0, 0, 14, False, False),
        (1, 14, 14, True, True),
        (2, 3, 14, True, False),  # two of the five were practice
        (3, 0, 14, False, False),
    ]
    assert found.recorded == 2 + 16 + 1 + 2 + 5 and found.raters[1].last >= study.locked_at
    assert "ours" not in repr(found) and "patients" not in repr(found)
