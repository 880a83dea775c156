"""A slow, literal version of the paper's algorithm box: deep copies, everything recomputed. The measure of ours."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from siamese.diffusion.losses import NoisySample
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.noise import sample_weight, target, to_eps


def literal_losses(
    model: SiameseDiffusion,
    s: NoisySample,
    mask: torch.Tensor,
    image: torch.Tensor,
    progress: float,
    release: bool = True,
) -> dict[str, torch.Tensor]:
    """The algorithm box word by word; the whole batch goes through the online augmentation once a sample is active.

    The U-Net's encoder runs without gradients where the decoder alone trains, as in the release.
    """
    recipe = model.recipe
    kind, bars = recipe.diffusion.prediction, model.alphas_bar
    bar = bars[s.t][:, None, None, None]
    z_t = bar.sqrt() * s.z_0 + (1 - bar).sqrt() * s.eps
    frozen_encoder = recipe.loss.trains == "decoder"

    def network_input(z: torch.Tensor) -> torch.Tensor:
        return torch.cat([z, s.frame], 1) if recipe.denoiser.frame else z

    def control(net: SiameseDiffusion, z: torch.Tensor, hint: torch.Tensor) -> list[torch.Tensor]:
        down, middle = net.control(network_input(z), s.t, s.context, net.dhi(hint), return_dict=False)
        return [*down, middle]

    def unet(net: SiameseDiffusion, z: torch.Tensor, c: list[torch.Tensor]) -> torch.Tensor:
        if frozen_encoder:
            with torch.no_grad():
                features = net.encode_features(z, s.t, s.context, s.frame)
            return net.decode_features(features, c)
        return net.unet(
            network_input(z),
            s.t,
            s.context,
            down_block_additional_residuals=tuple(c[:-1]),
            mid_block_additional_residual=c[-1],
        ).sample

    def weighted(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        error = F.mse_loss(a, b, reduction="none").mean((1, 2, 3))
        return sample_weight(s.t, bars, kind, recipe.diffusion.min_snr) * error

    copied_control, copied_unet = _copied(model, "control", "dhi"), _copied(model, "unet")
    with torch.no_grad():
        c_m_constant = control(copied_control, z_t, mask)
    e_m = unet(model, z_t, control(model, z_t, mask))
    c_mix = [progress * i + m for i, m in zip(control(model, z_t, image), c_m_constant, strict=True)]
    e_mix = unet(copied_unet, z_t, c_mix)
    wanted = target(s.z_0, s.eps, s.t, bars, kind)
    losses = {
        "L_m": weighted(e_m, wanted).mean(),
        "L_i": weighted(e_mix, wanted).mean(),
        "L_c": weighted(e_m, e_mix.detach()).mean(),
    }
    active = (s.t <= 200) if release else (s.t < 200)
    if progress > 1 / 3 and bool(active.any()):
        eps_mix = to_eps(e_mix.detach(), z_t, s.t, bars, kind)
        z_0_new = (z_t - (1 - bar).sqrt() * eps_mix) / bar.sqrt()  # Eq. 11
        z_new = bar.sqrt() * z_0_new + (1 - bar).sqrt() * s.eps
        error = weighted(
            unet(model, z_new, control(model, z_new, mask)), target(z_0_new, s.eps, s.t, bars, kind)
        )
        losses["L_m'"] = torch.where(active, error, 0).mean()
    return losses


def _copied(model: SiameseDiffusion, *parts: str) -> SiameseDiffusion:
    """The model with deep copies of some parts, as the release makes at every step."""
    clone = copy.copy(model)
    clone._modules = {
        name: copy.deepcopy(module) if name in parts else module for name, module in model._modules.items()
    }
    return clone
