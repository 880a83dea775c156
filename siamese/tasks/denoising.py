"""The stages of the diffusion model: the base denoiser without control, its guide, and the Siamese stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from siamese.data import batches
from siamese.diffusion.guidance import Early
from siamese.diffusion.losses import Backward, NoisySample, denoising_loss, guide_loss, siamese_losses
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.sampler import Predict
from siamese.tasks.latents import Latents, draw_variant
from siamese.tasks.painted import painted
from siamese.tasks.stages import PREVIEWS, Batch, Bench, generator, key, passed_back


class _DiffusionTask:
    """What the three share: latents, noise, t, context, previews."""

    name = ""

    def __init__(self, bench: Bench, model: SiameseDiffusion, latents: Latents):
        self.bench, self.model, self.latents = bench, model, latents
        self.trained: nn.Module

    def _cases(self, step: int, count: int) -> tuple[np.ndarray, np.ndarray, list[torch.Generator]]:
        """This process's part of a step's batch: pictures, their variants, and a generator each."""
        seed, pictures = self.bench.recipe.seed, self.bench.pictures
        indices = batches.batch_indices(len(pictures), count, step, key(seed, self.name))
        draw = np.random.default_rng(key(seed, self.name, "variant", step))
        variants = draw.integers(0, self.latents.variants, count)
        part = self.bench.crew.part(count)
        names = [f"{pictures.styles[i]}/{pictures.stems[i]}" for i in indices]
        keyed = [
            generator(seed, self.name, "sample", step, place, names[place]) for place in range(count)[part]
        ]
        return indices[part], variants[part], keyed

    def _common(self, indices: np.ndarray, variants: np.ndarray, keyed: list[torch.Generator]) -> Batch:
        found = self.latents.take(indices, variants)
        shape = found["z_0"].shape[1:]
        style = self.bench.styles(indices)
        null = (
            torch.stack([torch.rand((), generator=g) for g in keyed]) < self.bench.recipe.loss.prompt_dropout
        )
        if "z_spread" in found:  # sd15: a draw of the posterior, as the release
            spread = found.pop("z_spread")
            found["z_0"] = found["z_0"] + spread * torch.stack(
                [torch.randn(shape, generator=g) for g in keyed]
            )
        return {
            **found,
            "eps": torch.stack([torch.randn(shape, generator=g) for g in keyed]),
            "t": torch.stack([torch.randint(0, 1000, (), generator=g) for g in keyed]),
            "style": torch.where(null, len(self.bench.recipe.styles), style),
        }

    def _sample(self, batch: Batch) -> NoisySample:
        context = self.model.context(batch["style"], batch["label"], batch["flags"])
        return NoisySample(batch["z_0"], batch["eps"], batch["t"], batch["frame"], context)

    def fit(self) -> None:
        """Nothing to fit."""

    def _preview(self, predictor: Callable[[Tensor, Tensor, Tensor, Early], Predict]) -> np.ndarray:
        """(PREVIEWS,S,S,3) uint8; `predictor` as of `painted`."""
        masks, views = self.bench.pictures.masks[:PREVIEWS], self.bench.pictures.views[:PREVIEWS]
        styles = self.bench.styles(np.arange(len(masks))).to(self.bench.device)
        return painted(self.model, masks, views, styles, range(len(masks)), predictor)


class BaseTask(_DiffusionTask):
    """Stage `base`: the denoiser without control."""

    name = "base"

    def __init__(self, bench: Bench, model: SiameseDiffusion, latents: Latents):
        super().__init__(bench, model, latents)
        self.trained = nn.ModuleDict({"unet": model.unet, "context": model.context})
        self.sometimes = ()

    def batch(self, step: int) -> Batch:
        return self._common(*self._cases(step, self.bench.recipe.train_base.batch))

    def losses(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        return passed_back({"L": denoising_loss(self.model, self._sample(batch))}, backward)

    def preview(self) -> np.ndarray:
        return self._preview(partial(self.model.predictor, guidance=0))


class GuideTask(_DiffusionTask):
    """Stage `guide`: the smaller denoiser without control; all else stays."""

    name = "guide"

    def __init__(self, bench: Bench, model: SiameseDiffusion, latents: Latents):
        super().__init__(bench, model, latents)
        assert model.guide is not None
        self.trained = model.guide
        self.sometimes = ()

    def batch(self, step: int) -> Batch:
        return self._common(*self._cases(step, self.bench.recipe.train_guide.batch))

    def losses(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        return passed_back({"L": guide_loss(self.model, self._sample(batch))}, backward)

    def preview(self) -> np.ndarray:
        def predictor(hint: Tensor, context: Tensor, frame: Tensor, early: Early) -> Predict:
            return lambda z_t, t, done: self.model.predict_guide(z_t, t, context, frame)

        return self._preview(predictor)


class SiameseTask(_DiffusionTask):
    """Stage `siamese`: control branch and U-Net under L_m, L_i, L_c, L_m'."""

    name = "siamese"

    def __init__(self, bench: Bench, model: SiameseDiffusion, latents: Latents):
        super().__init__(bench, model, latents)
        self.sometimes = ("L_m", "L_i", "L_c", "L_m'")
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
        indices, variants, keyed = self._cases(step, recipe.train_siamese.batch)
        found = self._common(indices, variants, keyed)
        drawn = [
            draw_variant(self.bench.pictures, int(i), int(v), recipe)
            for i, v in zip(indices, variants, strict=True)
        ]
        masks = np.stack([v.mask for v in drawn])
        plain = masks.max(initial=0) <= 1
        # a byte a pixel is handed over, and becomes numbers where it is used
        found["mask_hint"] = torch.from_numpy(masks)[:, None] if plain else batches.to_hint(masks)
        if self._image_seen(step):
            found["image"] = torch.from_numpy(np.stack([v.image for v in drawn]))
        drawn_kept = torch.stack([torch.rand((), generator=g) for g in keyed])
        found["mask_kept"] = (drawn_kept >= recipe.loss.mask_dropout).float()
        return found

    def _image_seen(self, step: int) -> bool:
        stage = self.bench.recipe.train_siamese
        return step / stage.steps >= stage.mask_only

    def losses(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        image_hint = (batches.to_x(batch["image"]) + 1) / 2 if self._image_seen(step) else None
        hints = batch["mask_hint"].float().expand(-1, 3, -1, -1), image_hint, batch["mask_kept"]
        progress = step / self.bench.recipe.train_siamese.steps
        return siamese_losses(self.model, self._sample(batch), *hints, progress, backward)

    def preview(self) -> np.ndarray:
        guidance = self.bench.recipe.sampling.guidance
        return self._preview(partial(self.model.predictor, guidance=guidance))


DENOISING: dict[str, type[BaseTask | GuideTask | SiameseTask]] = {
    task.name: task for task in (BaseTask, GuideTask, SiameseTask)
}  # the stages that train on latents
