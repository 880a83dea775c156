"""The small dataset and the gated set beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from siamese.augment.folder import SetFolder
from tests.export.small import dataset, synthesized


@pytest.fixture
def ward(tmp_path) -> Path:
    """The dataset."""
    return dataset(tmp_path / "ward")


@pytest.fixture
def gated(tmp_path, ward) -> SetFolder:
    """The set on it, 12 pictures, all accepted."""
    return synthesized(tmp_path / "set", ward)
