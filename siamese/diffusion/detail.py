"""Detail of a decoded picture: what the latents cannot hold, drawn by a small diffusion model of its own.

A decoder gives the mean of what a latent may stand for, which is smooth: no vessels, no sharp highlights. Here the
decoded picture is reduced by `FACTOR` and everything finer is sampled anew under it and the mask, a cascade in the
sense of Ho et al. (JMLR 2022) with their noise on the condition, so that what the denoiser paints wrongly is forgiven.
Convolutions and norms are local: trained on crops, used on whole pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn

from siamese.diffusion.noise import noise_schedule
from siamese.diffusion.sampler import dpm_solver
from siamese.sections import FACTOR, PATCH, DiffusionRecipe, Spacing

MARGIN = 2  # pixels of the guide that bicubic interpolation sees beside the one it is at
NOISIEST = 0.06  # largest SD of noise on the guide in training, in units of x
WHITENING = 0.5  # power of a component's SD that it is divided by: 0 leaves it, 1 makes all alike
SCHEDULE = DiffusionRecipe(prediction="v", schedule="cosine", zero_terminal_snr=True)
FAINTEST = 2 / 255 / 12**0.5  # SD of rounding to whole grey levels, in units of x: no component counts as fainter
TIME_WIDTH = 128
SPAN = -3.5, 2.5  # half the log of α²/σ² at the first and the last time of steps spaced by SNR: log 120
KEY = 0xDE7A_1000_DE7A  # keeps these draws apart from the start noise of the same seed


class _Norm(nn.Module):
    """Root mean square over channels, a pixel at a time (Zhang & Sennrich 2019): crop and picture count alike."""

    def __init__(self, channels: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, h: Tensor) -> Tensor:
        size = h.float().square().mean(1, keepdim=True).add(1e-5).rsqrt()
        return h * size.to(h.dtype) * self.gain.to(h.dtype)


class _Block(nn.Module):
    """Two convolutions with a shortcut; time and level scale and shift between them."""

    def __init__(self, before: int, channels: int):
        super().__init__()
        self.norm_in, self.conv_in = _Norm(before), nn.Conv2d(before, channels, 3, padding=1)
        self.norm_out, self.conv_out = _Norm(channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.shift = nn.Linear(TIME_WIDTH, 2 * channels)
        self.shortcut = nn.Conv2d(before, channels, 1) if before != channels else nn.Identity()
        for part in (self.conv_out, self.shift):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.shift(time)[:, :, None, None].chunk(2, dim=1)
        inner = self.conv_in(F.silu(self.norm_in(h)))
        inner = self.conv_out(F.silu(self.norm_out(inner) * (1 + scale) + shift))
        return inner + self.shortcut(h)


class Detail(nn.Module):
    """The denoiser of what is missing, and its sampler.

    What is missing is described by the principal components of its 4×4 blocks. The finest are a hundredth as strong as
    the coarsest, and would be lost under what a network errs; divided by the root of their SD they are a tenth.

    Args:
        widths: channels a level, finest (S/4) first.

    Buffers: `basis` (48,48) orthonormal, a column for each component; `scale` (48,).
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        missing = 3 * PATCH**2
        self.basis: Tensor
        self.scale: Tensor
        self.register_buffer("basis", torch.eye(missing))
        self.register_buffer("scale", torch.ones(missing))
        self.sinusoids = Timesteps(TIME_WIDTH, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time = TimestepEmbedding(TIME_WIDTH, TIME_WIDTH, cond_proj_dim=1)
        self.conv_in = nn.Conv2d(2 * missing + PATCH**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(width, width) for width in widths[:-1])
        self.smaller = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.middle = nn.ModuleList(_Block(widths[-1], widths[-1]) for _ in range(3))
        self.larger = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(nn.ModuleList([_Block(2 * a, a), _Block(a, a)]) for a in widths[:-1])
        self.norm_out, self.conv_out = _Norm(widths[0]), nn.Conv2d(widths[0], missing, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, r_t: Tensor, t: Tensor, guide: Tensor, place: Tensor, level: Tensor) -> Tensor:
        """v (B,48,S/4,S/4) of r_t, noised components of what is missing.

        Args:
            t: (B,) in 0..999.
            guide: (B,3,S,S) of `enlarged`.
            place: (B,1,S,S) of `placed`.
            level: (B,) SD of the noise on the guide, 0 to NOISIEST.
        """
        given = torch.cat([r_t, *(F.pixel_unshuffle(of, PATCH) for of in (guide, place))], dim=1)
        h = self.conv_in(given.contiguous(memory_format=torch.channels_last))
        time = F.silu(self.time(self.sinusoids(t).to(h), (level[:, None] / NOISIEST).to(h)))
        skips = []
        for block, smaller in zip(self.down, self.smaller, strict=True):
            skips.append(block(h, time))
            h = smaller(skips[-1])
        for block in self.middle:
            h = block(h, time)
        for k in reversed(range(len(skips))):
            h = torch.cat([F.pixel_shuffle(self.larger[k](h), 2), skips[k]], dim=1)
            for block in self.up[k]:
                h = block(h, time)
        return self.conv_out(F.silu(self.norm_out(h)))

    @property
    def fitted(self) -> bool:
        """Was training begun? Before it the network would paint noise."""
        return not torch.equal(self.basis, torch.eye(len(self.basis)).to(self.basis))

    def fit(self, x: Tensor, guide: Tensor) -> None:
        """Basis and scale from what guides (N,3,S,S) lack of real pictures x of that shape."""
        blocks = F.pixel_unshuffle(x - guide, PATCH).transpose(0, 1).flatten(1).double()
        values, vectors = torch.linalg.eigh(blocks @ blocks.T / blocks.shape[1])
        sd = values.clamp_min(0).sqrt().clamp_min(FAINTEST)
        scale = sd**WHITENING
        scale = scale * (sd / scale).square().mean().sqrt()  # components of unit variance on average
        self.basis.copy_(vectors)
        self.scale.copy_(scale)

    def missing(self, x: Tensor, guide: Tensor) -> Tensor:
        """What the guide lacks of x, both (B,3,S,S): components r_0 (B,48,S/4,S/4) of about unit variance."""
        blocks = F.pixel_unshuffle(x - guide, PATCH)
        return torch.einsum("kc,bkhw->bchw", self.basis / self.scale, blocks)

    def added(self, r_0: Tensor, guide: Tensor) -> Tensor:
        """The inverse of `missing`: x (B,3,S,S) float32, not clamped."""
        blocks = torch.einsum("kc,bchw->bkhw", self.basis * self.scale, r_0)
        return guide + F.pixel_shuffle(blocks, PATCH)

    @torch.no_grad()
    def draw(
        self,
        x: Tensor,
        hint: Tensor | None,
        seeds: Sequence[int],
        level: float,
        steps: int,
        strength: float = 1.0,
        floor: float = 0.0,
        spacing: Spacing = "time",
    ) -> Tensor:
        """Sample what is finer than the guide of x.

        Args:
            x: (B,3,S,S) in [-1,1], decoded; S divides by 4·2^(levels − 1).
            hint: (B,3,S,S) in [0,1] of the masks; None: unknown.
            seeds: one a picture; the draw knows no batch.
            level: SD of the noise on the guide, 0 to NOISIEST; more lets it paint more anew.
            steps: of DPM-Solver++ 2M.
            strength: factor on what is added.
            floor: root mean square of a block's components, 1 on average where it was fitted, at which half is added.
            spacing: steps even in time, or in log SNR between the ends of SPAN.
        Returns: (B,3,S,S) float32, not clamped.
        """
        small = reduced(x.float())
        size, dtype = x.shape[-1] // PATCH, self.conv_in.weight.dtype
        generators = [torch.Generator().manual_seed(seed ^ KEY) for seed in seeds]
        grain = torch.stack([torch.randn(small.shape[1:], generator=g) for g in generators]).to(small)
        shape = (3 * PATCH**2, size, size)
        r_T = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(small)
        guide = enlarged(small + level * grain)
        levels = torch.full((len(x),), level, device=x.device)
        place = torch.zeros_like(x[:, :1], dtype=dtype) if hint is None else placed(hint).to(dtype)
        seen = guide.to(dtype)

        def predict(r_t: Tensor, t: Tensor, _: float) -> Tensor:
            return self(r_t.to(dtype), t, seen, place, levels)

        *_, r_0 = dpm_solver(predict, r_T, SCHEDULE, steps, SPAN if spacing == "snr" else None)
        return self.added(strength * above(r_0, floor), guide)


def above(r_0: Tensor, floor: float) -> Tensor:
    """r_0 (B,48,h,w) with each block times e²/(e² + floor²), e the root mean square of its components.

    The gain of Wiener's filter for noise as strong as `floor`: a network paints a little where nothing is missing.
    """
    if floor == 0:
        return r_0
    power = r_0.square().mean(1, keepdim=True)
    return r_0 * (power / (power + floor**2))


def reduced(x: Tensor) -> Tensor:
    """x (B,3,S,S) → its means over 4×4 pixels (B,3,S/4,S/4)."""
    return F.avg_pool2d(x, FACTOR)


def enlarged(small: Tensor) -> Tensor:
    """(B,3,h,w) → the guide (B,3,4h,4w), bicubic."""
    return F.interpolate(small, scale_factor=FACTOR, mode="bicubic", align_corners=False)


def placed(hint: Tensor) -> Tensor:
    """hint (B,3,S,S) in [0,1] → (B,1,S,S): 1 where anything lies, −1 elsewhere; 0 would say: mask unknown."""
    return 2 * hint[:, :1] - 1


def alphas_bar() -> Tensor:
    """(1000,) of the forward process of r."""
    return noise_schedule(SCHEDULE).alphas_cumprod
