"""The family sd15: a SiameseDiffusion of Stable Diffusion 1.5's size, started from its weights as the release does.

The control branch is a copy of the U-Net's encoder; hint encoder and zero convolutions are fresh; the autoencoder and
the U-Net's encoder stay as they are. Source: Siamese-Diffusion's release; ControlNet (arXiv 2302.05543).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from siamese.data.batches import VIEW_SIZE
from siamese.diffusion import checkpoint, ldm_keys, text
from siamese.diffusion.base import Base
from siamese.diffusion.hint import hint_input
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import RecipeError
from siamese.recipe import Recipe

LATENT_SCALE = 0.18215  # z = raw latents · 0.18215 (arXiv 2112.10752, SD 1.5's configuration)
RGB = (  # latent → RGB in [-1,1], fitted by Keturn on SD 1.4: discuss.huggingface.co/t/23204
    (0.298, 0.187, -0.158, -0.184),
    (0.207, 0.286, 0.189, -0.271),
    (0.208, 0.173, 0.264, -0.473),
)


def start(recipe: Recipe) -> SiameseDiffusion:
    """A model on the CPU in fp32, filled from `recipe.base`, ready to train; draws the hint encoder's weights.

    Raises:
        RecipeError: no base, or no styles to embed prompts for.
        CheckpointError: the base is missing, damaged or of other sizes.
    """
    if recipe.base is None:
        raise RecipeError(
            "The family sd15 starts from Stable Diffusion 1.5; name its folder, file or fetched hub name: "
            "--set base=PATH."
        )
    if not recipe.styles:
        raise RecipeError('The family sd15 needs the names of its styles, e.g. --set styles=["polyp"].')
    base = Base(recipe.base, recipe)
    tensors = context(recipe, base.text(recipe.denoiser.context_width), base.tokenizer)
    tensors |= {name: base[name].float() for name in base}
    tensors |= fresh_control(recipe, tensors)
    return checkpoint.assemble(recipe, tensors | constants(recipe), str(base.path))


def context(recipe: Recipe, encoder: dict[str, Tensor], tokenizer: Path) -> dict[str, Tensor]:
    """The state of the model's `context`: the recipe's prompts, embedded."""
    table = text.embed(text.prompts(recipe), encoder, tokenizer)
    return {"context.table": table, "context.encoder": text.digest(encoder)}


def fresh_control(recipe: Recipe, unet: dict[str, Tensor]) -> dict[str, Tensor]:
    """Control branch and hint encoder at the start: the encoder's copy, zero convolutions, a drawn hint encoder."""
    found = {}
    for name, shape in ldm_keys.shapes(recipe).items():
        if name.startswith("control."):
            source = unet.get("unet." + name.removeprefix("control."))
            found[name] = torch.zeros(shape) if source is None else source.clone()
    hint = hint_input(recipe.hint, recipe.denoiser.widths[0], recipe.autoencoder.factor)
    return found | {f"dhi.{name}": value for name, value in hint.state_dict().items()}


def constants(recipe: Recipe) -> dict[str, Tensor]:
    """What no base holds: the scale of the latents, the linear preview, empty view maps."""
    channels = recipe.autoencoder.latent_channels
    rgb = torch.tensor(RGB) if channels == 4 else torch.zeros(3, channels)
    return {
        "autoencoder.z_mean": torch.zeros(channels),
        "autoencoder.z_sd": torch.full((channels,), 1 / LATENT_SCALE),
        "autoencoder.rgb_weight": rgb,
        "autoencoder.rgb_bias": torch.zeros(3),
        "views": torch.zeros(max(1, len(recipe.styles)), VIEW_SIZE, VIEW_SIZE, dtype=torch.uint8),
    }


def trained_names(recipe: Recipe) -> list[str]:
    """Our names of what trains: control branch, hint encoder, U-Net decoder; 756 with DHI, 874.26 M numbers."""
    return sorted(
        own
        for published, (own, _) in ldm_keys.layout(recipe).items()
        if published.startswith(ldm_keys.TRAINED)
    )
