"""Pictures of a model that is being trained: as the studio paints them, in fewer steps and without close-ups."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from siamese.data import batches
from siamese.diffusion.guidance import Early
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.sampler import Predict, sde, start_noise

STEPS = 20


def painted(
    model: SiameseDiffusion,
    masks: np.ndarray,
    views: np.ndarray,
    styles: Tensor,
    seeds: Sequence[int],
    predictor: Callable[[Tensor, Tensor, Tensor, Early], Predict],
) -> np.ndarray:
    """(n,S,S,3) uint8 of n masks (n,S,S) uint8, their views, styles (n,) int64 and seeds.

    predictor: what to ask at each step, made of hint features (n,D,h,w), context, frame and what is odd; see
        `SiameseDiffusion.predictor`.
    """
    recipe, device = model.recipe, styles.device
    shape = (recipe.autoencoder.latent_channels, recipe.latent_size, recipe.latent_size)
    hint = batches.to_hint(masks).to(device)
    frame = batches.to_frame(views, recipe.latent_size).to(device)
    early = Early.of(masks, recipe.latent_size, device)
    predict = predictor(model.dhi(hint), model.guided_context(styles), frame, early)
    z_T = start_noise(seeds, shape).to(device)
    *_, z_0 = sde(predict, z_T, recipe.diffusion, STEPS, seeds, model.fresh_noise, recipe.sampling.spacing)
    return batches.to_images(model.decode(z_0, hint, seeds))
