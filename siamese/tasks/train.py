"""The verb `train`: datasets and a recipe become a checkpoint, as a generator of events.

Stopped by time, by closing the generator or by a file `cancel` in the run folder, it saves and can be resumed with the
same request; every random draw is keyed by step, so the losses from there on are those of an unbroken run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from siamese.data import batches, dataset
from siamese.diffusion import checkpoint
from siamese.diffusion.device import choose_precision
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import MachineError, SiameseError, writing
from siamese.events import Done, Event, Notice, Preview, Progress, Saved, Scalars
from siamese.recipe import Recipe, Stage, StageRecipe
from siamese.segmentation.unet import UNetSegmenter
from siamese.tasks.latents import Latents, encode
from siamese.tasks.run import STATE, Point, RunFolder
from siamese.tasks.stages import (
    AutoencoderTask,
    BaseTask,
    Bench,
    SegmenterTask,
    SiameseTask,
    StageTask,
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
    started: float = field(default_factory=time.monotonic)

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
    bench = Bench(recipe, pictures, device)
    digests = {
        "training.sha256": torch.from_numpy(pictures.sha256),
        "training.dhash": torch.from_numpy(pictures.dhash),
    }
    for stage in recipe.stages:
        worker = _Worker(stage, bench, run, autocast, digests, request.start)
        with closing(worker.train(clock)) as events:
            for event in events:
                yield event
                if isinstance(event, Done) and not event.complete:
                    return


def _precision(request: TrainRequest) -> tuple[torch.device, torch.dtype]:
    """Device and precision; decided once for a run, so that a resumed one computes the same."""
    if request.precision != "auto":
        dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
        return choose_precision(request.device)[0] if request.device == "auto" else torch.device(
            request.device
        ), dtypes[request.precision]
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

    def __init__(
        self,
        stage: Stage,
        bench: Bench,
        run: RunFolder,
        autocast: torch.dtype | None,
        digests: dict[str, Tensor],
        start: str | None,
    ):
        self.stage: Stage = stage
        self.bench, self.run, self.autocast, self.digests, self.start = bench, run, autocast, digests, start
        self.settings: StageRecipe = bench.recipe.stage(stage)
        points = run.points(stage)
        self.point: Point | None = points[-1] if points else None

    def train(self, clock: _Clock) -> Iterator[Event]:
        """Events of this stage; a finished stage yields its Done at once."""
        total = self.settings.steps
        if self.point and self.point.step >= total:
            yield Done(self.stage, self.point.step)
            return
        whole = self._build()
        if self.stage in ("base", "siamese"):
            task = None
            with closing(
                encode(whole, self.bench.pictures, self.run.root / "cache", self.autocast)
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
            task = AutoencoderTask(self.bench, whole)
        else:
            task = SegmenterTask(self.bench, whole)
        yield from _Loop(self, task, whole).events(clock)

    def _build(self) -> nn.Module:
        """The module of this stage on the device, with the weights it starts from."""
        recipe, device = self.bench.recipe, self.bench.device
        with seeded(recipe.seed, self.stage, "weights"):
            if self.stage == "segmenter":
                return UNetSegmenter(recipe.train_segmenter.widths).to(device)
            model = SiameseDiffusion(recipe)
        before = self.run.before(self.stage)
        if before is not None:
            model.load_state_dict(_weights(before.folder))
        elif self.start is not None:
            self._warm_start(model)
        elif self.stage != "autoencoder":
            raise SiameseError(
                f"Stage {self.stage} needs an earlier one: run the autoencoder in this --run folder first, "
                "or --start CHECKPOINT."
            )
        if self.stage == "siamese" and (before is None or before.stage != "siamese") and self.start is None:
            model.control.copy_encoder(model.unet)
        found = np.array(self.bench.pictures.styles)
        for k, style in enumerate(recipe.styles):
            if (found == style).any():
                model.views[k] = torch.from_numpy(
                    batches.typical_view(self.bench.pictures.views[found == style])
                )
        return model.to(device)

    def _warm_start(self, model: SiameseDiffusion) -> None:
        folder = checkpoint.find(self.start)
        found, _ = checkpoint.read_recipe(folder)
        shapes = ("autoencoder", "hint", "denoiser", "size", "styles")
        differing = [name for name in shapes if getattr(found, name) != getattr(model.recipe, name)]
        if differing:
            raise SiameseError(
                f"--start {self.start} was built with other {', '.join(differing)}; use its sizes and styles."
            )
        model.load_state_dict(_weights(folder))


def _weights(folder: Path) -> dict[str, Tensor]:
    tensors = load_file(folder / checkpoint.FILE)
    return {name: value for name, value in tensors.items() if name not in checkpoint.DIGESTS}


class _Loop:
    """AdamW steps with warm-up, cosine, clipping and averaged weights; saves and previews."""

    def __init__(self, worker: _Worker, task: StageTask, whole: nn.Module):
        self.worker, self.task, self.whole, self.settings = worker, task, whole, worker.settings
        whole.requires_grad_(False)
        task.trained.requires_grad_(True)
        self.names, self.parameters = zip(*task.trained.named_parameters(), strict=True)
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=self.settings.lr, weight_decay=self.settings.weight_decay, betas=(0.9, 0.999)
        )
        self.averaged = [p.detach().clone() for p in self.parameters]
        self.step = 0
        self.saved = 0

    def events(self, clock: _Clock) -> Iterator[Event]:
        stage, total = self.worker.stage, self.settings.steps
        if self.worker.point is not None:
            self._restore(self.worker.point)
            yield Notice(f"Resumed {stage} at step {self.step}.")
        first, begun = self.step, time.monotonic()
        try:
            with closing(batches.ahead(self.task.batch, range(self.step, total))) as waiting:
                for batch in waiting:
                    if clock.over():
                        break
                    values = self._advance(batch)
                    rate = (self.step - first) / max(time.monotonic() - begun, 1e-9)
                    yield Progress(stage, self.step, total, rate, (total - self.step) / rate)
                    yield Scalars(stage, self.step, values)
                    if self.step % self.settings.checkpoint_every == 0 and self.step < total:
                        yield Saved(self._save(), self.step)
                    if self.step % self.settings.preview_every == 0 or self.step == total:
                        yield Preview(self.step, total, self._with_averages(self.task.preview))
        except GeneratorExit:
            self._save_new()
            raise
        if folder := self._save_new():
            yield Saved(folder, self.step)
        yield Done(stage, self.step, complete=self.step >= total)

    def _advance(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One optimiser step; returns the losses and the learning rate.

        Raises:
            MachineError: a loss is not finite; the last good checkpoint stays.
        """
        device, dtype = self.worker.bench.device, self.worker.autocast
        batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        lr = learning_rate(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            losses = self.task.losses(batch, self.step)
        loss = torch.stack(list(losses.values())).sum()
        if not bool(torch.isfinite(loss)):
            raise MachineError(
                f"The loss of {self.worker.stage} is not finite at step {self.step}; the checkpoint of step "
                f"{self.saved} stays. Lower the learning rate: --set train_{self.worker.stage}.lr={lr / 2:.1e}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimizer.step()
        self.step += 1
        decay = min(self.settings.ema, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, [p.detach() for p in self.parameters], 1 - decay)
        return {name: float(value.detach()) for name, value in losses.items()} | {"lr": lr}

    def _with_averages(self, work: Callable):  # noqa: ANN202
        """Run `work` without gradients and with the averaged weights in place."""
        with _swapped(self.parameters, self.averaged), torch.no_grad():
            device, dtype = self.worker.bench.device, self.worker.autocast
            with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                return work()

    def _save_new(self) -> Path | None:
        return self._save() if self.step > self.saved else None

    def _save(self) -> Path:
        """Write the averaged model, and the state to resume from unless the stage is finished."""
        stage, run = self.worker.stage, self.worker.run
        temporary, final = run.new_point(stage, self.step)
        finished = self.step >= self.settings.steps
        with _swapped(self.parameters, self.averaged), torch.no_grad():
            self.task.fit()
            if isinstance(self.whole, SiameseDiffusion):
                checkpoint.save(self.whole, temporary, self.worker.digests, stage=stage, step=self.step)
            else:
                metadata = {
                    "format": checkpoint.FORMAT,
                    "segmenter": self.worker.bench.recipe.json(),
                    "step": str(self.step),
                }
                with writing(temporary):
                    save_file(dict(self.whole.state_dict()), temporary / checkpoint.FILE, metadata)
        if not finished:
            with writing(temporary):
                save_file(self._state(), temporary / STATE, {"step": str(self.step)})
        run.commit(temporary, final, stage)
        self.saved = self.step
        return final

    def _state(self) -> dict[str, Tensor]:
        tensors = {}
        for k, (name, parameter) in enumerate(zip(self.names, self.parameters, strict=True)):
            tensors[f"weight.{name}"] = parameter.detach()
            tensors[f"averaged.{name}"] = self.averaged[k]
            for slot, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{slot}.{name}"] = value
        return {name: value.cpu().contiguous() for name, value in tensors.items()}

    def _restore(self, point: Point) -> None:
        tensors = load_file(point.state)
        with torch.no_grad():
            for k, (name, parameter) in enumerate(zip(self.names, self.parameters, strict=True)):
                parameter.copy_(tensors[f"weight.{name}"])
                self.averaged[k].copy_(tensors[f"averaged.{name}"])
                slots = ("step", "exp_avg", "exp_avg_sq")
                if f"step.{name}" in tensors:
                    self.optimizer.state[parameter] = {
                        s: tensors[f"{s}.{name}"].to("cpu" if s == "step" else parameter.device)
                        for s in slots
                    }
        self.step = self.saved = point.step


@contextmanager
def _swapped(parameters: tuple[nn.Parameter, ...], values: list[Tensor]) -> Iterator[None]:
    """Other values inside the parameters for a while."""
    with torch.no_grad():
        kept = [p.detach().clone() for p in parameters]
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)
        try:
            yield
        finally:
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)


def learning_rate(settings: StageRecipe, step: int) -> float:
    """Linear warm-up, then a cosine from `lr` to `lr · lr_end`; step from 0."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    share = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * (settings.lr_end + (1 - settings.lr_end) * 0.5 * (1 + math.cos(math.pi * share)))
