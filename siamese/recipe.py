"""A recipe: every setting of one model, its tables from `siamese.sections`.

It is a TOML file; unknown keys are errors with a suggestion. It travels inside every checkpoint's metadata,
so that weights can always be rebuilt and explained. "Paper" is Siamese-Diffusion (CVPR 2025, arXiv 2505.06068).
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError, model_validator

from siamese.errors import RecipeError
from siamese.sections import (
    AugmentationRecipe,
    AutoencoderRecipe,
    AutoencoderStage,
    BaseStage,
    ComputeRecipe,
    DataRecipe,
    DenoiserRecipe,
    DiffusionRecipe,
    GuideStage,
    HintRecipe,
    LossRecipe,
    SamplingRecipe,
    SegmenterStage,
    Settings,
    SiameseStage,
    StageRecipe,
    WatchRecipe,
    explained,
)

Stage = Literal["autoencoder", "base", "guide", "siamese", "segmenter"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Recipe(Settings):
    """One model: sizes, losses, stages. TOML in, TOML metadata out."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the checkpoint")
    family: Literal["compact", "sd15"] = Field(
        "compact", description="compact: trained from scratch; sd15: SD 1.5 size"
    )
    size: int = Field(384, ge=32, le=1024, description="side of the pictures, pixels")
    seed: int = Field(0, ge=0, description="seed of everything random in training")
    styles: tuple[str, ...] = Field(
        (), description="class tokens; empty: one for each dataset or centre found"
    )
    base: str | None = Field(
        None,
        description="sd15: folder, file or hub name of Stable Diffusion 1.5, whose weights it starts from",
    )
    prompts: tuple[str, ...] = Field(
        (), description='sd15: one prompt for each style; empty: "A photo of a polyp." for all'
    )
    stages: tuple[Stage, ...] = Field(
        ("autoencoder", "base", "siamese", "segmenter"), description="stages, in order"
    )
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    hint: HintRecipe = HintRecipe(unshuffle=4, widths=(32, 32))
    denoiser: DenoiserRecipe = DenoiserRecipe()
    diffusion: DiffusionRecipe = DiffusionRecipe()
    loss: LossRecipe = LossRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    data: DataRecipe = DataRecipe()
    compute: ComputeRecipe = ComputeRecipe()
    watch: WatchRecipe = WatchRecipe()
    sampling: SamplingRecipe = SamplingRecipe()
    train_autoencoder: AutoencoderStage = AutoencoderStage()
    train_base: BaseStage = BaseStage()
    train_guide: GuideStage = GuideStage()
    train_siamese: SiameseStage = SiameseStage()
    train_segmenter: SegmenterStage = SegmenterStage()

    @model_validator(mode="after")
    def _sizes_fit(self) -> Recipe:
        f = self.autoencoder.factor
        if self.size % (f * 2 ** (len(self.denoiser.widths) - 1)):
            raise ValueError(
                f"size {self.size} must divide by {f * 2 ** (len(self.denoiser.widths) - 1)} "
                f"(autoencoder factor {f} times {len(self.denoiser.widths) - 1} halvings of the U-Net)"
            )
        grid = self.autoencoder.detail_grid
        if self.size % grid:
            raise ValueError(
                f"size {self.size} must divide by {grid} for an autoencoder.detail of so many levels"
            )
        if self.train_autoencoder.trains == "detail" and self.train_autoencoder.crop % grid:
            raise ValueError(
                f"train_autoencoder.crop {self.train_autoencoder.crop} must divide by {grid} to train the detail"
            )
        if len(self.denoiser.attention) != len(self.denoiser.widths):
            raise ValueError("denoiser.attention needs one value for each of denoiser.widths")
        if len(self.denoiser.guide) not in (0, len(self.denoiser.widths)):
            raise ValueError("denoiser.guide needs one value for each of denoiser.widths, or none")
        if self.denoiser.guide and self.family == "sd15":
            raise ValueError("denoiser.guide is for the family compact; leave it empty for sd15")
        if "guide" in self.stages and not self.denoiser.guide:
            raise ValueError("stage guide needs denoiser.guide, e.g. [48, 80, 96]")
        if self.train_autoencoder.trains == "detail" and not self.autoencoder.detail:
            raise ValueError(
                'train_autoencoder.trains = "detail" needs autoencoder.detail, e.g. [64, 128, 256]'
            )
        if self.hint.unshuffle > f or f % self.hint.unshuffle:
            raise ValueError(f"hint.unshuffle {self.hint.unshuffle} must divide the autoencoder factor {f}")
        if self.prompts and self.styles and len(self.prompts) != len(self.styles):
            raise ValueError(
                f"prompts has {len(self.prompts)} entries for {len(self.styles)} styles; give one each"
            )
        if self.sampling.style is not None and self.styles and self.sampling.style not in self.styles:
            raise ValueError(
                f"sampling.style {self.sampling.style!r} is none of the styles {list(self.styles)}"
            )
        return self

    @property
    def latent_size(self) -> int:
        """Side of the latents, S/f."""
        return self.size // self.autoencoder.factor

    def stage(self, name: Stage) -> StageRecipe:
        """The settings of one stage."""
        return getattr(self, f"train_{name}")

    def json(self) -> str:  # type: ignore[override]
        """The resolved recipe for a checkpoint's metadata."""
        return self.model_dump_json()


