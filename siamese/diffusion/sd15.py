"""The family sd15: a SiameseDiffusion of Stable Diffusion 1.5's size, started from its weights as the release does.

The control branch is a copy of the U-Net's encoder; hint encoder and zero convolutions are fresh; the autoencoder and
the U-Net's encoder stay as they are. Source: Siamese-Diffusion's release; ControlNet (arXiv 2302.05543).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from siamese.data.batches import FIELDS, VIEW_SIZE
from siamese.diffusion import checkpoint, ldm_keys, text
from siamese.diffusion.base import Base
from siamese.diffusion.hint import hint_input
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import CheckpointError, RecipeError
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


def typed(model: SiameseDiffusion, prompt: str) -> Tensor:
    """The context (1,77,W) of a prompt in anybody's words: a row of the model's table where it was trained.

    Raises:
        RecipeError: more than 75 tokens.
        CheckpointError: the base with the text encoder of the training is not on this machine any more.
    """
    assert isinstance(model.context, text.PromptTable), "a model of the family sd15"
    known = text.prompts(model.recipe)
    if prompt in known:
        return model.context.table[known.index(prompt)][None]
    return _embedded(prompt, model.recipe, bytes(model.context.encoder.tolist()))


@lru_cache(maxsize=64)
def _embedded(prompt: str, recipe: Recipe, digest: bytes) -> Tensor:
    """A prompt through the text encoder of the recipe's base, whose digest is known; it takes seconds at full size."""
    why = "A prompt that was not trained needs the text encoder of the training"
    if recipe.base is None:
        raise CheckpointError(f"{why}, and this model does not say where its base was; leave the prompt out.")
    try:
        base = Base(recipe.base, recipe)
        encoder = base.text(recipe.denoiser.context_width)
        tokenizer = base.tokenizer
    except CheckpointError as error:
        raise CheckpointError(f"{why}. {error}") from None
    if bytes(text.digest(encoder).tolist()) != digest:
        raise CheckpointError(
            f"{why}, and {base.path} holds another one; put back what was there, or leave the prompt out."
        )
    return text.embed([prompt], encoder, tokenizer)


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
    views = torch.zeros(max(1, len(recipe.styles)), VIEW_SIZE, VIEW_SIZE, dtype=torch.uint8)
    rgb = torch.tensor(RGB) if channels == 4 else torch.zeros(3, channels)
    return {
        "autoencoder.z_mean": torch.zeros(channels),
        "autoencoder.z_sd": torch.full((channels,), 1 / LATENT_SCALE),
        "autoencoder.rgb_weight": rgb,
        "autoencoder.rgb_bias": torch.zeros(3),
        "views": views,
        "fields": views[:, None].repeat(1, FIELDS, 1, 1),
    }


def trained_names(recipe: Recipe) -> list[str]:
    """Our names of what trains: control branch, hint encoder, U-Net decoder; 756 with DHI, 874.26 M numbers."""
    return sorted(
        own
        for published, (own, _) in ldm_keys.layout(recipe).items()
        if published.startswith(ldm_keys.TRAINED)
    )
