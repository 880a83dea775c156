"""The verb `sample`: a mask and seeds become pictures, as a generator of previews and results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import diffusers
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from siamese.data import batches
from siamese.diffusion import checkpoint
from siamese.diffusion.checkpoint import Loaded
from siamese.diffusion.device import choose_precision, precision_name
from siamese.diffusion.sampler import run, start_noise
from siamese.diffusion.sd15 import typed
from siamese.errors import RecipeError
from siamese.events import Notice, Preview
from siamese.masks.mask import Mask
from siamese.sections import SAMPLERS, Sampler
from siamese.shipped import find
from siamese.tasks import png

VERSION = "0.1.0"
LARGEST_SEED = 2**63 - 1
LONGEST_PROMPT = 400  # characters; its 75 tokens end it mostly before
Facts = dict[str, str | int | float]


class SampleRequest(BaseModel):
    """What to make of a mask: one picture for each seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: tuple[int, ...] = Field((1,), min_length=1, description="one picture each; 0 to 2^63 − 1")
    guidance: float | None = Field(
        None, ge=0, le=15, description="guidance on the mask; none: the checkpoint's default"
    )
    steps: int = Field(40, ge=1, le=1000, description="sampling steps")
    sampler: Sampler = Field("sde", description=SAMPLERS)
    style: str | None = Field(None, description="style token; none: the checkpoint's default")
    prompt: str | None = Field(
        None, description="sd15: what to paint, in words; none: the prompt that the style was trained with"
    )
    corner_box: bool = Field(
        False, description="show the black box that many endoscopes burn into the corner"
    )
    detail_steps: int | None = Field(
        None, ge=0, le=100, description="sampling steps of the detail; none: the checkpoint's own, 0: no detail"
    )
    batch: int = Field(
        4, ge=1, le=64, description="pictures computed together; a picture does not depend on it"
    )


@dataclass(frozen=True)
class SampleResult:
    """One finished picture: image (S,S,3) uint8 RGB, the mask as it was used (S,S), its seed and facts."""

    image: np.ndarray = field(repr=False)
    mask: Mask
    seed: int
    facts: Facts
    seconds: float

    def png(self) -> bytes:
        """The picture as PNG, its facts as text. The same request gives the same bytes."""
        return png.encode(self.image, self.facts)


def load(name: str | Path, device: str = "auto") -> Loaded:
    """Load a checkpoint for sampling, by shipped name or folder, in the precision that is fastest here.

    Raises:
        CheckpointError: missing, damaged, unsafe or of another kind.
    """
    find(name)
    chosen, dtype = choose_precision(device)
    return checkpoint.load(name, chosen, dtype)


def sample(loaded: Loaded, mask: Mask, request: SampleRequest) -> Iterator[Notice | Preview | SampleResult]:
    """Synthesize tissue for a mask.

    Yields: a Notice for each thing done to the mask; a Preview (n,S,S,3) at every step of each group of seeds;
        a SampleResult for each seed, in order. Closing the generator stops within one step.

    Raises:
        RecipeError: the checkpoint knows no such style, or no words; seed out of range; a prompt too long.
        CheckpointError: a prompt that was not trained, and the text encoder of the training is not here.
    """
    conditions, used, facts = _prepared(loaded, [mask], request)
    for note in used[0].notes:
        yield Notice(note)
    total, begun, done = len(request.seeds) * request.steps, time.monotonic(), 0
    for start in range(0, len(request.seeds), request.batch):
        seeds = request.seeds[start : start + request.batch]
        group_begun = time.monotonic()
        z = None
        for step, z in enumerate(conditions.estimates(seeds), start=1):
            done += len(seeds)
            left = (time.monotonic() - begun) / done * (total - done)
            yield Preview(step, request.steps, conditions.preview(z), seeds, left)
        images = conditions.decode(z, seeds)
        seconds = (time.monotonic() - group_begun) / len(seeds)
        for seed, image in zip(seeds, images, strict=True):
            yield SampleResult(image, used[0], seed, {"seed": seed, **facts[0]}, seconds)


def sample_many(loaded: Loaded, masks: Sequence[Mask], request: SampleRequest) -> list[SampleResult]:
    """Pictures of different masks, one seed each, computed together whatever `request.batch` says.

    The same masks and seeds in the same order give the same bytes; in another company a picture may differ by rounding.

    Raises:
        RecipeError, CheckpointError: as `sample`.
    """
    begun = time.monotonic()
    conditions, used, facts = _prepared(loaded, masks, request)
    *_, z = conditions.estimates(request.seeds)
    images = conditions.decode(z, request.seeds)
    seconds = (time.monotonic() - begun) / len(masks)
    return [
        SampleResult(image, mask, seed, {"seed": seed, **about}, seconds)
        for image, mask, seed, about in zip(images, used, request.seeds, facts, strict=True)
    ]


def _prepared(
    loaded: Loaded, masks: Sequence[Mask], request: SampleRequest
) -> tuple[_Conditions, list[Mask], list[Facts]]:
    """What the pictures are computed from, the masks at the model's size, and the facts of each but its seed."""
    recipe = loaded.model.recipe
    style = _style(loaded, request.style)
    words = _words(loaded, request.prompt)
    for seed in request.seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise RecipeError(f"Seed {seed} is out of range; choose a whole number from 0 to {LARGEST_SEED}.")
    guidance = recipe.sampling.guidance if request.guidance is None else request.guidance
    facts = [
        {
            "checkpoint": loaded.name,
            "checkpoint_sha256": loaded.sha256,
            "mask_sha256": mask.digest,
            "guidance": guidance,
            "steps": request.steps,
            "sampler": request.sampler,
            "style": style,
            **({} if request.prompt is None else {"prompt": request.prompt}),
            "corner_box": int(request.corner_box),
            "size": recipe.size,
            "device": loaded.model.device.type,
            "precision": precision_name(loaded.model.dtype),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "siamese_studio": VERSION,
            "synthetic": "yes: not a patient's picture, not for diagnosis",
        }
        for mask in masks
    ]
    used = [mask.resized(recipe.size) for mask in masks]
    return _Conditions(loaded, used, style, request, guidance, words), used, facts


