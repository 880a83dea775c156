"""Texture: drawn anew for each seed, of mean zero, and a distance that sees contrast and not place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from siamese import recipe
from siamese.data import batches
from siamese.diffusion.autoencoder import Autoencoder
from siamese.diffusion.texture import Texture, band_distance, spectrum_distance, texture_noise
from tests.conftest import TINY, draw_case


@pytest.fixture(scope="module")
def texture() -> Texture:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Texture(8).requires_grad_(False)
        torch.nn.init.normal_(net.conv_out.weight, 0, 0.3)
        net.conv_out.bias.zero_()
    return net


def test_it_adds_nothing_on_average_and_something_for_each_seed(texture: Texture) -> None:
    x = batches.to_x([draw_case(0)[0]])
    noise = texture_noise(range(200), 96)
    added = torch.cat([texture(x, n[None]) for n in noise])
    assert added.shape == (200, 3, 96, 96)
    sd = added.std(0)
    assert sd[..., 8:-8, 8:-8].min() > 0
    assert (added.mean(0).abs() < 6 * sd / 200**0.5).all()
    assert added.mean((2, 3)).abs().max() < 0.05 * added.std()  # no change of colour over a picture


def test_noise_belongs_to_the_seed_and_not_to_the_batch() -> None:
    together = texture_noise([5, 6, 2**63 - 1], 32)
    assert torch.equal(together[1:2], texture_noise([6], 32))
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(together[0, 0], torch.randn(32, 32, generator=torch.Generator().manual_seed(5)))


def test_without_noise_the_mean_is_decoded() -> None:
    model = Autoencoder(recipe.read(TINY, ["autoencoder.texture=8"]).autoencoder).requires_grad_(False)
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    mean = model.decode(z)
    assert torch.equal(mean, model.decode(z))
    assert not torch.equal(mean, model.decode(z, texture_noise([1], 64)))


def test_band_distance_sees_contrast_and_not_place() -> None:
    ramp = np.linspace(60, 190, 128)[:, None, None]
    draws = [ramp + np.random.default_rng(s).normal(0, 15, (128, 128, 3)) for s in (0, 1)]
    one, other = (batches.to_x([d.clip(0, 255).astype(np.uint8)]) for d in draws)
    smooth = batches.to_x([cv2.GaussianBlur(draws[0].clip(0, 255).astype(np.uint8), (0, 0), 2)])
    assert band_distance(one, one) == spectrum_distance(one, one) == 0
    for distance in (band_distance, spectrum_distance):
        assert distance(other, one) < 0.2 * distance(smooth, one)
