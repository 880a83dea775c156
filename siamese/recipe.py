"""Every setting, once: frozen pydantic models with default, bounds, help and the paper's equation.

A recipe is a TOML file; unknown keys are errors with a suggestion. It travels inside every checkpoint's metadata,
so that weights can always be rebuilt and explained. "Paper" is Siamese-Diffusion (CVPR 2025, arXiv 2505.06068).
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from siamese.errors import RecipeError

Stage = Literal["autoencoder", "base", "siamese", "segmenter"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Settings(BaseModel):
    """Base: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AutoencoderRecipe(Settings):
    """Picture ↔ latents. Factor f = patch · 2^(len(widths) − 1)."""

    patch: int = Field(
        2, ge=1, le=8, description="pixel-unshuffle before the encoder and shuffle after the decoder"
    )
    widths: tuple[int, ...] = Field((64, 96, 160, 192), description="channels a level, finest first")
    layers: int = Field(1, ge=1, le=4, description="residual blocks a level (the decoder has one more)")
    latent_channels: int = Field(16, ge=1, le=64, description="latent channels C")
    groups: int = Field(32, ge=1, description="groups of the group normalisation")
    linear_path: bool = Field(
        True,
        description="fixed PCA of f×f blocks beside encoder and decoder, which learn the rest; SD 1.5 has none",
    )
    middle_attention: bool = Field(False, description="self-attention at the coarsest level (SD 1.5 has it)")
    texture: int = Field(
        0,
        ge=0,
        le=256,
        description="width of the network that draws fine texture on decoded pictures; 0: none",
    )

    @property
    def factor(self) -> int:
        """Downsampling factor f, pixels per latent."""
        return self.patch * 2 ** (len(self.widths) - 1)


class HintRecipe(Settings):
    """Dense Hint Input: hint (B,3,S,S) → features (B,D,S/f,S/f). Paper §3.3; one patch merge per factor 2 left."""

    unshuffle: int = Field(
        1, ge=1, le=8, description="pixel-unshuffle before the first convolution (1: the paper)"
    )
    widths: tuple[int, int] = Field(
        (16, 32), description="channels before the first merge; each merge doubles them"
    )


class DenoiserRecipe(Settings):
    """The U-Net; the control branch copies its encoder."""

    widths: tuple[int, ...] = Field((96, 160, 192), description="channels a level, finest first")
    layers: int = Field(1, ge=1, le=4, description="residual blocks a level")
    attention: tuple[bool, ...] = Field((False, False, True), description="attention a level, finest first")
    heads: int = Field(6, ge=1, description="attention heads (SD 1.5: 8)")
    frame: bool = Field(
        True, description="outside of the field of view and corner box as two more input channels"
    )
    context_width: int = Field(192, ge=8, description="width of the context tokens (SD 1.5: 768)")
    groups: int = Field(32, ge=1, description="groups of the group normalisation")


