"""The judge: a shipped segmenter that says where it sees a lesion, and the features of its training pictures.

A folder holds `model.safetensors` (weights, its recipe in the metadata) and `train_index.safetensors` (features and
digests of the training pictures, none of the pictures). Only safetensors are opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from siamese.data import batches
from siamese.diffusion.checkpoint import FORMAT, sha256
from siamese.errors import CheckpointError, writing
from siamese.recipe import Recipe, parse_json
from siamese.segmentation.unet import UNetSegmenter
from siamese.shipped import FILE, find

INDEX = "train_index.safetensors"
BATCH = 8  # pictures computed together


@dataclass(frozen=True)
class TrainIndex:
    """What is known of the training pictures: features (M,D) float32, sha256 (M,32), dhash (M,8) uint8."""

    features: np.ndarray
    sha256: np.ndarray
    dhash: np.ndarray


class Judge:
    """A segmenter in eval mode. `threshold` of the lesion's probability: 0.5."""

    def __init__(self, segmenter: UNetSegmenter, recipe: Recipe, digest: str, index: TrainIndex | None):
        self.segmenter = segmenter.eval().requires_grad_(False)
        self.size, self.recipe = recipe.train_segmenter.size, recipe
        self.sha256, self.index = digest, index

    def _x(self, images: np.ndarray) -> Tensor:
        small = [cv2.resize(i, (self.size, self.size), interpolation=cv2.INTER_AREA) for i in images]
        return batches.to_x(small)

    @torch.no_grad()
    def masks(self, images: np.ndarray) -> np.ndarray:
        """Pictures (N,S,S,3) uint8 → where it sees a lesion, (N,S,S) bool."""
        found = []
        for start in range(0, len(images), BATCH):
            logits = self.segmenter(self._x(images[start : start + BATCH]))
            found.append(F.interpolate(logits, size=images.shape[1:3], mode="bilinear")[:, 0] > 0)
        return torch.cat(found).numpy()

    @torch.no_grad()
    def features(self, images: np.ndarray) -> np.ndarray:
        """Pictures (N,S,S,3) uint8 → (N,D) float32 of norm 1: the means of the two coarsest maps."""
        found = []
        for start in range(0, len(images), BATCH):
            maps = self.segmenter.encode(self._x(images[start : start + BATCH]))[-2:]
            parts = [F.normalize(h.mean((2, 3)), dim=1) for h in maps]
            found.append(torch.cat(parts, dim=1) / len(parts) ** 0.5)
        return torch.cat(found).numpy()

    def write_index(self, pictures: batches.Pictures, folder: Path) -> Path:
        """Write the features and digests of `pictures` beside the weights."""
        tensors = {
            "features": torch.from_numpy(self.features(pictures.images)).half(),
            "sha256": torch.from_numpy(pictures.sha256),
            "dhash": torch.from_numpy(pictures.dhash),
        }
        with writing(folder):
            save_file(tensors, folder / INDEX, {"format": FORMAT, "segmenter_sha256": self.sha256})
        return folder / INDEX


def load(name: str | Path) -> Judge:
    """Load a segmenter by shipped name or folder, with its index where there is one.

    Raises:
        CheckpointError: missing, damaged, no segmenter, or an index that belongs to other weights.
    """
    folder = find(name)
    path = folder / FILE
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}); copy it again from its source."
        ) from None
    if metadata.get("format") != FORMAT or "segmenter" not in metadata:
        raise CheckpointError(f"{path} is no segmenter; choose one that the stage segmenter trained.")
    recipe = parse_json(metadata["segmenter"], f"recipe inside {path}")
    segmenter = UNetSegmenter(recipe.train_segmenter.widths)
    try:
        segmenter.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{path} does not fit its own recipe ({reason}); copy it again from its source."
        ) from None
    digest = sha256(path)
    return Judge(segmenter, recipe, digest, _read_index(folder / INDEX, digest))


def _read_index(path: Path, digest: str) -> TrainIndex | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in ("features", "sha256", "dhash")}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}); copy it again from its source."
        ) from None
    if metadata.get("segmenter_sha256") != digest:
        raise CheckpointError(f"{path} belongs to other weights; publish the segmenter again with --data.")
    return TrainIndex(found["features"].astype(np.float32), found["sha256"], found["dhash"])


def publish(source: Path, target: Path) -> Path:
    """Write a segmenter of a run in half precision to `target`; its index is written after (`Judge.write_index`)."""
    judge = load(source)
    tensors = {name: value.half().contiguous() for name, value in judge.segmenter.state_dict().items()}
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        save_file(tensors, target / FILE, {"format": FORMAT, "segmenter": judge.recipe.json()})
        (target / INDEX).unlink(missing_ok=True)
    return target / FILE
