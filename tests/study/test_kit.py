"""Kits: nothing of the truth goes out, pictures of one length that nothing links, a page that reaches nothing."""

from __future__ import annotations

import base64
import json
import re
import stat

import cv2
import numpy as np
import pytest
import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import tables
from siamese.store.engine import open_truth, reading
from siamese.study import kit
from siamese.study.design import Design
from siamese.study.kit import Kits
from siamese.study.kit_import import import_votes
from siamese.study.kit_order import order_of
from siamese.study.kit_pictures import Parcels, veil
from siamese.study.studies import Studies
from siamese.workspace import Workspace
from tests.study.kits import sealed
from tests.study.rooms import locked_study

BLOCK = re.compile(r'<script type="([\w/]+)" id="d-(\w+)">(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def kit_study(tmp_path_factory):
    """Read by tests of kits, written to by none."""
    arms = (("Kolumbus", "real"), ("Minerva", "synthetic"))
    return locked_study(tmp_path_factory.mktemp("kits"), raters=2, arms=arms)


@pytest.fixture
def study(tmp_path):
    return locked_study(tmp_path, per_arm=3, raters=2, repeats=1, practice=1)


def written(study, rater: int = 1) -> str:
    return next(Kits(study, [rater]).write()).path.read_text("utf-8")


def blocks(page: str) -> dict[str, str]:
    return {name: text for _, name, text in BLOCK.findall(page)}


def test_a_kit_holds_nothing_of_the_truth(kit_study):
    page = written(kit_study)
    order = order_of(kit_study, 1)
    with reading(open_truth(kit_study.place)) as connection:
        truth = connection.execute(sa.select(tables.truth_item)).all()
        arms = connection.execute(sa.select(tables.truth_arm)).all()
    secret = (
        {row.item for row in truth} | {row.source for row in truth} | {row.source_sha256 for row in truth}
    )
    secret |= {row.mask_group for row in truth} | {row.name for row in arms}
    secret |= {str(kit_study.folder), str(kit_study.folder.parent), "drawn/", ".png"}
    secret |= set(kit_study.keys.values())
    assert [word for word in secret if word in page] == []
    known = json.loads(blocks(page)["kit"])
    assert set(known["presentations"][0]) == {"practice", "pause", "question", "pictures", "outlines"}
    assert not re.search(r'"(arms?|primary|seed|per_arm|phase|block|repeats|items?)":', page)
    assert [one["pictures"] for one in known["presentations"]] == [list(one.tokens) for one in order]
    assert stat.S_IMODE((kit_study.folder / "kits" / "rater-01.html").stat().st_mode) == 0o600
    assert stat.S_IMODE((kit_study.folder / "kits").stat().st_mode) == 0o700


def test_pictures_of_a_kit_have_one_length_and_nothing_in_common(kit_study):
    found, order = blocks(written(kit_study)), order_of(kit_study, 1)
    tokens = [token for one in order for token in one.tokens]
    assert len(set(tokens)) == len(tokens) == len(order) == 16
    assert len({len(found[token]) for token in tokens}) == 1
    first = {one.items: one for one in order}
    repeat = next(one for one in order if first[one.items] is not one)  # shown again later
    again = first[repeat.items]
    parcels = [np.frombuffer(base64.b64decode(found[one.tokens[0]]), np.uint8) for one in (repeat, again)]
    assert np.mean(parcels[0] == parcels[1]) < 0.02  # as unrelated bytes are
    for one in (repeat, again):
        whole = veil(base64.b64decode(found[one.tokens[0]]), one.tokens[0])
        png = whole[4 : 4 + int.from_bytes(whole[:4], "little")]
        stored = cv2.imread(str(kit_study.pictures / f"{one.items[0]}.png"))
        assert np.array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), stored)
        assert re.findall(rb"[a-z][A-Z]{2}[a-z]|tEXt|eXIf|tIME", png[:64]) == [] and png.endswith(
            b"IEND\xaeB`\x82"
        )


def test_parcels_are_as_long_as_the_longest_whatever_is_in_them():
    parcels = Parcels({"flat": b"x", "rich": bytes(range(256)) * 3})
    texts = [parcels.parcel(key, token * 32) for key, token in (("flat", "0"), ("rich", "f"))]
    assert [len(text) for text in texts] == [parcels.written] * 2 and "=" not in "".join(texts)
    assert "AAAA" not in texts[0]  # the padding is not seen
    assert Parcels({}).length == 12


def test_tokens_are_another_for_every_rater_and_the_same_whenever_a_kit_is_made(kit_study):
    one, again, other = written(kit_study), written(kit_study), written(kit_study, 2)
    assert one == again
    assert not set(blocks(one)) & set(blocks(other)) - {"kit"}
    ids = [json.loads(blocks(page)["kit"])["kit"] for page in (one, other)]
    assert len(set(ids)) == 2 and not {item for item in kit_study.arms if item in one + other}


def test_the_page_of_a_kit_can_reach_nothing(kit_study):
    page = written(kit_study)
    outside = BLOCK.sub("", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and not re.search(
        "unsafe|http|data:", policy
    )
    assert not re.search(
        r"https?:|src=|href=|url\(|@import|import\(|WebSocket|sendBeacon|innerHTML|eval\(", outside
    )
    assert len(re.findall(r"<script", outside)) == 1 and len(re.findall(r"<style", outside)) == 1


def test_texts_of_the_organiser_cannot_break_out_of_the_page(tmp_path):
    title = "</script><script>alert(1)</script> & <b>"
    study = locked_study(tmp_path, per_arm=2, raters=1, title=title)
    page = written(study)
    assert "<script>alert" not in page and json.loads(blocks(page)["kit"])["sheet"]["title"] == title


def test_the_size_is_known_before_anything_is_written(kit_study, monkeypatch):
    kits = Kits(kit_study, [1, 2])
    assert [one.size for one in kits.planned] == [one.path.stat().st_size for one in kits.write()]
    assert [one.pictures for one in kits.planned] == [16, 16]
    monkeypatch.setattr(kit, "LARGEST", 1000)
    with pytest.raises(StudyError, match="personal link"):
        Kits(kit_study, [1])


def test_outlines_go_with_their_scale_alone(tmp_path):
    study = locked_study(tmp_path, "P3", per_arm=2, raters=1, practice=0, repeats=0)
    found = blocks(written(study))
    shown = json.loads(found["kit"])["presentations"]
    outlines = [token for one in shown for token in one["outlines"]]
    assert [len(one["outlines"]) for one in shown] == [int(one["question"] == "mask_fit") for one in shown]
    assert len(outlines) == 4 and len({len(found[token]) for token in outlines}) == 1
    assert len(set(outlines) | {token for one in shown for token in one["pictures"]}) == 12 + 4


def test_a_changed_or_missing_picture_makes_no_kit(study):
    item = order_of(study, 1)[1].items[0]
    path = study.pictures / f"{item}.png"
    data = path.read_bytes()
    path.write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes())
    with pytest.raises(StudyError, match="not the picture that was locked"):
        Kits(study, [1])
    path.unlink()
    with pytest.raises(StudyError, match="restore"):
        Kits(study, [1])
    path.write_bytes(data)
    with pytest.raises(StudyError, match="no rater 7"):
        Kits(study, [7])
    assert not (study.folder / "kits").exists()


def test_before_the_lock_there_is_no_kit(tmp_path):
    study = Studies(Workspace(tmp_path)).new("draft", Design())
    with pytest.raises(StudyError, match="not locked"):
        Kits(study, [1])
    with pytest.raises(StudyError, match="no votes file"):
        import_votes(study, sealed(tmp_path / "a.json", {}))
