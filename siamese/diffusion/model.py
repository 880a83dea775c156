"""SiameseDiffusion: U-Net, control branch with DHI, autoencoder and context, built from diffusers' parts.

Names: x (B,3,S,S) in [-1,1]; z latents (B,C,h,w), h = S/f; hint (B,3,S,S) in [0,1]; frame (B,2,h,w) in [0,1],
channel 0 = outside the field of view, channel 1 = corner box; context (B,3,W) learned tokens.
Source: Siamese-Diffusion §3 (CVPR 2025); ControlNet (arXiv 2302.05543).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from siamese.data.batches import FIELDS, FRAME_CHANNELS, VIEW_SIZE
from siamese.diffusion.autoencoder import Autoencoder
from siamese.diffusion.context import Context
from siamese.diffusion.guidance import Early, projected
from siamese.diffusion.hint import hint_input
from siamese.diffusion.noise import noise_schedule, to_z_0
from siamese.diffusion.sampler import FreshNoise, Predict
from siamese.diffusion.text import PromptTable
from siamese.recipe import Recipe

Residuals = list[Tensor]


@dataclass(frozen=True)
class Features:
    """What the U-Net's encoder knows of (z_t, t, context); shared by every decoder pass."""

    middle: Tensor
    skips: tuple[Tensor, ...]
    time: Tensor
    context: Tensor


class ControlBranch(ControlNetModel):
    """diffusers' ControlNet whose hint arrives already encoded, so that DHI runs once per hint.

    Seen twice by the Siamese losses: with a mask's features and with a picture's.
    """

    @classmethod
    def beside(cls, unet: UNet2DConditionModel) -> ControlBranch:
        """A control branch of the U-Net's shape, its encoder copied, its zero convolutions zero."""
        config = unet.config
        branch = cls(
            in_channels=config.in_channels,
            down_block_types=config.down_block_types,
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            norm_num_groups=config.norm_num_groups,
            cross_attention_dim=config.cross_attention_dim,
            attention_head_dim=config.attention_head_dim,
            mid_block_type=config.mid_block_type,
            conditioning_embedding_out_channels=(16,),
        )
        branch.controlnet_cond_embedding = nn.Identity()
        branch.copy_encoder(unet)
        return branch

    def copy_encoder(self, unet: UNet2DConditionModel) -> None:
        """Copy the U-Net's encoder into this branch (paper §3.2: trained from a copy)."""
        for name in ("conv_in", "time_embedding", "down_blocks", "mid_block"):
            getattr(self, name).load_state_dict(getattr(unet, name).state_dict())

    def residuals(self, z_in: Tensor, t: Tensor, context: Tensor, hint_features: Tensor) -> Residuals:
        """z_in (B,C+2,h,w) → one residual for each skip connection, and the middle's last."""
        down, middle = self(z_in, t, context, hint_features, return_dict=False)
        return [*down, middle]


def build_unet(recipe: Recipe, widths: tuple[int, ...] | None = None) -> UNet2DConditionModel:
    """The U-Net of a recipe; its input is the latents, with the frame behind them where the recipe has one.

    Args:
        widths: None: the recipe's.
    """
    sizes = recipe.denoiser
    widths = widths or sizes.widths
    return UNet2DConditionModel(
        in_channels=recipe.autoencoder.latent_channels + (FRAME_CHANNELS if sizes.frame else 0),
        out_channels=recipe.autoencoder.latent_channels,
        down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in sizes.attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(sizes.attention)),
        mid_block_type="UNetMidBlock2DCrossAttn",
        block_out_channels=widths,
        layers_per_block=sizes.layers,
        norm_num_groups=math.gcd(sizes.groups, *widths),
        cross_attention_dim=sizes.context_width,
        attention_head_dim=sizes.heads,
    )


