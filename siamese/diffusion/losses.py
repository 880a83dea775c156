"""The four losses of Siamese-Diffusion, by name and equation, in closed form without deep copies.

Source: Siamese-Diffusion (CVPR 2025) Eq. 5 to 13 and its release. Every loss acts on the network's own prediction
(eps or v); only Eq. 11 goes through eps. `sg` is stop-gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from siamese.diffusion.model import Features, Residuals, SiameseDiffusion
from siamese.diffusion.noise import add_noise, alpha_sigma, sample_weight, target, to_eps

Backward = Callable[[Tensor], None]


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
    z_t = add_noise(sample.z_0, sample.eps, sample.t, model.alphas_bar)
    predicted = model.decode_features(model.encode_features(z_t, sample.t, sample.context, sample.frame))
    return _denoised(model, sample, predicted)


def guide_loss(model: SiameseDiffusion, sample: NoisySample) -> Tensor:
    """The same loss for the guide; the context is a constant. Returns a scalar."""
    z_t = add_noise(sample.z_0, sample.eps, sample.t, model.alphas_bar)
    return _denoised(model, sample, model.predict_guide(z_t, sample.t, sample.context.detach(), sample.frame))


def _denoised(model: SiameseDiffusion, sample: NoisySample, predicted: Tensor) -> Tensor:
    recipe = model.recipe.diffusion
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
    backward: Backward | None = None,
) -> dict[str, Tensor]:
    """L_m, L_i, L_c and L_m' (Eq. 7, 8, 9, 12), each weighted as it enters the sum L (Eq. 6).

    The gradient paths of the release: L_i trains DHI and control branch through w_i c_i alone; L_c and L_m' see the
    image branch's prediction as a constant; L_m and L_m' train everything that `loss.trains` names.

    Args:
        mask_hint, image_hint: (B,3,S,S) in [0,1]; no `image_hint`: the mask branch alone.
        mask_kept: (B,) 1 or 0; 0 multiplies the control residuals by 0 (a dropped mask, not an empty one).
        progress: k/N_iter in [0,1): w_i of Eq. 5, and the threshold K_tau of Eq. 13.
        backward: runs the backward pass of a part of the sum as soon as that part is known, so that its activations
            can go before the next part is computed; the gradients are those of the whole sum. The losses come back
            without graph then. None: nothing is done, and the losses keep their graph.
    Returns: scalars `L_m` and, with the image branch, `L_i`, `L_c`, and `L_m'` once it acts; objective `mask+image`:
        `L_i` alone.
    """
    recipe, kind = model.recipe.loss, model.recipe.diffusion.prediction
    alphas_bar, t = model.alphas_bar, sample.t
    z_t = add_noise(sample.z_0, sample.eps, t, alphas_bar)
    wanted = target(sample.z_0, sample.eps, t, alphas_bar, kind)
    weight = sample_weight(t, alphas_bar, kind, model.recipe.diffusion.min_snr)
    shared = _Shared(backward is not None)
    sample = replace(sample, context=shared.leaf(sample.context))
    mask_features = shared.leaf(model.encode_hint(mask_hint))

    def mean(prediction: Tensor, goal: Tensor, where: Tensor | None = None) -> Tensor:
        return (weight * _squared(prediction, goal, recipe.reduction, where)).mean()

    def control(features: Tensor) -> Residuals:
        return _kept(model.control_residuals(z_t, t, sample.context, sample.frame, features), mask_kept)

    c_m = control(mask_features)
    features = _encoder(model, z_t, sample)
    losses: dict[str, Tensor] = {}
    e_mix: Tensor | None = None
    if recipe.objective == "mask+image" and image_hint is not None:
        c_i = control(model.encode_hint(image_hint))
        both = [i + recipe.w_m * m for i, m in zip(c_i, c_m, strict=True)]
        losses["L_i"] = mean(model.decode_features(features, both), wanted)
        return _flown(losses, backward, shared)
    if recipe.objective == "siamese" and image_hint is not None:
        c_i = control(model.encode_hint(image_hint))
        c_mix = [progress * i + recipe.w_m * m.detach() for i, m in zip(c_i, c_m, strict=True)]  # Eq. 5
        predicted = model.decode_features(features, c_mix, frozen=True)
        losses["L_i"] = mean(predicted, wanted)
        e_mix = predicted.detach()
        if backward is not None:
            backward(losses["L_i"])
        del c_i, c_mix, predicted

    e_m = model.decode_features(features, c_m)
    losses["L_m"] = mean(e_m, wanted)
    if e_mix is None:
        return _flown(losses, backward, shared)
    where = _by_area(mask_hint, e_m) if recipe.area_weighted else None
    losses["L_c"] = recipe.w_c * mean(e_m, e_mix, where)
    if backward is not None:
        backward(losses["L_m"] + losses["L_c"])
    del e_m, c_m, features

    active = t <= recipe.T_tau if recipe.T_tau_inclusive else t < recipe.T_tau
    active = active & (mask_kept > 0)
    if progress > recipe.K_tau and bool(active.any()) and recipe.w_a > 0:
        losses["L_m'"] = _online_augmentation(model, sample, z_t, e_mix, mask_features, weight, active)
        if backward is not None:
            backward(losses["L_m'"])
    if backward is not None:
        shared.flow()
    return _ordered(losses, detached=backward is not None)


def _flown(losses: dict[str, Tensor], backward: Backward | None, shared: _Shared) -> dict[str, Tensor]:
    """A sum of one part: its backward pass, where one is wanted."""
    if backward is not None:
        backward(torch.stack(list(losses.values())).sum())
        shared.flow()
    return _ordered(losses, detached=backward is not None)


def _ordered(losses: dict[str, Tensor], detached: bool) -> dict[str, Tensor]:
    names = [name for name in ("L_m", "L_i", "L_c", "L_m'") if name in losses]
    return {name: losses[name].detach() if detached else losses[name] for name in names}


class _Shared:
    """What several parts of the sum depend on: cut off as leaves, so that each part can be passed back by itself."""

    def __init__(self, cut: bool):
        self._cut = cut
        self._pairs: list[tuple[Tensor, Tensor]] = []

    def leaf(self, tensor: Tensor) -> Tensor:
        """The tensor where nothing is cut or trained, else a leaf with its values."""
        if not self._cut or not tensor.requires_grad:
            return tensor
        leaf = tensor.detach().requires_grad_()
        self._pairs.append((tensor, leaf))
        return leaf

    def flow(self) -> None:
        """Pass on what the leaves have gathered."""
        reached = [(tensor, leaf.grad) for tensor, leaf in self._pairs if leaf.grad is not None]
        if reached:
            with torch.autocast(reached[0][0].device.type, enabled=False):
                torch.autograd.backward([t for t, _ in reached], [g for _, g in reached])


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


def _kept(residuals: Residuals, mask_kept: Tensor) -> Residuals:
    return [r * mask_kept.to(r)[:, None, None, None] for r in residuals]


def _by_area(mask_hint: Tensor, like: Tensor) -> Tensor:
    """Weights (B,1,h,w) of the area-adaptive L_c (ADC, MICCAI 2025): lesion 1 − a, background a, a = its share."""
    lesion = F.adaptive_avg_pool2d((mask_hint.amax(1, keepdim=True) > 0).float(), like.shape[-2:])
    a = lesion.mean((1, 2, 3), keepdim=True)
    return lesion * (1 - a) + (1 - lesion) * a


def _squared(prediction: Tensor, goal: Tensor, reduction: str, where: Tensor | None = None) -> Tensor:
    """Squared error of each sample (B,): mean over channels and pixels (release) or sum (paper); `where` weighs it."""
    error = (prediction.float() - goal.float()).square()
    error = (error if where is None else error * where).flatten(1)
    return error.mean(1) if reduction == "mean" else error.sum(1)
