"""Augmented latents, encoded once and kept in the run's `cache/`: a chunk a file, made again where missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from siamese.data import batches
from siamese.data.batches import Pictures, Variant
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import writing
from siamese.recipe import Recipe

CHUNK = 32  # pictures a file


@dataclass(frozen=True)
class Latents:
    """z_0 (N·V,C,h,w) float16, frame (N·V,2,h,w) float16, label (N·V,10), flags (N·V,2); row i·V + v.

    Family sd15: also `z_spread`, the SD of the posterior about z_0.
    """

    variants: int
    tensors: dict[str, Tensor]

    def take(self, indices: np.ndarray, variants: np.ndarray) -> dict[str, Tensor]:
        """Rows of some pictures in some variants, float32."""
        rows = torch.from_numpy(indices * self.variants + variants)
        return {name: value[rows].float() for name, value in self.tensors.items()}


def draw_variant(pictures: Pictures, index: int, variant: int, recipe: Recipe) -> Variant:
    """Variant 0 is the picture as it is; the others are keyed by recipe seed, stem and number."""
    if variant == 0:
        return batches.identity(pictures, index)
    name = f"{recipe.seed}/{pictures.styles[index]}/{pictures.stems[index]}/{variant}"
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return batches.augment(pictures, index, recipe.augmentation, seed)


def encode(
    model: SiameseDiffusion, pictures: Pictures, cache: Path, autocast: torch.dtype | None
) -> Iterator[tuple[int, int] | Latents]:
    """Encode every variant of every picture with the model's autoencoder.

    Yields: (pictures done, pictures in all) after each chunk, at last the Latents.
    """
    recipe, count = model.recipe, len(pictures)
    folder = cache / _digest(model, pictures)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    chunks = []
    for start in range(0, count, CHUNK):
        path = folder / f"{start:06d}.safetensors"
        rows = range(start, min(start + CHUNK, count))
        chunk = _read(path)
        if chunk is None:
            chunk = _encode_rows(model, pictures, rows, autocast)
            with writing(folder):
                save_file(chunk, path.with_suffix(".tmp"))
                path.with_suffix(".tmp").replace(path)
        chunks.append(chunk)
        yield rows.stop, count
    names = chunks[0].keys()
    yield Latents(recipe.augmentation.variants, {n: torch.cat([c[n] for c in chunks]) for n in names})


@torch.no_grad()
def _encode_rows(
    model: SiameseDiffusion, pictures: Pictures, rows: range, autocast: torch.dtype | None
) -> dict[str, Tensor]:
    recipe, device, parts = model.recipe, model.device, []
    for index in rows:
        drawn = [draw_variant(pictures, index, v, recipe) for v in range(recipe.augmentation.variants)]
        x = batches.to_x(v.image for v in drawn).to(device)
        with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
            mean, logvar = model.autoencoder.posterior(x)
            z = model.autoencoder.normalise(mean)
        views = [v.view for v in drawn]
        parts.append(
            {
                "z_0": z.half().cpu(),
                "frame": batches.to_frame(views, recipe.latent_size).half(),
                "label": torch.from_numpy(np.stack([v.label for v in drawn])),
                "flags": batches.flags(views, [bool(pictures.text[index])] * len(views)),
            }
        )
        if recipe.family == "sd15":  # its release trains on draws of the posterior
            sd = model.autoencoder.z_sd.to(z)[:, None, None]
            parts[-1]["z_spread"] = (torch.exp(0.5 * logvar) / sd).half().cpu()
    return {name: torch.cat([part[name] for part in parts]).contiguous() for name in parts[0]}


def _read(path: Path) -> dict[str, Tensor] | None:
    if not path.is_file():
        return None
    try:
        return load_file(path)
    except SafetensorError:  # a chunk that was cut short is made again
        return None


def _digest(model: SiameseDiffusion, pictures: Pictures) -> str:
    found = hashlib.sha256(model.recipe.augmentation.model_dump_json().encode())
    found.update(np.ascontiguousarray(pictures.sha256))
    for name, value in sorted(model.autoencoder.state_dict().items()):
        found.update(name.encode() + value.detach().float().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
