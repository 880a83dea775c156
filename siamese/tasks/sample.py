"""The verb `sample`: a mask and seeds become pictures, as a generator of previews and results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from siamese.data import batches
from siamese.diffusion import checkpoint
from siamese.diffusion.checkpoint import Loaded
from siamese.diffusion.closeup import blended, enlarged, share
from siamese.diffusion.device import choose_precision, precision_name
from siamese.diffusion.guidance import Early
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.sampler import pinned, run, start_noise
from siamese.diffusion.sd15 import typed
from siamese.errors import RecipeError
from siamese.events import Notice, Preview
from siamese.masks.classes import hint_of
from siamese.masks.closeup import closeups
from siamese.masks.mask import Mask
from siamese.sections import SAMPLERS, Sampler
from siamese.shipped import find
from siamese.tasks import png

VERSION = "0.1.0"
LARGEST_SEED = 2**63 - 1
LONGEST_PROMPT = 400  # characters; its 75 tokens end it mostly before
CLOSEUP_BITS = 40  # the number of a close-up changes the seed from this bit on
CLOSEUP_SHARE = 0.02  # of a latent's pixels: where a close-up covers more, it is painted anew
Facts = dict[str, str | int | float]


class SampleRequest(BaseModel):
    """What to make of a mask: one picture for each seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: tuple[int, ...] = Field((1,), min_length=1, description="one picture each; 0 to 2^63 − 1")
    guidance: float | None = Field(
        None, ge=0, le=15, description="guidance on the mask; none: the checkpoint's default"
    )
    steps: int | None = Field(
        None, ge=1, le=1000, description="sampling steps; none: those the checkpoint was tuned for"
    )
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
    painting, used, facts = _prepared(loaded, [mask], request)
    for note in used[0].notes:
        yield Notice(note)
    steps, begun, done = painting.steps, time.monotonic(), 0
    for start in range(0, len(request.seeds), request.batch):
        seeds = request.seeds[start : start + request.batch]
        group_begun = time.monotonic()
        for step, picture in enumerate(painting.pictures(seeds), start=1):
            if step <= steps:
                done += len(seeds)
                left = (time.monotonic() - begun) / done * (steps * len(request.seeds) - done)
                yield Preview(step, steps, picture(), seeds, left)
        images = picture()
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
    painting, used, facts = _prepared(loaded, masks, request)
    *_, finished = painting.pictures(request.seeds)
    images = finished()
    seconds = (time.monotonic() - begun) / len(masks)
    return [
        SampleResult(image, mask, seed, {"seed": seed, **about}, seconds)
        for image, mask, seed, about in zip(images, used, request.seeds, facts, strict=True)
    ]


def _prepared(
    loaded: Loaded, masks: Sequence[Mask], request: SampleRequest
) -> tuple[_Painting, list[Mask], list[Facts]]:
    """What the pictures are computed from, the masks at the model's size, and the facts of each but its seed."""
    recipe = loaded.model.recipe
    request = request.model_copy(update={"steps": request.steps or recipe.sampling.steps})
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
            "diffusers": version("diffusers"),
            "siamese_studio": VERSION,
            "synthetic": "yes: not a patient's picture, not for diagnosis",
        }
        for mask in masks
    ]
    used = [mask.resized(recipe.size) for mask in masks]
    return _Painting(loaded, used, style, request, guidance, words), used, facts


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


def view_of(model: SiameseDiffusion, style: int, mask: Mask, seed: int) -> np.ndarray:
    """The view map (96,96) uint8 that a picture is painted in: its seed draws one of the style's fields of view."""
    fields, typical = (of[style].cpu().numpy() for of in (model.fields, model.views))
    return batches.drawn_view(fields, typical, mask.labels, seed)


