"""Hint encoders: ControlNet's own, by its published size, and one that any recipe can name."""

from __future__ import annotations

import pytest
import torch

from siamese import recipe
from siamese.diffusion.hint import DenseHintInput, PlainHintInput, hint_input
from siamese.diffusion.model import SiameseDiffusion
from siamese.sections import HintRecipe
from tests.conftest import TINY


def test_plain_hint_is_controlnets_in_size_and_silent_at_first() -> None:
    plain = PlainHintInput(320, merges=3)
    assert sum(p.numel() for p in plain.parameters()) == 1_086_480
    convolutions = [m for m in plain.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 8
    found = plain(torch.rand(1, 3, 64, 32))
    assert found.shape == (1, 320, 8, 4)
    assert not found.any()
    assert not convolutions[-1].weight.any()


@pytest.mark.parametrize(("factor", "unshuffle"), [(8, 1), (8, 2), (16, 4), (16, 1), (4, 4)])
def test_plain_hint_fits_every_factor(factor: int, unshuffle: int) -> None:
    plain = hint_input(HintRecipe(kind="plain", unshuffle=unshuffle), 24, factor)
    assert isinstance(plain, PlainHintInput)
    torch.nn.init.normal_(plain.conv_out.weight)
    hint = torch.zeros(1, 3, 64, 64)
    here = hint.clone()
    here[..., :factor, -factor:] = 1  # the upper right corner
    assert plain(hint).shape == (1, 24, 64 // factor, 64 // factor)
    changed = (plain(here) - plain(hint)).abs().sum(1)[0]
    assert changed[0, -1] > 0
    assert changed[-1, 0] == 0 or factor == 16  # what is far away does not see it (16: 4 latents a side)


def test_the_recipe_chooses_the_hint_encoder() -> None:
    kinds = {"dense": DenseHintInput, "plain": PlainHintInput}
    for kind, wanted in kinds.items():
        model = SiameseDiffusion(recipe.read(TINY, [f"hint.kind={kind}", 'styles=["a"]']))
        assert type(model.dhi) is wanted
        assert model.dhi(torch.rand(2, 3, 64, 64)).shape == (2, 16, 8, 8)
