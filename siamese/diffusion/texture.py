"""Fine texture on a decoded picture: what the latents cannot hold, drawn anew for each picture from noise.

A decoder gives the mean of what a latent may stand for, which is smooth. This small network adds one draw from it, as
the noise inputs of StyleGAN do (Karras et al., CVPR 2019), trained against a PatchGAN discriminator.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 2  # works at half resolution, behind a pixel-unshuffle
KEY = 0x7E37_0000_7E37  # keeps the texture's draw apart from the start noise of the same seed


class TextureNet(nn.Module):
    """Decoded x (B,3,S,S) in [-1,1] and noise (B,1,S,S) ~ N(0,1) → what to add (B,3,S,S); zero before training."""

    def __init__(self, width: int):
        super().__init__()
        self.conv_in = nn.Conv2d(4 * PATCH**2, width, 3, padding=1)
        self.middle = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=spread, dilation=spread) for spread in (1, 2, 1)
        )
        self.conv_out = nn.Conv2d(width, 3 * PATCH**2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        h = self.conv_in(F.pixel_unshuffle(torch.cat([x, noise.to(x)], dim=1), PATCH))
        for conv in self.middle:
            h = h + conv(F.silu(h))
        return F.pixel_shuffle(self.conv_out(F.silu(h)), PATCH)


def texture_noise(seeds: Sequence[int], size: int) -> Tensor:
    """(B,1,S,S) float32 ~ N(0,1), one CPU generator a picture: a seed's texture knows no batch or device."""
    draws = [torch.Generator().manual_seed(seed ^ KEY) for seed in seeds]
    return torch.stack([torch.randn((1, size, size), generator=g) for g in draws])


def band_distance(x: Tensor, y: Tensor, levels: int = 3, window: int = 16) -> Tensor:
    """Mean distance of local contrast in the finest octaves of x and y (B,3,S,S), S divides by 16·2^levels; a scalar.

    Contrast: root mean square over window×window pixels of each octave of a Laplacian pyramid (Burt & Adelson 1983).
    """
    total = x.new_zeros(())
    for _ in range(levels):
        small_x, small_y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        contrasts = []
        for picture, small in ((x, small_x), (y, small_y)):
            band = picture - F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
            contrasts.append((F.avg_pool2d(band.square(), window) + 1e-6).sqrt())
        total = total + F.l1_loss(*contrasts)
        x, y = small_x, small_y
        window = max(4, window // 2)
    return total
