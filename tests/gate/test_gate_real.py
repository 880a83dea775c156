"""The gate on real pictures, where the shared data are at hand: what the shipped thresholds rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

from siamese.augment.plan import parse
from siamese.gate import real
from siamese.gate.rules import KINDS, Rules
from siamese.segmentation import judge

KVASIR = Path(__file__).parents[3] / "shared" / "data" / "kvasir-seg"


@pytest.mark.soak
def test_the_shipped_thresholds_are_those_of_kvasir_seg() -> None:
    if not KVASIR.is_dir():
        pytest.skip("needs the shared pictures, which no clone carries")
    plan = parse({"real": [str(KVASIR)], "masks": {"source": "examples"}})
    shipped = judge.load(plan.segmenter)
    found = real.read(plan, None, shipped, 384)
    assert found.training is not None and found.held_out is not None and found.notes == ()
    assert (len(found.training), len(found.held_out)) == (840, 60)
    proposed, _ = real.proposed(found, shipped)
    for name in KINDS:
        now, wanted = proposed.of(name).flag, Rules().of(name).flag
        assert now == (None if wanted is None else pytest.approx(wanted, rel=0.01)), name
