"""A small U-Net segmenter, the judge of mask fit (Ronneberger et al. 2015, with group normalisation)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _block(inside: int, outside: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers += [nn.Conv2d(channels, outside, 3, padding=1), nn.GroupNorm(8, outside), nn.SiLU()]
    return nn.Sequential(*layers)


class UNetSegmenter(nn.Module):
    """x (B,3,S,S) in [-1,1] → logits (B,1,S,S); S divides by 2^len(widths)."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        self.stem = _block(12, widths[0])
        self.down = nn.ModuleList(_block(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(_block(a + b, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.head = nn.Conv2d(widths[0], 4, 1)

    def encode(self, x: Tensor) -> list[Tensor]:
        """x (B,3,S,S) in [-1,1] → feature maps, finest (S/2) first."""
        maps = [self.stem(F.pixel_unshuffle(x, 2))]
        for block in self.down:
            maps.append(block(F.max_pool2d(maps[-1], 2)))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        *skips, h = self.encode(x)
        for block in self.up:
            h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
            h = block(torch.cat([skips.pop(), h], dim=1))
        return F.pixel_shuffle(self.head(h), 2)


def segmentation_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Binary cross-entropy + soft Dice of (B,1,S,S) logits and masks in {0,1}; a scalar."""
    p = torch.sigmoid(logits.float())
    overlap, total = (p * mask).sum((1, 2, 3)), (p + mask).sum((1, 2, 3))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return F.binary_cross_entropy_with_logits(logits.float(), mask) + dice.mean()