class _Painting:
    """What stays the same at every step of one request; each hint is encoded once.

    Small lesions come after the rest: their window is enlarged, they are painted into it, and it is put back.

    Args:
        masks: one for all seeds, or one for each, at the model's size.
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
        self.style = recipe.styles.index(style)
        self.shape = (recipe.autoencoder.latent_channels, recipe.latent_size, recipe.latent_size)
        self.used = masks
        split = [closeups(mask.labels, recipe.sampling.closeup) for mask in masks]
        self.closeups = [windows for _, windows in split]
        self.turns = max((1 + one.turn for windows in self.closeups for one in windows), default=0)
        with torch.no_grad():
            self.masks = self._hints([mask.labels for mask in masks])
            grounds = [ground for ground, _ in split]
            self.given = self._encoded(grounds), self._early(grounds)
            styles = torch.tensor([self.style], device=device)
            self.context = self.model.guided_context(styles, request.corner_box)
            if words is not None:  # in place of the style's row, which is the last
                self.context = torch.cat([self.context[:-1], words.to(device, dtype)])

    @property
    def steps(self) -> int:
        """Of a group of seeds, close-ups included."""
        return self.request.steps * (1 + self.turns)

    @torch.no_grad()
    def pictures(self, seeds: Sequence[int]) -> Iterator[Callable[[], np.ndarray]]:
        """One call for every step, which gives the running pictures (n,S,S,3) uint8; one more gives the finished."""
        z = torch.empty(0)
        (hint, early), views = self.given, self._views(seeds)
        for z in self._estimates(seeds, hint, self._frames(views), early):
            yield partial(self._preview, z)
        x = self._one_by_one(self.model.autoencoder.decode, z)
        for turn in range(self.turns):
            yield from self._close_up(x, seeds, views, turn)
        yield partial(self._finished, x, seeds)

    def _estimates(
        self,
        seeds: Sequence[int],
        hint: Tensor,
        frame: Tensor,
        early: Early,
        known: tuple[Tensor, Tensor] | None = None,
    ) -> Iterator[Tensor]:
        """Running estimates of z_0 (n,C,h,w) float32; `known`: a picture and the place to paint, as of `pinned`."""
        n, model, request = len(seeds), self.model, self.request
        hint, frame = (v.expand(n, -1, -1, -1) for v in (hint, frame))
        context = self.context.repeat_interleave(n, dim=0)
        predict = model.predictor(hint, context, frame, early.expand(n), self.guidance)
        z_T = start_noise(seeds, self.shape).to(model.device)
        said = predict if known is None else pinned(predict, *known, model.recipe.diffusion)
        recipe, spacing = model.recipe.diffusion, model.recipe.sampling.spacing
        yield from run(request.sampler, said, z_T, recipe, request.steps, seeds, model.fresh_noise, spacing)

    def _close_up(
        self, x: Tensor, seeds: Sequence[int], views: Sequence[np.ndarray], turn: int
    ) -> Iterator[Callable[[], np.ndarray]]:
        """Paint the windows of that turn into x; yields as `pictures`, without the finished."""
        every = self.closeups * (len(seeds) if len(self.closeups) == 1 else 1)
        numbered = [(k, number, one) for k, found in enumerate(every) for number, one in enumerate(found, 1)]
        mine = [(k, number, one) for k, number, one in numbered if one.turn == turn]
        drawn = [seeds[k] ^ (number << CLOSEUP_BITS) for k, number, _ in mine]
        areas, ones = [(k, slice(None), *one.window) for k, _, one in mine], [one for *_, one in mine]
        model, size = self.model, self.model.recipe.size
        whole = [cv2.resize(view, (size, size), interpolation=cv2.INTER_NEAREST) for view in views]
        windows = torch.cat([enlarged(x[area][None], size) for area in areas])
        place = torch.stack([torch.from_numpy(one.place)[None] for one in ones]).to(windows)
        latents = F.adaptive_avg_pool2d(place, self.shape[-1]) > CLOSEUP_SHARE
        known = self._one_by_one(model.autoencoder.encode, windows).float(), latents.float()
        labels = [one.labels for one in ones]
        frame = self._frames([whole[k][one.window] for k, _, one in mine])
        given = self._encoded(labels), frame, self._early(labels)
        shares = [share(one, x) for one in ones]

        def put(painted: Tensor, into: Tensor) -> Tensor:
            for area, picture, shared in zip(areas, painted, shares, strict=True):
                into[area] = blended(into[area], picture, shared)
            return into

        @torch.no_grad()
        def preview(z: Tensor) -> np.ndarray:
            return batches.to_images(put(enlarged(model.autoencoder.preview(z), size), x.clone()))

        z = torch.empty(0)
        for z in self._estimates(drawn, *given, known):
            yield partial(preview, z)
        put(self._one_by_one(model.autoencoder.decode, z), x)

    @torch.no_grad()
    def _preview(self, z: Tensor) -> np.ndarray:
        """(n,S,S,3) uint8 through the linear latent → RGB map."""
        size = self.model.recipe.size
        small = batches.to_images(self.model.autoencoder.preview(z))
        return np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in small])

    @torch.no_grad()
    def _finished(self, x: Tensor, seeds: Sequence[int]) -> np.ndarray:
        """(n,S,S,3) uint8 with detail."""
        model, masks = self.model, self.masks.expand(len(x), -1, -1, -1)
        pieces = [
            model.detailed(x[part], masks[part], seeds[part], self.request.detail_steps)
            for part in self._parts(len(x))
        ]
        return batches.to_images(torch.cat(pieces))

    def _one_by_one(self, convert: Callable[[Tensor], Tensor], of: Tensor) -> Tensor:
        """Encode or decode (n,...)."""
        return torch.cat([convert(of[part].to(self.model.dtype)) for part in self._parts(len(of))])

    def _parts(self, count: int) -> Iterator[slice]:
        """On a processor one picture at a time, to bound the memory."""
        together = 1 if self.model.device.type == "cpu" else count
        return (slice(start, start + together) for start in range(0, count, together))

    def _hints(self, labels: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack([hint_of(one) for one in labels])).to(self.model.device, self.model.dtype)

    def _views(self, seeds: Sequence[int]) -> list[np.ndarray]:
        every = list(self.used) * (len(seeds) if len(self.used) == 1 else 1)
        drawn = (view_of(self.model, self.style, *one) for one in zip(every, seeds, strict=True))
        return [view if self.request.corner_box else view & batches.OUTSIDE for view in drawn]

    def _encoded(self, labels: Sequence[np.ndarray]) -> Tensor:
        return torch.cat([self.model.dhi(self._hints([one])) for one in labels])

    def _early(self, labels: Sequence[np.ndarray]) -> Early:
        return Early.of(labels, self.shape[-1], self.model.device)

    def _frames(self, views: Sequence[np.ndarray]) -> Tensor:
        frames = [batches.to_frame([view], self.model.recipe.latent_size) for view in views]
        return torch.cat(frames).to(self.model.device, self.model.dtype)


def pictures(
    loaded: Loaded,
    mask: Mask | str | Path,
    seeds: Sequence[int] = (1,),
    guidance: float | None = None,
    steps: int | None = None,
    sampler: Sampler = "sde",
    prompt: str | None = None,
) -> Iterator[SampleResult]:
    """`sample` without previews, for scripts: `mask` may be a file."""
    request = SampleRequest(
        seeds=tuple(seeds), guidance=guidance, steps=steps, sampler=sampler, prompt=prompt
    )
    chosen = mask if isinstance(mask, Mask) else Mask.read(mask)
    return (event for event in sample(loaded, chosen, request) if isinstance(event, SampleResult))
