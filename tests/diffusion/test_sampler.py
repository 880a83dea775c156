"""Samplers on a problem with a known answer, and the paper's timesteps."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from siamese.diffusion.detail import SPAN
from siamese.diffusion.noise import noise_schedule
from siamese.diffusion.sampler import FreshNoise, Predict, dpm_solver, run, start_noise
from siamese.sections import DiffusionRecipe, Sampler, Spacing

PAPER = DiffusionRecipe(prediction="eps", schedule="scaled_linear", zero_terminal_snr=False, min_snr=None)


def exact(recipe: DiffusionRecipe, goal: torch.Tensor):  # noqa: ANN201
    """The perfect network for a world of one picture: every prediction points at `goal`."""
    bars = noise_schedule(recipe).alphas_cumprod

    def predict(z_t: torch.Tensor, t: torch.Tensor, done: float) -> torch.Tensor:
        bar = bars[t][:, None, None, None]
        eps = (z_t - bar.sqrt() * goal) / (1 - bar).sqrt()
        return eps if recipe.prediction == "eps" else bar.sqrt() * eps - (1 - bar).sqrt() * goal

    return predict


@pytest.mark.parametrize("name", get_args(Sampler))
@pytest.mark.parametrize("recipe", [PAPER, DiffusionRecipe()], ids=["paper", "compact"])
@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize("spacing", get_args(Spacing))
def test_perfect_network_gives_the_picture(
    name: Sampler, recipe: DiffusionRecipe, steps: int, spacing: Spacing
) -> None:
    goal = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    z_T = start_noise([1, 2], (4, 8, 8))
    estimates = list(run(name, exact(recipe, goal), z_T, recipe, steps, [1, 2], spacing=spacing))
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

    list(run("ddim", predict, start_noise([1], (4, 8, 8)), PAPER, 50, [1]))
    assert seen == list(range(981, 0, -20))


def test_compact_starts_from_pure_noise() -> None:
    recipe = DiffusionRecipe()
    assert noise_schedule(recipe).alphas_cumprod[-1] < 1e-6
    for name in get_args(Sampler):
        seen = []

        def predict(z_t: torch.Tensor, t: torch.Tensor, done: float, seen: list = seen) -> torch.Tensor:
            seen.append(int(t[0]))
            return torch.zeros_like(z_t)

        list(run(name, predict, start_noise([1], (4, 8, 8)), recipe, 10, [1]))
        assert seen[0] == 999, name


def unit_noise(recipe: DiffusionRecipe) -> Predict:
    """The perfect network for a world of unit noise: E[v | z_t] = 0 and E[eps | z_t] = sigma_t z_t."""
    sigmas = (1 - noise_schedule(recipe).alphas_cumprod).sqrt()

    def predict(z_t: torch.Tensor, t: torch.Tensor, done: float) -> torch.Tensor:
        return z_t * sigmas[t][:, None, None, None] if recipe.prediction == "eps" else torch.zeros_like(z_t)

    return predict


@pytest.mark.parametrize("steps", [1, 2, 24, 150, 200, 300, 1000])
def test_steps_in_log_snr_go_down_to_the_end_and_crowd_where_noise_is_strong(steps: int) -> None:
    recipe = DiffusionRecipe()
    seen: list[tuple[int, float]] = []

    def predict(z_t: torch.Tensor, t: torch.Tensor, done: float) -> torch.Tensor:
        seen.append((int(t[0]), done))
        return torch.zeros_like(z_t)

    list(run("sde", predict, start_noise([1], (4, 8, 8)), recipe, steps, [1], spacing="snr"))
    times = [t for t, _ in seen]
    assert len(times) == steps and times[0] == 999 and times == sorted(set(times), reverse=True)
    assert all(done == pytest.approx(1 - (t + 1) / 1000) for t, done in seen)
    if steps == 24:
        assert sum(t > 900 for t in times) > 24 * 0.1 * 2  # twice as many as even in time


def spread_world(sd: float) -> Predict:
    """The perfect network where every latent is drawn from N(0, sd²): E[z_0 | z_t] is linear in z_t."""
    bars = noise_schedule(DiffusionRecipe()).alphas_cumprod

    def predict(z_t: torch.Tensor, t: torch.Tensor, done: float) -> torch.Tensor:
        bar = bars[t][:, None, None, None]
        z_0 = bar.sqrt() * sd**2 / (bar * sd**2 + 1 - bar) * z_t
        return (bar.sqrt() * z_t - z_0) / (1 - bar).sqrt()

    return predict


@pytest.mark.parametrize("sd", [0.1, 0.3])
def test_few_steps_in_log_snr_lose_less_of_what_is_faint(sd: float) -> None:
    """Detail is faint: its strength is settled late, where steps even in time are long in λ."""
    z_T = start_noise([1], (4, 24, 24))
    lost = {}
    for span in (None, SPAN):
        *_, z_0 = dpm_solver(spread_world(sd), z_T, DiffusionRecipe(), 6, span)
        lost[span] = abs(float(z_0.std() / z_T.std()) / sd - 1)
    assert lost[SPAN] < lost[None] / 2


@pytest.mark.parametrize("eta", [1, 0.5])
@pytest.mark.parametrize("recipe", [PAPER, DiffusionRecipe()], ids=["paper", "compact"])
@pytest.mark.parametrize("spacing", get_args(Spacing))
def test_noise_on_the_way_is_of_the_seed_and_keeps_its_strength(
    recipe: DiffusionRecipe, eta: float, spacing: Spacing
) -> None:
    """In a world of unit noise what comes out is unit noise again."""

    def drawn(seeds: list[int], steps: int, start: list[int] | None = None) -> torch.Tensor:
        z_T = start_noise(start or seeds, (4, 24, 24))
        *_, z_0 = run("sde", unit_noise(recipe), z_T, recipe, steps, seeds, FreshNoise(eta), spacing)
        return z_0

    few, some, many = (drawn([1, 2], steps) for steps in (8, 40, 200))
    for z_0 in (few, some, many, drawn([1], 300)):
        assert float(z_0.std()) == pytest.approx(1, abs=0.1)
    alike = torch.corrcoef(torch.stack([few.flatten(), some.flatten(), many.flatten()]))
    assert alike.min() > 0.9  # few steps paint what many paint
    assert torch.allclose(drawn([2], 40), some[1:], atol=1e-5)
    assert not torch.allclose(some[0], some[1], atol=0.5)
    assert not torch.allclose(drawn([3, 4], 40, [1, 2]), some, atol=0.4)  # not of the start noise alone


def test_without_fresh_noise_it_is_the_ordinary_equation() -> None:
    recipe, z_T = DiffusionRecipe(), start_noise([1], (4, 8, 8))

    def predict(z_t: torch.Tensor, t: torch.Tensor, done: float) -> torch.Tensor:
        return torch.tanh(0.3 * z_t + done)

    drawn = [
        [*run(name, predict, z_T, recipe, 20, [seed], FreshNoise(eta=0))][-1]
        for name, seed in (("dpm", 1), ("sde", 1), ("sde", 2))
    ]
    assert torch.allclose(drawn[0], drawn[1], atol=1e-4) and torch.equal(drawn[1], drawn[2])


def test_stronger_noise_acts_until_it_is_told_to_stop() -> None:
    recipe = DiffusionRecipe()

    def size(fresh: FreshNoise) -> float:
        z_T = start_noise([1], (4, 24, 24))
        *_, z_0 = run("sde", unit_noise(recipe), z_T, recipe, 40, [1], fresh)
        return float(z_0.std())

    assert size(FreshNoise(1, 1.1, 0.0)) == size(FreshNoise())
    assert size(FreshNoise()) < size(FreshNoise(1, 1.1, 0.4)) < size(FreshNoise(1, 1.1, 1.0))


def test_a_seeds_noise_does_not_depend_on_its_batch() -> None:
    together = start_noise([5, 6, 7], (4, 8, 8))
    assert torch.equal(together[1], start_noise([6], (4, 8, 8))[0])
    assert not torch.equal(together[0], together[1])
