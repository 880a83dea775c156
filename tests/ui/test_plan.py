"""What the page makes of a plan: the time left counts all rows and the close-ups of small lesions."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from siamese.events import Preview
from siamese.masks.mask import Mask
from siamese.tasks.sample import SampleResult
from tests.shell import siamese
from ui.resident import ResidentModel
from ui.run import Plan


def test_the_time_left_counts_every_row_and_close_ups(tiny_checkpoint: Path, tmp_path: Path) -> None:
    words = ("--set", "sampling.closeup=0.12")
    assert siamese("checkpoint", "publish", tiny_checkpoint, tmp_path / "model", *words).returncode == 0
    labels = np.zeros((64, 64), np.uint8)
    cv2.circle(labels, (20, 24), 5, 1, cv2.FILLED)
    resident = ResidentModel(str(tmp_path / "model"))
    resident.start()
    plan = Plan(Mask(labels), ((1.0, (1, 2)), (2.0, (1, 2))), 3, "sde", False)
    events = list(plan.work(resident))
    previews = [event for event in events if isinstance(event, Preview)]
    left = [event.seconds_left for event in previews]
    assert sum(len(event.seeds) for event in previews) == 4 * (3 + 3)
    assert left[-1] == pytest.approx(0, abs=1e-6)
    assert min(left[:-1]) > 0
    assert sum(isinstance(event, SampleResult) for event in events) == 4
