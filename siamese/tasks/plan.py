"""What a training would need, before it runs: size, memory, hours, disk, and whether to choose compact or sd15.

Nothing is trained and nothing is written. Memory is counted on blank tensors by `siamese.tasks.rehearsal`; hours come
from a trial of a few steps on this machine, or from the operations counted where the model does not run here.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

import torch

from siamese.counted import counted
from siamese.diffusion import checkpoint
from siamese.diffusion.device import choose_device, choose_precision, precision_name
from siamese.errors import RecipeError
from siamese.recipe import Recipe, Stage, toml_value
from siamese.shipped import find
from siamese.tasks import rehearsal
from siamese.tasks.denoising import DENOISING
from siamese.tasks.memory import GIB, Fit, Memory, fit, memory_of, numbers, saved_bytes, size_of

CARDS = (11, 24, 80)  # GB of memory of graphics cards that people have
KEPT = 2  # checkpoints that a stage keeps at most while it trains, and one more while it is written
PEAK = 312e12  # operations a second of an A100 in bf16 (its data sheet)
REACHED = 0.3  # share of that which training of this kind reaches; an assumption, not measured here
PAPER_NEEDS = 24  # GB of a card that sd15 trains on, by this plan; weights, gradients and states alone are 16


@dataclass(frozen=True)
class Plan:
    """What a recipe needs for so many pictures.

    Args:
        parts: numbers of each part of the model; `trained`: those the last diffusion stage changes.
        memory: in this machine's precision. hours: None where nothing was measured; `hours_by` says how.
        latents, checkpoints: bytes on disk.
    """

    recipe: Recipe
    pictures: int
    start: str | None
    device: str
    precision: str
    parts: dict[str, int]
    trained: int
    memory: Memory
    fits: tuple[Fit, ...]
    hours: float | None
    hours_by: str
    latents: int
    checkpoints: int
    advice: str

    @property
    def parameters(self) -> int:
        return sum(self.parts.values())

    def lines(self, verbose: bool = False) -> list[str]:
        """Sentences for a terminal; `verbose`: every setting instead of those that differ from the defaults."""
        settings = changes(self.recipe, all_of_them=verbose)
        return [
            f"{self.recipe.name}: {counted(self.pictures, 'picture')}, {', then '.join(self.recipe.stages)}"
            + (f", from {self.start}." if self.start else ", from nothing."),
            "Settings" + ("" if verbose else " that differ from the defaults") + ":",
            *(f"  {line}" for line in settings),
            f"Parameters: {_millions(self.parameters)} M, trained {_millions(self.trained)} M "
            f"({', '.join(f'{name} {_millions(n)}' for name, n in self.parts.items())}).",
            *self._steps(),
            f"Memory on this machine ({self.device}, {self.precision}), stage {self.memory.stage}: "
            f"{size_of(self.memory.total)}: weights {size_of(self.memory.weights)}, gradients and activations "
            f"{size_of(self.memory.alive)}, optimiser {size_of(self.memory.optimizer)}, averages "
            f"{size_of(self.memory.averages)}.",
            *(fit.sentence for fit in self.fits),
            f"Time: {self._time()}",
            f"Disk: {size_of(self.latents)} for latents, at most {size_of(self.checkpoints)} for checkpoints.",
            self.advice,
        ]

    def summary(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "name": self.recipe.name,
            "pictures": self.pictures,
            "start": self.start,
            "device": self.device,
            "precision": self.precision,
            "settings": changes(self.recipe),
            "parameters": self.parameters,
            "trained": self.trained,
            "parts": dict(self.parts),
            "memory": {**asdict(self.memory), "total": self.memory.total},
            "fits": [
                {**asdict(fit), "settings": None if fit.settings is None else list(fit.settings)}
                | {"sentence": fit.sentence}
                for fit in self.fits
            ],
            "hours": self.hours,
            "hours_by": self.hours_by,
            "time": self._time(),
            "steps": self._steps(),
            "latents": self.latents,
            "checkpoints": self.checkpoints,
            "advice": self.advice,
            "lines": self.lines(),
        }

    def _steps(self) -> list[str]:
        found = []
        for stage in self.recipe.stages:
            settings = self.recipe.stage(stage)
            part = -(-settings.batch // settings.accumulate)
            how = (
                f" ({settings.accumulate} parts of {part}, one after another)"
                if part < settings.batch
                else ""
            )
            steps, pictures = counted(settings.steps, "step"), counted(settings.batch, "picture")
            found.append(f"Stage {stage}: {steps} of {pictures}{how}.")
        return found

    def _time(self) -> str:
        if self.hours is None:
            return f"{self.hours_by}."
        if self.hours < 1:
            return f"about {counted(max(1, round(self.hours * 60)), 'minute')}, {self.hours_by}."
        return f"about {self.hours:.1f} hours, {self.hours_by}."


def plan(
    recipe: Recipe,
    pictures: int,
    start: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    trial: bool = True,
    most: float = 10.0,
) -> Plan:
    """What training a recipe on so many pictures would need.

    Args:
        start: the checkpoint it would start from. trial: measure hours, for about `most` seconds.
        device, precision: as `siamese.tasks.train.TrainRequest`.

    Raises:
        RecipeError: a batch that cannot be computed in so many parts.
        CheckpointError, MachineError: no such start, no such device.
    """
    if start is not None:
        checkpoint.read_recipe(find(start))
    for stage in recipe.stages:
        settings = recipe.stage(stage)
        if settings.batch % settings.accumulate:
            raise RecipeError(
                f"train_{stage}.accumulate = {settings.accumulate} does not divide its batch of {settings.batch}; "
                "choose a number that does."
            )
    where = choose_device(device)
    if precision == "auto":
        autocast = choose_precision(where)[1] if trial else torch.bfloat16
    else:
        autocast = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    if autocast == torch.float16 and precision == "auto":
        autocast = torch.bfloat16
    name = precision_name(autocast)
    computing = None if autocast == torch.float32 else autocast
    counts = dict(numbers(recipe, _last(recipe))[0])
    needed = memory_of(recipe, computing)
    hours, how = _hours(recipe, pictures, where, computing, most) if trial else (None, "not measured yet")
    variants = recipe.augmentation.variants if DENOISING.keys() & set(recipe.stages) else 0
    return Plan(
        recipe=recipe,
        pictures=pictures,
        start=start,
        device=where.type,
        precision=name,
        parts=counts,
        trained=numbers(recipe, _last(recipe))[1],
        memory=needed,
        fits=tuple(fit(recipe, card) for card in CARDS),
        hours=hours,
        hours_by=how,
        latents=pictures * variants * _latent_bytes(recipe),
        checkpoints=_checkpoint_bytes(recipe),
        advice=advice(recipe, pictures, _card(where)),
    )


def changes(recipe: Recipe, all_of_them: bool = False) -> list[str]:
    """`key=value` of the settings that differ from the defaults, as --set takes them."""
    return _changes(recipe.model_dump(), None if all_of_them else Recipe().model_dump(), "")


def _changes(values: dict, defaults: dict | None, prefix: str) -> list[str]:
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _changes(value, None if defaults is None else defaults[name], f"{prefix}{name}.")
        elif defaults is None or value != defaults[name]:
            found.append(f"{prefix}{name}={toml_value(value)}")
    return found


def advice(recipe: Recipe, pictures: int, card: float) -> str:
    """ "compact or sd15" in a sentence, by the GB of the NVIDIA GPU here (0: none)."""
    few = "a pretrained model gains most from few pictures" if pictures < 1000 else "it is the paper's model"
    if card >= PAPER_NEEDS:
        return f"Advice: sd15, because the GPU here has {card:.0f} GB and {few}; compact is for machines without one."
    why = f"the GPU here has {card:.0f} GB" if card else "there is no NVIDIA GPU here"
    start = " starting from polyp-compact" if pictures < 3000 else ""
    return (
        f"Advice: compact{start}, because {why} and sd15 needs {PAPER_NEEDS} GB; its pictures are plainer, so take "
        "sd15 to a machine that has that where realism decides."
    )


def _card(where: torch.device) -> float:
    return torch.cuda.get_device_properties(where).total_memory / GIB if where.type == "cuda" else 0.0


def _last(recipe: Recipe) -> Stage:
    """The stage that decides: Siamese where there is one."""
    return "siamese" if "siamese" in recipe.stages else recipe.stages[-1]


def _hours(
    recipe: Recipe, pictures: int, where: torch.device, autocast: torch.dtype | None, most: float
) -> tuple[float | None, str]:
    """Hours of all stages, and how they were found."""
    if recipe.family == "sd15" and _card(where) < PAPER_NEEDS:  # it would not run here
        work = sum(
            rehearsal.operations(recipe, stage, torch.bfloat16)
            * recipe.stage(stage).steps
            * recipe.stage(stage).batch
            for stage in recipe.stages
        )
        return work / PEAK / REACHED / 3600, (
            f"computed for an A100 ({work:.1e} operations at an assumed {REACHED:.0%} of its bf16 peak), "
            "not measured: it does not run on this machine"
        )
    busy = _busy() if where.type == "cpu" else ""
    total = 0.0
    for stage in recipe.stages:
        settings = recipe.stage(stage)
        a_picture = rehearsal.seconds(recipe, stage, where, autocast, most / len(recipe.stages))
        total += a_picture * settings.batch * settings.steps
        if stage == next((s for s in recipe.stages if s in DENOISING), None):  # latents are encoded once
            encode = rehearsal.encoding_seconds(recipe, where, autocast)
            total += encode * pictures * recipe.augmentation.variants
    return (
        total / 3600,
        f"measured on this machine ({where.type}) by the quickest of a few steps of each stage{busy}",
    )


def _busy() -> str:
    """A remark where other work takes the processors now; the system's load average is of the last minute."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    processors = os.cpu_count() or 1
    if load <= processors:
        return ""
    return (
        f", and it is busy with other work now (load {load:.0f} on {processors} processors): likely too long"
    )


def _latent_bytes(recipe: Recipe) -> int:
    """Bytes of one variant of a picture in the cache: float16 latents and frame, label and flags."""
    numbers = recipe.latent_size**2 * (recipe.autoencoder.latent_channels + 2)
    spread = recipe.latent_size**2 * recipe.autoencoder.latent_channels if recipe.family == "sd15" else 0
    return 2 * (numbers + spread) + 4 * 12


def _checkpoint_bytes(recipe: Recipe) -> int:
    """At most, on disk: weights and state of the checkpoints that each stage keeps, and one being written."""
    kept = sum(KEPT * saved_bytes(recipe, stage) for stage in recipe.stages)
    return kept + saved_bytes(recipe, _last(recipe))


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"
