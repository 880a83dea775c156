"""A Stable Diffusion 1.5 of an eighth of the widths with drawn weights, as a diffusers folder and as one file."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from siamese import recipe
from siamese.diffusion import checkpoint, ldm_keys, sd15, text
from siamese.recipe import Recipe
from tests.conftest import ROOT

SHIPPED = ROOT / "assets" / "recipes" / "sd15.toml"
EIGHTH = (  # the widths divided by 8, and groups that divide them
    "size=64",
    "autoencoder.widths=[16, 32, 64, 64]",
    "autoencoder.groups=8",
    "hint.widths=[2, 4]",
    "denoiser.widths=[40, 80, 160, 160]",
    "denoiser.groups=8",
    "denoiser.context_width=96",
    "compute.gradient_checkpointing=false",
    'styles=["polyp"]',
)
Tensors = dict[str, Tensor]


def small(*changes: str) -> Recipe:
    """sd15.toml with an eighth of the widths."""
    return recipe.read(SHIPPED, (*EIGHTH, *changes))


def vocabulary() -> dict[str, int]:
    """Every letter, alone and at a word's end, two joined words, and the two marks."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    words = [*letters, *(f"{c}</w>" for c in letters), "ph", "of</w>", text.BEGIN, text.END]
    return {word: number for number, word in enumerate(words)}


def text_shapes(width: int, words: int, layers: int = 12) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a CLIP text encoder."""
    ends = {"fc1.weight": (4 * width, width), "fc1.bias": (4 * width,), "fc2.weight": (width, 4 * width)}
    ends |= {"token_embedding.weight": (words, width), "position_embedding.weight": (text.TOKENS, width)}
    found = {}
    for name in text.names(layers):
        matrix = name.endswith("_proj.weight")
        ending = ".".join(name.split(".")[-2:])
        found[name] = ends.get(ending, (width, width) if matrix else (width,))
    return found


def draw(shapes: dict[str, tuple[int, ...]], seed: int) -> Tensors:
    """Random tensors of some shapes, none alike."""
    g = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=g) * 0.05 + (1.0 if "norm" in name and len(shape) == 1 else 0.0)
        for name, shape in shapes.items()
    }


def text_encoder(width: int = 96) -> Tensors:
    """Drawn weights of a text encoder."""
    return draw(text_shapes(width, len(vocabulary())), seed=7)


def sd15_parts(settings: Recipe) -> Tensors:
    """U-Net and autoencoder under the published names."""
    layout = ldm_keys.layout(settings)
    return draw({n: s for n, (_, s) in layout.items() if not n.startswith(ldm_keys.CONTROL)}, seed=1)


def write_tokenizer(folder: Path) -> None:
    """A small vocabulary as CLIP's tokenizer stores it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary()), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\np h\no f</w>\n", encoding="utf-8")


def write_folder(root: Path, settings: Recipe) -> Path:
    """The base in diffusers' layout, named as the hub's files of 2022 are: old attention names, `text_model.`."""
    layout = ldm_keys.layout(settings)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    parts: dict[str, Tensors] = {"unet": {}, "vae": {}}
    for published, value in sd15_parts(settings).items():
        own = layout[published][0]
        if own.startswith("unet."):
            parts["unet"][own.removeprefix("unet.")] = value
        else:
            name = own.removeprefix("autoencoder.kl.")
            for new, before in old.items():
                name = name.replace(f".attentions.0.{new}.", f".attentions.0.{before}.")
            parts["vae"][name] = (
                value.reshape(value.shape[:2]) if ".attn_1." in published and value.ndim == 4 else value
            )
    for part, tensors in parts.items():
        (root / part).mkdir(parents=True)
        save_file(tensors, root / part / "diffusion_pytorch_model.safetensors")
    (root / "text_encoder").mkdir()
    encoder = {f"text_model.{n}": v for n, v in text_encoder().items()}
    encoder["text_model.embeddings.position_ids"] = torch.arange(text.TOKENS)[None]
    save_file(encoder, root / "text_encoder" / "model.safetensors")
    write_tokenizer(root / "tokenizer")
    return root


def write_file(path: Path, settings: Recipe) -> Path:
    """The base as one file in latent-diffusion's names, with averaged weights that nobody wants and a wrapper."""
    tensors = sd15_parts(settings)
    tensors |= {f"{ldm_keys.TEXT}{text.OLD_LEVEL}{n}": v for n, v in text_encoder().items()}
    tensors["model_ema.decay"] = torch.tensor(0.999)
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors, "global_step": 470000}, path)
    write_tokenizer(path.parent / "tokenizer")
    return path


def write_checkpoint(folder: Path, base: Path, *changes: str) -> Path:
    """A checkpoint as training begins with it, of the base folder `base`; the hint encoder drawn by seed."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = sd15.start(small(f"base={str(base)!r}", *changes))
    checkpoint.save(model, folder, {}, stage="siamese", step=1)
    return folder


@lru_cache(maxsize=1)
def _published() -> Tensors:
    settings = small()
    layout = ldm_keys.layout(settings)
    tensors = draw({n: s for n, (_, s) in layout.items()}, seed=3)
    tensors |= {ldm_keys.TEXT + n: v for n, v in text_encoder().items()}
    return tensors | schedule()


def schedule() -> Tensors:
    """The 13 tables as latent-diffusion's register_schedule computes them, in numpy and float64."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    bar = np.cumprod(1 - betas)
    before = np.append(1.0, bar[:-1])
    variance = betas * (1 - before) / (1 - bar)
    found = {
        "betas": betas,
        "alphas_cumprod": bar,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(bar),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - bar),
        "log_one_minus_alphas_cumprod": np.log(1 - bar),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / bar),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / bar - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1 - bar),
        "posterior_mean_coef2": (1 - before) * np.sqrt(1 - betas) / (1 - bar),
        "logvar": np.zeros(1000),
    }
    return {name: torch.from_numpy(value).float() for name, value in found.items()}


def published_tensors() -> Tensors:
    """All 1,511 tensors of a published checkpoint at an eighth of the widths."""
    return dict(_published())


def trained_part(tensors: Tensors) -> Tensors:
    """The 756 that train."""
    return {n: v for n, v in tensors.items() if n.startswith(ldm_keys.TRAINED)}
