"""Guidance before its start: for odd outlines, which the network would not follow by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from siamese.masks.likeness import oddity


class Early(NamedTuple):
    """How odd the masks of a batch are, and where their lesions lie.

    oddity: (B,1,1,1) in [0,1], see `siamese.masks.likeness.oddity`.
    place: (B,1,h,w) {0,1}, the latents that touch a lesion, and those beside them.
    """

    oddity: Tensor
    place: Tensor

    @classmethod
    def of(cls, masks: Sequence[np.ndarray], latent_size: int, device: torch.device) -> Early:
        """From masks (S,S) uint8."""
        found = torch.from_numpy(np.stack([mask > 0 for mask in masks])).float()[:, None]
        place = F.max_pool2d(F.adaptive_max_pool2d(found, latent_size), 3, stride=1, padding=1)
        odd = torch.tensor([oddity(mask) for mask in masks])[:, None, None, None]
        return cls(odd.to(device), place.to(device))

    def expand(self, count: int) -> Early:
        """One mask for `count` pictures, or as many masks as pictures."""
        return Early(*(of.expand(count, -1, -1, -1) for of in self))


def projected(away: Tensor, z_0: Tensor, place: Tensor) -> Tensor:
    """What of `away` does not merely strengthen `z_0`, inside `place` and outside it.

    The part along z_0 would paint white balls; it is taken away (adaptive projected guidance, Sadat, Hilliges and
    Weber, ICLR 2025, with η = 0; here in two regions).

    Args:
        away: (B,C,h,w) difference of two predictions. z_0: (B,C,h,w) the estimate that it is added to.
        place: (B,1,h,w) {0,1}.
    Returns: (B,C,h,w).
    """
    for region in (place, 1 - place):
        along = (region * away * z_0).sum((1, 2, 3), keepdim=True)
        length = (region * z_0.square()).sum((1, 2, 3), keepdim=True)
        away = away - region * z_0 * (along / length.clamp_min(1e-6))
    return away
