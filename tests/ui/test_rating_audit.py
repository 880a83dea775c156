"""The blinding audit: an honest study passes, every kind of leak is found."""

from __future__ import annotations

import builtins
from dataclasses import replace

import pytest

from siamese.errors import SiameseError, StudyError
from siamese.store.engine import reading
from siamese.store.records import records
from tests.study.rooms import locked_study
from tests.ui.planted import SOURCE
from ui.rating import audit_session
from ui.rating.audit import audit, main
from ui.rating.audit_findings import findings


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return locked_study(tmp_path_factory.mktemp("audit"), raters=1, per_arm=3, repeats=1, practice=1)


@pytest.fixture(scope="module")
def honest(study):
    """The verdict on it."""
    return audit(study, words=[f"{arm}_{n:03d}" for arm in set(study.arms.values()) for n in range(4)])


def test_an_honest_study_passes(study, honest):
    assert honest.findings == (), honest.text
    assert honest.seen.presentations == 1 + 6 + 1 + 1  # practice, pictures, a repeat, one taken back
    assert len(honest.seen.pictures) >= 8 and honest.words > 2 * len(study.arms)
    with reading(study.votes) as connection:
        assert records(connection, study.id) == []  # nothing of it is in the study


def test_what_a_page_could_give_away_is_found(study, honest):
    """The record of the honest session with one thing changed in it at a time."""
    item, shown = next(iter(study.arms)), study.shown
    picture, answer, (stage, question, html) = (
        honest.seen.pictures[0],
        honest.seen.answers[-2],
        honest.seen.doms[-1],
    )
    kept = honest.seen.kept[-1]
    for said, change in (
        (
            "page: 2 kinds",
            {"doms": [*honest.seen.doms, (stage, question, html.replace("<canvas", '<canvas title="a"'))]},
        ),
        ("size on the screen", {"sizes": [*honest.seen.sizes, [[64, 64, "64px", "64px"]]]}),
        ("different lengths", {"loaded": [*honest.seen.loaded, [1, 1, 0]]}),
        ("localStorage keeps", {"kept": [{**kept, "local": {"arm": '"ours"'}}]}),
        ("keeps cookie", {"kept": [{**kept, "cookie": "arm=1"}]}),
        ("keeps session", {"kept": [{**kept, "session": {"x": "1"}}]}),
        ("console", {"said": [f"loading {item}"]}),
        ("beside this server", {"elsewhere": ["https://elsewhere.example/x"]}),
        ("token used more than once", {"pictures": [*honest.seen.pictures, picture]}),
        ("no PNG", {"pictures": [*honest.seen.pictures, replace(picture, status=404, body=b"")]}),
        ("never came whole", {"answers": [*honest.seen.answers, replace(answer, body=answer.body[:-1])]}),
        (
            "headers: 2 kinds",
            {"answers": [*honest.seen.answers, replace(answer, headers=answer.headers[:-1])]},
        ),
        ("length: answers of", {"answers": [*honest.seen.answers, replace(answer, body=answer.body + b" ")]}),
        ("no JSON object", {"answers": [*honest.seen.answers, replace(answer, body=b"<html>")]}),
        (
            "stands in tokens",
            {"pictures": [replace(picture, path=f"/rate/picture/{item}"), *honest.seen.pictures]},
        ),
        ("did not come about", {"pictures": []}),
    ):
        found = list(findings(replace(honest.seen, **change), shown, [item]))
        assert any(said in one for one in found), f"{said!r} was not found in {found}"


def test_the_order_in_which_attributes_were_set_tells_nothing(study, honest):
    stage, question, html = honest.seen.doms[-1]
    turned = html.replace(' disabled="" aria-pressed="false"', ' aria-pressed="false" disabled=""')
    turned = (
        turned
        if turned != html
        else html.replace(' aria-pressed="false" disabled=""', ' disabled="" aria-pressed="false"')
    )
    assert turned != html
    seen = replace(honest.seen, doms=[*honest.seen.doms, (stage, question, turned)])
    assert not [one for one in findings(seen, study.shown, []) if one.startswith("page:")]


@pytest.mark.soak
def test_every_planted_leak_is_found(tmp_path):
    study = locked_study(tmp_path, raters=1, per_arm=3, repeats=0, practice=1)
    verdict = audit(study, words=[SOURCE], program=("tests.ui.planted",))
    found = "\n".join(verdict.findings)
    for said in (
        "headers: ",  # differ between pictures
        "headers nobody needs: server-timing",
        "pictures come with timings of the server",
        "length: 2 kinds",
        "structure of the PNG: 2 kinds",
        "metadata in the pictures: chunks tEXt",
        f"'{SOURCE}' stands in metadata of pictures",
        "unknown field state.arms",
        "unknown field state.hint",
        "length: answers of",
    ):
        assert said in found, f"{said!r} was not found in\n{found}"
    items = [item for item in study.arms if f"{item!r} stands in answers of the server" in found]
    assert len(items) == 7


def test_the_command_says_what_it_found(tmp_path, capsys):
    study = locked_study(tmp_path, "P2", raters=1, per_arm=2, repeats=0, practice=0)
    assert main(["--study", str(study.folder), "--rater", "1", "--word", "no-such-word"]) == 0
    said = capsys.readouterr().out
    assert "3 presentations, 4 pictures" in said and "Nothing was found" in said
    assert main(["--study", str(tmp_path)]) == 2 and "is no study" in capsys.readouterr().err
    with pytest.raises(StudyError, match="no rater 7"):
        audit(study, 7)


def test_without_playwright_a_sentence_says_what_to_do(monkeypatch):
    real = builtins.__import__

    def missing(name, *more, **named):
        if name.startswith("playwright"):
            raise ModuleNotFoundError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SiameseError, match="pip install -r requirements-test.txt"), audit_session._browser():
        pass
