"""What is looked at before a set is dealt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from siamese.augment import plan as plans
from siamese.errors import AugmentError
from siamese.tasks import begin
from tests.conftest import write_dataset


def test_a_lenders_own_test_mask_is_held_out_beside_another_real_dataset(tiny_checkpoint: Path, tmp_path: Path) -> None:
    ward, other = write_dataset(tmp_path / "ward", 4, 64), write_dataset(tmp_path / "other", 3, 64)
    shutil.copy(ward / "masks" / "case001.png", ward / "masks" / "case003.png")
    (ward / "train.txt").write_text("case000\ncase001\ncase002\n")
    (ward / "test.txt").write_text("case003\n")
    plan = plans.parse(
        {
            "real": [str(other)],
            "masks": {"where": [str(ward)]},
            "pictures": {"checkpoints": [str(tiny_checkpoint)]},
        }
    )
    with pytest.raises(AugmentError, match=r"test.txt of ward: ward/case001 \(there case003\)"):
        for _ in begin.dealt(plan, None):
            pass
