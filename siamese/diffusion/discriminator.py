"""A PatchGAN discriminator for the autoencoder's last polish (Isola et al. 2017; hinge loss: Lim & Ye 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """x (B,3,H,W) in [-1,1] → realness of overlapping patches (B,1,H/8,W/8), positive for real."""

    def __init__(self, width: int = 32):
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            if before != 3:
                layers.append(nn.GroupNorm(8, after))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def adversarial_losses(
    discriminator: PatchDiscriminator, fake: Tensor, real: Tensor
) -> tuple[Tensor, Tensor]:
    """(generator's loss −D(fake) with D constant, discriminator's hinge loss on detached fakes); scalars.

    Each gradient reaches its own network alone, so one backward pass of their sum trains both.
    """
    constant = {name: p.detach() for name, p in discriminator.named_parameters()}
    generator = -torch.func.functional_call(discriminator, constant, (fake,)).float().mean()
    hinge = (
        F.relu(1 - discriminator(real).float()).mean()
        + F.relu(1 + discriminator(fake.detach()).float()).mean()
    )
    return generator, hinge
