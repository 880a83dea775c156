"""The forward process: noise schedule, adding noise, and what a network may predict.

alpha = sqrt(alphas_bar), sigma = sqrt(1 − alphas_bar); z_t = alpha z_0 + sigma eps (Eq. 1 of the paper).
"""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from siamese.sections import DiffusionRecipe

TIMESTEPS = 1000
BETA_START, BETA_END = 0.00085, 0.012  # of the scaled linear schedule
BETAS = {"cosine": "squaredcos_cap_v2", "scaled_linear": "scaled_linear"}
PREDICTIONS = {"v": "v_prediction", "eps": "epsilon"}


def noise_schedule(recipe: DiffusionRecipe) -> DDIMScheduler:
    """The forward process as a diffusers scheduler: T = 1000, alphas_bar by name (Eq. 1)."""
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=BETA_START,
        beta_end=BETA_END,
        beta_schedule=BETAS[recipe.schedule],
        prediction_type=PREDICTIONS[recipe.prediction],
        rescale_betas_zero_snr=recipe.zero_terminal_snr,
        timestep_spacing="trailing" if recipe.zero_terminal_snr else "leading",
        steps_offset=0 if recipe.zero_terminal_snr else 1,
        set_alpha_to_one=recipe.zero_terminal_snr,
        clip_sample=False,
    )


def alpha_sigma(t: Tensor, alphas_bar: Tensor) -> tuple[Tensor, Tensor]:
    """alpha = sqrt(alphas_bar), sigma = sqrt(1 − alphas_bar) at t, each (B,1,1,1)."""
    bar = alphas_bar[t][:, None, None, None]
    return bar.sqrt(), (1 - bar).sqrt()


def add_noise(z_0: Tensor, eps: Tensor, t: Tensor, alphas_bar: Tensor) -> Tensor:
    """z_t = sqrt(alphas_bar) z_0 + sqrt(1 − alphas_bar) eps (Eq. 1)."""
    alpha, sigma = alpha_sigma(t, alphas_bar)
    return alpha * z_0 + sigma * eps


def target(z_0: Tensor, eps: Tensor, t: Tensor, alphas_bar: Tensor, prediction: str) -> Tensor:
    """What the network should predict: eps, or v = alpha eps − sigma z_0 (Salimans & Ho 2022)."""
    if prediction == "eps":
        return eps
    alpha, sigma = alpha_sigma(t, alphas_bar)
    return alpha * eps - sigma * z_0


def to_eps(prediction: Tensor, z_t: Tensor, t: Tensor, alphas_bar: Tensor, kind: str) -> Tensor:
    """The eps that a prediction stands for; from v: eps = alpha v + sigma z_t."""
    if kind == "eps":
        return prediction
    alpha, sigma = alpha_sigma(t, alphas_bar)
    return alpha * prediction + sigma * z_t


def sample_weight(t: Tensor, alphas_bar: Tensor, prediction: str, min_snr: float | None) -> Tensor:
    """Min-SNR-γ weight of each sample (Hang et al. 2023, Eq. 6; v: divided by SNR + 1), (B,); ones without γ."""
    if min_snr is None:
        return torch.ones_like(alphas_bar[t])
    snr = alphas_bar[t] / (1 - alphas_bar[t]).clamp_min(1e-8)
    capped = snr.clamp_max(min_snr)
    return capped / (snr + 1) if prediction == "v" else capped / snr.clamp_min(1e-8)


def to_z_0(prediction: Tensor, z_t: Tensor, t: Tensor, alphas_bar: Tensor, kind: str) -> Tensor:
    """The z_0 that a prediction stands for (Eq. 11); from v: z_0 = alpha z_t − sigma v."""
    alpha, sigma = alpha_sigma(t, alphas_bar)
    return (z_t - sigma * prediction) / alpha if kind == "eps" else alpha * z_t - sigma * prediction
