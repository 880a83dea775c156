"""The four losses of Siamese-Diffusion, by name and equation, in closed form without deep copies.

Source: Siamese-Diffusion (CVPR 2025) Eq. 5 to 13 and its release. Every loss acts on the network's own prediction
(eps or v); only Eq. 11 goes through eps. `sg` is stop-gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from siamese.diffusion.model import Features, Residuals, SiameseDiffusion
from siamese.diffusion.noise import add_noise, alpha_sigma, sample_weight, target, to_eps


@dataclass(frozen=True)
class NoisySample:
    """A batch on its way: z_0, eps (B,C,h,w); t (B,) int64 in 0..999; frame (B,2,h,w); context (B,3,W)."""

    z_0: Tensor
    eps: Tensor
    t: Tensor
    frame: Tensor
    context: Tensor


def denoising_loss(model: SiameseDiffusion, sample: NoisySample) -> Tensor:
    """The base denoiser's loss: |e(z_t) − target|², no control branch. Returns a scalar."""
    recipe = model.recipe.diffusion
    z_t = add_noise(sample.z_0, sample.eps, sample.t, model.alphas_bar)
    predicted = model.decode_features(model.encode_features(z_t, sample.t, sample.context, sample.frame))
    wanted = target(sample.z_0, sample.eps, sample.t, model.alphas_bar, recipe.prediction)
    weight = sample_weight(sample.t, model.alphas_bar, recipe.prediction, recipe.min_snr)
    return (weight * _squared(predicted, wanted, "mean")).mean()


def siamese_losses(
    model: SiameseDiffusion,
    sample: NoisySample,
    mask_hint: Tensor,
    image_hint: Tensor | None,
    mask_kept: Tensor,
    progress: float,
) -> dict[str, Tensor]:
    """L_m, L_i, L_c and L_m' (Eq. 7, 8, 9, 12), each weighted as it enters the sum L (Eq. 6).

    The gradient paths of the release: L_i trains DHI and control branch through w_i c_i alone; L_c and L_m' see the
    image branch's prediction as a constant; L_m and L_m' train everything that `loss.trains` names.

    Args:
        mask_hint, image_hint: (B,3,S,S) in [0,1]; no `image_hint`: the mask branch alone.
        mask_kept: (B,) 1 or 0; 0 multiplies the control residuals by 0 (a dropped mask, not an empty one).
        progress: k/N_iter in [0,1): w_i of Eq. 5, and the threshold K_tau of Eq. 13.
    Returns: scalars `L_m` and, with the image branch, `L_i`, `L_c`, and `L_m'` once it acts.
    """
    recipe, kind = model.recipe.loss, model.recipe.diffusion.prediction
    alphas_bar, t = model.alphas_bar, sample.t
    z_t = add_noise(sample.z_0, sample.eps, t, alphas_bar)
    wanted = target(sample.z_0, sample.eps, t, alphas_bar, kind)
    weight = sample_weight(t, alphas_bar, kind, model.recipe.diffusion.min_snr)

    def mean(prediction: Tensor, goal: Tensor) -> Tensor:
        return (weight * _squared(prediction, goal, recipe.reduction)).mean()

    mask_features = model.dhi(mask_hint)
    c_m = _kept(model.control_residuals(z_t, t, sample.context, sample.frame, mask_features), mask_kept)
    features = _encoder(model, z_t, sample)
    e_m = model.decode_features(features, c_m)
    losses = {"L_m": mean(e_m, wanted)}
    if image_hint is None or recipe.objective == "mask":
        return losses

    image_features = model.dhi(image_hint)
    c_i = _kept(model.control_residuals(z_t, t, sample.context, sample.frame, image_features), mask_kept)
    c_mix = [progress * i + recipe.w_m * m.detach() for i, m in zip(c_i, c_m, strict=True)]  # Eq. 5
    e_mix = _frozen_decoder(model, features, c_mix)
    losses["L_i"] = mean(e_mix, wanted)
    losses["L_c"] = recipe.w_c * mean(e_m, e_mix.detach())

    active = t <= recipe.T_tau if recipe.T_tau_inclusive else t < recipe.T_tau
    active = active & (mask_kept > 0)
    if progress > recipe.K_tau and bool(active.any()) and recipe.w_a > 0:
        losses["L_m'"] = _online_augmentation(
            model, sample, z_t, e_mix.detach(), mask_features, weight, active
        )
    return losses


def _online_augmentation(
    model: SiameseDiffusion,
    sample: NoisySample,
    z_t: Tensor,
    e_mix: Tensor,
    mask_features: Tensor,
    weight: Tensor,
    active: Tensor,
) -> Tensor:
    """L_m' (Eq. 11 to 13) on the active samples, divided by the whole batch as the release does."""
    recipe, kind, alphas_bar = model.recipe.loss, model.recipe.diffusion.prediction, model.alphas_bar
    part = NoisySample(*(v[active] for v in (sample.z_0, sample.eps, sample.t, sample.frame, sample.context)))
    _, sigma = alpha_sigma(part.t, alphas_bar)
    eps_mix = to_eps(e_mix[active], z_t[active], part.t, alphas_bar, kind)
    z_new = z_t[active] + sigma * (
        part.eps - eps_mix
    )  # predict z_0 (Eq. 11), noise it again with the same eps
    c_new = model.control_residuals(z_new, part.t, part.context, part.frame, mask_features[active])
    e_new = model.decode_features(_encoder(model, z_new, part), c_new)
    alpha, _ = alpha_sigma(part.t, alphas_bar)
    z_0_new = (z_new - sigma * part.eps) / alpha
    wanted = target(z_0_new, part.eps, part.t, alphas_bar, kind)
    squared = _squared(e_new, wanted, recipe.reduction)
    return recipe.w_a * (weight[active] * squared).sum() / len(sample.t)


def _encoder(model: SiameseDiffusion, z_t: Tensor, sample: NoisySample) -> Features:
    """The U-Net's encoder and middle; without gradients where only the decoder trains (paper)."""
    frozen = model.recipe.loss.trains == "decoder"
    with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
        return model.encode_features(z_t, sample.t, sample.context, sample.frame)


def _frozen_decoder(model: SiameseDiffusion, features: Features, residuals: Residuals) -> Tensor:
    """The decoder with constant weights and features: gradients reach the residuals alone (sg[theta] of Eq. 8)."""
    constant = Features(
        features.middle.detach(),
        tuple(s.detach() for s in features.skips),
        features.time.detach(),
        features.context.detach(),
    )
    weights = {f"unet.{name}": p.detach() for name, p in model.unet.named_parameters()}
    return torch.func.functional_call(_Decoder(model), weights, (constant, residuals))


class _Decoder(torch.nn.Module):
    """`decode_features` as a module, for functional_call."""

    def __init__(self, model: SiameseDiffusion):
        super().__init__()
        self.unet = model.unet
        self._model = (model,)  # in a tuple: not a submodule

    def forward(self, features: Features, residuals: Residuals) -> Tensor:
        return self._model[0].decode_features(features, residuals)


def _kept(residuals: Residuals, mask_kept: Tensor) -> Residuals:
    return [r * mask_kept.to(r)[:, None, None, None] for r in residuals]


def _squared(prediction: Tensor, goal: Tensor, reduction: str) -> Tensor:
    """Squared error of each sample (B,): mean over channels and pixels (release) or sum (paper)."""
    error = (prediction.float() - goal.float()).square().flatten(1)
    return error.mean(1) if reduction == "mean" else error.sum(1)
