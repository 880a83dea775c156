"""The plan of a set: which masks, how many pictures, by which checkpoints. TOML in and out; unknown keys are errors.

Source of the random masks: Siamese-Diffusion (CVPR 2025) §4.1 and §5.4, which gives no ranges; ours stand here.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from siamese.errors import RecipeError
from siamese.recipe import toml_value
from siamese.sections import SAMPLERS, Sampler, Settings, explained

FEWEST, MOST = 0.5, 10.0  # times the masks
LARGEST = 4 * 1024 * 1024  # bytes of a plan
Share = Annotated[float, Field(ge=0, le=1)]


class Ranges(Settings):
    """What a random mask may differ in from the real one it comes from; everything is drawn evenly."""

    scale: tuple[float, float] = Field((0.7, 1.4), description="factor on the lesion's size, from and to")
    move: Share = Field(0.2, description="largest shift, as a share of the picture's side")
    rotate: float = Field(180.0, ge=0, le=180, description="largest turn to either side, degrees")
    flip: bool = Field(True, description="mirror half of them")
    elastic: float = Field(0.03, ge=0, le=0.2, description="largest wobble, as a share of the picture's side")
    morph: Share = Field(0.25, description="share of masks that first go part of the way to another case's")
    morph_part: tuple[Share, Share] = Field((0.3, 0.7), description="how far they go, from and to")
    redraws: int = Field(
        20, ge=1, le=200, description="tries for a mask that looks like the set's before its case lends none"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Ranges:
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError("scale needs two numbers from 0.1 to 10, the smaller one first")
        if self.morph_part[0] > self.morph_part[1]:
            raise ValueError("morph_part needs the smaller number first")
        return self


class Masks(Settings):
    """Where the masks come from."""

    source: Literal["dataset", "library", "folder", "examples"] = Field(
        "dataset",
        description="dataset: the train split of `where`; library: outlines saved in the studio; folder: mask files; "
        "examples: the outlines that came with the app",
    )
    where: tuple[str, ...] = Field(
        (),
        description="dataset: folders, or names of datasets in the workspace; library: collections (empty: all); "
        "folder: a folder or a zip of mask files",
    )
    owner: str = Field("default", description="library: whose outlines")
    without: tuple[str, ...] = Field(
        (), description="cases that lend no mask: their stems, or dataset/stem where two datasets share one"
    )
    mode: Literal["real", "random"] = Field(
        "random", description="real: as they are; random: transformed within `masks.random`"
    )
    random: Ranges = Ranges()

    def leaves_out(self, dataset: str, stem: str) -> bool:
        """Does `without` name this case?"""
        return stem in self.without or f"{dataset}/{stem}" in self.without


class Pictures(Settings):
    """How a mask becomes a picture."""

    checkpoints: tuple[str, ...] = Field(
        ("polyp-compact",), min_length=1, max_length=20, description="shipped names or folders; taken in turn"
    )
    guidance: float | None = Field(
        None, ge=0, le=15, description="guidance on the mask; none: each checkpoint's default"
    )
    steps: int | None = Field(None, ge=1, le=1000, description="sampling steps; none: each checkpoint's own")
    sampler: Sampler = Field("sde", description=SAMPLERS)
    style: str | None = Field(None, description="style token; none: each checkpoint's default")
    seed: int = Field(
        1, ge=0, lt=2**32, description="first seed: of the transforms, and of every picture's own"
    )
    batch: int = Field(
        8, ge=1, le=64, description="pictures computed together; part of the result's identity"
    )
    unseen: str = Field(
        "",
        max_length=500,
        description="for a checkpoint without digests of its training pictures: how you know that it has seen no val "
        "or test picture; stands in the dataset card",
    )


class Plan(Settings):
    """A set to be made."""

    name: str = Field("set", pattern=r"^[\w][\w .+()-]{0,79}$", description="what you call the set")
    fold: float = Field(1.0, ge=FEWEST, le=MOST, description="pictures for each mask")
    real: tuple[str, ...] = Field(
        (),
        description="real datasets it will be trained and tested beside; empty: those that lend masks. Their val and "
        "test pictures may not have been seen by a checkpoint",
    )
    segmenter: str = Field("polyp-segmenter", description="judge of mask fit, a shipped name or a folder")
    masks: Masks = Masks()
    pictures: Pictures = Pictures()

    @model_validator(mode="after")
    def _says_where(self) -> Plan:
        if self.masks.source in ("dataset", "folder") and not self.masks.where:
            raise ValueError(f"masks.where is empty; name the {self.masks.source} that lends its masks")
        if self.masks.source == "folder" and len(self.masks.where) > 1:
            raise ValueError("masks.where names several folders; put the masks in one folder or one zip")
        return self

    @property
    def beside(self) -> tuple[str, ...]:
        """The real datasets that the set stands beside, as the plan names them: `real`, else those that lend masks."""
        return self.real or (self.masks.where if self.masks.source == "dataset" else ())

    def toml(self) -> str:
        """The plan as TOML, every setting written out, its meaning above it."""
        return "\n".join(_lines(self, "")) + "\n"


def parse(values: dict[str, object], where: str = "plan") -> Plan:
    """A Plan from nested values.

    Raises:
        RecipeError: every unknown or impossible setting, with the nearest known name.
    """
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{where}: {explained(error, Plan, 'plan')}") from None


def read(path: Path) -> Plan:
    """The plan of a TOML file.

    Raises:
        RecipeError: no such file, not TOML, unknown or impossible setting.
    """
    if not path.is_file():
        raise RecipeError(
            f"No plan at {path}; assets/plans holds one to copy, e.g. assets/plans/random.toml."
        )
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        values = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:  # not TOML, not UTF-8
        raise RecipeError(f"{path} is not a plan ({error}); see assets/plans/random.toml.") from None
    return parse(values, str(path))


def _lines(table: Settings, prefix: str) -> list[str]:
    lines, tables = [], []
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, Settings):
            tables.append((f"{prefix}{name}", value))
        elif value is None:
            lines += [f"# {field.description}", f"# {name} ="]
        else:
            lines += [f"# {field.description}", f"{name} = {toml_value(value)}"]
    for name, value in tables:
        lines += ["", f"[{name}]", *_lines(value, f"{name}.")]
    return lines
