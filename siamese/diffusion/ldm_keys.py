"""Names of tensors: ours (diffusers' parts) and those of the published release (CompVis' latent-diffusion), one to one.

Source: Siamese-Diffusion's release, a ControlNet (arXiv 2302.05543) on Stable Diffusion 1.5.
"""

from __future__ import annotations

import re
from functools import lru_cache

import torch

from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.noise import BETA_END, BETA_START, TIMESTEPS
from siamese.recipe import Recipe

Shape = tuple[int, ...]
UNET, CONTROL, HINT = "model.diffusion_model.", "control_model.", "control_model.input_hint_block."
AUTOENCODER, TEXT = "first_stage_model.", "cond_stage_model.transformer."
DECODER = (UNET + "output_blocks.", UNET + "out.")
TRAINED = (CONTROL, *DECODER)
SCHEDULE = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "logvar",
)
RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "mid_block.attentions.0": "middle_block.1",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "controlnet_mid_block": "middle_block_out.0",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")


@lru_cache(maxsize=4)
def shapes(recipe: Recipe) -> dict[str, Shape]:
    """Our names and shapes: the whole state of a recipe's model, without its memory."""
    with torch.device("meta"):
        model = SiameseDiffusion(recipe)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@lru_cache(maxsize=4)
def layout(recipe: Recipe) -> dict[str, tuple[str, Shape]]:
    """The published names of a recipe's U-Net, control branch, hint encoder and autoencoder.

    Returns: published name → (our name, published shape); 1,302 of them at every width of SD 1.5.
    """
    found = {}
    for name, shape in shapes(recipe).items():
        published = _published(name, recipe)
        if published is not None:
            flat = published.startswith(AUTOENCODER) and ".attn_1." in published and len(shape) == 2
            found[published] = name, ((*shape, 1, 1) if flat else shape)
    return found


def _published(name: str, recipe: Recipe) -> str | None:
    part, _, rest = name.partition(".")
    if part == "unet":
        return UNET + _unet(rest, recipe)
    if part == "control":
        return CONTROL + _unet(rest, recipe)
    if part == "dhi":
        return HINT + (_plain_hint(rest) if recipe.hint.kind == "plain" else _dense_hint(rest))
    if name.startswith("autoencoder.kl."):
        return AUTOENCODER + _autoencoder(
            name.removeprefix("autoencoder.kl."), len(recipe.autoencoder.widths)
        )
    return None


def _dense_hint(name: str) -> str:
    return name.replace("conv_out.", "1.") if name.startswith("conv_out.") else f"0.{name}"


def _plain_hint(name: str) -> str:
    """ControlNet's eight convolutions are the even members of a row: 0, 2, …, 14."""
    part, kind = name.rpartition(".")[::2]
    number = {"conv_in": 0, "conv_out": 7}.get(part)
    return f"{2 * (int(part.removeprefix('blocks.')) + 1 if number is None else number)}.{kind}"


def _unet(name: str, recipe: Recipe) -> str:
    head, kind = name.rpartition(".")[::2]
    if head in ENDS:
        return f"{ENDS[head]}.{kind}"
    if zero := re.fullmatch(r"controlnet_down_blocks\.(\d+)\.(.+)", name):
        return f"zero_convs.{zero[1]}.0.{zero[2]}"
    if middle := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        if middle[1] == "attentions":
            return f"middle_block.1.{middle[3]}"
        return f"middle_block.{2 * int(middle[2])}.{_residual(middle[3])}"
    block = BLOCK.fullmatch(name)
    assert block is not None, name
    way, level, part, index, rest = block[1], int(block[2]), block[3], int(block[4]), block[5]
    layers, attention = recipe.denoiser.layers, recipe.denoiser.attention
    if part == "downsamplers":
        return f"input_blocks.{(level + 1) * (layers + 1)}.0.{rest.replace('conv.', 'op.')}"
    if part == "upsamplers":
        place = 2 if attention[-1 - level] else 1
        return f"output_blocks.{level * (layers + 1) + layers}.{place}.{rest}"
    number = level * (layers + 1) + index + (way == "down")
    where = f"{'input' if way == 'down' else 'output'}_blocks.{number}"
    return f"{where}.0.{_residual(rest)}" if part == "resnets" else f"{where}.1.{rest}"


def _residual(rest: str) -> str:
    part, _, kind = rest.partition(".")
    return f"{RESIDUAL[part]}.{kind}"


def _autoencoder(name: str, levels: int) -> str:
    side, _, rest = name.partition(".")
    if side in ("quant_conv", "post_quant_conv"):
        return name
    if middle := re.fullmatch(r"mid_block\.resnets\.(\d)\.(.+)", rest):
        return f"{side}.mid.block_{int(middle[1]) + 1}.{middle[2]}"
    if attention := re.fullmatch(r"mid_block\.attentions\.0\.(.+)\.(weight|bias)", rest):
        return f"{side}.mid.attn_1.{ATTENTION[attention[1]]}.{attention[2]}"
    if block := BLOCK.fullmatch(rest):
        way, level, part, index, tail = block[1], int(block[2]), block[3], block[4], block[5]
        where = f"{side}.{way}.{level if way == 'down' else levels - 1 - level}"
        if part == "resnets":
            return f"{where}.block.{index}.{tail.replace('conv_shortcut', 'nin_shortcut')}"
        return f"{where}.{part.removesuffix('rs')}.{tail}"
    return f"{side}.{rest.replace('conv_norm_out', 'norm_out')}"


def schedule_buffers() -> dict[str, torch.Tensor]:
    """The 13 tables (1000,) float32 of a published file: the scaled linear schedule, computed in float64 as there."""
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    alphas = 1 - betas
    bar = alphas.cumprod(0)
    before = torch.cat([torch.ones(1, dtype=bar.dtype), bar[:-1]])
    variance = betas * (1 - before) / (1 - bar)
    values = (
        betas,
        bar,
        before,
        bar.sqrt(),
        (1 - bar).sqrt(),
        (1 - bar).log(),
        (1 / bar).sqrt(),
        (1 / bar - 1).sqrt(),
        variance,
        variance.clamp_min(1e-20).log(),
        betas * before.sqrt() / (1 - bar),
        (1 - before) * alphas.sqrt() / (1 - bar),
        torch.zeros_like(betas),
    )
    return {name: value.float() for name, value in zip(SCHEDULE, values, strict=True)}
