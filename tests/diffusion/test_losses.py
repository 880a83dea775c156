"""The four losses against a slow, literal version of the paper's algorithm box, and every gradient path."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from siamese import recipe
from siamese.diffusion.losses import NoisySample, siamese_losses
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.noise import add_noise, sample_weight
from tests.conftest import TINY
from tests.diffusion.literal import literal_losses

PARTS = {
    "dhi": lambda m: m.dhi,
    "control": lambda m: m.control,
    "encoder": lambda m: m.unet.down_blocks,
    "middle": lambda m: m.unet.mid_block,
    "decoder": lambda m: m.unet.up_blocks,
}


def build(**loss: object) -> SiameseDiffusion:
    """A tiny model with every zero convolution filled, so that no path is silent by initialisation."""
    diffusion, denoiser = loss.pop("diffusion", {}), loss.pop("denoiser", {})
    values = recipe.read(TINY).model_dump() | {"styles": ("a", "b")}
    values["loss"] |= loss
    values["diffusion"] |= diffusion
    values["denoiser"] |= denoiser
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SiameseDiffusion(recipe.parse(values))
        for parameter in model.parameters():
            if parameter.abs().sum() == 0:
                torch.nn.init.normal_(parameter, std=0.05)
    return model


def draw(t: list[int]) -> tuple[NoisySample, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    n = len(t)
    sample = NoisySample(
        z_0=torch.randn(n, 4, 8, 8, generator=g),
        eps=torch.randn(n, 4, 8, 8, generator=g),
        t=torch.tensor(t),
        frame=torch.rand(n, 2, 8, 8, generator=g),
        context=torch.randn(n, 3, 32, generator=g),
    )
    mask = (torch.rand(n, 1, 64, 64, generator=g) > 0.5).float().expand(-1, 3, -1, -1)
    return sample, mask, torch.rand(n, 3, 64, 64, generator=g)


@pytest.mark.parametrize(("progress", "release"), [(0.0, True), (0.2, True), (0.5, True), (0.9, False)])
def test_closed_form_equals_the_algorithm_box(progress: float, release: bool) -> None:
    model = build(T_tau_inclusive=release)
    sample, mask, image = draw([20, 199, 200, 201, 800])
    found = siamese_losses(model, sample, mask, image, torch.ones(5), progress)
    wanted = literal_losses(model, sample, mask, image, progress, release)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.allclose(found[name], value, rtol=1e-4, atol=1e-6), name


def test_gradients_equal_the_algorithm_box() -> None:
    model = build()
    sample, mask, image = draw([50, 600, 950])
    reference = copy.deepcopy(model)
    sum(siamese_losses(model, sample, mask, image, torch.ones(3), 0.6).values()).backward()
    sum(literal_losses(reference, sample, mask, image, 0.6, True).values()).backward()
    for name in PARTS:
        for a, b in zip(PARTS[name](model).parameters(), PARTS[name](reference).parameters(), strict=True):
            if b.grad is None:
                assert a.grad is None or a.grad.abs().max() == 0, name
            else:
                assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-6), name


# which parts a loss trains (trains = "all"); release: L_i reaches DHI and control branch only
PATHS = {
    "L_m": {"dhi", "control", "encoder", "middle", "decoder"},
    "L_i": {"dhi", "control"},
    "L_c": {"dhi", "control", "encoder", "middle", "decoder"},
    "L_m'": {"dhi", "control", "encoder", "middle", "decoder"},
}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("trains", ["all", "decoder"])
def test_gradient_paths(name: str, trains: str) -> None:
    model = build(trains=trains)
    sample, mask, image = draw([50, 150, 600])
    siamese_losses(model, sample, mask, image, torch.ones(3), 0.6)[name].backward()
    reached = {
        part
        for part, module in PARTS.items()
        if any(p.grad is not None and p.grad.abs().max() > 0 for p in module(model).parameters())
    }
    assert reached == (PATHS[name] if trains == "all" else PATHS[name] - {"encoder", "middle"})


def test_consistency_is_silent_at_the_first_step() -> None:
    """w_i = 0 at k = 0: e_mix equals e_m, L_c is 0 and L_i has no gradient (release, verified)."""
    model = build()
    sample, mask, image = draw([50, 600])
    losses = siamese_losses(model, sample, mask, image, torch.ones(2), 0.0)
    assert losses["L_c"] == 0
    losses["L_i"].backward()
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in model.parameters())


def test_image_path_reaches_control_through_w_i_alone() -> None:
    """L_i's gradient grows with w_i and knows nothing of the mask branch."""
    sizes = []
    for progress in (0.1, 0.2):
        model = build()
        sample, mask, image = draw([600, 700])
        siamese_losses(model, sample, mask, image, torch.ones(2), progress)["L_i"].backward()
        sizes.append(
            sum(p.grad.square().sum() for p in model.control.parameters() if p.grad is not None) ** 0.5
        )
    assert sizes[1] > 1.2 * sizes[0]


def test_dropped_mask_is_the_denoiser_alone() -> None:
    model = build()
    sample, mask, image = draw([50, 600])
    losses = siamese_losses(model, sample, mask, image, torch.zeros(2), 0.6)
    z_t = add_noise(sample.z_0, sample.eps, sample.t, model.alphas_bar)
    alone = model.decode_features(model.encode_features(z_t, sample.t, sample.context, sample.frame))
    bar = model.alphas_bar[sample.t][:, None, None, None]
    wanted = bar.sqrt() * sample.eps - (1 - bar).sqrt() * sample.z_0
    weight = sample_weight(sample.t, model.alphas_bar, "v", 5.0)
    assert torch.allclose(
        losses["L_m"], (weight * (alone - wanted).square().mean((1, 2, 3))).mean(), rtol=1e-5
    )
    assert "L_m'" not in losses
    losses["L_m"].backward()
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in model.control.parameters())


@pytest.mark.parametrize(
    ("loss", "names"), [({"objective": "mask"}, {"L_m"}), ({"w_a": 0.0}, {"L_m", "L_i", "L_c"})]
)
def test_terms_can_be_left_out(loss: dict, names: set[str]) -> None:
    sample, mask, image = draw([50, 600])
    assert siamese_losses(build(**loss), sample, mask, image, torch.ones(2), 0.6).keys() == names


def test_paper_options() -> None:
    """Sums instead of means scale every loss by C·h·w; eps prediction is unweighted."""
    sample, mask, image = draw([50, 600])
    mean = siamese_losses(build(), sample, mask, image, torch.ones(2), 0.6)
    total = siamese_losses(build(reduction="sum"), sample, mask, image, torch.ones(2), 0.6)
    for name in mean:
        assert torch.allclose(total[name], mean[name] * 4 * 8 * 8, rtol=1e-4)
    eps = {"prediction": "eps", "schedule": "scaled_linear", "zero_terminal_snr": False, "min_snr": None}
    model = build(diffusion=eps)
    losses = siamese_losses(model, sample, mask, image, torch.ones(2), 0.6)
    z_t = add_noise(sample.z_0, sample.eps, sample.t, model.alphas_bar)
    c_m = model.control_residuals(z_t, sample.t, sample.context, sample.frame, model.dhi(mask))
    e_m = model.decode_features(model.encode_features(z_t, sample.t, sample.context, sample.frame), c_m)
    assert torch.allclose(losses["L_m"], F.mse_loss(e_m, sample.eps), rtol=1e-5)
