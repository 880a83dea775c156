"""Checkpoints: a folder with `model.safetensors`, the recipe in its metadata, and digests of its training pictures.

Only safetensors are opened; no pickle. A name without a path is looked up in the shipped `checkpoints/`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from siamese.data.batches import OUTSIDE
from siamese.data.view import outline
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import CheckpointError, writing
from siamese.recipe import Recipe, parse_json
from siamese.shipped import FILE, VIEW, find

FORMAT = "siamese-studio 1"
DIGESTS = ("training.sha256", "training.dhash")


@dataclass(frozen=True)
class Loaded:
    """A model in eval mode, and what its file says about it."""

    model: SiameseDiffusion
    name: str
    sha256: str
    metadata: dict[str, str]
    digests: dict[str, Tensor]


def save(
    model: SiameseDiffusion,
    folder: Path,
    digests: dict[str, Tensor],
    dtype: torch.dtype = torch.float32,
    **facts: str | int,
) -> Path:
    """Write `folder/model.safetensors` (floating tensors as `dtype`, recipe in its metadata) and `view.json`.

    Args:
        digests: `training.sha256` (N,32) and `training.dhash` (N,8) uint8.
        facts: further metadata, e.g. stage and step.
    Returns: the file.
    """
    tensors = {
        name: (value.to(dtype) if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    for name in ("autoencoder.z_mean", "autoencoder.z_sd", "autoencoder.rgb_weight", "autoencoder.rgb_bias"):
        tensors[name] = model.get_buffer(name).detach().float().cpu().contiguous()
    metadata = {"format": FORMAT, "recipe": model.recipe.json(), **{k: str(v) for k, v in facts.items()}}
    path = folder / FILE
    styles = model.recipe.styles
    view = model.views[styles.index(model.recipe.sampling.style or styles[0])].cpu().numpy()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        save_file({**tensors, **digests}, path, metadata)
        (folder / VIEW).write_text(json.dumps(outline((view & OUTSIDE) == 0)) + "\n", encoding="utf-8")
    return path


def read_recipe(folder: Path) -> tuple[Recipe, dict[str, str]]:
    """The recipe and the metadata of a checkpoint, without reading its weights.

    Raises:
        CheckpointError: not safetensors, truncated, or not one of ours.
    """
    metadata = _metadata(folder / FILE)
    path = folder / FILE
    if "segmenter" in metadata:
        raise CheckpointError(
            f"{path} is a segmenter, which paints no pictures; choose a checkpoint of the Siamese stage."
        )
    if metadata.get("format") != FORMAT or "recipe" not in metadata:
        raise CheckpointError(
            f"{path} is safetensors of another kind (no Siamese Studio recipe inside); choose one trained here."
        )
    return parse_json(metadata["recipe"], f"recipe inside {path}"), metadata


def is_segmenter(folder: Path) -> bool:
    """Does the folder hold a segmenter (segmentation.judge) instead of a model that paints?"""
    return "segmenter" in _metadata(folder / FILE)


def _metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        head = file.read(8)
    if head[:1] == b"\x80" or head[:4] == b"PK\x03\x04":
        raise CheckpointError(
            f"{path} is a pickle, which can run code and is never opened; convert it to safetensors."
        )
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}); copy it again from its source."
        ) from None


def load(
    checkpoint: str | Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Loaded:
    """Load a checkpoint for sampling.

    Raises:
        CheckpointError: missing, damaged, unsafe, of another kind, or not fitting its own recipe.
    """
    folder = find(checkpoint)
    recipe, metadata = read_recipe(folder)
    path = folder / FILE
    if recipe.family != "compact":
        raise CheckpointError(
            f"{path} is of the family {recipe.family}, which needs text prompts; this version runs the family compact."
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}); copy it again from its source."
        ) from None
    digests = {name: tensors.pop(name) for name in DIGESTS if name in tensors}
    model = SiameseDiffusion(recipe)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{path} does not fit its own recipe ({reason}); copy it again from its source."
        ) from None
    model.to(device=device, dtype=dtype).eval().requires_grad_(False)
    for name in ("z_mean", "z_sd", "rgb_weight", "rgb_bias"):
        setattr(model.autoencoder, name, getattr(model.autoencoder, name).float())
    model.alphas_bar = model.alphas_bar.float()
    return Loaded(model, recipe.name, sha256(path), metadata, digests)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
