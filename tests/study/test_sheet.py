"""The protocol sheet: it says all that was decided, in any alphabet, and the same facts give the same bytes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from siamese.study.cues import Cue, Verdict
from siamese.study.design import Design, Exclusions, Primary
from siamese.study.ready import FITS
from siamese.study.sheet import Facts, parts, question, sheet
from siamese.study.sheet_page import FONTS
from siamese.study.studies import Studies
from siamese.study.templates import TEMPLATES, template
from siamese.study.texts import Texts
from siamese.study.truth import Item
from siamese.workspace import Workspace
from tests.study.arms_of import design_of

HASHES = {name: letter * 64 for name, letter in (("design", "d"), ("pictures", "e"), ("orders", "f"))}
ARMS = (
    {"name": "Kvasir", "kind": "real", "source": "/data/secret", "pool": "test pictures", "pool_size": 100},
    {
        "name": "ours",
        "kind": "synthetic",
        "source": "/out",
        "pool": "one run",
        "choice": "curated",
        "curated_of": 400,
        "curated_by": "Dr. Ž",
        "pool_size": 60,
        "left_out": ("2 pictures left out for a box in the corner: p1, p2",),
    },
)


def facts_of(design: Design, relaxed: tuple[str, ...] = ()) -> Facts:
    items = [
        Item(f"{arm.name}{k}", arm.name, f"g{k}", "", "", k > 3, {}) for arm in design.arms for k in range(6)
    ]
    cue = Cue("contrast", "ours", 0.81, 0.7, 0.9, 4, 4, (), ())
    return Facts(
        "believable",
        "1" * 32,
        design,
        items,
        Verdict((cue,)),
        relaxed,
        HASHES,
        "K. Müller",
        1_790_000_000_000_000,
    )


def text_of(design: Design, relaxed: tuple[str, ...] = ()) -> str:
    """Everything the sheet says."""
    found = []
    for part in parts(facts_of(design, relaxed)):
        found += [part.heading, *part.lines, *(cell for row in part.table for cell in row)]
    return "\n".join(found)


def whole(**settings: object) -> Design:
    base = {"per_arm": 4, "practice": 2, "raters": 7, "cue_reasons": {"contrast": "it is what is judged"}}
    primary = {"first": "ours", "second": "Kvasir"} | settings.pop("primary", {})
    return design_of(ARMS, **(base | settings), primary=primary)


def test_an_ethics_committee_finds_what_it_asks_for():
    said = text_of(
        whole(told="Half of them are real.", exclusions=Exclusions(least_repeat=0.6, unfinished="leave"))
    )
    for words in (
        "Can raters tell “ours” from “Kvasir” no better than chance",
        "90 % interval lies within 0.5 ± 0.1",
        "these raters alone",
        "exploratory",
        "share of its votes that said real",
        "drawn by seed from 100 pictures (test pictures)",
        "curated by Dr. Ž, out of 400 (one run); drawn by seed from these 60",
        "2 pictures left out for a box in the corner",
        "7 raters",
        "Organiser: O.",
        "is detected with 80 % power",
        "clinicians at large",
        "one common outline (octagon)",
        "JPEG round trip at quality 90",
        "0.81 (0.70 to 0.90)",
        "contrast (spread of L*): it is what is judged",
        "quicker than 0.5 s",
        "fewer than 60 %",
        "do not finish are left out",
        "No name, e-mail or network address",
        "withdraw at any time",
        "Half of them are real.",
        "ask@example.org",
        "d" * 64,
        "e" * 64,
        "f" * 64,
        "1" * 32,
    ):
        assert words in said, words
    assert "p1, p2" not in said and "/data/secret" not in said  # names of patients' files stay here
    assert "{minutes}" not in said and re.search(r"about \d+ minutes", said)


def test_what_was_relaxed_and_declared_is_on_it():
    said = text_of(
        whole(raters_who_know="The organiser is rater 2.", sittings=2),
        ("Pictures of one mask share a block.",),
    )
    assert "too small for: Pictures of one mask share a block." in said
    assert "The organiser is rater 2." in said and "2 sittings" in said
    assert "too small for" not in text_of(whole())


@pytest.mark.parametrize("protocol", FITS)
def test_every_protocol_and_question_has_its_words(protocol):
    for kind in FITS[protocol]:
        design = whole(protocol=protocol, primary={"kind": kind, "inference": "all"})
        said = text_of(design)
        assert question(design) in said and "Primary endpoint" in said and "raters are a sample" in said
    assert ("Williams" in said) == (protocol in ("P2", "P4"))
    assert ("As in my daily work" in said) == (protocol == "P3")


def test_it_is_a_pdf_and_the_same_facts_give_the_same_bytes():
    facts = facts_of(whole())
    data = sheet(facts)
    assert data.startswith(b"%PDF") and data == sheet(facts)
    assert data != sheet(replace(facts, by="L."))


def test_any_alphabet_of_the_font_is_drawn():
    """Each letter is in the font that is embedded, so that none comes out as a box."""
    from reportlab.pdfbase import pdfmetrics

    words = "Prüfung äöüß · Ελληνικά · Кириллица · Łódź · čšž · ½ ± § “”"
    design = whole(title=words, organiser=words, texts=Texts(contact=words).model_dump())
    data = sheet(facts_of(design))
    assert b"DejaVuSans" in data and b"FontFile2" in data
    for name in FONTS:
        known = pdfmetrics.getFont(name).face.charToGlyph
        assert [c for c in words + text_of(design) if c not in "\n" and ord(c) not in known] == []


def test_markup_in_texts_is_shown_as_it_is():
    design = whole(
        title="A < B & <b>C</b>", texts=Texts(contact="<a href='x'>&amp;</a>\nsecond line").model_dump()
    )
    assert sheet(facts_of(design)).startswith(b"%PDF")


@pytest.mark.parametrize("key", TEMPLATES)
def test_templates_are_complete_but_for_who_runs_it(key, tmp_path):
    """With arms, and what only the organiser can know, nothing is missing but the pictures."""
    from siamese.study import ready

    chosen = template(key)
    arms = ({"name": "r", "kind": "real", "source": "x", "pool": "p"},) + tuple(
        {"name": n, "kind": "synthetic", "source": "x", "pool": "p"}
        for n in ("s", "t")[: 1 if key == "which" else 2]
    )
    design = chosen.fill(tuple(design_of(arms).arms), organiser="O.", raters_who_know="none")
    design = design.model_copy(update={"texts": design.texts.model_copy(update={"contact": "c"})})
    missing = list(ready.problems(Studies(Workspace(tmp_path)).new("s", design), design, None, None))
    assert missing == ["its pictures are not prepared; `study check s` does it."]
    assert question(
        design.model_copy(update={"primary": Primary(**(design.primary.model_dump() | {"first": "s"}))})
    )
    assert chosen.about.endswith(".") and design.per_arm == 50


def test_templates_are_those_of_the_paper():
    polyp, ranks = template("paper-polyp").design, template("paper-ranks").design
    assert (polyp.protocol, polyp.per_arm, polyp.raters) == ("P1", 50, 3)
    assert (ranks.protocol, ranks.beside, ranks.per_arm, ranks.raters) == ("P2", 3, 50, 3)
    with pytest.raises(Exception, match="choose one of: believable, which"):
        template("nothing")