def _style(loaded: Loaded, style: str | None) -> str:
    recipe = loaded.model.recipe
    chosen = style or recipe.sampling.style or recipe.styles[0]
    if chosen not in recipe.styles:
        raise RecipeError(
            f"{loaded.name} knows no style {chosen!r}; choose one of {', '.join(recipe.styles)}."
        )
    return chosen


def _words(loaded: Loaded, prompt: str | None) -> Tensor | None:
    """The context (1,77,W) of a typed prompt; None where the style says it all."""
    if prompt is None:
        return None
    family = loaded.model.recipe.family
    if family != "sd15":
        raise RecipeError(
            f"{loaded.name} is of the family {family}, which understands no prompts; leave the prompt out, or use a "
            "checkpoint of the family sd15."
        )
    if len(prompt) > LONGEST_PROMPT:
        raise RecipeError(
            f"The prompt has {len(prompt)} characters; {LONGEST_PROMPT} are the most, shorten it."
        )
    return typed(loaded.model, prompt)


class _Conditions:
    """What stays the same at every step of one request; each hint is encoded once.

    Args:
        masks: one for all seeds, or one for each.
    """

    def __init__(
        self,
        loaded: Loaded,
        masks: Sequence[Mask],
        style: str,
        request: SampleRequest,
        guidance: float,
        words: Tensor | None,
    ):
        self.model, self.request, self.guidance = loaded.model, request, guidance
        recipe, device, dtype = loaded.model.recipe, loaded.model.device, loaded.model.dtype
        self.shape = (recipe.autoencoder.latent_channels, recipe.latent_size, recipe.latent_size)
        index = recipe.styles.index(style)
        view = self.model.views[index].cpu().numpy()
        if not request.corner_box:
            view = view & batches.OUTSIDE
        with torch.no_grad():
            hints = [torch.from_numpy(mask.hint(recipe.size))[None].to(device, dtype) for mask in masks]
            self.masks = torch.cat(hints)
            self.hint = torch.cat([self.model.dhi(hint) for hint in hints])
            self.frame = batches.to_frame([view], recipe.latent_size).to(device, dtype)
            styles = torch.tensor([recipe.styles.index(style)], device=device)
            self.context = self.model.guided_context(styles, request.corner_box)
            if words is not None:  # in place of the style's row, which is the last
                self.context = torch.cat([self.context[:-1], words.to(device, dtype)])

    @torch.no_grad()
    def estimates(self, seeds: Sequence[int]) -> Iterator[Tensor]:
        """Running estimates of z_0 (n,C,h,w) float32."""
        n, model, dtype = len(seeds), self.model, self.model.dtype
        hint, frame = (v.expand(n, -1, -1, -1) for v in (self.hint, self.frame))
        context = self.context.repeat_interleave(n, dim=0)
        off = model.recipe.sampling.guidance_start

        def predict(z_t: Tensor, t: Tensor, done: float) -> Tensor:
            given = z_t.to(dtype), t, hint, context, frame
            if done < off:
                return model.predict_noise(*given, min(1.0, self.guidance))
            return model.predict_noise(*given, self.guidance, model.recipe.sampling.guide)

        z_T = start_noise(seeds, self.shape).to(model.device)
        request = self.request
        yield from run(request.sampler, predict, z_T, model.recipe.diffusion, request.steps, seeds)

    @torch.no_grad()
    def preview(self, z: Tensor) -> np.ndarray:
        """(n,S,S,3) uint8 through the linear latent → RGB map."""
        size = self.model.recipe.size
        small = batches.to_images(self.model.autoencoder.preview(z))
        return np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in small])

    @torch.no_grad()
    def decode(self, z: Tensor, seeds: Sequence[int]) -> np.ndarray:
        """(n,S,S,3) uint8 through the autoencoder; on a processor one at a time, to bound the memory."""
        model, masks = self.model, self.masks.expand(len(seeds), -1, -1, -1)
        together, pieces = 1 if model.device.type == "cpu" else len(seeds), []
        for start in range(0, len(seeds), together):
            part = slice(start, start + together)
            given = z[part].to(model.dtype), masks[part], seeds[part]
            pieces.append(model.decode(*given, self.request.detail_steps))
        return batches.to_images(torch.cat(pieces))


def pictures(
    loaded: Loaded,
    mask: Mask | str | Path,
    seeds: Sequence[int] = (1,),
    guidance: float | None = None,
    steps: int = 40,
    sampler: Sampler = "sde",
    prompt: str | None = None,
) -> Iterator[SampleResult]:
    """`sample` without previews, for scripts: `mask` may be a file."""
    request = SampleRequest(
        seeds=tuple(seeds), guidance=guidance, steps=steps, sampler=sampler, prompt=prompt
    )
    chosen = mask if isinstance(mask, Mask) else Mask.read(mask)
    return (event for event in sample(loaded, chosen, request) if isinstance(event, SampleResult))
