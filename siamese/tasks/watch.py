"""The memorisation watch: pictures of fixed masks and seeds, looked at every so often while the Siamese stage trains.

A picture counts as a copy when it stands nearer to a training picture than 99 % of real pictures that were not
trained on, in grey thumbnails or in latents, over 8 orientations (`siamese.metrics.copies`). Second figure: L_m with
fixed noise and timesteps on held-out pictures, which rises when the network learns its training pictures by heart.
Wording: "no copy found", never "private".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from siamese.atomic import write_atomically
from siamese.counted import counted
from siamese.data import batches, dataset
from siamese.data.batches import Pictures
from siamese.diffusion.losses import NoisySample, siamese_losses
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.sampler import start_noise
from siamese.metrics import copies
from siamese.recipe import Recipe
from siamese.tasks.latents import Latents
from siamese.tasks.looks import Look, Verdict, verdict
from siamese.tasks.painted import painted

FILE = "watch.json"
TOGETHER = 8  # pictures computed together
REAL = 64  # real pictures, at most, that calibrate and that L_m is computed on
ENOUGH = 20  # held-out pictures for a 1st percentile; with fewer the training pictures stand in for them
FIRST_SEED = 90_000


class Watch:
    """Looks at one model as it trains; everything that two looks share is computed once.

    Args:
        model: as it is trained; its averaged weights should be in place during `look`.
        pictures: the training pictures. held_out: pictures of the same styles that are not trained on, if any.
        run: its `watch.json` holds earlier looks, which count again when a run is resumed.
        latents: the training pictures' latents where they are known, so that they are not encoded again.
        autocast: format of the forward pass, None for fp32.
    """

    def __init__(
        self,
        model: SiameseDiffusion,
        pictures: Pictures,
        held_out: Pictures | None,
        run: Path,
        latents: Latents | None = None,
        autocast: torch.dtype | None = None,
    ):
        self.model, self.pictures, self.held_out, self.autocast = model, pictures, held_out, autocast
        self.settings = model.recipe.watch
        self.file = run / FILE
        self._known_latents = latents
        self._index: dict[str, np.ndarray] = {}  # training pictures in each space
        self._limits: dict[str, float] = {}
        self._samples: dict[str, tuple[NoisySample, Tensor]] = {}
        self.looks: tuple[Look, ...] = ()
        self._fingerprint = _fingerprint(model.recipe, pictures, held_out)
        self._recall()

    @torch.no_grad()
    def look(self, step: int) -> dict[str, float]:
        """Synthesize, compare, note; looks at or after `step` are forgotten, so that a resumed run repeats them.

        Returns: the figures of `Look` by name.
        Raises:
            MachineError: watch.json cannot be written.
        """
        self._prepare()
        images = self._synthesize()
        near = {
            space: copies.nearest(images, self._index[space], features).distance
            for space, features in self._spaces().items()
        }
        found = Look(
            step,
            copies=max(float((near[s] < self._limits[s]).mean()) for s in near),
            nearest=min(float(np.median(near[s]) / max(self._limits[s], 1e-9)) for s in near),
            trained=self._loss("trained"),
            held_out=self._loss("held_out") if self.held_out is not None else None,
        )
        self.looks = (*(look for look in self.looks if look.step < step), found)
        self._note()
        return {name: v for name, v in asdict(found).items() if name != "step" and v is not None}

    def verdict(self) -> Verdict:
        """The best step: of the looks before the first warning that with the least held-out loss, else the last."""
        return verdict(self.looks, self.settings.limit, self.settings.pictures)

    @property
    def best_step(self) -> int | None:
        """The step to use, by the looks so far."""
        return self.verdict().best_step

    @property
    def calibration(self) -> str:
        """What real pictures the distance that counts as a copy comes from."""
        if self._enough:
            return counted(min(len(self.held_out or ()), REAL), "held-out picture")
        held_out = counted(len(self.held_out), "held-out picture") if self.held_out else ""
        few = f"only {held_out}" if held_out else "no held-out pictures"
        return f"{counted(min(len(self.pictures), REAL), 'training picture')} against the others ({few})"

    @property
    def _enough(self) -> bool:
        return self.held_out is not None and len(self.held_out) >= ENOUGH

    def _prepare(self) -> None:
        """Index of the training pictures, distances that count as copies, fixed noise: at the first look."""
        if self._index:
            return
        known = self._known_latents
        self._index = {
            "grey": copies.thumbnails(self.pictures.images),
            "latents": self._encode(self.pictures.images)
            if known is None
            else known.tensors["z_0"][:: known.variants].flatten(1).float().numpy(),
        }
        self._known_latents = None
        if not self._limits:
            real = self.held_out if self._enough and self.held_out is not None else self.pictures
            chosen = _spread(len(real), REAL)
            apart = None if self._enough else chosen
            for space, features in self._spaces().items():
                found = copies.nearest(real.images[chosen], self._index[space], features, apart)
                self._limits[space] = copies.threshold(found)
        self._samples["trained"] = self._fixed_sample(self.pictures)
        if self.held_out is not None:
            self._samples["held_out"] = self._fixed_sample(self.held_out)

    def _spaces(self) -> dict[str, copies.Features]:
        return {"grey": copies.thumbnails, "latents": self._encode}

    def _computing(self) -> torch.autocast:
        device = self.model.device.type
        return torch.autocast(device, dtype=self.autocast, enabled=self.autocast is not None)

    @torch.no_grad()
    def _encode(self, images: np.ndarray) -> np.ndarray:
        parts = []
        with self._computing():
            for start in range(0, len(images), TOGETHER):
                x = batches.to_x(images[start : start + TOGETHER]).to(self.model.device)
                parts.append(self.model.autoencoder.encode(x).flatten(1).float().cpu())
        return torch.cat(parts).numpy()

    def _synthesize(self) -> np.ndarray:
        """(N,S,S,3) uint8 of the fixed masks: of held-out pictures where there are any."""
        source = self.held_out or self.pictures
        count = self.settings.pictures
        chosen = np.resize(
            _spread(len(source), count), count
        )  # fewer masks than pictures: again, other seeds
        predictor = partial(self.model.predictor, guidance=self.model.recipe.sampling.guidance)
        images = []
        with self._computing():
            for start in range(0, count, TOGETHER):
                rows = chosen[start : start + TOGETHER]
                seeds = range(FIRST_SEED + start, FIRST_SEED + start + len(rows))
                styles = self._styles(source, rows)
                cases = source.masks[rows], source.views[rows], styles, seeds
                images.append(painted(self.model, *cases, predictor))
        return np.concatenate(images)

    def _styles(self, source: Pictures, rows: np.ndarray) -> Tensor:
        names = self.model.recipe.styles
        return torch.tensor([names.index(source.styles[i]) for i in rows], device=self.model.device)

    def _fixed_sample(self, source: Pictures) -> tuple[NoisySample, Tensor]:
        """`REAL` noisy latents, timesteps spread evenly, and their mask hints; the context is made at each look."""
        some = _spread(len(source), REAL)
        z = self._index["latents"][some] if source is self.pictures else self._encode(source.images[some])
        rows, z = np.resize(some, REAL), z[np.arange(REAL) % len(z)]
        size, channels = self.model.recipe.latent_size, self.model.recipe.autoencoder.latent_channels
        z_0 = torch.from_numpy(z).unflatten(1, (channels, size, size))
        eps = start_noise(range(FIRST_SEED, FIRST_SEED + REAL), tuple(z_0.shape[1:]))
        order = np.random.default_rng(0).permutation(REAL)  # no link between a picture's place and its t
        t = torch.from_numpy(((order + 0.5) * 1000 / REAL).astype(np.int64))
        frame = batches.to_frame(source.views[rows], size)
        sample = NoisySample(z_0, eps, t, frame, self._styles(source, rows).cpu())  # styles: see _loss
        return sample, batches.to_hint(source.masks[rows])

    def _loss(self, name: str) -> float:
        """Mean L_m of the network on a fixed sample."""
        sample, hint = self._samples[name]
        model, total = self.model, 0.0
        for start in range(0, REAL, TOGETHER):
            part = [v[start : start + TOGETHER].to(model.device) for v in vars(sample).values()]
            part[-1] = model.sampling_context(part[-1])
            kept = torch.ones(len(part[0]), device=model.device)
            with self._computing():
                found = siamese_losses(
                    model,
                    NoisySample(*part),
                    hint[start : start + TOGETHER].to(model.device),
                    None,
                    kept,
                    0.0,
                )
            total += float(found["L_m"]) * len(kept)
        return total / REAL

    def _recall(self) -> None:
        """Take up an earlier call's looks, if they are of the same pictures and settings."""
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
            if found["fingerprint"] != self._fingerprint:
                return
            self.looks = tuple(Look(**look) for look in found["looks"])
            self._limits = {space: float(found["limits"][space]) for space in self._spaces()}
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
        ):  # none, cut short, or of another version: look again
            self.looks, self._limits = (), {}

    def _note(self) -> None:
        found = self.verdict()
        values = {
            "fingerprint": self._fingerprint,
            "limits": self._limits,
            "calibration": self.calibration,
            "looks": [asdict(look) for look in self.looks],
            "verdict": asdict(found),
        }
        write_atomically(self.file, json.dumps(values, indent=1).encode())


def held_out(folders: Sequence[Path], recipe: Recipe) -> Pictures | None:
    """The val splits of dataset folders, as far as their styles are trained; None where there is nothing.

    Raises:
        DatasetError: as `siamese.data.batches.prepare`.
    """
    found = []
    for folder in folders:
        read = dataset.read(folder, "val")
        cases = tuple(case for case in read.cases if case.style in recipe.styles)
        if cases:
            found.append(replace(read, cases=cases))
    return batches.prepare(found, recipe.size, recipe.data) if found else None


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` indices, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _fingerprint(recipe: Recipe, pictures: Pictures, held_out: Pictures | None) -> str:
    found = hashlib.sha256(np.ascontiguousarray(pictures.sha256).tobytes())
    if held_out is not None:
        found.update(b"held out" + np.ascontiguousarray(held_out.sha256).tobytes())
    for part in (recipe.watch, recipe.autoencoder, recipe.sampling, recipe.data):
        found.update(part.model_dump_json().encode())
    return found.hexdigest()
