"""Saved masks: the same pixels back, found by their words, never somebody else's."""

from __future__ import annotations

import numpy as np
import pytest

from siamese.errors import MaskError, SiameseError
from siamese.library import Library
from siamese.masks.mask import Mask
from siamese.workspace import Workspace


def mask(seed: int = 0, height: int = 24, width: int = 32) -> Mask:
    return Mask.from_array(np.random.default_rng(seed).random((height, width)) > 0.5)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "Siamese Studio")


@pytest.fixture
def mine(workspace) -> Library:
    return workspace.library("anna")


def test_a_mask_comes_back_pixel_by_pixel_also_in_a_new_process(workspace, mine):
    drawn = mask()
    saved = mine.add(drawn, "flat, at a fold")
    assert (saved.title, saved.width, saved.height, saved.collection) == ("flat, at a fold", 32, 24, "")
    assert saved.digest == drawn.digest and saved.area == drawn.area
    again = Workspace(workspace.root).library("anna")
    assert again.masks() == [saved]
    assert np.array_equal(again.get(saved.name).labels, drawn.labels)


def test_two_people_never_meet(workspace, mine):
    name = mine.add(mask(), "x").name
    assert workspace.library("ben").masks() == []
    with pytest.raises(SiameseError, match="no longer there"):
        workspace.library("ben").get(name)


@pytest.mark.parametrize("name", ["..", "../x", "", "/etc", "a\0b", "20200101-000000__" + "a" * 16])
def test_a_name_that_is_none_of_ours_opens_nothing(mine, name):
    mine.add(mask(), "x")
    for door in (mine.get, mine.delete, mine.duplicate, lambda n: mine.rename(n, "y")):
        with pytest.raises(SiameseError, match="no longer there"):
            door(name)
    assert len(mine.masks()) == 1


def test_titles_are_cleaned_capped_and_numbered_when_empty(mine):
    assert mine.add(mask(), "  a\n\tb\0 \u202e c ").title == "a b c"
    assert mine.add(mask(), "x" * 500).title == "x" * 80
    assert [mine.add(mask(), empty).title for empty in ("", " \n", "\0")] == [
        "outline 1",
        "outline 2",
        "outline 3",
    ]
    mine.delete(next(s.name for s in mine.masks() if s.title == "outline 2"))
    assert mine.add(mask(), "").title == "outline 2"


def test_search_wants_every_word_in_title_or_collection(mine):
    for title, collection in (("Flat fold", ""), ("flat", "Kvasir"), ("round", "Kvasir"), ("GRÖSSE", "")):
        mine.add(mask(), title, collection)
    assert [s.title for s in mine.search("")] == ["GRÖSSE", "round", "flat", "Flat fold"]
    assert [s.title for s in mine.search("FLAT")] == ["flat", "Flat fold"]
    assert [s.title for s in mine.search("kvasir flat")] == ["flat"]
    assert [s.title for s in mine.search("größe")] == ["GRÖSSE"]
    assert mine.search("nothing") == []
    assert [s.title for s in mine.search("", limit=2)] == ["GRÖSSE", "round"] and mine.search(
        "", limit=0
    ) == []


def test_rename_duplicate_delete(mine):
    drawn = mask()
    saved = mine.add(drawn, "first", "Kvasir")
    renamed = mine.rename(saved.name, " second ")
    assert renamed.title == "second" and mine.masks() == [renamed]
    with pytest.raises(MaskError, match="title is empty"):
        mine.rename(saved.name, "  ")
    copy = mine.duplicate(saved.name)
    assert (copy.title, copy.collection, copy.digest) == ("second copy", "", drawn.digest)
    assert len(mine.duplicate(mine.rename(saved.name, "y" * 80).name).title) == 80
    mine.delete(saved.name)
    assert saved.name not in {s.name for s in mine.masks()}
    assert np.array_equal(mine.get(copy.name).labels, drawn.labels)


def test_damaged_masks_are_left_out_or_say_so(mine):
    damaged, cut, whole = mine.add(mask(), "a"), mine.add(mask(), "b"), mine.add(mask(), "c")
    (mine.folder / damaged.name / "mask.json").write_text('{"title": 3}')
    (mine.folder / cut.name / "mask.png").write_bytes(b"\x89PNG")
    assert [s.title for s in mine.masks()] == ["c", "b"]
    with pytest.raises(MaskError, match="the saved mask “b”"):
        mine.get(cut.name)
    assert np.array_equal(mine.get(whole.name).labels, mask().labels)
