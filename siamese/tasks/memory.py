"""Does a training fit? Bytes while its dearest stage trains, and the settings that make it fit on a card.

Counted on blank tensors by `siamese.tasks.rehearsal`: nothing is allocated.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from siamese.recipe import STAGES, Recipe, Stage, parse_json
from siamese.tasks import rehearsal

GIB = 2**30
# Settings of a stage that change nothing of what is alive in its step.
UNREAD = ("lr", "lr_end", "warmup", "weight_decay", "clip", "ema", "checkpoint_every", "preview_every")
USABLE = 0.92  # of a card's memory; judgement: the driver's context and gaps between blocks take the rest


@dataclass(frozen=True)
class Memory:
    """Bytes while the dearest stage trains; `alive`: gradients and activations at their most."""

    stage: Stage
    weights: int
    optimizer: int
    averages: int
    alive: int

    @property
    def total(self) -> int:
        return self.weights + self.optimizer + self.averages + self.alive


@dataclass(frozen=True)
class Fit:
    """Does it fit on a card of so many GB in bf16, and with which settings? `settings` None: with none of them."""

    gigabytes: float
    settings: tuple[str, ...] | None
    needed: int

    @property
    def sentence(self) -> str:
        need = size_of(self.needed)
        if self.settings is None:
            return f"{self.gigabytes:g} GB: does not fit, {need} at the least."
        if not self.settings:
            return f"{self.gigabytes:g} GB: fits as it is, {need}."
        return f"{self.gigabytes:g} GB: fits with {' '.join(f'--set {s}' for s in self.settings)}, {need}."


def numbers(recipe: Recipe, stage: Stage) -> tuple[dict[str, int], int]:
    """Numbers (parameters) of each part of a stage's model, and of all that the stage trains."""
    return _numbers(_rehearsed(recipe, stage).json(), stage)


def _rehearsed(recipe: Recipe, stage: Stage) -> Recipe:
    """The recipe with all that no rehearsal of `stage` reads as by default: another learning rate makes none anew."""
    blank = Recipe()
    same = {name: getattr(blank.stage(stage), name) for name in UNREAD}
    same |= {"batch": 1, "accumulate": 1}  # how many pictures are computed together is said apart
    unread = {name: getattr(blank, name) for name in ("name", "seed", "augmentation", "watch", "sampling")}
    others = {f"train_{other}": blank.stage(other) for other in STAGES if other != stage}
    compute = recipe.compute.model_copy(update={"optimizer": "adamw", "workers": None})
    own = recipe.stage(stage).model_copy(update=same)
    return recipe.model_copy(update={**unread, **others, "compute": compute, f"train_{stage}": own})


@cache
def _numbers(recipe_json: str, stage: Stage) -> tuple[dict[str, int], int]:
    with FakeTensorMode():
        found = rehearsal.cast(parse_json(recipe_json), stage, torch.device("cpu"), None)
        parts = {
            name: sum(p.numel() for p in part.parameters()) for name, part in found.whole.named_children()
        }
        trained = sum(p.numel() for p in found.task.trained.parameters())
    return {name: count for name, count in parts.items() if count}, trained


@cache
def _alive(recipe_json: str, stage: Stage, part: int, autocast: torch.dtype | None, later: bool) -> int:
    return rehearsal.alive(parse_json(recipe_json), stage, part, autocast, later)


def _standing(recipe: Recipe, stage: Stage) -> Memory:
    """What is there between two steps; of `alive` the gradients."""
    counts, trained = numbers(recipe, stage)
    a_state = 1 if recipe.compute.optimizer == "adamw8bit" else 4
    averages = 4 * trained if recipe.stage(stage).ema else 0
    return Memory(stage, 4 * sum(counts.values()), 2 * a_state * trained, averages, 4 * trained)


def saved_bytes(recipe: Recipe, stage: Stage) -> int:
    """Of a checkpoint on disk: the model, and the trained weights, averages and optimiser state to resume from."""
    standing, trained = _standing(recipe, stage), numbers(recipe, stage)[1]
    return standing.weights + 4 * trained + standing.averages + standing.optimizer


def _stage_memory(recipe: Recipe, stage: Stage, autocast: torch.dtype | None) -> Memory:
    settings, standing = recipe.stage(stage), _standing(recipe, stage)
    part = -(-settings.batch // settings.accumulate)
    blank = _rehearsed(recipe, stage).json()
    alive = max(standing.alive, _alive(blank, stage, part, autocast, settings.accumulate > 1))
    return Memory(stage, standing.weights, standing.optimizer, standing.averages, alive)


def memory_of(recipe: Recipe, autocast: torch.dtype | None) -> Memory:
    """Of the stage that needs most; `autocast`: format of the forward pass, None for fp32."""
    return max((_stage_memory(recipe, stage, autocast) for stage in recipe.stages), key=lambda m: m.total)


def fit(recipe: Recipe, gigabytes: float) -> Fit:
    """The cheapest settings with which every stage fits: parts first (same result), then activations computed twice
    (a third slower), then states in 8 bit (an extra package)."""
    room = USABLE * gigabytes * GIB
    least = 0
    for twice, eight in ((False, False), (True, False), (True, True)):
        ways, needed = [], 0
        base = _with(recipe, twice, eight)
        for stage in recipe.stages:
            tried, need = _parts(base, stage, room)
            needed = max(needed, need)
            if tried is None:
                break
            if tried != recipe.stage(stage).accumulate:
                ways.append(f"train_{stage}.accumulate={tried}")
        else:
            if base.compute.gradient_checkpointing != recipe.compute.gradient_checkpointing:
                ways.append("compute.gradient_checkpointing=true")
            if base.compute.optimizer != recipe.compute.optimizer:
                ways.append("compute.optimizer=adamw8bit")
            return Fit(gigabytes, tuple(ways), needed)
        least = needed
    return Fit(gigabytes, None, least)


def _with(recipe: Recipe, twice: bool, eight: bool) -> Recipe:
    compute = recipe.compute.model_copy(
        update={
            "gradient_checkpointing": twice or recipe.compute.gradient_checkpointing,
            "optimizer": "adamw8bit" if eight else recipe.compute.optimizer,
        }
    )
    return recipe.model_copy(update={"compute": compute})


def _parts(recipe: Recipe, stage: Stage, room: float) -> tuple[int | None, int]:
    """The fewest parts of a step that fit, and bytes needed; None where one picture at a time is too much."""
    batch, first = recipe.stage(stage).batch, recipe.stage(stage).accumulate
    divisors = [k for k in range(first, batch + 1) if batch % k == 0]
    standing = _standing(recipe, stage).total
    if standing > room:  # no need to count activations
        return None, standing
    whole, least = _in_parts(recipe, stage, first), _in_parts(recipe, stage, divisors[-1])
    if whole <= room:
        return first, whole
    if least > room:
        return None, least
    parts = divisors[bisect_left(divisors, True, key=lambda k: _in_parts(recipe, stage, k) <= room)]
    return parts, _in_parts(recipe, stage, parts)


def _in_parts(recipe: Recipe, stage: Stage, parts: int) -> int:
    settings = recipe.stage(stage).model_copy(update={"accumulate": parts})
    changed = recipe.model_copy(update={f"train_{stage}": settings})
    return _stage_memory(changed, stage, torch.bfloat16).total


def size_of(count: float) -> str:
    """Bytes in words, e.g. "2.4 GB"."""
    return f"{count / GIB:.1f} GB" if count >= 0.1 * GIB else f"{count / 2**20:.0f} MB"
