"""A hint picture becomes features at latent resolution: densely (DHI), or plainly as in ControlNet.

Source: Siamese-Diffusion §3.3 and its release ("FeatureExtractor"); attribute names are the release's, so that its
weights map one to one. The plain one: ControlNet (arXiv 2302.05543), the rows without DHI of the paper's Table 5.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import Tensor, nn

from siamese.sections import HintRecipe

PLAIN_WIDTHS = (16, 32, 96, 256)  # ControlNet's, for three halvings


class ResidualBlock(nn.Module):
    """y = SiLU(conv2(SiLU(conv1(x))) + x); (B,C,H,W) → the same shape, no normalisation."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.conv2(F.silu(self.conv1(x))) + x)


class PatchMerging(nn.Module):
    """(B,C,H,W) → (B,2C,H/2,W/2): four sub-grids, LayerNorm(4C), linear 4C → 2C with bias (Swin's has none)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        grids = (x[..., 0::2, 0::2], x[..., 1::2, 0::2], x[..., 0::2, 1::2], x[..., 1::2, 1::2])
        merged = torch.cat(grids, dim=1).permute(0, 2, 3, 1)
        return self.reduction(self.norm(merged)).permute(0, 3, 1, 2)


class DenseHintInput(nn.Module):
    """Hint (B,3,S,S) in [0,1] → features (B,`out_channels`,S/f,S/f), f = unshuffle · 2^merges.

    Args:
        out_channels: width D of the U-Net's first convolution.
        merges: patch mergings, one for each factor 2.
        widths: channels before the first merge; each merge doubles them. Paper: (16, 32), three merges, D = 320.
        unshuffle: pixel-unshuffle in front (1 in the paper).
    """

    def __init__(
        self, out_channels: int, merges: int, widths: tuple[int, int] = (16, 32), unshuffle: int = 1
    ):
        super().__init__()
        self.unshuffle = unshuffle
        self.merges = merges
        first, channels = widths
        self.initial_conv = nn.Conv2d(3 * unshuffle**2, first, 3, padding=1)
        self.layer1 = ResidualBlock(first)
        self.conv_before_res2 = nn.Conv2d(first, channels, 3, padding=1)
        self.layer2 = ResidualBlock(channels)
        for k in range(1, merges + 1):
            self.add_module(f"patch_merge{k}", PatchMerging(channels))
            channels *= 2
            self.add_module(f"conv_before_res{k + 2}", nn.Conv2d(channels, channels, 3, padding=1))
            self.add_module(f"layer{k + 2}", ResidualBlock(channels))
        self.conv_out = nn.Conv2d(channels, out_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, hint: Tensor) -> Tensor:
        x = F.pixel_unshuffle(hint, self.unshuffle)
        x = self.layer1(self.initial_conv(x))
        x = self.layer2(self.conv_before_res2(x))
        for k in range(1, self.merges + 1):
            x = self.get_submodule(f"patch_merge{k}")(x)
            x = self.get_submodule(f"layer{k + 2}")(self.get_submodule(f"conv_before_res{k + 2}")(x))
        return self.conv_out(x)


class PlainHintInput(ControlNetConditioningEmbedding):
    """ControlNet's hint encoder: hint (B,3,S,S) in [0,1] → features (B,D,S/f,S/f), f = unshuffle · 2^merges.

    Two 3×3 convolutions for each halving, the second of stride 2, one before and a zero-initialised one behind: eight
    at f = 8, 1,086,480 parameters at D = 320. Fewer halvings leave out the narrowest widths.

    Args:
        out_channels: width D of the U-Net's first convolution.
        merges: halvings by strided convolutions.
        unshuffle: pixel-unshuffle in front (1 in ControlNet).
    """

    def __init__(self, out_channels: int, merges: int, unshuffle: int = 1):
        widths = (PLAIN_WIDTHS[:1] * merges + PLAIN_WIDTHS[1:])[-(merges + 1) :]
        super().__init__(out_channels, 3 * unshuffle**2, widths)
        self.unshuffle = unshuffle

    def forward(self, hint: Tensor) -> Tensor:
        return super().forward(F.pixel_unshuffle(hint, self.unshuffle))


def hint_input(recipe: HintRecipe, out_channels: int, factor: int) -> nn.Module:
    """The hint encoder that a recipe names, for an autoencoder of `factor` pixels per latent."""
    merges = int(math.log2(factor // recipe.unshuffle))
    if recipe.kind == "plain":
        return PlainHintInput(out_channels, merges, recipe.unshuffle)
    return DenseHintInput(out_channels, merges, recipe.widths, recipe.unshuffle)
