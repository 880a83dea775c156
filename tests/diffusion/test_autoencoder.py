"""The linear path: a useful autoencoder before any training, and without seams."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from siamese import recipe
from siamese.data import batches
from siamese.diffusion.autoencoder import Autoencoder
from tests.conftest import TINY, draw_case


@pytest.fixture(scope="module")
def fitted() -> Autoencoder:
    pictures = [cv2.GaussianBlur(draw_case(seed)[0], (0, 0), 1.5) for seed in range(24)]
    draw = np.random.default_rng(0)
    corners = [(p, *draw.integers(0, 96 - 24, 2)) for p in pictures for _ in range(200)]
    autoencoder = Autoencoder(recipe.read(TINY, ["autoencoder.latent_channels=8"]).autoencoder)
    autoencoder.start_linear_path(batches.to_x(p[t : t + 24, c : c + 24] for p, t, c in corners))
    return autoencoder.requires_grad_(False)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(10 * torch.log10(4 / (a - b).square().mean()))


def test_it_reconstructs_before_any_training(fitted: Autoencoder) -> None:
    x = batches.to_x([cv2.GaussianBlur(draw_case(100)[0], (0, 0), 1.5)])
    mean, logvar = fitted.posterior(x)
    assert mean.shape == (1, 8, 12, 12)
    assert logvar.max() < -9  # the posterior starts narrow
    blocks = torch.nn.functional.avg_pool2d(x, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    found = psnr(fitted.decode_raw(mean), x)
    assert found > psnr(blocks, x) + 5  # far better than one colour a block
    assert found > 28


def test_latents_are_whitened(fitted: Autoencoder) -> None:
    means = torch.cat([fitted.posterior(batches.to_x([draw_case(seed)[0]]))[0] for seed in range(24)])
    sd = means.transpose(0, 1).flatten(1).std(1)
    assert sd.max() < 3
    assert sd.min() > 0.3


def test_blocks_leave_no_seams(fitted: Autoencoder) -> None:
    """Steps across block borders are hardly larger than steps inside blocks."""
    x = batches.to_x([cv2.GaussianBlur(draw_case(100)[0], (0, 0), 1.5)])
    y = fitted.decode_raw(fitted.posterior(x)[0])
    steps = (y[..., 1:] - y[..., :-1]).abs().mean((0, 1, 2))
    borders = torch.arange(95) % 8 == 7
    assert steps[borders].mean() < 1.5 * steps[~borders].mean()
    assert steps[0] < 3 * steps.mean()  # nor at the edge of the picture


def test_networks_beside_it_are_silent_at_first_and_can_learn(fitted: Autoencoder) -> None:
    z = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    assert fitted.kl.decoder(fitted.kl.post_quant_conv(z)).abs().max() == 0
    fitted.kl.requires_grad_(True)
    fitted.decode_raw(z).square().mean().backward()
    assert fitted.kl.decoder.conv_out.weight.grad.abs().max() > 0
    fitted.requires_grad_(False)
