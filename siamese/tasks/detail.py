"""What the autoencoder stage does with `trains = "detail"`: the denoiser of fine detail, on crops of real pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamese.data import batches
from siamese.data.paste import paste
from siamese.diffusion.detail import MARGIN, NOISIEST, Detail, alphas_bar, enlarged, placed, reduced
from siamese.diffusion.losses import Backward
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.noise import add_noise, target
from siamese.sections import FACTOR, PATCH
from siamese.tasks.stages import PREVIEWS, Batch, Bench, generator, key, passed_back

FITTED = 64  # pictures that the components are fitted to
LATENT_NOISE = 0.3  # largest SD of noise on the latents behind a guide, in latent SDs
UNKNOWN = 0.1  # share of crops without their mask


class DetailTask:
    """The v-prediction loss of what a guide lacks of a crop, with its mask.

    The guide is of the picture through the autoencoder, as at sampling. Crops stand on the guide's grid and are turned
    and mirrored together with it. The level of the noise on the guide is NOISIEST·u², u uniform: mostly little. Into a
    share `augmentation.paste` of the pictures small lesions are blended. `fresh`: nothing was trained yet, so the
    components are fitted first.
    """

    def __init__(self, bench: Bench, model: SiameseDiffusion, fresh: bool):
        assert model.autoencoder.detail is not None
        self.bench, self.model, self.stage = bench, model, bench.recipe.train_autoencoder
        self.detail: Detail = model.autoencoder.detail
        self.trained: nn.Module = nn.ModuleDict({"detail": self.detail})
        self.sometimes = ()
        self.bar = alphas_bar()
        images = bench.pictures.images
        self.pasted = dict(self._pasted(images))
        self.smalls: dict[int, Tensor] = {}
        if fresh:
            chosen = np.linspace(0, len(images) - 1, min(FITTED, len(images))).astype(int)
            guides = torch.stack([enlarged(self._small(int(i))[None])[0] for i in chosen])
            self.detail.fit(*(of.to(bench.device) for of in (batches.to_x(images[chosen]), guides)))

    def _pasted(self, images: np.ndarray) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
        """Index, picture and mask of those that small lesions are blended into, once for the whole stage."""
        pictures, recipe = self.bench.pictures, self.bench.recipe
        for index in range(len(images)):
            draw = np.random.default_rng(key(recipe.seed, "detail", "paste", pictures.stems[index]))
            if draw.random() < recipe.augmentation.paste:
                sources = batches.alike(pictures, index, draw)
                case = images[index], pictures.masks[index], pictures.views[index]
                yield index, paste(*case, sources, draw)

    def batch(self, step: int) -> Batch:
        pictures, recipe = self.bench.pictures, self.bench.recipe
        indices = batches.batch_indices(len(pictures), self.stage.batch, step, key(recipe.seed, "detail"))
        drawn = [
            self._crop(int(i), generator(recipe.seed, "detail", step, place, pictures.stems[i]))
            for place, i in list(enumerate(indices))[self.bench.crew.part(len(indices))]
        ]
        names = ("x", "guide", "place", "level", "t", "eps")
        return {
            name: torch.stack(column) for name, column in zip(names, zip(*drawn, strict=True), strict=True)
        }

    def _case(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        pictures = self.bench.pictures
        return self.pasted.get(index, (pictures.images[index], pictures.masks[index]))

    def guides(self) -> Iterator[tuple[int, int]]:
        """Make the guide of every picture; yields (done, in all)."""
        for index in range(len(self.bench.pictures)):
            self._small(index)
            yield index + 1, len(self.bench.pictures)

    @torch.no_grad()
    def _small(self, index: int) -> Tensor:
        """A picture through the autoencoder, reduced, (3,S/4,S/4); made when first asked for.

        Noise on the latents, up to LATENT_NOISE of their SD, stands for what a denoiser errs.
        """
        if index not in self.smalls:
            bench, autoencoder = self.bench, self.model.autoencoder
            g = generator(bench.recipe.seed, "detail", "latents", bench.pictures.stems[index])
            x = batches.to_x([self._case(index)[0]]).to(bench.device)
            with torch.autocast(bench.device.type, dtype=bench.autocast, enabled=bench.autocast is not None):
                z = autoencoder.encode(x)
                noise = LATENT_NOISE * torch.rand((), generator=g) * torch.randn(z.shape, generator=g)
                back = autoencoder.decode(z + noise.to(z))
            self.smalls[index] = reduced(back.float())[0].half().cpu()
        return self.smalls[index].float()

    def _crop(self, index: int, g: torch.Generator) -> tuple[Tensor, ...]:
        """Crop (3,C,C), its guide and place, level, t and eps of one picture."""
        image, mask = self._case(index)
        x, place = batches.to_x([image]), placed(batches.to_hint([mask]))
        crop, side = self.stage.crop, x.shape[-1] // FACTOR
        wide = crop // FACTOR
        top, left = torch.randint(0, side - wide + 1, (2,), generator=g).tolist()
        level = NOISIEST * torch.rand((), generator=g).square()
        small = self._small(index)[None]
        small = small + level * torch.randn(small.shape, generator=g)
        rows, columns = (  # past the edge the last pixel again, as interpolating the whole would
            torch.arange(start - MARGIN, start + wide + MARGIN).clamp(0, side - 1) for start in (top, left)
        )
        inner = slice(MARGIN * FACTOR, MARGIN * FACTOR + crop)
        guide = enlarged(small[:, :, rows][..., columns])[..., inner, inner]
        down, right = (slice(FACTOR * start, FACTOR * start + crop) for start in (top, left))
        if torch.rand((), generator=g) < UNKNOWN:
            place = torch.zeros_like(place)
        case = torch.cat([x[..., down, right], guide, place[..., down, right]], dim=1)
        case = torch.rot90(case, int(torch.randint(4, (), generator=g)), (2, 3))
        if torch.randint(2, (), generator=g):
            case = case.flip(3)
        x, guide, place = case[0].split([3, 3, 1])
        eps = torch.randn((3 * PATCH**2, crop // PATCH, crop // PATCH), generator=g)
        return x, guide, place, level, torch.randint(0, len(self.bar), (), generator=g), eps

    def losses(self, batch: Batch, step: int, backward: Backward) -> dict[str, Tensor]:
        bar, t, eps = self.bar.to(batch["t"].device), batch["t"], batch["eps"]
        r_0 = self.detail.missing(batch["x"], batch["guide"])
        given = batch["guide"], batch["place"], batch["level"]
        v = self.detail(add_noise(r_0, eps, t, bar), t, *given)
        return passed_back({"L": F.mse_loss(v.float(), target(r_0, eps, t, bar, "v"))}, backward)

    def fit(self) -> None:
        """Nothing to fit."""

    def preview(self) -> np.ndarray:
        x = batches.to_x(self.bench.pictures.images[:PREVIEWS]).to(self.bench.device)
        hint = batches.to_hint(self.bench.pictures.masks[:PREVIEWS]).to(x)
        back = self.model.decode(self.model.autoencoder.encode(x), hint, range(len(x)))
        return np.concatenate([batches.to_images(x), batches.to_images(back)])
