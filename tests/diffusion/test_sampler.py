"""Samplers on a problem with a known answer, and the paper's timesteps."""

from __future__ import annotations

import pytest
import torch

from siamese.diffusion.noise import noise_schedule
from siamese.diffusion.sampler import SAMPLERS, start_noise
from siamese.sections import DiffusionRecipe

PAPER = DiffusionRecipe(prediction="eps", schedule="scaled_linear", zero_terminal_snr=False, min_snr=None)


def exact(recipe: DiffusionRecipe, goal: torch.Tensor):  # noqa: ANN201
    """The perfect network for a world of one picture: every prediction points at `goal`."""
    bars = noise_schedule(recipe).alphas_cumprod

    def predict(z_t: torch.Tensor, t: torch.Tensor, done: float) -> torch.Tensor:
        bar = bars[t][:, None, None, None]
        eps = (z_t - bar.sqrt() * goal) / (1 - bar).sqrt()
        return eps if recipe.prediction == "eps" else bar.sqrt() * eps - (1 - bar).sqrt() * goal

    return predict


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("recipe", [PAPER, DiffusionRecipe()], ids=["paper", "compact"])
@pytest.mark.parametrize("steps", [5, 20])
def test_perfect_network_gives_the_picture(name: str, recipe: DiffusionRecipe, steps: int) -> None:
    goal = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    estimates = list(SAMPLERS[name](exact(recipe, goal), start_noise([1, 2], (4, 8, 8)), recipe, steps))
    assert len(estimates) == steps
    tolerance = (
        0.15 if recipe is PAPER and name == "ddim" else 2e-3
    )  # the paper ends at alphas_bar[0], not at 1
    for picture in estimates[-1]:
        assert torch.allclose(picture, goal[0], atol=tolerance)


def test_ddim_uses_the_papers_timesteps() -> None:
    """50 steps: 981, 961, …, 1 (release: 1, 21, …, 981)."""
    seen = []

    def predict(z_t: torch.Tensor, t: torch.Tensor, done: float) -> torch.Tensor:
        seen.append(int(t[0]))
        return torch.zeros_like(z_t)

    list(SAMPLERS["ddim"](predict, start_noise([1], (4, 8, 8)), PAPER, 50))
    assert seen == list(range(981, 0, -20))


def test_compact_starts_from_pure_noise() -> None:
    recipe = DiffusionRecipe()
    assert noise_schedule(recipe).alphas_cumprod[-1] < 1e-6
    for name in SAMPLERS:
        seen = []

        def predict(z_t: torch.Tensor, t: torch.Tensor, done: float, seen: list = seen) -> torch.Tensor:
            seen.append(int(t[0]))
            return torch.zeros_like(z_t)

        list(SAMPLERS[name](predict, start_noise([1], (4, 8, 8)), recipe, 10))
        assert seen[0] == 999, name


def test_a_seeds_noise_does_not_depend_on_its_batch() -> None:
    together = start_noise([5, 6, 7], (4, 8, 8))
    assert torch.equal(together[1], start_noise([6], (4, 8, 8))[0])
    assert not torch.equal(together[0], together[1])
