"""Samplers: functions over `predict`, with diffusers' schedulers inside; each yields running estimates of z_0.

`predict(z_t, t, done)` returns the network's prediction for z_t (B,C,h,w) at t (B,); `done` in [0,1) is the share of
the way in time already gone. The last estimate is the result. Deterministic: all randomness is in z_T, and in `sde` in
the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from siamese.diffusion.noise import BETAS, PREDICTIONS, TIMESTEPS, alpha_sigma, noise_schedule, target, to_z_0
from siamese.sections import DiffusionRecipe, Sampler, Spacing

Predict = Callable[[Tensor, Tensor, float], Tensor]

CELLS = 200  # of time, each with its noise in `sde`; up to so many steps see the same noise
SPAN = -5.0, 3.0  # half the log of α²/σ² at the first and the last time of `sde` spaced by SNR: log 121
KEY = 0x5DE_1000_5DE  # keeps the noise on the way apart from the start noise of the same seed


def start_noise(seeds: Sequence[int], shape: tuple[int, int, int]) -> Tensor:
    """z_T (B,C,h,w) float32 ~ N(0,1): one CPU generator a picture, so that a seed's noise knows no batch or device."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def ddim(predict: Predict, z_T: Tensor, recipe: DiffusionRecipe, steps: int) -> Iterator[Tensor]:
    """DDIM with eta 0 (Song et al. 2021); 50 steps are the paper's.

    Args:
        z_T: (B,C,h,w) float32 noise.
        steps: 1 to 1000.
    Yields: estimates of z_0 (B,C,h,w) float32, one a step.
    """
    return _run(noise_schedule(recipe), predict, z_T, recipe, steps)


def dpm_solver(
    predict: Predict, z_T: Tensor, recipe: DiffusionRecipe, steps: int, span: tuple[float, float] | None = None
) -> Iterator[Tensor]:
    """DPM-Solver++ 2M (Lu et al. 2022), for few steps. Arguments and yields as `ddim`; span: as of `_ends`."""
    return _run(_multistep(recipe), predict, z_T, recipe, steps, span)


class FreshNoise(NamedTuple):
    """The fresh noise of `sde`.

    eta: its share: 1 the whole stochastic equation, 0 the ordinary one.
    s_noise: factor on its SD during the first `until` of the steps (Karras et al. 2022, Algorithm 2: estimates that are
        a little too smooth lose variance at every step, this gives it back).
    """

    eta: float = 1.0
    s_noise: float = 1.0
    until: float = 0.0


