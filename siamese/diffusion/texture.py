"""Fine texture on a decoded picture: what the latents cannot hold, drawn anew for each picture from noise.

A decoder gives the mean of what a latent may stand for, which is smooth. This adds one draw of what is missing: white
noise through learned filters, each as strong as the place calls for. Noise inputs: StyleGAN (Karras et al., CVPR 2019);
filtered noise scaled by brightness: film grain synthesis of AV1 (Norkin & Birkbeck, DCC 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FILTERS, FILTER_SIDE = 8, 9
SPREADS = (1, 2, 4)  # dilations of the middle convolutions
FAINT = -4.0  # strength before training, before the softplus
SPECTRUM_BANDS = 12
KEY = 0x7E37_0000_7E37  # keeps the texture's draw apart from the start noise of the same seed


class Texture(nn.Module):
    """Decoded x (B,3,S,S) in [-1,1] and noise (B,1,S,S) ~ N(0,1) → what to add (B,3,S,S), of mean zero given x."""

    def __init__(self, width: int):
        super().__init__()
        self.filters = nn.Parameter(0.1 * torch.randn(FILTERS, 3, FILTER_SIDE, FILTER_SIDE))
        self.conv_in = nn.Conv2d(3, width, 3, padding=1)
        self.middle = nn.ModuleList(nn.Conv2d(width, width, 3, padding=s, dilation=s) for s in SPREADS)
        self.conv_out = nn.Conv2d(width, FILTERS, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.constant_(self.conv_out.bias, FAINT)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        h = self.conv_in(x)
        for conv in self.middle:
            h = h + conv(F.silu(h))
        strength = F.softplus(self.conv_out(F.silu(h)))
        filters = self.filters - self.filters.mean((2, 3), keepdim=True)  # no change of colour over an area
        grain = F.conv2d(noise.to(x), filters.flatten(0, 1)[:, None].to(x), padding=FILTER_SIDE // 2)
        return (strength[:, :, None] * grain.unflatten(1, (FILTERS, 3))).sum(1)


def texture_noise(seeds: Sequence[int], size: int) -> Tensor:
    """(B,1,S,S) float32 ~ N(0,1), one CPU generator a picture: a seed's texture knows no batch or device."""
    draws = [torch.Generator().manual_seed(seed ^ KEY) for seed in seeds]
    return torch.stack([torch.randn((1, size, size), generator=g) for g in draws])


def spectrum_distance(x: Tensor, y: Tensor) -> Tensor:
    """Distance of the log radial power spectra of batches x and y (B,3,S,S), from a quarter of Nyquist up; a scalar."""
    size = x.shape[-1]
    window = torch.hann_window(size, periodic=False, device=x.device)
    frequency = torch.fft.fftfreq(size, device=x.device) * 2  # 1 is Nyquist
    radius = torch.hypot(frequency[:, None], frequency[None, : size // 2 + 1])
    band = ((radius - 0.25) / 0.75 * SPECTRUM_BANDS).floor().long()
    logs = []
    for picture in (x, y):
        grey = picture.float().mean(1)
        grey = (grey - grey.mean((1, 2), keepdim=True)) * window[:, None] * window
        power = torch.fft.rfft2(grey).abs().square().mean(0)
        logs.append(torch.stack([power[band == k].mean().log() for k in range(SPECTRUM_BANDS)]))
    return F.l1_loss(*logs)


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
