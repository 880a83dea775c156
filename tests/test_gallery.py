"""Pictures on disk: whole or not there, judged, found again, never lost while somebody wants them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading

import numpy as np
import pytest

from siamese import gallery
from siamese.atomic import write_atomically
from siamese.errors import SiameseError
from siamese.gallery import REASONS, Gallery
from siamese.masks.mask import Mask
from siamese.workspace import Workspace

MASK = Mask.from_array(np.eye(16, dtype=bool)).png()
PICTURE = Mask.from_array(np.ones((16, 16), bool)).png()
FACTS = {"seed": 7, "guidance": 3.5, "sampler": "dpm", "note": "größer"}


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "Siamese Studio")


@pytest.fixture
def mine(workspace) -> Gallery:
    return workspace.gallery("anna")


def add(where: Gallery, seed: int = 7):
    return where.add(PICTURE, MASK, FACTS | {"seed": seed}, f"seed {seed}", 0.25)


def test_a_picture_comes_back_as_it_was_also_in_a_new_process(workspace, mine):
    made = add(mine)
    assert (made.facts, made.caption, made.area, made.state) == (FACTS, "seed 7", 0.25, "new")
    again = Workspace(workspace.root).gallery("anna")
    assert again.get(made.name) == made and again.pictures() == [made]
    assert again.picture_png(made.name) == PICTURE and again.mask_png(made.name) == MASK
    if os.name == "posix":
        assert stat.S_IMODE((mine.folder / made.name).stat().st_mode) == 0o700


def test_two_people_never_meet(workspace, mine):
    name = add(mine).name
    other = workspace.gallery("Anna")
    assert other.pictures() == []
    with pytest.raises(SiameseError, match="make it again"):
        other.get(name)


@pytest.mark.parametrize(
    "name", ["..", "../x", "", ".", "/etc", "a/b", "nul", "\0", "20200101-000000_s1_" + "a" * 16, 7]
)
def test_a_name_that_is_none_of_ours_opens_nothing(mine, name):
    add(mine)
    (mine.folder.parent / "x").mkdir()
    for door in (mine.get, mine.picture_png, mine.mask_png, mine.delete, mine.judge):
        with pytest.raises(SiameseError, match="no longer there"):
            door(name)
    assert len(mine.pictures()) == 1 and (mine.folder.parent / "x").is_dir()


def test_pictures_are_newest_first_and_damaged_ones_are_left_out(mine):
    made = [add(mine, seed) for seed in range(5)]
    assert [p.facts["seed"] for p in mine.pictures()] == [4, 3, 2, 1, 0]
    write_atomically(mine.folder / made[0].name / "picture.json", b"{")
    (mine.folder / made[1].name / "mask.png").unlink()
    (mine.folder / made[2].name / "judgement.json").write_text("[]")
    (mine.folder / ".adding-crashed").mkdir()
    (mine.folder / "notes.txt").write_text("mine")
    assert [p.facts["seed"] for p in mine.pictures()] == [4, 3]
    assert [p.facts["seed"] for p in Gallery(mine.folder).pictures()] == [4, 3]


def test_judging_keeps_what_is_not_named_and_a_reason_belongs_to_a_rejection(workspace, mine):
    name = add(mine).name
    assert mine.judge(name, favourite=True).favourite
    rejected = mine.judge(name, state="rejected", reason="vessels")
    assert (rejected.state, rejected.reason, rejected.favourite) == ("rejected", "vessels", True)
    assert Workspace(workspace.root).gallery("anna").get(name) == rejected == mine.get(name)
    assert mine.judge(name, favourite=False).reason == "vessels"
    assert mine.judge(name, reason="").reason is None
    assert [mine.judge(name, state="rejected", reason=r).reason for r in REASONS] == list(REASONS)
    assert mine.judge(name, state="accepted").reason is None
    assert mine.judge(name, reason="border").reason is None  # accepted pictures have none
    assert mine.judge(name, state="rejected").reason is None


def test_no_such_decision(mine):
    name = add(mine).name
    for wrong in ({"state": "perhaps"}, {"state": "rejected", "reason": "ugly"}):
        with pytest.raises(SiameseError, match="expected"):
            mine.judge(name, **wrong)
    assert mine.get(name).state == "new"


def test_hands_judging_and_adding_at_once_lose_nothing(mine):
    name = add(mine).name
    failures = []

    def work(hand: int) -> None:
        try:
            for turn in range(10):
                mine.judge(name, favourite=True) if hand % 2 else mine.judge(name, state="accepted")
                mine.judge(add(mine, 100 * hand + turn).name, state="accepted")
                assert len(mine.pictures()) >= turn
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    hands = [threading.Thread(target=work, args=(hand,)) for hand in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert failures == []
    assert (mine.get(name).state, mine.get(name).favourite) == ("accepted", True)
    assert {p.state for p in mine.pictures()} == {"accepted"} and len(mine.pictures()) == 41


def test_only_unjudged_pictures_are_removed_and_the_newest_stay(mine, monkeypatch):
    monkeypatch.setattr(gallery, "UNJUDGED", 3)
    judged = [add(mine, seed).name for seed in range(3)]
    mine.judge(judged[0], state="accepted")
    mine.judge(judged[1], state="rejected", reason="border")
    mine.judge(judged[2], favourite=True)
    for seed in range(10, 16):
        add(mine, seed)
    assert [p.facts["seed"] for p in mine.pictures()] == [15, 14, 13, 2, 1, 0]
    assert len(list(mine.folder.iterdir())) == 6


def test_what_another_process_judged_or_deleted_is_respected(workspace, mine, monkeypatch):
    monkeypatch.setattr(gallery, "UNJUDGED", 3)
    names = [add(mine, seed).name for seed in range(3)]
    elsewhere = Workspace(workspace.root).gallery("anna")
    elsewhere.judge(names[0], state="accepted")
    elsewhere.delete(names[1])
    for seed in range(10, 15):
        add(mine, seed)
    assert [p.facts["seed"] for p in mine.pictures()] == [14, 13, 12, 0]


def test_two_hundred_unjudged_pictures_are_kept():
    assert gallery.UNJUDGED == 200


def test_deleted_means_gone_with_everything(mine):
    first, second = add(mine, 1), add(mine, 2)
    mine.delete(first.name)
    assert mine.pictures() == [second] and [p.name for p in mine.folder.iterdir()] == [second.name]
    for door in (mine.get, mine.picture_png, mine.delete):
        with pytest.raises(SiameseError, match="no longer there"):
            door(first.name)


def test_a_half_deleted_picture_never_shows(mine, monkeypatch):
    name = add(mine).name
    monkeypatch.setattr(
        shutil, "rmtree", lambda *_, **__: None
    )  # the power goes between renaming and removing
    mine.delete(name)
    assert mine.pictures() == [] and len(list(mine.folder.iterdir())) == 1


def test_a_picture_that_cannot_be_stored_leaves_nothing(mine):
    with pytest.raises(TypeError):
        mine.add(PICTURE, MASK, {"seed": object()}, "x", 0.1)
    assert mine.pictures() == [] and not mine.folder.exists()


def test_what_was_read_is_not_read_again_until_it_changes(mine, monkeypatch):
    names = [add(mine, seed).name for seed in range(20)]
    read = []
    parse = mine._entries._parse
    monkeypatch.setattr(mine._entries, "_parse", lambda folder: read.append(folder.name) or parse(folder))
    assert len(mine.pictures()) == 20 and read == []
    mine.judge(names[3], favourite=True)
    assert [p.name for p in mine.pictures() if p.favourite] == [names[3]] and set(read) == {names[3]}


def kept_pair(workspace: Workspace, name: str, facts: dict | None) -> None:
    """A pair as the first version stored it."""
    folder = workspace.root / "kept" / name
    folder.mkdir(parents=True)
    (folder / "picture.png").write_bytes(PICTURE)
    (folder / "mask.png").write_bytes(MASK)
    if facts is not None:
        (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def test_pairs_of_an_older_version_become_accepted_pictures_once(workspace):
    kept_pair(workspace, "20250101-120000_s7_abcd", FACTS | {"steps": 20})
    kept_pair(workspace, "20250102-120000_s_abce", None)
    (workspace.root / "kept" / "notes").mkdir()
    assert workspace.gallery("anna").pictures() == []
    moved = workspace.gallery("default").pictures()
    assert {p.state for p in moved} == {"accepted"} and len(moved) == 2
    told = next(p for p in moved if p.facts)
    assert told.facts == FACTS | {"steps": 20} and told.caption == "seed 7 · guidance 3.5 · 20 steps"
    assert told.area == pytest.approx(1 / 16)
    assert workspace.gallery("default").picture_png(told.name) == PICTURE
    assert [p.name for p in (workspace.root / "kept").iterdir()] == ["notes"]  # what is no pair stays
    assert Workspace(workspace.root).gallery("default").pictures() == moved


def test_a_migration_that_was_cut_short_goes_on(workspace, monkeypatch):
    for n in range(3):
        kept_pair(workspace, f"20250101-12000{n}_s{n}_abcd", {"seed": n})
    adopt, calls = gallery.Entries.adopt, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return adopt(*arguments)

    monkeypatch.setattr(gallery.Entries, "adopt", failing)
    with pytest.raises(KeyboardInterrupt):
        workspace.gallery("default")
    again = Workspace(workspace.root).gallery("default").pictures()
    assert sorted(p.facts["seed"] for p in again) == [0, 1, 2]
