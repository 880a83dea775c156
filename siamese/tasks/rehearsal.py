"""One step of a stage on blank pictures: how much memory it needs and how much it computes, without doing it.

Tensors without content (torch's FakeTensorMode) run the very code that trains, forward and backward; what is alive at
once is counted as it comes and goes. `seconds` does the same step for real, on a few blank pictures.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from siamese.data.batches import AUGMENTATION_WIDTH, FLAGS, FRAME_CHANNELS, Pictures
from siamese.diffusion.model import SiameseDiffusion
from siamese.recipe import Recipe, Stage
from siamese.sections import PATCH
from siamese.segmentation.unet import UNetSegmenter
from siamese.tasks.crew import Crew
from siamese.tasks.denoising import DENOISING
from siamese.tasks.detail import DetailTask
from siamese.tasks.latents import Latents
from siamese.tasks.stages import AutoencoderTask, Batch, Bench, SegmenterTask, StageTask

ROUNDS = 4  # the quickest counts: a machine that does other work too only ever makes a step longer
TRIED = 5  # pictures of a real trial: one of them at t ≤ T_tau, a fifth, as in training


@dataclass(frozen=True)
class Cast:
    """A stage with blank input: its model, its task, its recipe."""

    whole: nn.Module
    task: StageTask


def cast(recipe: Recipe, stage: Stage, device: torch.device, autocast: torch.dtype | None) -> Cast:
    """Model and task of a stage, weights as they are drawn; nothing is read from disk."""
    recipe = recipe.model_copy(update={"styles": recipe.styles or ("",)})
    bench = Bench(recipe, _blank_pictures(recipe.size), Crew(device), autocast)
    if stage == "segmenter":
        whole: nn.Module = UNetSegmenter(recipe.train_segmenter.widths)
        task: StageTask = SegmenterTask(bench, whole)
    else:
        model = SiameseDiffusion(recipe)
        if recipe.compute.gradient_checkpointing:
            model.compute_twice(True)
        whole = model
        if stage == "autoencoder" and recipe.train_autoencoder.trains == "detail":
            task = DetailTask(bench, model, fresh=False)
        elif stage == "autoencoder":
            task = AutoencoderTask(bench, model, fresh=False)
        else:
            task = DENOISING[stage](bench, model, Latents(1, {}))
    if device.type != "cpu":
        whole.to(device)
    whole.requires_grad_(False)
    task.trained.requires_grad_(True)
    return Cast(whole, task)


def alive(recipe: Recipe, stage: Stage, part: int, autocast: torch.dtype | None, later: bool = False) -> int:
    """Most bytes alive at once beside weights and optimiser (gradients, activations, casts), in the dearest phase.

    L_m' runs apart and on fewer pictures than L_m, so it needs no more.

    Args:
        part: pictures computed together. later: the gradients of earlier parts of the step are there already.
    """
    found = _Alive()
    _rehearse(recipe, stage, part, autocast, found, later)
    return found.peak


def operations(recipe: Recipe, stage: Stage, autocast: torch.dtype | None) -> float:
    """Floating-point operations of a picture, forward and backward, the mean over a stage; a multiply-add is two."""

    def counted(changed: Recipe) -> float:
        found = FlopCounterMode(
            display=False
        )  # never beside _Alive: it keeps what is computed twice from going
        _rehearse(changed, stage, 2, autocast, found)
        return found.get_total_flops() / 2

    full = counted(recipe)
    if stage != "siamese" or recipe.loss.objective == "mask":
        return full
    alone = counted(recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"objective": "mask"})}))
    share = recipe.train_siamese.mask_only
    augmented = 0.0
    if recipe.loss.objective == "siamese" and recipe.loss.w_a > 0:
        augmented = alone * (recipe.loss.T_tau + 1) / 1000 * (1 - max(share, recipe.loss.K_tau))
    return share * alone + (1 - share) * full + augmented


def seconds(
    recipe: Recipe, stage: Stage, device: torch.device, autocast: torch.dtype | None, most: float
) -> float:
    """Seconds a picture of a stage takes on this machine: the quickest of a few steps, in about `most` seconds."""
    found = cast(recipe, stage, device, autocast)
    batch = {name: value.to(device) for name, value in _blank_batch(recipe, stage, TRIED).items()}
    steps = recipe.stage(stage).steps
    shares = [(steps - 1, 1.0)]
    if stage == "siamese" and recipe.loss.objective != "mask" and recipe.train_siamese.mask_only > 0:
        alone = recipe.train_siamese.mask_only
        shares = [(0, alone), (steps - 1, 1 - alone)]
    total = 0.0
    for step, share in shares:
        _step(found, batch, step, autocast)  # kernels are chosen at the first
        took, begun = [], time.perf_counter()
        while not took or (len(took) < ROUNDS and time.perf_counter() - begun < most / len(shares)):
            before = time.perf_counter()
            _step(found, batch, step, autocast)
            took.append(time.perf_counter() - before)
        total += share * min(took) / TRIED
    return total


def encoding_seconds(recipe: Recipe, device: torch.device, autocast: torch.dtype | None) -> float:
    """Seconds that the autoencoder takes to encode a picture, measured on two."""
    model = cast(recipe, "siamese", device, autocast).whole
    assert isinstance(model, SiameseDiffusion)
    x = torch.zeros(2, 3, recipe.size, recipe.size, device=device)
    with torch.no_grad(), _computing(device, autocast):
        model.autoencoder.encode(x)
        begun = time.perf_counter()
        model.autoencoder.encode(x).cpu()
    return (time.perf_counter() - begun) / len(x)


def _rehearse(
    recipe: Recipe,
    stage: Stage,
    part: int,
    autocast: torch.dtype | None,
    watching: AbstractContextManager,
    later: bool = False,
) -> None:
    """The last step of a stage on tensors without content, `watching` it."""
    loss = recipe.loss.model_copy(
        update={"K_tau": 1.0}
    )  # never L_m': which pictures it takes depends on content
    recipe = recipe.model_copy(update={"loss": loss})
    keys = torch.zeros(part, dtype=torch.int64)  # seeds of noise: the stage reads their values
    with FakeTensorMode(allow_non_fake_inputs=True):
        found = cast(recipe, stage, torch.device("cpu"), autocast)
        batch = _blank_batch(recipe, stage, part)
        if "key" in batch:
            batch["key"] = keys
        with watching:
            if later:
                for parameter in found.task.trained.parameters():
                    parameter.grad = torch.zeros_like(parameter)
            _step(found, batch, recipe.stage(stage).steps - 1, autocast)


def _step(found: Cast, batch: Batch, step: int, autocast: torch.dtype | None) -> None:
    """Forward and backward, as the training loop does them; the gradients stay until the end, then go."""
    device = next(found.whole.parameters()).device
    with _computing(device, autocast):
        losses = found.task.losses(batch, step, _backward)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    del losses
    found.whole.zero_grad(set_to_none=True)


def _backward(loss: Tensor) -> None:
    with torch.autocast(loss.device.type, enabled=False):
        loss.float().backward()


def _computing(device: torch.device, autocast: torch.dtype | None) -> torch.autocast | nullcontext:
    return torch.autocast(device.type, dtype=autocast) if autocast is not None else nullcontext()


def _blank_pictures(size: int) -> Pictures:
    """One black picture: the tasks want some."""
    return Pictures(
        stems=("",),
        styles=("",),
        images=np.zeros((1, size, size, 3), np.uint8),
        masks=np.zeros((1, size, size), np.uint8),
        views=np.zeros((1, size, size), np.uint8),
        text=np.zeros(1, bool),
        sha256=np.zeros((1, 32), np.uint8),
        dhash=np.zeros((1, 8), np.uint8),
    )


def _blank_batch(recipe: Recipe, stage: Stage, count: int) -> Batch:
    """Tensors of `count` pictures with the shapes of the stage's own batches."""
    if stage == "segmenter":
        side = recipe.train_segmenter.size
        return {"x": torch.zeros(count, 3, side, side), "mask": torch.zeros(count, 1, side, side)}
    if stage == "autoencoder":
        crop = recipe.train_autoencoder.crop
        if recipe.train_autoencoder.trains == "detail":
            blank = torch.rand(count, 3, crop, crop)
            eps = torch.randn(count, 3 * PATCH**2, crop // PATCH, crop // PATCH)
            return {
                "x": blank,
                "guide": blank,
                "place": blank[:, :1],
                "level": eps[:, 0, 0, 0].abs(),
                "t": torch.arange(count),
                "eps": eps,
            }
        return {"x": torch.rand(count, 3, crop, crop), "key": torch.zeros(count, dtype=torch.int64)}
    latents = (count, recipe.autoencoder.latent_channels, recipe.latent_size, recipe.latent_size)
    side = (recipe.size, recipe.size)
    return {
        "z_0": torch.randn(latents),
        "eps": torch.randn(latents),
        "t": (torch.arange(count) * 2 + 1) * 1000 // (2 * count),
        "style": torch.zeros(count, dtype=torch.int64),
        "frame": torch.zeros(count, FRAME_CHANNELS, recipe.latent_size, recipe.latent_size),
        "label": torch.zeros(count, AUGMENTATION_WIDTH),
        "flags": torch.zeros(count, FLAGS),
        "mask_hint": torch.zeros(count, 1, *side, dtype=torch.uint8),
        "image": torch.zeros(count, *side, 3, dtype=torch.uint8),
        "mask_kept": torch.ones(count),
    }


class _Alive(TorchDispatchMode):
    """Bytes of the storages that operations have made and that still live; `peak` is the most at once."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs: Mapping | None = None):  # noqa: ANN001, ANN204
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place in self._known:
            return

        def gone(_: weakref.ref) -> None:
            self.bytes -= size
            del self._known[place]

        self._known[place] = weakref.ref(storage, gone)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
