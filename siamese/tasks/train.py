"""The verb `train`: datasets and a recipe become a checkpoint, as a generator of events.

Stopped by time, by closing the generator or by a file `cancel` in the run folder, it saves and can be resumed with the
same request; every random draw is keyed by step, so the losses from there on are those of an unbroken run.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from siamese.atomic import write_atomically
from siamese.counted import counted
from siamese.data import batches, dataset
from siamese.data.batches import Pictures
from siamese.diffusion.device import PRECISIONS, choose_device, choose_precision
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.text import DEFAULT_PROMPT
from siamese.errors import MachineError, RecipeError
from siamese.events import Done, Event, Notice, Progress
from siamese.recipe import Recipe, Stage
from siamese.tasks.build import build, seen_before
from siamese.tasks.crew import Crew
from siamese.tasks.denoising import DENOISING
from siamese.tasks.detail import DetailTask
from siamese.tasks.latents import Latents, encode
from siamese.tasks.loop import Loop
from siamese.tasks.run import Point, RunFolder
from siamese.tasks.stages import AutoencoderTask, Bench, SegmenterTask
from siamese.tasks.watch import Watch, held_out


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
    unknown = [s for d in datasets for s in d.styles if s not in recipe.styles]
    if unknown:
        raise RecipeError(
            f"The data hold the style {unknown[0]}, which is not among the recipe's styles {list(recipe.styles)}; "
            "add it, or leave styles empty to take those of the data."
        )
    if recipe.family == "sd15" and not recipe.prompts:
        known = {style: text for d in datasets for style, text in d.prompts.items()}
        if known:
            said = tuple(known.get(style) or DEFAULT_PROMPT for style in recipe.styles)
            recipe = recipe.model_copy(update={"prompts": said})
    if recipe.sampling.style not in (None, *recipe.styles):  # a recipe that was written for other data
        recipe = recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update={"style": None})})
    crew = Crew(choose_device(request.device))
    run = RunFolder(request.run)
    if crew.main:
        run.adopt(recipe)
        (run.root / "cancel").unlink(missing_ok=True)
    pictures = batches.prepare(datasets, recipe.size, recipe.data)
    yield Notice(f"{counted(len(pictures), 'picture')} of {', '.join(recipe.styles)}.")
    if crew.main and (changed := run.compare_data(_digests(pictures))):
        yield Notice(changed)
    crew.wait()
    dtype = _precision(request, crew)
    yield Notice(_how(crew, dtype, recipe))
    clock = _Clock(run, begun + request.seconds if request.seconds else math.inf)
    bench = Bench(recipe, pictures, crew, None if dtype == torch.float32 else dtype)
    for stage in recipe.stages:
        worker = _Worker(stage, bench, run, request.start, request.data)
        with closing(worker.train(clock)) as events:
            for event in events:
                yield event
                if isinstance(event, Done) and not event.complete:
                    return


def _digests(pictures: Pictures) -> dict[str, str]:
    """Name → sha256 of picture and mask as they are trained on."""
    named = zip(pictures.styles, pictures.stems, pictures.sha256, pictures.masks, strict=True)
    return {
        f"{style}/{stem}": hashlib.sha256(digest.tobytes() + mask.tobytes()).hexdigest()
        for style, stem, digest, mask in named
    }


def _how(crew: Crew, dtype: torch.dtype, recipe: Recipe) -> str:
    """Where and in how many parts a step is computed, in a sentence."""
    name = str(dtype).removeprefix("torch.")
    where = f"Training on {crew.device.type} in {name}"
    if not crew.alone:
        where += f", {crew.count} processes that share each batch"
    stage = recipe.stage(recipe.stages[-1])
    if stage.accumulate > 1:
        part = stage.batch // crew.count // stage.accumulate
        where += f", {stage.batch} pictures a step ({stage.accumulate} parts of {part} one after another)"
    return f"{where}."


def _precision(request: TrainRequest, crew: Crew) -> torch.dtype:
    """The precision; decided once for a run, so that a resumed one computes the same."""
    if request.precision != "auto":
        if request.precision == "fp16" and crew.device.type == "cpu":
            raise MachineError("Training in fp16 needs a GPU; use --precision bf16 or fp32 on the processor.")
        return PRECISIONS[request.precision]
    noted = request.run / "precision.txt"
    if not noted.is_file() and crew.main:
        _, dtype = choose_precision(crew.device)
        if dtype == torch.float16:  # gradients would need scaling; bf16 does not
            dtype = torch.bfloat16
        write_atomically(noted, f"{crew.device.type} {str(dtype).removeprefix('torch.')}\n".encode())
    crew.wait()
    return getattr(torch, noted.read_text(encoding="utf-8").split()[1])


class _Worker:
    """One stage of one run: build, resume, loop, save."""

    def __init__(self, stage: Stage, bench: Bench, run: RunFolder, start: str | None, data: tuple[Path, ...]):
        self.stage: Stage = stage
        self.bench, self.run, self.start, self.data = bench, run, start, data
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
        latents: Latents | None = None
        self.bench = replace(self.bench, before=seen_before(self.stage, self.run, self.start))
        whole = build(self.stage, self.bench, self.run, self.start)
        if self.stage in DENOISING:
            task, crew = None, self.bench.crew
            if not crew.main:  # the main process encodes for all
                crew.wait()
            cache = self.run.root / "cache"
            encoded = encode(whole, self.bench.pictures, cache, self.bench.autocast, self.bench.made)
            with closing(encoded) as encoding:
                for found in encoding:
                    if isinstance(found, Latents):
                        latents = found
                        task = DENOISING[self.stage](self.bench, whole, found)
                    elif clock.over() and crew.alone:
                        yield Done(self.stage, 0, complete=False)
                        return
                    else:
                        yield Progress("encoding pictures", *found)
            assert task is not None
            if crew.main:
                crew.wait()
        elif self.stage == "autoencoder" and self.bench.recipe.train_autoencoder.trains == "detail":
            task = DetailTask(self.bench, whole, fresh=not whole.autoencoder.detail.fitted)
            if self.bench.workers:  # which have no autoencoder on a GPU
                for done in task.guides():
                    if clock.over() and self.bench.crew.alone:
                        yield Done(self.stage, 0, complete=False)
                        return
                    yield Progress("encoding pictures", *done)
        elif self.stage == "autoencoder":
            task = AutoencoderTask(self.bench, whole, fresh=self.start is None)
        else:
            task = SegmenterTask(self.bench, whole)
        watch = self._watch(whole, latents) if isinstance(whole, SiameseDiffusion) and latents else None
        yield from Loop(self.stage, self.bench, self.run, task, whole, self.point, clock.over, watch).events()

    def _watch(self, model: SiameseDiffusion, latents: Latents) -> Watch | None:
        """The memorisation watch of the Siamese stage, where the recipe asks for one; the main process looks."""
        if self.stage != "siamese" or not self.bench.recipe.watch.every:
            return None
        bench = self.bench
        return Watch(
            model, bench.pictures, held_out(self.data, bench.recipe), self.run.root, latents, bench.autocast
        )
