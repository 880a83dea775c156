"""Samplers: functions over `predict`, with diffusers' schedulers inside; each yields running estimates of z_0.

`predict(z_t, t, done)` returns the network's prediction for z_t (B,C,h,w) at t (B,); `done` in [0,1) is the share of
steps already taken. The last estimate is the result. Deterministic: all randomness is in z_T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from siamese.diffusion.noise import BETAS, PREDICTIONS, TIMESTEPS, noise_schedule, to_z_0
from siamese.sections import DiffusionRecipe

Predict = Callable[[Tensor, Tensor, float], Tensor]


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


def dpm_solver(predict: Predict, z_T: Tensor, recipe: DiffusionRecipe, steps: int) -> Iterator[Tensor]:
    """DPM-Solver++ 2M (Lu et al. 2022), for few steps. Arguments and yields as `ddim`."""
    scheduler = DPMSolverMultistepScheduler(
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
    return _run(scheduler, predict, z_T, recipe, steps)


SAMPLERS = {"ddim": ddim, "dpm": dpm_solver}


def _run(scheduler, predict: Predict, z_T: Tensor, recipe: DiffusionRecipe, steps: int) -> Iterator[Tensor]:  # noqa: ANN001
    scheduler.set_timesteps(steps)
    alphas_bar = scheduler.alphas_cumprod.to(z_T.device)
    z_t = z_T
    count = len(scheduler.timesteps)
    for k, time in enumerate(scheduler.timesteps):
        t = torch.full((len(z_t),), int(time), device=z_t.device)
        prediction = predict(z_t, t, k / count).float()
        estimate = to_z_0(prediction, z_t, t, alphas_bar, recipe.prediction)
        z_t = scheduler.step(prediction, time, z_t, return_dict=False)[0]
        yield estimate if k < count - 1 else z_t
