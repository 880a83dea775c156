"""Augmented latents, encoded once and kept in the run's `cache/`: a chunk a file, made again where missing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
Drawn = Mapping[str, Tensor]


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
    model: SiameseDiffusion,
    pictures: Pictures,
    cache: Path,
    autocast: torch.dtype | None,
    made: Callable[[Callable[[int], Drawn], Sequence[int]], Iterator[Drawn]] = map,
) -> Iterator[tuple[int, int] | Latents]:
    """Encode every variant of every picture with the model's autoencoder.

    Args:
        made: of a function and numbers, what the function makes of each (`Bench.made`).
    Yields: (pictures done, pictures in all) after each chunk, at last the Latents.
    """
    recipe, count = model.recipe, len(pictures)
    folder = cache / _digest(model, pictures)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    chunks = {start: _read(folder / _name(start)) for start in range(0, count, CHUNK)}
    missing = [k for k in range(count) if chunks[k - k % CHUNK] is None]
    drawn = iter(made(partial(_drawn, pictures, recipe), missing))
    for start, kept in chunks.items():
        rows = range(start, min(start + CHUNK, count))
        if kept is None:
            parts = [_encoded(model, next(drawn), autocast) for _ in rows]
            chunks[start] = _joined(parts)
            path = folder / _name(start)
            with writing(folder):
                save_file(chunks[start], path.with_suffix(".tmp"))
                path.with_suffix(".tmp").replace(path)
        yield rows.stop, count
    yield Latents(recipe.augmentation.variants, _joined(list(chunks.values())))


def _joined(parts: Sequence[Drawn]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]).contiguous() for name in parts[0]}


def _name(start: int) -> str:
    return f"{start:06d}.safetensors"


def _drawn(pictures: Pictures, recipe: Recipe, index: int) -> Drawn:
    """Every variant of a picture: image (V,S,S,3) uint8, and what else a training asks of it."""
    drawn = [draw_variant(pictures, index, v, recipe) for v in range(recipe.augmentation.variants)]
    views = [v.view for v in drawn]
    return {
        "image": torch.from_numpy(np.stack([v.image for v in drawn])),
        "frame": batches.to_frame(views, recipe.latent_size).half(),
        "label": torch.from_numpy(np.stack([v.label for v in drawn])),
        "flags": batches.flags(views, [bool(pictures.text[index])] * len(views)),
    }


@torch.no_grad()
def _encoded(model: SiameseDiffusion, drawn: Drawn, autocast: torch.dtype | None) -> dict[str, Tensor]:
    found, device = dict(drawn), model.device
    x = batches.to_x(found.pop("image").to(device))
    with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
        mean, logvar = model.autoencoder.posterior(x)
        z = model.autoencoder.normalise(mean)
    found["z_0"] = z.half().cpu()
    if model.recipe.family == "sd15":  # its release trains on draws of the posterior
        sd = model.autoencoder.z_sd.to(z)[:, None, None]
        found["z_spread"] = (torch.exp(0.5 * logvar) / sd).half().cpu()
    return found


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