def sde(
    predict: Predict,
    z_T: Tensor,
    recipe: DiffusionRecipe,
    steps: int,
    seeds: Sequence[int],
    fresh: FreshNoise = FreshNoise(),  # noqa: B008
    spacing: Spacing = "time",
) -> Iterator[Tensor]:
    """DPM-Solver++ 2M as a stochastic equation (Lu et al. 2022): fresh noise at each step undoes what was erred before.

    With η below 1 less of it is fresh, z_s = σ_s/σ_t e^(−ηh) z_t + α_s (1 − e^(−h−ηh)) D + σ_s √(1 − e^(−2ηh)) ε, h the
    step in half the log of α²/σ² and D the second-order estimate of z_0. The noise is one Brownian path for each seed,
    whatever the steps up to CELLS: few steps paint about what many paint. Arguments and yields as `ddim`; seeds: one a
    picture; spacing: `snr` takes more of the steps where most of the picture is decided, in the middle of λ.
    """
    cells = CELLS if steps <= CELLS else TIMESTEPS
    alphas_bar = _multistep(recipe).alphas_cumprod.to(z_T.device)
    bars = alphas_bar[[TIMESTEPS * cell // cells - 1 for cell in range(1, cells + 1)]].double().cpu()
    half_snr = 0.5 * torch.log(bars / (1 - bars))  # lambda at the noisy end of each cell
    ends = _ends(half_snr, steps, SPAN if spacing == "snr" else None)
    noises = [torch.Generator().manual_seed(seed ^ KEY) for seed in seeds]
    path = torch.stack([torch.randn((cells, *z_T.shape[1:]), generator=g) for g in noises])

    def on_the_way(first: int, last: int) -> Tensor:
        """Noise of a step over those cells, of unit variance: that of each, fading on the way to the step's end."""
        at = fresh.eta * (half_snr[first - 1 : last] - half_snr[first - 1])
        share = ((2 * at[1:]).exp() - (2 * at[:-1]).exp()).neg().clamp_min(0).sqrt()
        share = share / share.square().sum().sqrt()
        return torch.einsum("n,bnchw->bchw", share.float(), path[:, first:last]).to(z_T)

    z_t, before, h_before = z_T, z_T, 0.0
    for k, (last, first) in enumerate(zip(ends, ends[1:], strict=False)):
        t = torch.full((len(z_t),), TIMESTEPS * last // cells - 1, device=z_t.device)
        done = k / steps if spacing == "time" else 1 - last / cells
        estimate = to_z_0(predict(z_t, t, done).float(), z_t, t, alphas_bar, recipe.prediction)
        yield estimate
        if first == 0:
            return
        h = float(half_snr[first - 1] - half_snr[last - 1])
        second = estimate if k == 0 else estimate + 0.5 * h / h_before * (estimate - before)
        alpha, sigma = (float(of.sqrt()) for of in (bars[first - 1], 1 - bars[first - 1]))
        kept = sigma / float((1 - bars[last - 1]).sqrt()) * math.exp(-fresh.eta * h)
        z_t = kept * z_t - alpha * math.expm1(-(1 + fresh.eta) * h) * second
        if fresh.eta > 0:
            sd = sigma * math.sqrt(-math.expm1(-2 * fresh.eta * h))
            z_t = z_t + (fresh.s_noise if done < fresh.until else 1.0) * sd * on_the_way(first, last)
        before, h_before = estimate, h


def _ends(half_snr: Tensor, steps: int, span: tuple[float, float] | None) -> list[int]:
    """Where each of the steps over (N,) cells begins, from N down to 0 at last.

    Args:
        half_snr: (N,) λ, half the log of α²/σ², at the noisy end of each cell.
        span: λ at the first and the last time, as far as the schedule goes, between which the times are even in λ (Lu
            et al. 2022, §4); the first step begins at N all the same. None: even in time.
    """
    cells = len(half_snr)
    if span is None:
        return [cells * (steps - k) // steps for k in range(steps + 1)]
    wanted = torch.linspace(max(span[0], float(half_snr[-1])), span[1], steps, dtype=half_snr.dtype)
    near = (half_snr - wanted[:, None]).abs().argmin(dim=1) + 1
    ends = [cells]
    for k in range(1, steps):
        ends.append(min(ends[-1] - 1, max(int(near[k]), steps - k)))
    return [*ends, 0]


def _multistep(recipe: DiffusionRecipe) -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule=BETAS[recipe.schedule],
        prediction_type=PREDICTIONS[recipe.prediction],
        algorithm_type="dpmsolver++",
        solver_order=2,
        rescale_betas_zero_snr=recipe.zero_terminal_snr,
        timestep_spacing="trailing" if recipe.zero_terminal_snr else "leading",
        steps_offset=0 if recipe.zero_terminal_snr else 1,
        final_sigmas_type="zero",
    )


def run(
    name: Sampler,
    predict: Predict,
    z_T: Tensor,
    recipe: DiffusionRecipe,
    steps: int,
    seeds: Sequence[int],
    fresh: FreshNoise = FreshNoise(),  # noqa: B008
    spacing: Spacing = "time",
) -> Iterator[Tensor]:
    """The sampler of that name; arguments and yields as `sde`. Only `sde` heeds `spacing`."""
    if name == "sde":
        return sde(predict, z_T, recipe, steps, seeds, fresh, spacing)
    return {"ddim": ddim, "dpm": dpm_solver}[name](predict, z_T, recipe, steps)


def pinned(predict: Predict, z_0: Tensor, place: Tensor, recipe: DiffusionRecipe) -> Predict:
    """`predict` for painting into a known picture: outside `place` it says what leads to `z_0`.

    The known part is put into every estimate of z_0, as Lugmayr et al. (RePaint, CVPR 2022, Eq. 8) put it into z_t.

    Args:
        z_0: (B,C,h,w) of the known picture.
        place: (B,1,h,w), 1 where it is painted anew, 0 where it stays.
    """
    alphas_bar = noise_schedule(recipe).alphas_cumprod.to(z_0.device)

    def said(z_t: Tensor, t: Tensor, done: float) -> Tensor:
        painted = to_z_0(predict(z_t, t, done).float(), z_t, t, alphas_bar, recipe.prediction)
        estimate = place * painted + (1 - place) * z_0
        alpha, sigma = alpha_sigma(t, alphas_bar)
        return target(estimate, (z_t - alpha * estimate) / sigma, t, alphas_bar, recipe.prediction)

    return said


def _run(
    scheduler,  # noqa: ANN001
    predict: Predict,
    z_T: Tensor,
    recipe: DiffusionRecipe,
    steps: int,
    span: tuple[float, float] | None = None,
) -> Iterator[Tensor]:
    if span is None:
        scheduler.set_timesteps(steps)
    else:
        bars = scheduler.alphas_cumprod
        ends = _ends(0.5 * torch.log(bars / (1 - bars)), steps, span)
        scheduler.set_timesteps(timesteps=[end - 1 for end in ends[:-1]])
    alphas_bar = scheduler.alphas_cumprod.to(z_T.device)
    z_t = z_T
    count = len(scheduler.timesteps)
    for k, time in enumerate(scheduler.timesteps):
        t = torch.full((len(z_t),), int(time), device=z_t.device)
        prediction = predict(z_t, t, k / count).float()
        estimate = to_z_0(prediction, z_t, t, alphas_bar, recipe.prediction)
        z_t = scheduler.step(prediction, time, z_t, return_dict=False)[0]
        yield estimate if k < count - 1 else z_t
