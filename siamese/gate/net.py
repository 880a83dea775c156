"""Features of a SqueezeNet that somebody has at hand, for one more KID; the weights are not shipped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch

from siamese.data import batches
from siamese.metrics.features import SqueezeNetFeatures

SIDE = 227  # the side that SqueezeNet 1.1 was trained at


@torch.no_grad()
def features(weights: Path, images: Iterable[np.ndarray]) -> np.ndarray:
    """Pictures (S,S,3) uint8 → (N,512) float32 of norm 1: the means of the last map.

    Raises:
        CheckpointError: no such weights.
    """
    net, found = SqueezeNetFeatures(weights), []
    for image in images:
        small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        found.append(net(batches.to_x([small]))[-1].mean((2, 3))[0].numpy())
    flat = np.stack(found)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)
