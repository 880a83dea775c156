"""Stages of training, each as: what trains, one batch, its losses, a preview, what to fit at the end.

Here those of autoencoder and segmenter; `siamese.tasks.denoising` has those of the diffusion model. Every random draw
is keyed by (recipe seed, stage, step, picture), so that a resumed run repeats an unbroken one, and several processes
repeat a single one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamese.data import batches
from siamese.data.ahead import ahead, idle_cores
from siamese.data.batches import Pictures
from siamese.data.seen import EXACT, PERCEPTUAL, Seen
from siamese.diffusion.discriminator import PatchDiscriminator, adversarial_losses
from siamese.diffusion.losses import Backward
from siamese.diffusion.model import SiameseDiffusion
from siamese.metrics.features import SqueezeNetFeatures, feature_distance
from siamese.recipe import Recipe
from siamese.segmentation.unet import UNetSegmenter, segmentation_loss
from siamese.tasks.crew import Crew

PREVIEWS = 4
Batch = dict[str, Tensor]


def key(*parts: str | int) -> int:
    """A 63-bit seed from names and numbers."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def generator(*parts: str | int) -> torch.Generator:
    """A CPU generator keyed by names and numbers."""
    return torch.Generator().manual_seed(key(*parts))


@contextmanager
def seeded(*parts: str | int) -> Iterator[None]:
    """Initialise weights from a key without touching the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(key(*parts))
        yield


@dataclass
class Bench:
    """What every stage works on; `autocast` is the format of the forward pass, None for fp32.

    `before`: what the weights that a stage starts from were trained on already.
    """

    recipe: Recipe
    pictures: Pictures
    crew: Crew
    autocast: torch.dtype | None
    before: Seen = field(default_factory=Seen)

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.crew.device

    @property
    def workers(self) -> int:
        """Processes that make batches ahead: as the recipe says, else the idle cores for a GPU."""
        asked = self.recipe.compute.workers
        return asked if asked is not None else 0 if self.device.type == "cpu" else idle_cores()

    def made(self, make: Callable[[int], Batch], items: Sequence[int]) -> Iterator[Batch]:
        """make(item) of each item: ahead for a GPU, or where the recipe wants it; a thread would slow a processor."""
        if self.workers or self.device.type != "cpu":
            yield from ahead(make, items, self.workers)
        else:
            yield from map(make, items)

    @property
    def seen(self) -> Seen:
        """What a checkpoint saved now was trained on: these pictures, and all that its weights saw before."""
        return Seen(self.pictures.sha256, self.pictures.dhash) | self.before

    @property
    def digests(self) -> dict[str, Tensor]:
        """`seen` for checkpoints: exact (N,32) and perceptual (N,8) uint8."""
        found = self.seen
        return {EXACT: torch.from_numpy(found.sha256), PERCEPTUAL: torch.from_numpy(found.dhash)}

    def styles(self, indices: np.ndarray) -> Tensor:
        """Style tokens (B,) int64 of some pictures."""
        names = list(self.recipe.styles)
        return torch.tensor([names.index(self.pictures.styles[i]) for i in indices])


def passed_back(losses: dict[str, Tensor], backward: Backward) -> dict[str, Tensor]:
    """Run the backward pass of the sum; the losses without graph."""
    backward(torch.stack(list(losses.values())).sum())
    return {name: value.detach() for name, value in losses.items()}


class StageTask(Protocol):
    """One stage, as the training loop sees it."""

    trained: nn.Module
    sometimes: tuple[str, ...]

    def batch(self, step: int) -> Batch:
        """Tensors of this process's part of one step, on the CPU; mostly made in other processes for a GPU."""

    def losses(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        """Named scalars without graph; `backward` was called on parts of their sum. `batch` is on the device.

        `sometimes`: those that a step may lack.
        """

    def fit(self) -> None:
        """Fit what is not trained, with the averaged weights in place."""

    def preview(self) -> np.ndarray:
        """(N,S,S,3) uint8: fixed masks and seeds, with the averaged weights in place."""


class AutoencoderTask:
    """Stage `autoencoder`: L1 + feature loss + KL on crops, with noise on the latents.

    `fresh`: the model comes from nowhere, so the linear path is fitted first.
    """

    def __init__(self, bench: Bench, model: SiameseDiffusion, fresh: bool):
        self.bench, self.model, self.stage = bench, model, bench.recipe.train_autoencoder
        self.sometimes = ()
        kl, trains = model.autoencoder.kl, self.stage.trains
        parts: dict[str, nn.Module] = {}
        if trains in ("all", "decoder"):
            parts |= {"decoder": kl.decoder, "post_quant_conv": kl.post_quant_conv}
        if trains == "all":
            parts |= {"encoder": kl.encoder, "quant_conv": kl.quant_conv}
        self.discriminator: PatchDiscriminator | None = None
        if self.stage.adversarial:
            with seeded(bench.recipe.seed, "discriminator", "weights"):
                self.discriminator = PatchDiscriminator().to(bench.device)
            parts["discriminator"] = self.discriminator
        self.trained: nn.Module = nn.ModuleDict(parts)
        if bench.recipe.autoencoder.linear_path and trains == "all" and fresh:
            model.autoencoder.start_linear_path(self._crops(16_384))
        path = bench.recipe.data.feature_net
        self.features = SqueezeNetFeatures(path).to(bench.device) if path and self.stage.features else None

    def _crops(self, count: int) -> Tensor:
        """`count` crops (count,3,3f,3f) in [-1,1] from anywhere in the pictures."""
        images, side = self.bench.pictures.images, 3 * self.bench.recipe.autoencoder.factor
        draw = np.random.default_rng(key(self.bench.recipe.seed, "crops"))
        chosen = draw.integers(0, len(images), count)
        tops, lefts = draw.integers(0, images.shape[1] - side + 1, (2, count))
        return batches.to_x(
            images[i, t : t + side, c : c + side] for i, t, c in zip(chosen, tops, lefts, strict=True)
        )

    def batch(self, step: int) -> Batch:
        pictures, crop, seed = self.bench.pictures, self.stage.crop, self.bench.recipe.seed
        indices = batches.batch_indices(len(pictures), self.stage.batch, step, seed)
        part = self.bench.crew.part(len(indices))
        keys, crops = [], []
        for place, i in list(enumerate(indices))[part]:
            keys.append(key(seed, "autoencoder", step, place, pictures.stems[i]))
            draw = np.random.default_rng(keys[-1])
            top, left = draw.integers(0, pictures.images.shape[1] - crop + 1, 2)
            piece = np.rot90(pictures.images[i, top : top + crop, left : left + crop], int(draw.integers(4)))
            crops.append(np.ascontiguousarray(piece[:, ::-1] if draw.integers(2) else piece))
        return {"x": batches.to_x(crops), "key": torch.tensor(keys)}

    def losses(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        """As StageTask; the level of the latent noise is that of the part given."""
        autoencoder, x, trains = self.model.autoencoder, batch["x"], self.stage.trains
        generators = [torch.Generator().manual_seed(k) for k in batch["key"].tolist()]

        def noise_like(shape: torch.Size) -> Tensor:
            return torch.stack([torch.randn(shape, generator=g) for g in generators]).to(x.device)

        with torch.set_grad_enabled(trains == "all"):
            mean, logvar = autoencoder.posterior(x)
        spread = mean.detach().float().std()
        z = mean + (torch.exp(0.5 * logvar) + self.stage.latent_noise * spread) * noise_like(mean.shape[1:])
        y = autoencoder.decode_raw(z).float()
        kl = 0.5 * (mean.float().square() + logvar.float().exp() - 1 - logvar.float()).mean()
        found = {"L1": F.l1_loss(y, x), "KL": self.stage.kl * kl}
        if self.features is not None:
            found["features"] = self.stage.features * feature_distance(self.features, y, x)
        if self.discriminator is not None:
            found["adversarial"], found["discriminator"] = adversarial_losses(self.discriminator, y, x)
            found["adversarial"] = self.stage.adversarial * found["adversarial"]
        return passed_back(found, backward)

    def fit(self) -> None:
        """Mean and SD a latent channel, and the linear latent → RGB map, on up to 128 pictures."""
        if self.stage.trains != "all":
            return
        autoencoder = self.model.autoencoder
        count = min(128, len(self.bench.pictures))
        chosen = np.linspace(0, len(self.bench.pictures) - 1, count).astype(int)
        latents, colours = [], []
        for i in chosen:
            x = batches.to_x([self.bench.pictures.images[i]]).to(self.bench.device)
            mean = autoencoder.posterior(x)[0].float()
            latents.append(mean[0].flatten(1).T.cpu())
            colours.append(F.adaptive_avg_pool2d(x, mean.shape[-1])[0].flatten(1).T.cpu())
        raw, rgb = torch.cat(latents).double(), torch.cat(colours).double()
        device = self.bench.device
        autoencoder.z_mean, autoencoder.z_sd = raw.mean(0).float().to(device), raw.std(0).float().to(device)
        z = (raw - raw.mean(0)) / raw.std(0)
        solution = torch.linalg.lstsq(
            torch.cat([z, torch.ones(len(z), 1, dtype=z.dtype)], dim=1), rgb
        ).solution
        autoencoder.rgb_weight = solution[:-1].T.float().contiguous().to(device)
        autoencoder.rgb_bias = solution[-1].float().to(device)

    def preview(self) -> np.ndarray:
        x = batches.to_x(self.bench.pictures.images[:PREVIEWS]).to(self.bench.device)
        back = self.model.autoencoder.decode(self.model.autoencoder.encode(x))
        return np.concatenate([batches.to_images(x), batches.to_images(back)])


class SegmenterTask:
    """Stage `segmenter`: the judge of mask fit, trained on real pictures only."""

    def __init__(self, bench: Bench, segmenter: UNetSegmenter):
        self.bench, self.trained, self.stage = bench, segmenter, bench.recipe.train_segmenter
        self.sometimes = ()

    def batch(self, step: int) -> Batch:
        recipe = self.bench.recipe
        indices = batches.batch_indices(
            len(self.bench.pictures), self.stage.batch, step, key(recipe.seed, "segmenter")
        )
        drawn = [
            batches.augment(
                self.bench.pictures, int(i), recipe.augmentation, key(recipe.seed, "segmenter", step, k)
            )
            for k, i in list(enumerate(indices))[self.bench.crew.part(len(indices))]
        ]
        x, mask = batches.to_x(v.image for v in drawn), batches.to_hint(v.mask for v in drawn)[:, :1]
        size = self.stage.size
        return {
            "x": F.interpolate(x, size=(size, size), mode="area"),
            "mask": F.interpolate(mask, size=(size, size), mode="nearest"),
        }

    def losses(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        return passed_back({"L": segmentation_loss(self.trained(batch["x"]), batch["mask"])}, backward)

    def fit(self) -> None:
        """Nothing to fit."""

    def preview(self) -> np.ndarray:
        x = batches.to_x(self.bench.pictures.images[:PREVIEWS]).to(self.bench.device)
        small = F.interpolate(x, size=(self.stage.size,) * 2, mode="area")
        p = F.interpolate(torch.sigmoid(self.trained(small).float()), size=x.shape[-2:], mode="bilinear")
        return np.concatenate([batches.to_images(x), batches.to_images(p.expand(-1, 3, -1, -1) * 2 - 1)])
