"""The tables of a recipe: frozen pydantic models with default, bounds, help and the paper's equation.

"Paper" is Siamese-Diffusion (CVPR 2025, arXiv 2505.06068). `siamese.recipe` puts the tables together.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

FACTOR = 4  # detail: its guide has a pixel for so many by so many of the picture
PATCH = 4  # detail: pixel-unshuffle before the first convolution
Sampler = Literal["sde", "dpm", "ddim"]
Spacing = Literal["time", "snr"]
SAMPLERS = "DPM-Solver++ 2M as a stochastic equation, as an ordinary one, or DDIM with eta 0 (the paper's)"


class Settings(BaseModel):
    """Base: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def explained(error: ValidationError, table: type[BaseModel], whole: str) -> str:
    """Every unknown or impossible setting of a `table` in words, with the nearest known name.

    Args:
        whole: what the table is called where no single setting is to blame.
    """
    lines = []
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _known(table, problem["loc"][:-1])
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}."
            lines.append(f"{path} is unknown; {hint}")
        else:
            lines.append(f"{path or whole}: {problem['msg'].removeprefix('Value error, ')}.")
    return " ".join(lines)


def _known(table: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    for name in location:
        annotation = table.model_fields[str(name)].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        table = annotation
    return list(table.model_fields)


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
    detail: tuple[int, ...] = Field(
        (),
        description="channels a level, finest (a quarter of the side) first, of the denoiser that draws what the "
        "latents cannot hold on decoded pictures; empty: none",
    )

    @model_validator(mode="before")
    @classmethod
    def _before_detail(cls, values: object) -> object:
        """Earlier checkpoints have a texture network, which `detail` replaced; they are read without it."""
        return {k: v for k, v in values.items() if k != "texture"} if isinstance(values, dict) else values

    @property
    def detail_grid(self) -> int:
        """What the side of a picture or crop must divide by for `detail`; 1 without."""
        return math.lcm(FACTOR, PATCH * 2 ** (len(self.detail) - 1)) if self.detail else 1

    @property
    def factor(self) -> int:
        """Downsampling factor f, pixels per latent."""
        return self.patch * 2 ** (len(self.widths) - 1)


class HintRecipe(Settings):
    """Dense Hint Input: hint (B,3,S,S) → features (B,D,S/f,S/f). Paper §3.3; one patch merge per factor 2 left."""

    kind: Literal["dense", "plain"] = Field(
        "dense",
        description="dense: the paper's DHI; plain: ControlNet's eight convolutions (Table 5, no DHI)",
    )
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
    guide: tuple[int, ...] = Field(
        (),
        description="channels a level of a smaller U-Net that knows no masks and was trained less: sampling leads away "
        "from what it paints (autoguidance); empty: none",
    )


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
    objective: Literal["siamese", "mask", "mask+image"] = Field(
        "siamese",
        description="siamese: the paper's four losses; mask: plain ControlNet, L_m alone; mask+image: ControlNet "
        "with both hints, L_i alone under c_m + c_i",
    )
    area_weighted: bool = Field(
        False,
        description="L_c by area: lesion pixels weigh 1 - a, background a, a = the lesion's share (ADC, MICCAI 2025)",
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

    @model_validator(mode="before")
    @classmethod
    def _before_0_3(cls, values: object) -> object:
        """Checkpoints of version 0.2 say `image_branch` in their recipe."""
        if isinstance(values, dict) and isinstance(values.get("image_branch"), bool):
            values = dict(values)
            values.setdefault("objective", "siamese" if values.pop("image_branch") else "mask")
        return values


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
    batch: int = Field(16, ge=1, description="pictures (or crops) a step, of all processes together")
    accumulate: int = Field(
        1,
        ge=1,
        description="parts a step's batch is computed in, one after another: less memory, same result",
    )
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
    """L1 + feature loss + KL (+ PatchGAN) on crops; the detail by its denoising loss."""

    crop: int = Field(192, ge=32, description="side of the training crops, pixels")
    kl: float = Field(1e-6, ge=0, description="weight of the KL term")
    features: float = Field(0.5, ge=0, description="weight of the feature loss; needs data.feature_net")
    adversarial: float = Field(0.0, ge=0, description="weight of the hinge PatchGAN loss")
    trains: Literal["all", "decoder", "detail"] = Field(
        "all", description="decoder, detail: keep the encoder and so the latents; train that part alone"
    )
    latent_noise: float = Field(
        0.05, ge=0, description="SD of noise on the latents before decoding, in latent SDs"
    )

    @model_validator(mode="before")
    @classmethod
    def _before_0_2(cls, values: object) -> object:
        """Earlier checkpoints say `decoder_only` in their recipe, or how their texture was trained."""
        if not isinstance(values, dict):
            return values
        values = {k: v for k, v in values.items() if k not in ("bands", "statistics")}
        if values.get("trains") == "texture":
            values["trains"] = "decoder"
        if isinstance(values.get("decoder_only"), bool):
            values.setdefault("trains", "decoder" if values.pop("decoder_only") else "all")
        return values


class BaseStage(StageRecipe):
    """The denoiser without the control branch."""


class GuideStage(StageRecipe):
    """The smaller denoiser that sampling leads away from; trained too long it is of less use."""

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(32, ge=1, description="pictures a step, of all processes together")
    lr: float = Field(8e-4, gt=0, description="peak learning rate of AdamW")


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


class ComputeRecipe(Settings):
    """How training is computed; none of it changes what is trained."""

    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass: less memory, about a third slower"
    )
    channels_last: bool = Field(False, description="memory layout of pictures: channels innermost")
    compile: bool = Field(False, description="torch.compile the blocks of U-Net and control branch")
    optimizer: Literal["adamw", "adamw8bit"] = Field(
        "adamw", description="adamw8bit: states in 8 bit, needs `pip install bitsandbytes`"
    )
    workers: int | None = Field(
        None,
        ge=0,
        le=64,
        description="processes that make batches ahead, 0: none; unset: for a GPU one less than there are cores",
    )


class WatchRecipe(Settings):
    """Early warning of memorisation: pictures of fixed masks against training and held-out real pictures."""

    every: int = Field(0, ge=0, description="steps of the Siamese stage between looks; 0: never")
    pictures: int = Field(16, ge=4, le=256, description="fixed masks that are synthesized at each look")
    limit: float = Field(
        0.1,
        gt=0,
        le=1,
        description="share of them nearer to a training picture than real ones are: warn above",
    )


class SamplingRecipe(Settings):
    """Defaults of the shipped checkpoint, chosen on val."""

    guidance: float = Field(2.5, ge=0, le=15, description="guidance on the mask")
    guide: float = Field(
        0.0,
        ge=0,
        le=4,
        description="how far away from what the guide paints (autoguidance), where there is one",
    )
    guidance_start: float = Field(
        0.0, ge=0, lt=1, description="first share of the way, in time, without guidance and guide"
    )
    opening: float = Field(0.0, ge=0, le=1, description="guidance above 1 before that, in parts of the later")
    early: float = Field(
        0.0,
        ge=0,
        le=4,
        description="guidance above 1 before that, for outlines odder than trained on; in parts of the later",
    )
    closeup: float = Field(
        0.0,
        ge=0,
        le=0.25,
        description="lesions of a smaller radius, parts of the side, are painted enlarged; 0: none",
    )
    steps: int = Field(40, ge=1, le=1000, description="sampling steps")
    spacing: Spacing = Field(
        "time", description="steps of the stochastic sampler and the detail even in time, or in log SNR (needs fewer)"
    )
    eta: float = Field(
        1.0, ge=0, le=1, description="share of fresh noise in each step of the stochastic sampler"
    )
    s_noise: float = Field(
        1.0, ge=0.9, le=1.1, description="factor on that noise before guidance_start (EDM's S_noise)"
    )
    unconditional_mask: bool = Field(
        False, description="keep the mask in the unconditional half (paper, sd15)"
    )
    detail_steps: int = Field(8, ge=1, le=100, description="sampling steps of the detail")
    detail_strength: float = Field(
        1.0, ge=0, le=2, description="factor on the detail; above 1 where it was drawn too faint"
    )
    detail_floor: float = Field(
        0.0,
        ge=0,
        le=1,
        description="blocks of 4×4 pixels drawn this strong add half of it, fainter ones less still; 0: everything",
    )
    detail_noise: float = Field(
        0.02,
        ge=0,
        le=0.06,
        description="SD of noise on what guides the detail, in [-1,1]; more lets it paint more anew",
    )
    style: str | None = Field(None, description="default style; none: the first")
