"""Checkpoints: a folder with `model.safetensors`, the recipe in its metadata, and digests of its training pictures.

Only safetensors are opened; no pickle. A name without a path is looked up in the shipped `checkpoints/`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from siamese.data.batches import FIELDS, OUTSIDE
from siamese.data.view import outline
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.unset import Unset
from siamese.errors import CheckpointError, writing
from siamese.recipe import Recipe, parse_json
from siamese.shipped import FILE, VIEW, find

FORMAT = "siamese-studio 1"
DIGESTS = ("training.sha256", "training.dhash")
REPLACED = "autoencoder.texture."  # what drew texture before `detail`; not read any more
EXACT = tuple(
    f"autoencoder.{name}"
    for name in ("z_mean", "z_sd", "rgb_weight", "rgb_bias", "detail.basis", "detail.scale")
)  # never rounded


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
    dtype: torch.dtype | None = torch.float32,
    **facts: str | int,
) -> Path:
    """Write `folder/model.safetensors`, the recipe in its metadata, and `view.json`.

    Args:
        dtype: of floating tensors; None: as they are.
        digests: `training.sha256` (N,32) and `training.dhash` (N,8) uint8.
        facts: further metadata, e.g. stage and step.
    Returns: the file.
    """
    tensors = {
        name: (value.to(dtype or value.dtype) if value.is_floating_point() else value)
        .detach()
        .cpu()
        .contiguous()
        for name, value in model.state_dict().items()
    }
    for name in tensors.keys() & EXACT:
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
        head = file.read(9)
    if head[8:9] != b"{" and (head[:1] == b"\x80" or head[:4] == b"PK\x03\x04"):
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
    """Load a checkpoint for sampling; the memory at its peak is that of the weights once.

    Raises:
        CheckpointError: missing, damaged, unsafe, of another kind, or not fitting its own recipe.
    """
    folder = find(checkpoint)
    recipe, metadata = read_recipe(folder)
    path = folder / FILE
    tensors, digests = {}, {}
    for name, value in _tensors(path):
        if name in DIGESTS:
            digests[name] = value
        else:
            exact = name in EXACT or not value.is_floating_point()
            tensors[name] = value.to(device) if exact else value.to(device, dtype)
    model = assemble(recipe, tensors, str(path))
    model.alphas_bar = model.alphas_bar.to(device)
    model.eval().requires_grad_(False)
    return Loaded(model, recipe.name, sha256(path), metadata, digests)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The model's tensors of a checkpoint in memory of their own, as they were saved.

    Raises:
        CheckpointError: damaged or truncated.
    """
    return {name: value for name, value in _tensors(folder / FILE) if name not in DIGESTS}


def assemble(recipe: Recipe, tensors: dict[str, Tensor], where: str) -> SiameseDiffusion:
    """A model that takes `tensors` over as they are, without copies and without weights of its own before.

    Raises:
        CheckpointError: `where` does not fit the recipe.
    """
    with Unset():
        model = SiameseDiffusion(recipe)
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{where} does not fit its own recipe ({reason}); copy it again from its source."
        ) from None
    return model


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a file, read one after another: a file that changes later changes no model.

    One from before there were `fields` has the typical view alone; one from before there was `context.text` paints as
    it did then.
    """
    try:
        with safe_open(path, framework="pt", backend="pread") as file:
            names = list(file.keys())
            for name in names:
                if not name.startswith(REPLACED):
                    yield name, file.get_tensor(name)
            views = file.get_tensor("views") if "views" in names and "fields" not in names else None
            if views is not None and views.dtype == torch.uint8 and views.ndim == 3:
                yield "fields", (views[:, None] & OUTSIDE).repeat(1, FIELDS, 1, 1)
            if "context.style.weight" in names and "context.text" not in names:
                yield "context.text", torch.zeros(len(file.get_tensor("context.style.weight")) - 1)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}); copy it again from its source."
        ) from None


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