class DiffusionRecipe(Settings):
    """Noise schedule and what the network predicts. Paper Eq. 1; the release uses scaled_linear and eps."""

    prediction: Literal["eps", "v"] = Field("v", description="what the network predicts")
    schedule: Literal["scaled_linear", "cosine"] = Field("cosine", description="noise schedule (alphas_bar)")
    zero_terminal_snr: bool = Field(
        True, description="rescale the schedule so that t = 999 is pure noise (needs v)"
    )
    min_snr: float | None = Field(
        5.0, gt=0, description='min-SNR weight of each sample; "none": unweighted, as the paper'
    )

    @field_validator("min_snr", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "none" else value  # TOML has no null

    @model_validator(mode="after")
    def _terminal(self) -> DiffusionRecipe:
        if self.zero_terminal_snr and self.prediction == "eps":
            raise ValueError(
                'zero_terminal_snr needs prediction = "v": at pure noise eps says nothing about the picture'
            )
        return self


class LossRecipe(Settings):
    """The four losses. Paper Eq. 5 to 13; where paper and release differ the release is the default."""

    w_m: float = Field(1.0, ge=0, description="weight of the mask residuals inside c_mix (Eq. 5)")
    w_c: float = Field(
        1.0, ge=0, le=10, description="weight of the noise-consistency loss L_c (Eq. 9); 0: plain ControlNet"
    )
    w_a: float = Field(1.0, ge=0, description="weight of the online-augmentation loss L_m' (Eq. 12)")
    image_branch: bool = Field(
        True, description="run the image branch (L_i, L_c, L_m'); off: plain ControlNet"
    )
    K_tau: float = Field(1 / 3, ge=0, le=1, description="share of training after which L_m' acts (Eq. 13)")
    T_tau: int = Field(200, ge=0, le=999, description="largest timestep at which L_m' acts (Eq. 13)")
    T_tau_inclusive: bool = Field(True, description="t ≤ T_tau (release) instead of t < T_tau (paper)")
    reduction: Literal["mean", "sum"] = Field(
        "mean", description="over channels and pixels: mean (release) or sum (paper)"
    )
    prompt_dropout: float = Field(
        0.05, ge=0, le=1, description="share of samples with the null style token (paper: 5 %)"
    )
    mask_dropout: float = Field(
        0.15, ge=0, le=1, description="share of samples whose control residuals are multiplied by 0"
    )
    trains: Literal["decoder", "all"] = Field(
        "all", description="control branch + U-Net decoder (paper) or everything"
    )


class AugmentationRecipe(Settings):
    """Labelled augmentation: given to the network as a condition, zero at sampling."""

    orientation: float = Field(0.5, ge=0, le=1, description="share of pictures flipped or rotated by 90°")
    zoom: float = Field(1.3, ge=1, le=2, description="largest zoom; the shift goes with it")
    brightness: float = Field(
        0.1, ge=0, le=0.5, description="largest relative change of brightness and contrast"
    )
    hue: float = Field(0.02, ge=0, le=0.5, description="largest hue rotation, turns")
    warp: float = Field(
        8.0, ge=0, le=64, description="smooth warp of picture and mask, pixels at 384; not labelled"
    )
    paste: float = Field(0.0, ge=0, le=1, description="share of variants with small lesions blended in")
    variants: int = Field(8, ge=1, le=256, description="augmented latents cached for each picture")


class StageRecipe(Settings):
    """How one stage trains."""

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(16, ge=1, description="pictures (or crops) a step")
    lr: float = Field(2e-4, gt=0, description="peak learning rate of AdamW")
    lr_end: float = Field(0.1, gt=0, le=1, description="last learning rate as a share of the peak (cosine)")
    warmup: int = Field(100, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW weight decay")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    ema: float = Field(
        0.999, ge=0, lt=1, description="decay of the averaged weights that are saved and shown"
    )
    checkpoint_every: int = Field(1000, ge=1, description="steps between checkpoints")
    preview_every: int = Field(1000, ge=1, description="steps between previews")


class AutoencoderStage(StageRecipe):
    """L1 + feature loss + KL (+ PatchGAN) on crops; the texture by local contrast, spectrum, feature statistics."""

    crop: int = Field(192, ge=32, description="side of the training crops, pixels")
    kl: float = Field(1e-6, ge=0, description="weight of the KL term")
    features: float = Field(0.5, ge=0, description="weight of the feature loss; needs data.feature_net")
    adversarial: float = Field(0.0, ge=0, description="weight of the hinge PatchGAN loss")
    trains: Literal["all", "decoder", "texture"] = Field(
        "all", description="decoder, texture: keep the encoder and so the latents; train that part alone"
    )
    bands: float = Field(
        0.0, ge=0, description="weight of the losses on local contrast and on the spectrum, for the texture"
    )
    statistics: float = Field(
        0.0, ge=0, description="weight of the loss on local feature statistics; needs data.feature_net"
    )
    latent_noise: float = Field(
        0.05, ge=0, description="SD of noise on the latents before decoding, in latent SDs"
    )

    @model_validator(mode="before")
    @classmethod
    def _before_0_2(cls, values: object) -> object:
        """Checkpoints of version 0.1 say `decoder_only` in their recipe."""
        if isinstance(values, dict) and isinstance(values.get("decoder_only"), bool):
            values = dict(values)
            values.setdefault("trains", "decoder" if values.pop("decoder_only") else "all")
        return values


class BaseStage(StageRecipe):
    """The denoiser without the control branch."""


class SiameseStage(StageRecipe):
    """Control branch and U-Net with the four losses."""

    mask_only: float = Field(0.2, ge=0, lt=1, description="first share of the stage with L_m alone")
    fresh_control: bool = Field(
        False,
        description="from a start: copy the control branch anew from the U-Net instead of going on with it",
    )


class SegmenterStage(StageRecipe):
    """The judge of mask fit, on real pictures only."""

    size: int = Field(192, ge=32, description="side of its input, pixels")
    widths: tuple[int, ...] = Field((24, 48, 96, 160), description="channels a level")


class DataRecipe(Settings):
    """What is read and how it is prepared."""

    crop_to_view: bool = Field(
        True, description="cut black borders away: keep the box around the field of view"
    )
    remove_text: bool = Field(True, description="inpaint burnt-in text before anything else")
    feature_net: str | None = Field(
        None, description="SqueezeNet 1.1 weights (.safetensors) for the feature loss"
    )


class SamplingRecipe(Settings):
    """Defaults of the shipped checkpoint, chosen on val."""

    guidance: float = Field(2.5, ge=0, le=15, description="guidance on the mask")
    guidance_start: float = Field(0.0, ge=0, lt=1, description="first share of the steps without guidance")
    steps: int = Field(20, ge=1, le=1000, description="sampling steps")
    unconditional_mask: bool = Field(
        False, description="keep the mask in the unconditional half (paper, sd15)"
    )
    style: str | None = Field(None, description="default style; none: the first")


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
    stages: tuple[Stage, ...] = Field(STAGES, description="stages, in order")
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    hint: HintRecipe = HintRecipe(unshuffle=4, widths=(32, 32))
    denoiser: DenoiserRecipe = DenoiserRecipe()
    diffusion: DiffusionRecipe = DiffusionRecipe()
    loss: LossRecipe = LossRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    data: DataRecipe = DataRecipe()
    sampling: SamplingRecipe = SamplingRecipe()
    train_autoencoder: AutoencoderStage = AutoencoderStage()
    train_base: BaseStage = BaseStage()
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
        if len(self.denoiser.attention) != len(self.denoiser.widths):
            raise ValueError("denoiser.attention needs one value for each of denoiser.widths")
        if self.train_autoencoder.trains == "texture" and not self.autoencoder.texture:
            raise ValueError(
                'train_autoencoder.trains = "texture" needs autoencoder.texture above 0, e.g. 32'
            )
        if self.hint.unshuffle > f or f % self.hint.unshuffle:
            raise ValueError(f"hint.unshuffle {self.hint.unshuffle} must divide the autoencoder factor {f}")
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
        lines = []
        for problem in error.errors():
            path = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                known = _known(problem["loc"][:-1])
                near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}."
                lines.append(f"{path} is unknown; {hint}")
            else:
                lines.append(f"{path or 'recipe'}: {problem['msg'].removeprefix('Value error, ')}.")
        raise RecipeError(f"{where}: " + " ".join(lines)) from None


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


def _known(location: Sequence[int | str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for name in location:
        annotation = model.model_fields[str(name)].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        model = annotation
    return list(model.model_fields)
