"""The feature net and its two distances, with weights drawn by seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from siamese.data import batches
from siamese.errors import CheckpointError
from siamese.metrics.features import SqueezeNetFeatures, feature_distance, statistics_distance


def grainy(seed: int) -> np.ndarray:
    """A grey ramp under grain of 15 levels SD, (128,128,3) uint8."""
    ramp = np.linspace(60, 190, 128)[:, None, None]
    grain = np.random.default_rng(seed).normal(0, 15, (128, 128, 3))
    return (ramp + grain).clip(0, 255).astype(np.uint8)


def test_statistics_forgive_another_draw_of_a_texture_and_not_its_loss(feature_net: Path) -> None:
    net = SqueezeNetFeatures(feature_net)
    real, other = (batches.to_x([grainy(seed)]) for seed in (0, 1))
    smooth = batches.to_x([cv2.GaussianBlur(grainy(0), (0, 0), 3)])
    assert statistics_distance(net, other, real) < 0.5 * statistics_distance(net, smooth, real)
    assert statistics_distance(net, real, real) == pytest.approx(0, abs=1e-4)
    assert feature_distance(net, real, real) == pytest.approx(0, abs=1e-4)


def test_gradients_reach_the_picture_and_not_the_goal(feature_net: Path) -> None:
    net = SqueezeNetFeatures(feature_net)
    for distance in (feature_distance, statistics_distance):
        x, y = (batches.to_x([grainy(s)]).requires_grad_() for s in (0, 1))
        distance(net, x, y).backward()
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
        assert x.grad.abs().max() > 0
        assert y.grad is None


def test_a_missing_net_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="data.feature_net"):
        SqueezeNetFeatures(tmp_path / "none.safetensors")
