"""Pictures ↔ latents: diffusers' AutoencoderKL behind a pixel-unshuffle, with normalised latents.

Value spaces: x (B,3,S,S) float in [-1,1]; z (B,C,S/f,S/f) with about zero mean and unit SD a channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from siamese.diffusion.detail import Detail
from siamese.sections import AutoencoderRecipe

QUIET = -10.0  # log-variance of the posterior at the start of a linear path


class Autoencoder(nn.Module):
    """AutoencoderKL on `patch`×`patch` unshuffled pixels; latents normalised by stored mean and SD.

    Buffers: `z_mean`, `z_sd` (C,) of the raw latents; `rgb_weight` (3,C), `rgb_bias` (3,) of the linear preview.
    SD 1.5 is patch 1, z_mean 0, z_sd 1/0.18215.

    With `linear_path`, the C leading principal components of f×f pixel blocks, whitened, and their best linear
    inverse over overlapping blocks run beside encoder and decoder, fixed; the networks start at 0 and learn the rest.
    A shortcut in the sense of residual autoencoding (Chen et al. 2024, arXiv 2410.10733), and a good start for small
    sets: on Kvasir-SEG it passes, untrained, what the networks alone reached in half an hour on two threads.
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
        self.blocks_in: Tensor | None
        self.blocks_out: Tensor
        self.blocks_mean: Tensor
        self.register_buffer("blocks_in", None)
        if recipe.linear_path:
            f = recipe.factor
            self.register_buffer("blocks_in", torch.zeros(channels, 3, f, f))
            self.register_buffer("blocks_out", torch.zeros(channels, 3, 2 * f, 2 * f))
            self.register_buffer("blocks_mean", torch.zeros(3))
        self.detail = Detail(recipe.detail) if recipe.detail else None

    def start_linear_path(self, crops: Tensor) -> None:
        """Fit the linear path to crops (N,3,3f,3f) in [-1,1], N well above 4 C, and silence the networks beside it."""
        self.fit_linear_path(crops)
        channels = len(self.z_mean)
        nn.init.zeros_(self.kl.quant_conv.weight)
        nn.init.zeros_(self.kl.quant_conv.bias[:channels])
        nn.init.constant_(self.kl.quant_conv.bias[channels:], QUIET)
        nn.init.zeros_(self.kl.decoder.conv_out.weight)
        nn.init.zeros_(self.kl.decoder.conv_out.bias)

    def fit_linear_path(self, crops: Tensor) -> None:
        """Blocks in: PCA of the f×f blocks. Blocks out: least squares, a quarter of a block from the 4 nearest."""
        assert self.blocks_in is not None
        channels, f = self.blocks_in.shape[0], self.blocks_in.shape[-1]
        mean = crops.mean((0, 2, 3))
        centred = (crops - mean[:, None, None]).double()
        middle = centred[:, :, f : 2 * f, f : 2 * f]
        values, vectors = torch.linalg.eigh(middle.flatten(1).T @ middle.flatten(1) / len(middle))
        sd = values[-channels:].flip(0).clamp_min(1e-8).sqrt()
        basis = (vectors[:, -channels:].flip(1).T / sd[:, None]).view(channels, 3, f, f)
        self.blocks_mean.copy_(mean)
        self.blocks_in.copy_(basis)
        self.fit_linear_decoder(F.conv2d(centred, basis, stride=f), middle)

    def fit_linear_decoder(self, z: Tensor, middle: Tensor) -> None:
        """Least squares from raw latents z (N,C,3,3) to the centred middle block (N,3,f,f)."""
        channels, f = z.shape[1], middle.shape[-1]
        half = f // 2
        for down in range(2):
            for right in range(2):  # a quarter of the block, and the 2×2 blocks around its outer corner
                near = z[:, :, down : down + 2, right : right + 2].flatten(1)
                quarter = middle[:, :, down * half : (down + 1) * half, right * half : (right + 1) * half]
                solution = torch.linalg.lstsq(near, quarter.flatten(1)).solution.view(
                    channels, 2, 2, 3, half, half
                )
                for row in range(2):
                    for column in range(2):
                        top = f * (1 - row - down) + half * (down + 1)
                        left = f * (1 - column - right) + half * (right + 1)
                        self.blocks_out[:, :, top : top + half, left : left + half] = solution[:, row, column]

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B,3,S,S) in [-1,1] → mean and log-variance of the raw latents, each (B,C,S/f,S/f)."""
        moments = self.kl.quant_conv(self.kl.encoder(F.pixel_unshuffle(x, self.patch)))
        mean, logvar = moments.chunk(2, dim=1)
        if self.blocks_in is not None:
            centred = x - _spatial(self.blocks_mean, x)
            mean = mean + F.conv2d(centred, self.blocks_in.to(x), stride=self.blocks_in.shape[-1])
        return mean, logvar.clamp(-30, 20)

    def decode_raw(self, z_raw: Tensor) -> Tensor:
        """Raw latents → x (B,3,S,S), not clamped."""
        x = F.pixel_shuffle(self.kl.decoder(self.kl.post_quant_conv(z_raw)), self.patch)
        if self.blocks_in is not None:
            f = self.blocks_in.shape[-1]
            wider = F.pad(z_raw, (1, 1, 1, 1), mode="replicate")
            blocks = F.conv_transpose2d(wider, self.blocks_out.to(z_raw), stride=f, padding=f + f // 2)
            x = _smooth(x) + blocks + _spatial(self.blocks_mean, x)
        return x

    def normalise(self, z_raw: Tensor) -> Tensor:
        """Raw latents → z."""
        return (z_raw - _spatial(self.z_mean, z_raw)) / _spatial(self.z_sd, z_raw)

    def encode(self, x: Tensor, eps: Tensor | None = None) -> Tensor:
        """x (B,3,S,S) in [-1,1] → z; `eps` ~ N(0,1) of z's shape samples the posterior, None takes its mean."""
        mean, logvar = self.posterior(x)
        return self.normalise(mean if eps is None else mean + torch.exp(0.5 * logvar) * eps)

    def decode(self, z: Tensor) -> Tensor:
        """z (B,C,S/f,S/f) → x (B,3,S,S) in [-1,1]: the mean of what z may stand for, without `detail`."""
        return self.decode_raw(z * _spatial(self.z_sd, z) + _spatial(self.z_mean, z)).clamp(-1, 1)

    def preview(self, z: Tensor) -> Tensor:
        """Linear latents → RGB: z (B,C,h,w) → x (B,3,h,w) in [-1,1], almost free."""
        rgb = torch.einsum("rc,bchw->brhw", self.rgb_weight.to(z), z)
        return (rgb + _spatial(self.rgb_bias, z)).clamp(-1, 1)


def _smooth(x: Tensor) -> Tensor:
    """Binomial blur of width 5: what a decoder says beside the linear path carries no pixel-shuffle grid."""
    side = torch.tensor([1.0, 4, 6, 4, 1]).to(x) / 16
    kernel = (side[:, None] * side).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, groups=x.shape[1])


def _spatial(vector: Tensor, like: Tensor) -> Tensor:
    return vector.to(like)[:, None, None]
