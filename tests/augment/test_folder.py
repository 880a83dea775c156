"""A set on disk: whole or not at all, frozen, and decisions that are never lost."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from siamese.augment import plan as plans
from siamese.augment.folder import Checkpoint, Head, SetFolder
from siamese.augment.item import Decision, Item, Made, Source
from siamese.errors import AugmentError
from siamese.masks.mask import Mask

PLAN = plans.parse({"masks": {"source": "examples"}})


def dealt(count: int = 3) -> list[tuple[Item, Mask]]:
    found = []
    for k in range(count):
        labels = np.zeros((40, 50), np.uint8)
        labels[5 : 20 + k, 8:30] = 1
        mask = Mask(labels)
        source = Source("dataset", "mine", f"Fall Müller {k}", mask.digest, partner="b")
        edit = {"kind": "flip", "axis": "horizontal"}
        found.append((Item(f"s{k:06d}", k // 2, 0, k + 1, mask.digest, 40, 50, source, (edit,), k), mask))
    return found


def head(count: int = 3) -> Head:
    return Head(
        PLAN, (Checkpoint("polyp-compact", "polyp-compact", "ab" * 32, 384),), count, 2, 3, {"too small": 2}
    )


def test_what_was_written_is_read_again(tmp_path):
    folder, pairs = SetFolder(tmp_path / "a set"), dealt()
    assert not folder.begun
    folder.begin(head(), pairs)
    assert folder.head() == head() and folder.items() == [one for one, _ in pairs]
    assert (folder.mask(pairs[2][0]).labels == pairs[2][1].labels).all()
    assert folder.finished() == set() and folder.made() == {} and folder.scores() == {}
    data = [b"one", b"two"]
    made = [
        Made(one.id, hashlib.sha256(d).hexdigest(), "", 0.5, {"seed": 1})
        for (one, _), d in zip(pairs, data, strict=False)
    ]
    folder.write_unit(0, made, data)
    assert folder.finished() == {0} and list(folder.made().values()) == made
    with pytest.raises(AugmentError, match="holds a set already"):
        folder.begin(head(), pairs)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(AugmentError, match="other files"):
        SetFolder(tmp_path).begin(head(), dealt())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_changed_mask_and_a_damaged_deal_are_told(tmp_path):
    folder, pairs = SetFolder(tmp_path / "set"), dealt()
    folder.begin(head(), pairs)
    folder.mask_path("s000001").write_bytes(pairs[0][1].png())
    with pytest.raises(AugmentError, match="s000001 .* was changed"):
        folder.mask(pairs[1][0])
    (folder.root / "deal.jsonl").write_text("{}\n")
    with pytest.raises(AugmentError, match="Line 1 of .*damaged"):
        folder.items()


def test_the_latest_decision_counts_and_a_torn_line_loses_no_other(tmp_path):
    folder = SetFolder(tmp_path)
    folder.decide(Decision("s000001", "reject", "vessels", "Ö", "2026-01-01T00:00:00Z"))
    folder.decide(Decision("s000002", "accept", "", "Ö", "2026-01-01T00:00:01Z"))
    path = folder.root / "decisions.jsonl"
    path.write_bytes(path.read_bytes() + b'{"id": "s0000')  # a crash
    folder.decide(Decision("s000001", "", "", "Ö", "2026-01-01T00:00:02Z"))
    folder.decide(Decision("s000003", "reject", "copy", "Ö", "2026-01-01T00:00:03Z"))
    assert {id: one.word for id, one in folder.decisions().items()} == {
        "s000002": "accept",
        "s000003": "reject",
    }
