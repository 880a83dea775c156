"""The real picture behind a flagged one is found again by its digest, or not at all."""

from __future__ import annotations

import hashlib

import numpy as np

from siamese.augment import plan as plans
from siamese.augment.folder import Checkpoint, Head, SetFolder
from siamese.gate.twin import Twins
from siamese.picture import decode
from tests.conftest import write_dataset


def test_the_training_picture_is_found_and_no_test_picture_is_shown(tmp_path):
    ward = write_dataset(tmp_path / "datasets" / "ward", 5, 64)
    (ward / "train.txt").write_text("case000\ncase001\ncase002\ncase003\n")
    (ward / "test.txt").write_text("case004\n")
    plan = plans.parse({"real": ["ward"], "masks": {"source": "examples"}})
    folder = SetFolder(tmp_path / "set")
    folder.begin(Head(plan, (Checkpoint("x", "x", "0" * 64, 64),), 0, 0, 0), ())
    pictures = {k: decode((ward / "images" / f"case{k:03d}.png").read_bytes()) for k in (2, 4)}
    digests = {k: hashlib.sha256(np.ascontiguousarray(p)).hexdigest() for k, p in pictures.items()}
    twins = Twins(tmp_path)
    for _ in range(2):  # the second time by what is known of the files
        found = twins.find(folder, digests[2])
        assert found is not None and found[0] == "case002" and (found[1] == pictures[2]).all()
        assert twins.find(folder, digests[4]) is None and twins.find(folder, "0" * 64) is None
    (ward / "images" / "case002.png").write_bytes(b"damaged")
    assert twins.find(folder, digests[2]) is None