class SiameseDiffusion(nn.Module):
    """The whole model of one recipe.

    Parts: `autoencoder`, `unet`, `control` (control branch), `dhi` (hint encoder), `context` (tokens), `guide` (a
    smaller U-Net without control that sampling leads away from, or None).
    Buffers `views` (styles,96,96) uint8, each style's typical view map (data.batches), and `fields` (styles,16,96,96)
    uint8, fields of view of its training pictures, for the frame at sampling.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        f = recipe.autoencoder.factor
        self.autoencoder = Autoencoder(recipe.autoencoder)
        self.unet = build_unet(recipe)
        self.control = ControlBranch.beside(self.unet)
        self.dhi = hint_input(recipe.hint, recipe.denoiser.widths[0], f)
        tokens = PromptTable if recipe.family == "sd15" else Context
        self.context = tokens(len(recipe.styles), recipe.denoiser.context_width)
        self.guide = build_unet(recipe, recipe.denoiser.guide) if recipe.denoiser.guide else None
        if self.guide is not None:
            for of_zeros in (self.guide.conv_out.weight, self.guide.conv_out.bias):
                nn.init.zeros_(of_zeros)
        self.checkpointing = False
        self.views: Tensor
        views = torch.zeros(max(1, len(recipe.styles)), VIEW_SIZE, VIEW_SIZE, dtype=torch.uint8)
        self.register_buffer("views", views)
        self.fields: Tensor
        self.register_buffer("fields", views[:, None].repeat(1, FIELDS, 1, 1))
        self.alphas_bar: Tensor
        self.register_buffer(
            "alphas_bar", noise_schedule(recipe.diffusion).alphas_cumprod.clone(), persistent=False
        )

    @property
    def device(self) -> torch.device:
        return self.unet.conv_in.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.conv_in.weight.dtype

    def _with_frame(self, z_t: Tensor, frame: Tensor) -> Tensor:
        return torch.cat([z_t, frame], dim=1) if self.recipe.denoiser.frame else z_t

    @property
    def guided(self) -> bool:
        """Is there a guide whose training has begun? Its last layer begins as zeros."""
        return self.guide is not None and bool(self.guide.conv_out.weight.any())

    def predict_guide(self, z_t: Tensor, t: Tensor, context: Tensor, frame: Tensor) -> Tensor:
        """The guide's prediction; shapes as `predict_noise`, context (B,3,W)."""
        assert self.guide is not None
        return self.guide(self._with_frame(z_t, frame), t, context, return_dict=False)[0]

    @property
    def blocks(self) -> list[nn.Module]:
        """What takes the time: the levels of U-Net and control branch."""
        unet, control = self.unet, self.control
        return [*unet.down_blocks, unet.mid_block, *unet.up_blocks, *control.down_blocks, control.mid_block]

    def compute_twice(self, on: bool) -> None:
        """Gradient checkpointing: keep the inputs of blocks alone, and run them again in the backward pass."""
        self.checkpointing = on
        (self.control.enable_gradient_checkpointing if on else self.control.disable_gradient_checkpointing)()

    def encode_hint(self, hint: Tensor) -> Tensor:
        """DHI features (B,D,h,w) of hints (B,3,S,S) in [0,1]."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(self.dhi, hint, use_reentrant=False)
        return self.dhi(hint)

    def encode_features(self, z_t: Tensor, t: Tensor, context: Tensor, frame: Tensor) -> Features:
        """The U-Net's encoder and middle on z_t (B,C,h,w), t (B,), context (B,3,W), frame (B,2,h,w)."""
        unet, z_in = self.unet, self._with_frame(z_t, frame)
        time = unet.time_embedding(unet.time_proj(t).to(z_in.dtype))
        h = unet.conv_in(z_in)
        skips = [h]
        for block in unet.down_blocks:
            h, outputs = self._run(block, h, time, context)
            skips += outputs
        middle = self._run(unet.mid_block, h, time, context)
        return Features(middle, tuple(skips), time, context)

    def decode_features(
        self, features: Features, residuals: Residuals | None = None, frozen: bool = False
    ) -> Tensor:
        """The U-Net's decoder; `residuals` of the control branch are added to skips and middle.

        `frozen`: features and weights count as constants, so that gradients reach the residuals alone (sg[theta] of
        Eq. 8).
        """
        if frozen:
            constant = (features.middle.detach(), tuple(s.detach() for s in features.skips))
            features = Features(*constant, features.time.detach(), features.context.detach())
        unet, h, skips = self.unet, features.middle, list(features.skips)
        if residuals is not None:
            skips = [skip + residual for skip, residual in zip(skips, residuals[:-1], strict=True)]
            h = h + residuals[-1]
        for block in unet.up_blocks:
            count = len(block.resnets)
            skips, used = skips[:-count], tuple(skips[-count:])
            h = self._run(block, h, features.time, features.context, used, frozen=frozen)
        return _call(self._out, (h,), {}, frozen)

    @property
    def _out(self) -> nn.Sequential:
        return nn.Sequential(self.unet.conv_norm_out, self.unet.conv_act, self.unet.conv_out)

    def _run(
        self,
        block: nn.Module,
        h: Tensor,
        time: Tensor,
        context: Tensor,
        skips: tuple[Tensor, ...] = (),
        frozen: bool = False,
    ):  # noqa: ANN202
        """One diffusers U-Net block, with cross-attention where it has it; computed twice with `checkpointing`."""
        given: dict[str, Tensor | tuple[Tensor, ...]] = {"hidden_states": h, "temb": time}
        if getattr(block, "has_cross_attention", False):
            given["encoder_hidden_states"] = context
        if skips:
            given["res_hidden_states_tuple"] = skips
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(_call, block, (), given, frozen, use_reentrant=False)
        return _call(block, (), given, frozen)

    def control_residuals(
        self, z_t: Tensor, t: Tensor, context: Tensor, frame: Tensor, hint_features: Tensor
    ) -> Residuals:
        """The control branch on z_t with DHI features (B,D,h,w) of a mask or a picture."""
        return self.control.residuals(self._with_frame(z_t, frame), t, context, hint_features)

    def predict_noise(
        self,
        z_t: Tensor,
        t: Tensor,
        hint_features: Tensor,
        context: Tensor,
        frame: Tensor,
        guidance: float,
        guide: float = 0.0,
    ) -> Tensor:
        """The network's prediction (eps or v, as the recipe says) under guidance on the mask.

        e = e_u + g (e_c − e_u) + k (e_c − e_b). Without the mask, e_u has no control residuals; with
        `sampling.unconditional_mask` (paper) the mask stays and the style is the null token. e_b is the guide's (Karras
        et al. 2024, autoguidance: a smaller, less trained model errs where this one does, only more).

        Args:
            z_t: (B,C,h,w); t: (B,) in 0..999; hint_features: (B,D,h,w); frame: (B,2,h,w).
            context: (B,3,W), or (2B,3,W) with the unconditional half first for `unconditional_mask`.
            guidance: g; 1 runs the conditional half alone, 0 the unconditional half.
            guide: k; nothing where the model has no trained guide, or at guidance 0.
        Returns: (B,C,h,w).
        """
        if self.recipe.sampling.unconditional_mask:
            return self._predict_paper(z_t, t, hint_features, context, frame, guidance)
        features = self.encode_features(z_t, t, context, frame)
        if guidance == 0:
            return self.decode_features(features)
        residuals = self.control_residuals(z_t, t, context, frame, hint_features)
        if guidance == 1:
            e_c = e = self.decode_features(features, residuals)
        else:
            e_u, e_c = self._both_halves(features, residuals)
            e = e_u + guidance * (e_c - e_u)
        if guide == 0 or not self.guided:
            return e
        return e + guide * (e_c - self.predict_guide(z_t, t, context, frame))

    def predictor(
        self,
        hint_features: Tensor,
        context: Tensor,
        frame: Tensor,
        early: Early | None,
        guidance: float,
    ) -> Predict:
        """What a sampler asks: guidance and guide from `sampling.guidance_start` on, nearly the mask alone before.

        Arguments as `predict_noise`; at guidance 0 the mask is never asked. Before that start guidance exceeds 1 by
        `sampling.opening` parts of what it does later. Masks that are odd by `early` get `sampling.early` times their
        oddity beside it, without what would merely strengthen the estimate.
        """
        sampling = self.recipe.sampling
        above = 0.0 if sampling.unconditional_mask else max(0.0, guidance - 1)
        if sampling.early == 0 or early is None or not early.oddity.any():
            early = None
        alphas_bar = noise_schedule(self.recipe.diffusion).alphas_cumprod.to(frame.device)

        def predict(z_t: Tensor, t: Tensor, done: float) -> Tensor:
            given = z_t.to(self.dtype), t, hint_features, context, frame
            if done >= sampling.guidance_start:
                return self.predict_noise(*given, guidance, sampling.guide)
            if above == 0 or (early is None and sampling.opening == 0):
                return self.predict_noise(*given, min(1.0, guidance))
            features = self.encode_features(*given[:2], context, frame)
            residuals = self.control_residuals(*given[:2], context, frame, hint_features)
            e_u, e_c = (of.float() for of in self._both_halves(features, residuals))
            e = e_c + sampling.opening * above * (e_c - e_u)
            if early is None:
                return e
            z_0 = to_z_0(e_c, z_t, t, alphas_bar, self.recipe.diffusion.prediction)
            return e + sampling.early * above * early.oddity * projected(e_c - e_u, z_0, early.place)

        return predict

    @property
    def fresh_noise(self) -> FreshNoise:
        """The fresh noise of the stochastic sampler, as the recipe has it."""
        sampling = self.recipe.sampling
        return FreshNoise(sampling.eta, sampling.s_noise, sampling.guidance_start)

    def _both_halves(self, features: Features, residuals: Residuals) -> tuple[Tensor, ...]:
        """The decoder without and with control residuals, in one pass."""
        both = Features(
            *(_twice(part) for part in (features.middle, features.skips, features.time, features.context))
        )
        return self.decode_features(both, [torch.cat([torch.zeros_like(r), r]) for r in residuals]).chunk(2)

    def _predict_paper(
        self, z_t: Tensor, t: Tensor, hint_features: Tensor, context: Tensor, frame: Tensor, guidance: float
    ) -> Tensor:
        z_t, t, hint_features, frame = _twice(z_t), _twice(t), _twice(hint_features), _twice(frame)
        residuals = self.control_residuals(z_t, t, context, frame, hint_features)
        e_u, e_c = self.decode_features(self.encode_features(z_t, t, context, frame), residuals).chunk(2)
        return e_u + guidance * (e_c - e_u)

    def decode(
        self,
        z: Tensor,
        hint: Tensor | None = None,
        seeds: Sequence[int] | None = None,
        detail_steps: int | None = None,
    ) -> Tensor:
        """z (B,C,h,w) → x (B,3,S,S) in [-1,1]; with a seed for each picture detail is drawn, if the model has it.

        Args:
            hint: (B,3,S,S) in [0,1] of the masks, which the detail keeps to; None: unknown.
            detail_steps: None: the recipe's; 0: no detail.
        """
        return self.detailed(self.autoencoder.decode(z), hint, seeds, detail_steps)

    def detailed(
        self, x: Tensor, hint: Tensor | None, seeds: Sequence[int] | None, detail_steps: int | None = None
    ) -> Tensor:
        """The second half of `decode`: x (B,3,S,S) as the autoencoder gives it, with detail."""
        detail, sampling = self.autoencoder.detail, self.recipe.sampling
        steps = sampling.detail_steps if detail_steps is None else detail_steps
        if detail is None or not detail.fitted or seeds is None or steps == 0:
            return x
        how = sampling.detail_noise, steps, sampling.detail_strength, sampling.detail_floor, sampling.spacing
        return detail.draw(x, hint, seeds, *how).clamp(-1, 1)

    def sampling_context(self, style: Tensor, corner_box: bool = False) -> Tensor:
        """Context at sampling, (B,3,W): style (B,) int64, with its corner box or without."""
        return self.context.sampled(style, corner_box)

    def guided_context(self, style: Tensor, corner_box: bool = False) -> Tensor:
        """`sampling_context` as `predict_noise` wants it: with `unconditional_mask` the null style's rows first."""
        if self.recipe.sampling.unconditional_mask:
            style = torch.cat([torch.full_like(style, self.context.null), style])
        return self.sampling_context(style, corner_box)


def _twice(value):
    return torch.cat([value, value]) if isinstance(value, Tensor) else tuple(_twice(v) for v in value)


def _call(
    module: nn.Module,
    given: tuple[Tensor, ...],
    named: dict[str, Tensor | tuple[Tensor, ...]],
    frozen: bool,
):  # noqa: ANN202
    """Run a module, with its weights as constants where `frozen`; also when a checkpoint runs it once more."""
    if not frozen:
        return module(*given, **named)
    weights = {name: p.detach() for name, p in module.named_parameters()}
    return torch.func.functional_call(module, weights, given, named)
