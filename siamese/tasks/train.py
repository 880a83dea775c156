"""The verb `train`: datasets and a recipe become a checkpoint, as a generator of events.

Stopped by time, by closing the generator or by a file `cancel` in the run folder, it saves and can be resumed with the
same request; every random draw is keyed by step, so the losses from there on are those of an unbroken run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from siamese.data import batches, dataset
from siamese.diffusion import checkpoint
from siamese.diffusion.device import PRECISIONS, choose_device, choose_precision
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import RecipeError, writing
from siamese.events import Done, Event, Notice, Progress
from siamese.recipe import Recipe, Stage
from siamese.segmentation.unet import UNetSegmenter
from siamese.shipped import FILE, find
from siamese.tasks.latents import Latents, encode
from siamese.tasks.loop import Loop
from siamese.tasks.run import Point, RunFolder
from siamese.tasks.stages import (
    AutoencoderTask,
    BaseTask,
    Bench,
    SegmenterTask,
    SiameseTask,
    seeded,
)


@dataclass(frozen=True)
class TrainRequest:
    """What to train: a recipe, dataset folders (their train split), a run folder.

    `seconds` ends the call after that time, saved and resumable; `start` is a checkpoint to warm-start from;
    `precision` "auto" is decided by a trial.
    """

    recipe: Recipe
    data: tuple[Path, ...]
    run: Path
    seconds: float | None = None
    start: str | None = None
    device: str = "auto"
    precision: str = "auto"


@dataclass
class _Clock:
    """When to stop."""

    run: RunFolder
    deadline: float

    def over(self) -> bool:
        return time.monotonic() >= self.deadline or self.run.cancelled


def train(request: TrainRequest) -> Iterator[Event]:
    """Run the recipe's stages in order; each starts where the newest checkpoint of the run folder stands.

    Raises:
        DatasetError, RecipeError, CheckpointError: before anything is trained, all problems at once.
        MachineError: the disk is full; the last good checkpoint stays.
    """
    begun = time.monotonic()
    datasets = [dataset.read(folder, "train") for folder in request.data]
    recipe = request.recipe
    if not recipe.styles:
        recipe = recipe.model_copy(
            update={"styles": tuple(dict.fromkeys(s for d in datasets for s in d.styles))}
        )
    run = RunFolder(request.run)
    run.adopt(recipe)
    (run.root / "cancel").unlink(missing_ok=True)
    pictures = batches.prepare(datasets, recipe.size, recipe.data)
    yield Notice(f"{len(pictures)} pictures of {', '.join(recipe.styles)}.")
    device, dtype = _precision(request)
    autocast = None if dtype == torch.float32 else dtype
    yield Notice(f"Training on {device.type} in {str(dtype).removeprefix('torch.')}.")
    clock = _Clock(run, begun + request.seconds if request.seconds else math.inf)
    bench = Bench(recipe, pictures, device, autocast)
    for stage in recipe.stages:
        worker = _Worker(stage, bench, run, request.start)
        with closing(worker.train(clock)) as events:
            for event in events:
                yield event
                if isinstance(event, Done) and not event.complete:
                    return


def _precision(request: TrainRequest) -> tuple[torch.device, torch.dtype]:
    """Device and precision; decided once for a run, so that a resumed one computes the same."""
    if request.precision != "auto":
        return choose_device(request.device), PRECISIONS[request.precision]
    noted = request.run / "precision.txt"
    if noted.is_file():
        name, _, precision = noted.read_text(encoding="utf-8").strip().partition(" ")
        if name == "cpu" or torch.cuda.is_available():
            return torch.device(name), getattr(torch, precision)
    device, dtype = choose_precision(request.device)
    if dtype == torch.float16:  # gradients would need scaling; bf16 does not
        dtype = torch.bfloat16
    with writing(request.run):
        noted.write_text(f"{device.type} {str(dtype).removeprefix('torch.')}\n", encoding="utf-8")
    return device, dtype


class _Worker:
    """One stage of one run: build, resume, loop, save."""

    def __init__(self, stage: Stage, bench: Bench, run: RunFolder, start: str | None):
        self.stage: Stage = stage
        self.bench, self.run, self.start = bench, run, start
        points = run.points(stage)
        self.point: Point | None = points[-1] if points else None

    def train(self, clock: _Clock) -> Iterator[Event]:
        """Events of this stage; a finished stage yields its Done at once."""
        total = self.bench.recipe.stage(self.stage).steps
        if self.point and self.point.step >= total:
            yield Done(self.stage, self.point.step)
            return
        if self.point and not self.point.state.is_file():
            raise RecipeError(
                f"Stage {self.stage} was finished at step {self.point.step}, and its state is no longer "
                f"kept; set train_{self.stage}.steps back, or train on in a new --run folder with --start "
                f"{self.point.folder}."
            )
        whole = self._build()
        if self.stage in ("base", "siamese"):
            task = None
            with closing(
                encode(whole, self.bench.pictures, self.run.root / "cache", self.bench.autocast)
            ) as encoding:
                for found in encoding:
                    if isinstance(found, Latents):
                        task = {"base": BaseTask, "siamese": SiameseTask}[self.stage](
                            self.bench, whole, found
                        )
                    elif clock.over():
                        yield Done(self.stage, 0, complete=False)
                        return
                    else:
                        yield Progress("encoding pictures", *found)
            assert task is not None
        elif self.stage == "autoencoder":
            task = AutoencoderTask(self.bench, whole, fresh=self.start is None)
        else:
            task = SegmenterTask(self.bench, whole)
        yield from Loop(self.stage, self.bench, self.run, task, whole, self.point, clock.over).events()

    def _build(self) -> nn.Module:
        """The module of this stage on the device, with the weights it starts from."""
        recipe, device = self.bench.recipe, self.bench.device
        with seeded(recipe.seed, self.stage, "weights"):
            if self.stage == "segmenter":
                return UNetSegmenter(recipe.train_segmenter.widths).to(device)
            model = SiameseDiffusion(recipe)
        before = self.run.before(self.stage)
        fresh = self.stage == "siamese" and (self.start is None or recipe.train_siamese.fresh_control)
        if before is not None or self.start is not None:
            found = _weights(before.folder) if before is not None else self._start_weights()
            anew = ("control.", "dhi.") if fresh else ()
            own = model.state_dict()
            kept = {name: own[name] for name in own if name.startswith((*anew, "autoencoder.texture."))}
            model.load_state_dict(kept | {n: v for n, v in found.items() if not n.startswith(anew)})
        elif self.stage != "autoencoder":
            raise RecipeError(
                f"Stage {self.stage} needs an earlier one: run the autoencoder in this --run folder first, "
                "or --start CHECKPOINT."
            )
        if fresh:
            model.control.copy_encoder(model.unet)
        of = np.array(self.bench.pictures.styles)
        for k, style in enumerate(recipe.styles):
            if (of == style).any():
                model.views[k] = torch.from_numpy(
                    batches.typical_view(self.bench.pictures.views[of == style])
                )
        return model.to(device)

    def _start_weights(self) -> dict[str, Tensor]:
        folder = find(self.start)
        found, _ = checkpoint.read_recipe(folder)
        own = self.bench.recipe
        if not found.autoencoder.texture:  # a texture network can be added to what has none
            widened = found.autoencoder.model_copy(update={"texture": own.autoencoder.texture})
            found = found.model_copy(update={"autoencoder": widened})
        shapes = ("autoencoder", "hint", "denoiser", "size", "styles")
        differing = [name for name in shapes if getattr(found, name) != getattr(own, name)]
        if differing:
            raise RecipeError(
                f"--start {self.start} was built with other {', '.join(differing)}; use its sizes and styles."
            )
        return _weights(folder)


def _weights(folder: Path) -> dict[str, Tensor]:
    tensors = load_file(folder / FILE)
    return {name: value for name, value in tensors.items() if name not in checkpoint.DIGESTS}
