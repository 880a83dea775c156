"""The four stages of training, each as: what trains, one batch, its losses, a preview, what to fit at the end.

Every random draw is keyed by (recipe seed, stage, step), so that a resumed run repeats an unbroken one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamese.data import batches
from siamese.data.batches import Pictures
from siamese.diffusion.discriminator import PatchDiscriminator, adversarial_losses
from siamese.diffusion.losses import NoisySample, denoising_loss, siamese_losses
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.sampler import dpm_solver, start_noise
from siamese.diffusion.texture import band_distance, spectrum_distance, texture_noise
from siamese.metrics.features import SqueezeNetFeatures, feature_distance, statistics_distance
from siamese.recipe import Recipe
from siamese.segmentation.unet import UNetSegmenter, segmentation_loss
from siamese.tasks.latents import Latents, draw_variant

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
    """What every stage works on; `autocast` is the format of the forward pass, None for fp32."""

    recipe: Recipe
    pictures: Pictures
    device: torch.device
    autocast: torch.dtype | None

    @property
    def digests(self) -> dict[str, Tensor]:
        """Of the training pictures, for checkpoints: exact (N,32) and perceptual (N,8) uint8."""
        exact, perceptual = torch.from_numpy(self.pictures.sha256), torch.from_numpy(self.pictures.dhash)
        return {"training.sha256": exact, "training.dhash": perceptual}

    def styles(self, indices: np.ndarray) -> Tensor:
        """Style tokens (B,) int64 of some pictures."""
        names = list(self.recipe.styles)
        return torch.tensor([names.index(self.pictures.styles[i]) for i in indices])


class StageTask(Protocol):
    """One stage, as the training loop sees it."""

    trained: nn.Module

    def batch(self, step: int) -> Batch:
        """Tensors of one step on the CPU; called on a thread, ahead of time."""

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Named scalars; their sum is minimised. `batch` is on the device."""

    def fit(self) -> None:
        """Fit what is not trained, with the averaged weights in place."""

    def preview(self) -> np.ndarray:
        """(N,S,S,3) uint8: fixed masks and seeds, with the averaged weights in place."""


class AutoencoderTask:
    """Stage `autoencoder`: L1 + feature loss + KL on crops, with noise on the latents.

    `fresh`: the model comes from nowhere, so the linear path is fitted first. Where the texture alone is trained, the
    losses compare contrast, spectrum and feature statistics of its draw instead of pixels.
    """

    def __init__(self, bench: Bench, model: SiameseDiffusion, fresh: bool):
        self.bench, self.model, self.stage = bench, model, bench.recipe.train_autoencoder
        kl, trains = model.autoencoder.kl, self.stage.trains
        parts: dict[str, nn.Module] = {}
        if trains in ("all", "decoder"):
            parts |= {"decoder": kl.decoder, "post_quant_conv": kl.post_quant_conv}
        if trains == "all":
            parts |= {"encoder": kl.encoder, "quant_conv": kl.quant_conv}
        if trains == "texture" and model.autoencoder.texture is not None:
            parts["texture"] = model.autoencoder.texture
        self.discriminator: PatchDiscriminator | None = None
        if self.stage.adversarial:
            with seeded(bench.recipe.seed, "discriminator", "weights"):
                self.discriminator = PatchDiscriminator().to(bench.device)
            parts["discriminator"] = self.discriminator
        self.trained: nn.Module = nn.ModuleDict(parts)
        if bench.recipe.autoencoder.linear_path and trains == "all" and fresh:
            model.autoencoder.start_linear_path(self._crops(16_384))
        path = bench.recipe.data.feature_net
        wanted = self.stage.features or self.stage.statistics
        self.features = SqueezeNetFeatures(path).to(bench.device) if path and wanted else None

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
        pictures, crop = self.bench.pictures, self.stage.crop
        draw = np.random.default_rng(key(self.bench.recipe.seed, "autoencoder", step))
        crops = []
        for i in batches.batch_indices(len(pictures), self.stage.batch, step, self.bench.recipe.seed):
            top, left = draw.integers(0, pictures.images.shape[1] - crop + 1, 2)
            piece = np.rot90(pictures.images[i, top : top + crop, left : left + crop], int(draw.integers(4)))
            crops.append(np.ascontiguousarray(piece[:, ::-1] if draw.integers(2) else piece))
        return {"x": batches.to_x(crops)}

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        autoencoder, x, trains = self.model.autoencoder, batch["x"], self.stage.trains
        g = generator(self.bench.recipe.seed, "autoencoder noise", step)
        with torch.set_grad_enabled(trains == "all"):
            mean, logvar = autoencoder.posterior(x)
        spread = mean.detach().float().std()
        noise = torch.randn(mean.shape, generator=g).to(mean.device)
        z = mean + (torch.exp(0.5 * logvar) + self.stage.latent_noise * spread) * noise
        with torch.set_grad_enabled(trains != "texture"):
            y = autoencoder.decode_raw(z).float()
        found = {}
        if trains == "texture" and autoencoder.texture is not None:
            drawn = torch.randn((len(x), 1, *x.shape[-2:]), generator=g).to(x.device)
            y = y + autoencoder.texture(y, drawn).float()
        else:
            kl = 0.5 * (mean.float().square() + logvar.float().exp() - 1 - logvar.float()).mean()
            found |= {"L1": F.l1_loss(y, x), "KL": self.stage.kl * kl}
        if self.stage.bands:
            found["bands"] = self.stage.bands * band_distance(y, x)
            found["spectrum"] = self.stage.bands * 0.1 * spectrum_distance(y, x)
        if self.features is not None and self.stage.statistics:
            found["statistics"] = self.stage.statistics * statistics_distance(self.features, y, x)
        if self.features is not None and self.stage.features:
            found["features"] = self.stage.features * feature_distance(self.features, y, x)
        if self.discriminator is not None:
            found["adversarial"], found["discriminator"] = adversarial_losses(self.discriminator, y, x)
            found["adversarial"] = self.stage.adversarial * found["adversarial"]
        return found

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
        noise = texture_noise(range(len(x)), x.shape[-1]).to(x.device)
        back = self.model.autoencoder.decode(self.model.autoencoder.encode(x), noise)
        return np.concatenate([batches.to_images(x), batches.to_images(back)])


