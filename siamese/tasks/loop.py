"""The training loop of one stage: AdamW with warm-up, cosine and clipping, averaged weights, saves and previews."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from siamese.data import batches
from siamese.diffusion import checkpoint
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import MachineError, writing
from siamese.events import Done, Event, Notice, Preview, Progress, Saved, Scalars
from siamese.recipe import Stage
from siamese.sections import StageRecipe
from siamese.shipped import FILE
from siamese.tasks.run import STATE, Point, RunFolder
from siamese.tasks.stages import Bench, StageTask


class Loop:
    """One stage from where it stands to its end, as a generator of events.

    Args:
        task: what the stage trains. whole: the module that its checkpoints hold.
        point: the checkpoint to resume from. over: asked before every step; True ends the call, saved.
    """

    def __init__(
        self,
        stage: Stage,
        bench: Bench,
        run: RunFolder,
        task: StageTask,
        whole: nn.Module,
        point: Point | None,
        over: Callable[[], bool],
    ):
        self.stage, self.bench, self.run, self.task, self.whole = stage, bench, run, task, whole
        self.point, self.over = point, over
        self.settings: StageRecipe = bench.recipe.stage(stage)
        whole.requires_grad_(False)
        task.trained.requires_grad_(True)
        self.names, self.parameters = zip(*task.trained.named_parameters(), strict=True)
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=self.settings.lr, weight_decay=self.settings.weight_decay, betas=(0.9, 0.999)
        )
        self.averaged = [p.detach().clone() for p in self.parameters]
        self.step = 0
        self.saved = 0

    def events(self) -> Iterator[Event]:
        stage, total = self.stage, self.settings.steps
        if self.point is not None:
            self._restore(self.point)
            yield Notice(f"Resumed {stage} at step {self.step}.")
        first, begun = self.step, time.monotonic()
        try:
            with closing(batches.ahead(self.task.batch, range(self.step, total))) as waiting:
                for batch in waiting:
                    if self.over():
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
        device, dtype = self.bench.device, self.bench.autocast
        batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        lr = learning_rate(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            losses = self.task.losses(batch, self.step)
        loss = torch.stack(list(losses.values())).sum()
        if not bool(torch.isfinite(loss)):
            raise MachineError(
                f"The loss of {self.stage} is not finite at step {self.step}; the checkpoint of step "
                f"{self.saved} stays. Lower the learning rate: --set train_{self.stage}.lr={lr / 2:.1e}"
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
            device, dtype = self.bench.device, self.bench.autocast
            with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                return work()

    def _save_new(self) -> Path | None:
        return self._save() if self.step > self.saved else None

    def _save(self) -> Path:
        """Write the averaged model, and the state to resume from unless the stage is finished."""
        stage, run = self.stage, self.run
        temporary, final = run.new_point(stage, self.step)
        finished = self.step >= self.settings.steps
        with _swapped(self.parameters, self.averaged), torch.no_grad():
            self.task.fit()
            if isinstance(self.whole, SiameseDiffusion):
                checkpoint.save(self.whole, temporary, self.bench.digests, stage=stage, step=self.step)
            else:
                metadata = {
                    "format": checkpoint.FORMAT,
                    "segmenter": self.bench.recipe.json(),
                    "step": str(self.step),
                }
                with writing(temporary):
                    save_file(dict(self.whole.state_dict()), temporary / FILE, metadata)
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
