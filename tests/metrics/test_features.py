"""The feature net and its distance, with weights drawn by seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from siamese.data import batches
from siamese.errors import CheckpointError
from siamese.metrics.features import SqueezeNetFeatures, feature_distance


def grainy(seed: int) -> np.ndarray:
    """A grey ramp under grain of 15 levels SD, (128,128,3) uint8."""
    ramp = np.linspace(60, 190, 128)[:, None, None]
    grain = np.random.default_rng(seed).normal(0, 15, (128, 128, 3))
    return (ramp + grain).clip(0, 255).astype(np.uint8)


def test_a_picture_is_nearer_to_itself_than_its_blur(feature_net: Path) -> None:
    net = SqueezeNetFeatures(feature_net)
    real = batches.to_x([grainy(0)])
    smooth = batches.to_x([cv2.GaussianBlur(grainy(0), (0, 0), 3)])
    assert feature_distance(net, real, real) == pytest.approx(0, abs=1e-4)
    assert feature_distance(net, smooth, real) > 0.01


def test_gradients_reach_the_picture_and_not_the_goal(feature_net: Path) -> None:
    net = SqueezeNetFeatures(feature_net)
    x, y = (batches.to_x([grainy(s)]).requires_grad_() for s in (0, 1))
    feature_distance(net, x, y).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().max() > 0
    assert y.grad is None


def test_a_missing_net_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="data.feature_net"):
        SqueezeNetFeatures(tmp_path / "none.safetensors")
