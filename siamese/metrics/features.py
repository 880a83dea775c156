"""Features of SqueezeNet 1.1 (Iandola et al. 2016): for the feature loss and KID-type distances.

Weights are not shipped; a recipe names a .safetensors with torchvision's key names (`features.0.weight`, …).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from siamese.errors import CheckpointError

# index in torchvision's `features`, squeeze and expand widths
FIRES = (
    (3, 16, 64),
    (4, 16, 64),
    (6, 32, 128),
    (7, 32, 128),
    (9, 48, 192),
    (10, 48, 192),
    (11, 64, 256),
    (12, 64, 256),
)
POOLED_BEFORE = (3, 6, 9)
MEAN_BGR = (104.0, 117.0, 123.0)


class SqueezeNetFeatures(nn.Module):
    """x (B,3,S,S) in [-1,1] → feature maps after the first convolution and each pooled group, coarsest last."""

    def __init__(self, weights: str | Path):
        super().__init__()
        path = Path(weights)
        if not path.is_file():
            raise CheckpointError(
                f"No feature net at {path}; set data.feature_net to a SqueezeNet 1.1 .safetensors, or leave it out."
            )
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise CheckpointError(
                f"{path} is not a safetensors file ({error}); copy it again from its source."
            ) from None
        for name, value in tensors.items():
            if name.startswith("features."):
                self.register_buffer(name.replace(".", "_"), value.float())
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(MEAN_BGR)[:, None, None])

    def _conv(self, h: Tensor, name: str, **how: int) -> Tensor:
        name = name.replace(".", "_")
        return F.relu(
            F.conv2d(h, self.get_buffer(f"{name}_weight").to(h), self.get_buffer(f"{name}_bias").to(h), **how)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        h = (x.flip(1) + 1) * 127.5 - self.mean
        h = self._conv(h, "features.0", stride=2)
        maps = [h]
        for index, _, _ in FIRES:
            if index in POOLED_BEFORE:
                h = F.max_pool2d(h, 3, 2, ceil_mode=True)
            name = f"features.{index}"
            s = self._conv(h, f"{name}.squeeze1x1")
            h = torch.cat(
                [self._conv(s, f"{name}.expand1x1"), self._conv(s, f"{name}.expand3x3", padding=1)], dim=1
            )
            if index in (4, 7, 12):
                maps.append(h)
        return maps


def feature_distance(features: SqueezeNetFeatures, x: Tensor, y: Tensor) -> Tensor:
    """Mean squared distance of channel-normalised feature maps, a scalar (Zhang et al. 2018 without learned heads)."""
    total = x.new_zeros(())
    with torch.no_grad():
        goals = [F.normalize(h.float(), dim=1) for h in features(y)]
    for h, goal in zip(features(x), goals, strict=True):
        total = total + (F.normalize(h.float(), dim=1) - goal).square().sum(1).mean()
    return total
