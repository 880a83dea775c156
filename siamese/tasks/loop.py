"""The training loop of one stage: AdamW with warm-up, cosine and clipping, averaged weights, saves and previews.

Under torchrun every process runs it on its part of each batch; the main one alone saves and shows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from siamese.data import seen
from siamese.diffusion import checkpoint
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import MachineError, RecipeError, writing
from siamese.events import Done, Event, Notice, Preview, Progress, Saved, Scalars
from siamese.recipe import Stage
from siamese.sections import StageRecipe
from siamese.shipped import FILE
from siamese.tasks import optimizer
from siamese.tasks.run import STATE, Point, RunFolder
from siamese.tasks.stages import Bench, StageTask

if TYPE_CHECKING:
    from siamese.tasks.watch import Watch


class Loop:
    """One stage from where it stands to its end, as a generator of events.

    Args:
        task: what the stage trains. whole: the module that its checkpoints hold.
        point: the checkpoint to resume from. over: asked before every step; True ends the call, saved.
        watch: looks for copies as the recipe says, and names the best step.
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
        watch: Watch | None = None,
    ):
        self.stage, self.bench, self.run, self.task, self.whole = stage, bench, run, task, whole
        self.point, self.over, self.watch = point, over, watch
        self.settings: StageRecipe = bench.recipe.stage(stage)
        whole.requires_grad_(False)
        task.trained.requires_grad_(True)
        self.names, self.parameters = zip(*task.trained.named_parameters(), strict=True)
        self.optimizer = optimizer.adamw(self.parameters, self.settings, bench.recipe.compute)
        self.scaler = torch.amp.GradScaler(bench.device.type, enabled=bench.autocast == torch.float16)
        share = bench.crew.part(self.settings.batch)
        if (share.stop - share.start) % self.settings.accumulate:
            raise RecipeError(
                f"train_{stage}: a batch of {share.stop - share.start} a process cannot be computed in "
                f"{self.settings.accumulate} equal parts; set accumulate to a number that divides it."
            )
        # without averaging (ema 0) the weights themselves are saved and shown
        self.averaged = [p.detach().clone() for p in self.parameters] if self.settings.ema else []
        self.step = 0
        self.saved = 0

    def events(self) -> Iterator[Event]:
        stage, total, crew = self.stage, self.settings.steps, self.bench.crew
        if self.point is not None:
            same = self._restore(self.point)
            yield Notice(f"Resumed {stage} at step {self.step}.")
            if not same:
                yield Notice("The optimiser is another one than before, so its state begins anew.")
        first, begun = self.step, time.monotonic()
        try:
            with closing(self.bench.made(self.task.batch, range(self.step, total))) as waiting:
                for batch in waiting:
                    if crew.any(self.over()):
                        break
                    values = self._advance(batch)
                    rate = (self.step - first) / max(time.monotonic() - begun, 1e-9)
                    yield Progress(stage, self.step, total, rate, (total - self.step) / rate)
                    yield Scalars(stage, self.step, values)
                    looked = self.watch is not None and self._due(self.bench.recipe.watch.every)
                    if crew.main and looked:
                        yield from self._look()
                    if (self._due(self.settings.checkpoint_every) or looked) and self.step < total:
                        self._save()
                        yield Saved(self.run.point(stage, self.step), self.step)
                    if crew.main and self._due(self.settings.preview_every):
                        yield Preview(self.step, total, self._with_averages(self.task.preview))
        except GeneratorExit:
            if crew.alone:  # several end together, through `over`
                self._save_new()
            raise
        if self._save_new():
            yield Saved(self.run.point(stage, self.step), self.step)
        yield Done(stage, self.step, complete=self.step >= total)

    def _due(self, every: int) -> bool:
        return self.step == self.settings.steps or (every > 0 and self.step % every == 0)

    def _look(self) -> Iterator[Event]:
        """Figures of the memorisation watch; a sentence when it warns."""
        assert self.watch is not None
        before = self.watch.verdict().warned_at
        yield Scalars("watch", self.step, self._with_averages(lambda: self.watch.look(self.step)))
        verdict = self.watch.verdict()
        if verdict.warned_at is not None and before is None or self.step == self.settings.steps:
            yield Notice(verdict.sentence)

    def _advance(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One optimiser step; returns the losses of the whole batch and the learning rate.

        Raises:
            MachineError: a loss is not finite, or memory does not suffice; the last good checkpoint stays.
        """
        lr = learning_rate(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        try:
            losses = self._gradients(batch)
        except torch.OutOfMemoryError as error:
            raise MachineError(
                f"The memory of {self.bench.device} does not suffice for stage {self.stage}: compute each step in more "
                f"parts (--set train_{self.stage}.accumulate={2 * self.settings.accumulate}), or activations twice "
                f"(--set compute.gradient_checkpointing=true). The checkpoint of step {self.saved} stays. ({error})"
            ) from None
        if not all(math.isfinite(value) for value in losses.values()):
            raise MachineError(
                f"The loss of {self.stage} is not finite at step {self.step}; the checkpoint of step "
                f"{self.saved} stays. Lower the learning rate: --set train_{self.stage}.lr={lr / 2:.1e}"
            )
        self.bench.crew.average_gradients(self.parameters)
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        if self.averaged:
            decay = min(self.settings.ema, self.step / (self.step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(self.averaged, [p.detach() for p in self.parameters], 1 - decay)
        return losses | {"lr": lr}

    def _gradients(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """The gradients of this process's part of a batch, computed in `accumulate` parts; the losses of all."""
        device, dtype, parts = self.bench.device, self.bench.autocast, self.settings.accumulate

        def backward(loss: Tensor) -> None:
            with torch.autocast(device.type, enabled=False):
                self.scaler.scale(loss.float() / parts).backward()

        losses: dict[str, Tensor] = {}
        pieces = {name: value.chunk(parts) for name, value in batch.items()}
        for k in range(parts):
            piece = {name: value[k].to(device, non_blocking=True) for name, value in pieces.items()}
            with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                found = self.task.losses(piece, self.step, backward)
            for name, value in found.items():
                losses[name] = losses.get(name, 0) + value.float() / parts
        return self.bench.crew.mean(losses, self.task.sometimes)

    def _with_averages(self, work: Callable):  # noqa: ANN202
        """Run `work` without gradients and with the averaged weights in place."""
        with _swapped(self.parameters, self.averaged), torch.no_grad():
            device, dtype = self.bench.device, self.bench.autocast
            with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                return work()

    def _save_new(self) -> bool:
        new = self.step > self.saved
        if new:
            self._save()
        return new

    def _save(self) -> None:
        """Write the averaged model, and the state to resume from unless the stage is finished; the main process's
        work, for which the others wait."""
        if self.bench.crew.main:
            self._write()
        self.saved = self.step
        self.bench.crew.wait()

    def _write(self) -> None:
        stage, run = self.stage, self.run
        if not run.root.is_dir():
            raise MachineError(
                f"The run folder {run.root} was moved or deleted while it trained; train again, with --run and the "
                "place where it is now."
            )
        temporary, final = run.new_point(stage, self.step)
        finished = self.step >= self.settings.steps
        with _swapped(self.parameters, self.averaged), torch.no_grad():
            self.task.fit()
            if isinstance(self.whole, SiameseDiffusion):
                bench = self.bench
                said = {"stage": stage, "step": self.step, **seen.facts(bench.seen)}
                checkpoint.save(self.whole, temporary, bench.digests, **said)
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
        best = self.watch.verdict().best_step if self.watch is not None else None
        run.commit(temporary, final, stage, best)

    def _state(self) -> dict[str, Tensor]:
        tensors = {}
        for k, (name, parameter) in enumerate(zip(self.names, self.parameters, strict=True)):
            tensors[f"weight.{name}"] = parameter.detach()
            if self.averaged:
                tensors[f"averaged.{name}"] = self.averaged[k]
            for slot, value in optimizer.state(self.optimizer, parameter).items():
                tensors[f"{slot}.{name}"] = value
        if self.scaler.is_enabled():
            tensors["scale"] = torch.tensor(self.scaler.get_scale())
        return {name: value.cpu().contiguous() for name, value in tensors.items()}

    def _restore(self, point: Point) -> bool:
        """Take up the state of a checkpoint; False: that of its optimiser is of the other kind and was left out."""
        tensors = load_file(point.state)
        if "scale" in tensors and self.scaler.is_enabled():
            self.scaler.load_state_dict(self.scaler.state_dict() | {"scale": float(tensors["scale"])})
        same = True
        slots: dict[str, dict[str, Tensor]] = {name: {} for name in self.names}
        for key, value in tensors.items():
            slot, _, name = key.partition(".")
            if name in slots:
                slots[name][slot] = value
        with torch.no_grad():
            for k, (name, parameter) in enumerate(zip(self.names, self.parameters, strict=True)):
                found = slots[name]
                weight = found.pop("weight")
                averaged = found.pop("averaged", weight)  # absent where ema was 0, and not wanted where it is
                parameter.copy_(weight)
                if self.averaged:
                    self.averaged[k].copy_(averaged)
                same &= optimizer.take_up(self.optimizer, parameter, found)
        self.step = self.saved = point.step
        return same


@contextmanager
def _swapped(parameters: tuple[nn.Parameter, ...], values: list[Tensor]) -> Iterator[None]:
    """Other values inside the parameters for a while; one at a time changes places, so that no copy of all is made."""

    def swap() -> None:
        with torch.no_grad():
            for parameter, value in zip(parameters, values, strict=False):  # no values: nothing to do
                kept = parameter.detach().clone()
                parameter.copy_(value)
                value.copy_(kept)

    swap()
    try:
        yield
    finally:
        swap()


def learning_rate(settings: StageRecipe, step: int) -> float:
    """Linear warm-up, then a cosine from `lr` to `lr · lr_end`; step from 0."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    share = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * (settings.lr_end + (1 - settings.lr_end) * 0.5 * (1 + math.cos(math.pi * share)))
