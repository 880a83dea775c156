"""Pictures ↔ latents: diffusers' AutoencoderKL behind a pixel-unshuffle, with normalised latents.

Value spaces: x (B,3,S,S) float in [-1,1]; z (B,C,S/f,S/f) with about zero mean and unit SD a channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from siamese.recipe import AutoencoderRecipe


class Autoencoder(nn.Module):
    """AutoencoderKL on `patch`×`patch` unshuffled pixels; latents normalised by stored mean and SD.

    Buffers: `z_mean`, `z_sd` (C,) of the raw latents; `rgb_weight` (3,C), `rgb_bias` (3,) of the linear preview.
    SD 1.5 is patch 1, z_mean 0, z_sd 1/0.18215.
    """

    def __init__(self, recipe: AutoencoderRecipe):
        super().__init__()
        self.patch = recipe.patch
        levels = len(recipe.widths)
        self.kl = AutoencoderKL(
            in_channels=3 * recipe.patch**2,
            out_channels=3 * recipe.patch**2,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=recipe.widths,
            layers_per_block=recipe.layers,
            latent_channels=recipe.latent_channels,
            norm_num_groups=recipe.groups,
            mid_block_add_attention=recipe.middle_attention,
        )
        channels = recipe.latent_channels
        self.z_mean: Tensor
        self.z_sd: Tensor
        self.rgb_weight: Tensor
        self.rgb_bias: Tensor
        self.register_buffer("z_mean", torch.zeros(channels))
        self.register_buffer("z_sd", torch.ones(channels))
        self.register_buffer("rgb_weight", torch.zeros(3, channels))
        self.register_buffer("rgb_bias", torch.zeros(3))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B,3,S,S) in [-1,1] → mean and log-variance of the raw latents, each (B,C,S/f,S/f)."""
        moments = self.kl.quant_conv(self.kl.encoder(F.pixel_unshuffle(x, self.patch)))
        mean, logvar = moments.chunk(2, dim=1)
        return mean, logvar.clamp(-30, 20)

    def decode_raw(self, z_raw: Tensor) -> Tensor:
        """Raw latents → x (B,3,S,S), not clamped."""
        return F.pixel_shuffle(self.kl.decoder(self.kl.post_quant_conv(z_raw)), self.patch)

    def normalise(self, z_raw: Tensor) -> Tensor:
        """Raw latents → z."""
        return (z_raw - _spatial(self.z_mean, z_raw)) / _spatial(self.z_sd, z_raw)

    def encode(self, x: Tensor, eps: Tensor | None = None) -> Tensor:
        """x (B,3,S,S) in [-1,1] → z; `eps` ~ N(0,1) of z's shape samples the posterior, None takes its mean."""
        mean, logvar = self.posterior(x)
        return self.normalise(mean if eps is None else mean + torch.exp(0.5 * logvar) * eps)

    def decode(self, z: Tensor) -> Tensor:
        """z (B,C,S/f,S/f) → x (B,3,S,S), clamped to [-1,1]."""
        return self.decode_raw(z * _spatial(self.z_sd, z) + _spatial(self.z_mean, z)).clamp(-1, 1)

    def preview(self, z: Tensor) -> Tensor:
        """Linear latents → RGB: z (B,C,h,w) → x (B,3,h,w) in [-1,1], almost free."""
        rgb = torch.einsum("rc,bchw->brhw", self.rgb_weight.to(z), z)
        return (rgb + _spatial(self.rgb_bias, z)).clamp(-1, 1)


def _spatial(vector: Tensor, like: Tensor) -> Tensor:
    return vector.to(like)[:, None, None]
