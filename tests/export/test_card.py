"""The card: everything that the issue lists; what is not known is called so."""

from __future__ import annotations

from siamese.events import Notice
from siamese.export import card
from siamese.gate import report
from siamese.gate.report import Copies
from siamese.gate.rules import Rules
from siamese.tasks.export import ExportRequest, export
from siamese.tasks.export_card import NOT_COMPARED
from tests.export import small

HEADS = (
    "Licence, consent, contact", "Sources", "Masks", "Generator", "Copies", "Leaks", "Gate",
    "How diverse, how close to real", "Rating by people", "Known failures", "Layouts",
)  # fmt: skip


def written(set, out, **more) -> str:
    list(export(ExportRequest(set.root, out, **more)))
    return (out / card.FILE).read_text("utf-8")


def test_a_card_without_anything_stated_says_so(gated, tmp_path):
    told = [e.text for e in export(ExportRequest(gated.root, tmp_path / "out")) if isinstance(e, Notice)]
    assert told == [NOT_COMPARED]
    text = (tmp_path / "out" / card.FILE).read_text("utf-8")
    assert all(f"\n## {head}\n" in text for head in HEADS)
    assert f"**{card.USE}**" in text and "not for diagnosis" in card.USE
    for line in ("Licence of this set", "Basis of consent", "Contact"):
        assert f"- {line}: not stated\n" in text
    assert "ward: 20 pictures or masks used; licence: not stated" in text
    assert card.section(text, "Rating by people") == "not rated"
    assert card.section(text, "Copies") == f"- {NOT_COMPARED}"
    assert "| train | 4 | 12 |\n| val | 2 | 0 |\n| test | 2 | 0 |" in text
    assert "none found" in card.section(text, "Leaks") and "private" not in card.section(text, "Copies")


def test_what_was_stated_and_found_stands_there(gated, tmp_path):
    copies = Copies(
        sentences=("No copy found by whole and lesion at threshold 1.", "Caught 47 of 50."),
        caught=47, planted=50, by_kind={"mirrored": (8, 9)},
    )  # fmt: skip
    found = report.Outcome(
        pictures=12, segmenter="polyp-segmenter", segmenter_sha256="ab", size=48, proposed=Rules(), rules=Rules(),
        copies=copies,
    )  # fmt: skip
    report.write(gated, found)
    gated.write_scores(small.scored(id, rating=0.25) for id in gated.made())
    text = written(
        gated, tmp_path / "out", title="Our set", licence="CC BY 4.0", consent="broad consent", contact="a@b.org",
        licences=(("ward", "internal"),),
    )  # fmt: skip
    assert text.startswith("# Our set\n") and "licence: internal" in text
    for line in ("Licence of this set: CC BY 4.0", "Basis of consent: broad consent", "Contact: a@b.org"):
        assert f"- {line}\n" in text
    assert card.section(text, "Copies").splitlines() == [
        "- No copy found by whole and lesion at threshold 1.",
        "- Caught 47 of 50.",
        "- Planted copies caught, by kind: mirrored: 8 of 9.",
    ]
    assert "12 of 12 synthetic pictures were rated; on average 25% took one for real." in text


def test_the_generator_is_named_with_what_its_own_card_says(gated, tmp_path):
    text = written(gated, tmp_path / "out")
    made_by = card.section(text, "Generator")
    assert small.WEIGHTS in made_by and "trained on 1,806 pictures" in made_by and "> | set | pictures" in made_by
    assert "One seed gives nearly the same ground" in card.section(text, "Known failures")
    assert "4 masks from the training split of ward" in card.section(text, "Masks")
    assert "too small: 2" in card.section(text, "Masks") and str(tmp_path) not in text


def test_sections_of_a_card_are_found():
    text = "# A\nx\n## B\none\n\ntwo\n## C\nthree\n"
    assert card.section(text, "B", "C") == "one\n\ntwo\nthree" and card.section(text, "D") == ""