def parse(values: Mapping[str, object], where: str = "recipe") -> Recipe:
    """Build a Recipe from nested values.

    Raises:
        RecipeError: every unknown or impossible setting, with the nearest known name.
    """
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        raise RecipeError(f"{where}: {explained(error, Recipe, 'recipe')}") from None


def parse_json(text: str, where: str = "recipe") -> Recipe:
    """A Recipe from the JSON that `Recipe.json` wrote.

    Raises:
        RecipeError: not JSON, unknown or impossible setting.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(
            f"{where} is not a recipe ({error}); train again or copy it from its source."
        ) from None
    return parse(values, where)


def read(path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a TOML recipe and apply `key=value` changes (dotted keys, TOML values).

    Raises:
        RecipeError: no such file, not TOML, unknown or impossible setting.
    """
    path = Path(path)
    if not path.is_file():
        raise RecipeError(
            f"No recipe at {path}; shipped ones lie in assets/recipes, e.g. assets/recipes/tiny.toml."
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not a TOML recipe ({error}); see assets/recipes/tiny.toml.") from None
    for change in changes:
        _apply(values, change)
    return parse(values, str(path))


def changed(recipe: Recipe, changes: Sequence[str], only: str) -> Recipe:
    """A recipe with `key=value` changes; RecipeError for a key outside the table `only` or an impossible value."""
    values = recipe.model_dump()
    for change in changes:
        if not change.startswith(f"{only}."):
            raise RecipeError(f"--set {change}: only {only} can be changed now; train again for the rest.")
        _apply(values, change)
    return parse(values)


def derived(values: Mapping[str, object], changes: Sequence[str], where: str = "recipe") -> Recipe:
    """A Recipe from nested values and `key=value` changes on them; the values stay as they are.

    Raises:
        RecipeError: unknown or impossible setting.
    """
    own = copy.deepcopy(dict(values))
    for change in changes:
        _apply(own, change)
    return parse(own, where)


def toml_value(value: object) -> str:
    """A setting's value as TOML and `--set` write it; none is the string "none", for TOML has no null."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps("none" if value is None else value, ensure_ascii=False)


def _apply(values: dict[str, object], change: str) -> None:
    key, sign, text = change.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"--set {change}: expected key=value, e.g. --set train_base.steps=500.")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *parents, last = key.strip().split(".")
    for name in parents:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {change}: {name} is a value, not a table.")
        values = inner
    values[last] = value
