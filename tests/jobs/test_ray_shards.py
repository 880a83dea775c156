"""A set whose shards a real Ray cluster computes: the same bytes as one process makes; begun and ended by the test."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from siamese.augment import plan as plans
from siamese.augment.folder import SetFolder
from siamese.tasks.synthesize import SynthesizeRequest, synthesize
from tests.jobs.test_ray import head as head  # noqa: PLC0414 - the fixture
from tests.shell import siamese
from tests.tasks.test_synthesize import drawn_masks, pictures

MISSING = importlib.util.find_spec("ray") is None
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(MISSING, reason="`make soak` installs requirements-soak.txt"),
]


def test_shards_on_a_cluster(
    head: str,  # noqa: F811
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIAMESE_PRECISION", "fp32")
    made = {"checkpoints": [str(tiny_checkpoint)], "steps": 3, "batch": 2}
    masks = {"source": "folder", "where": [str(drawn_masks(tmp_path / "masks"))], "mode": "real"}
    plan = plans.parse({"name": "drawn", "fold": 2.0, "masks": masks, "pictures": made})
    list(synthesize(SynthesizeRequest(plan, tmp_path / "one", processes=1, gate=False)))
    (tmp_path / "plan.toml").write_text(plan.toml(), "utf-8")
    words = [tmp_path / "plan.toml", "--out", tmp_path / "set", "--workspace", tmp_path / "home", "--no-gate"]
    cluster = ["--ray", head, "--shards", 2, "--gpus", 0, "--python", sys.executable]
    done = siamese("synthesize", *words, *cluster)
    assert done.returncode == 0, done.stderr
    assert pictures(tmp_path / "set") == pictures(tmp_path / "one")
    folder = SetFolder(tmp_path / "set")
    folder.unit_path(3).unlink()
    folder.mask_path(folder.items()[6].id).write_bytes(b"")
    failed = siamese("synthesize", *words, *cluster)
    assert failed.returncode == 2 and "cannot be read" in failed.stderr, failed.stderr