class _DiffusionTask:
    """What the base denoiser and the Siamese stage share: latents, noise, t, context, previews."""

    name = ""

    def __init__(self, bench: Bench, model: SiameseDiffusion, latents: Latents):
        self.bench, self.model, self.latents = bench, model, latents
        self.trained: nn.Module

    def _cases(self, step: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        seed = self.bench.recipe.seed
        indices = batches.batch_indices(len(self.bench.pictures), count, step, key(seed, self.name))
        draw = np.random.default_rng(key(seed, self.name, "variant", step))
        return indices, draw.integers(0, self.latents.variants, count)

    def _common(self, step: int, indices: np.ndarray, variants: np.ndarray) -> Batch:
        g = generator(self.bench.recipe.seed, self.name, "noise", step)
        found = self.latents.take(indices, variants)
        count = len(indices)
        style = self.bench.styles(indices)
        null = torch.rand(count, generator=g) < self.bench.recipe.loss.prompt_dropout
        return {
            **found,
            "eps": torch.randn(found["z_0"].shape, generator=g),
            "t": torch.randint(0, 1000, (count,), generator=g),
            "style": torch.where(null, len(self.bench.recipe.styles), style),
        }

    def _sample(self, batch: Batch) -> NoisySample:
        context = self.model.context(batch["style"], batch["label"], batch["flags"])
        return NoisySample(batch["z_0"], batch["eps"], batch["t"], batch["frame"], context)

    def fit(self) -> None:
        """Nothing to fit."""

    def _preview(self, guidance: float) -> np.ndarray:
        model, recipe, pictures = self.model, self.bench.recipe, self.bench.pictures
        shape = (recipe.autoencoder.latent_channels, recipe.latent_size, recipe.latent_size)
        device = self.bench.device
        z_T = start_noise(range(PREVIEWS), shape).to(device)
        hint = model.dhi(batches.to_hint(pictures.masks[:PREVIEWS]).to(device))
        count = len(hint)
        frame = batches.to_frame(pictures.views[:count], recipe.latent_size).to(device)
        context = model.sampling_context(self.bench.styles(np.arange(count)).to(device))

        def predict(z_t: Tensor, t: Tensor, done: float) -> Tensor:
            return model.predict_noise(z_t, t, hint, context, frame, guidance)

        *_, z_0 = dpm_solver(predict, z_T[:count], recipe.diffusion, 20)
        noise = texture_noise(range(len(hint)), recipe.size).to(device)
        return batches.to_images(model.autoencoder.decode(z_0, noise))


class BaseTask(_DiffusionTask):
    """Stage `base`: the denoiser without control."""

    name = "base"

    def __init__(self, bench: Bench, model: SiameseDiffusion, latents: Latents):
        super().__init__(bench, model, latents)
        self.trained = nn.ModuleDict({"unet": model.unet, "context": model.context})

    def batch(self, step: int) -> Batch:
        return self._common(step, *self._cases(step, self.bench.recipe.train_base.batch))

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        return {"L": denoising_loss(self.model, self._sample(batch))}

    def preview(self) -> np.ndarray:
        return self._preview(guidance=0)


class SiameseTask(_DiffusionTask):
    """Stage `siamese`: control branch and U-Net under L_m, L_i, L_c, L_m'."""

    name = "siamese"

    def __init__(self, bench: Bench, model: SiameseDiffusion, latents: Latents):
        super().__init__(bench, model, latents)
        parts = {"control": model.control, "dhi": model.dhi}
        if bench.recipe.loss.trains == "all":
            self.trained = nn.ModuleDict({**parts, "unet": model.unet, "context": model.context})
        else:
            unet = model.unet
            decoder = {
                "up_blocks": unet.up_blocks,
                "conv_norm_out": unet.conv_norm_out,
                "conv_out": unet.conv_out,
            }
            self.trained = nn.ModuleDict({**parts, **decoder})

    def batch(self, step: int) -> Batch:
        recipe = self.bench.recipe
        indices, variants = self._cases(step, recipe.train_siamese.batch)
        found = self._common(step, indices, variants)
        drawn = [
            draw_variant(self.bench.pictures, int(i), int(v), recipe)
            for i, v in zip(indices, variants, strict=True)
        ]
        g = generator(recipe.seed, self.name, "mask", step)
        found["mask_hint"] = batches.to_hint(v.mask for v in drawn)
        found["image_hint"] = (batches.to_x(v.image for v in drawn) + 1) / 2
        found["mask_kept"] = (torch.rand(len(drawn), generator=g) >= recipe.loss.mask_dropout).float()
        return found

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        stage = self.bench.recipe.train_siamese
        progress = step / stage.steps
        image_hint = batch["image_hint"] if progress >= stage.mask_only else None
        return siamese_losses(
            self.model, self._sample(batch), batch["mask_hint"], image_hint, batch["mask_kept"], progress
        )

    def preview(self) -> np.ndarray:
        return self._preview(self.bench.recipe.sampling.guidance)


class SegmenterTask:
    """Stage `segmenter`: the judge of mask fit, trained on real pictures only."""

    def __init__(self, bench: Bench, segmenter: UNetSegmenter):
        self.bench, self.trained, self.stage = bench, segmenter, bench.recipe.train_segmenter

    def batch(self, step: int) -> Batch:
        recipe = self.bench.recipe
        indices = batches.batch_indices(
            len(self.bench.pictures), self.stage.batch, step, key(recipe.seed, "segmenter")
        )
        drawn = [
            batches.augment(
                self.bench.pictures, int(i), recipe.augmentation, key(recipe.seed, "segmenter", step, k)
            )
            for k, i in enumerate(indices)
        ]
        x, mask = batches.to_x(v.image for v in drawn), batches.to_hint(v.mask for v in drawn)[:, :1]
        size = self.stage.size
        return {
            "x": F.interpolate(x, size=(size, size), mode="area"),
            "mask": F.interpolate(mask, size=(size, size), mode="nearest"),
        }

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        return {"L": segmentation_loss(self.trained(batch["x"]), batch["mask"])}

    def fit(self) -> None:
        """Nothing to fit."""

    def preview(self) -> np.ndarray:
        x = batches.to_x(self.bench.pictures.images[:PREVIEWS]).to(self.bench.device)
        small = F.interpolate(x, size=(self.stage.size,) * 2, mode="area")
        p = F.interpolate(torch.sigmoid(self.trained(small).float()), size=x.shape[-2:], mode="bilinear")
        return np.concatenate([batches.to_images(x), batches.to_images(p.expand(-1, 3, -1, -1) * 2 - 1)])
