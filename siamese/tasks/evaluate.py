"""The verb `evaluate`: the figures of a checkpoint on the masks of a held-out split, as a generator of events.

Every mask with every seed, the checkpoint's own defaults, nothing picked; every figure with a 95 % interval and beside
it the same figure for real pictures (floor or ceiling) and for real pictures through the autoencoder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from siamese.data import batches, dataset
from siamese.data.batches import Pictures
from siamese.diffusion.checkpoint import Loaded
from siamese.errors import DatasetError, RecipeError, writing
from siamese.events import Event, Notice, Progress, Saved
from siamese.masks import generate
from siamese.masks.mask import Mask
from siamese.metrics import copies, fidelity
from siamese.metrics.features import SqueezeNetFeatures
from siamese.segmentation import judge as judges
from siamese.segmentation.judge import Judge
from siamese.tasks import sheet
from siamese.tasks.sample import SampleRequest, SampleResult, load, sample, view_of
from siamese.workspace import write_atomically

FEATURE_SIZE = 227  # the side that SqueezeNet 1.1 was trained at
ENCODED_TOGETHER = 8  # pictures
GENERATED = 24  # drawn masks on the sheet that may be shown to anyone
OWN = ", own seeds"  # in a row's title
CLOSEST = 12  # pairs of picture and nearest training picture shown for each space


@dataclass(frozen=True)
class EvaluateRequest:
    """What to measure: a checkpoint on the masks of `split` of the first folder of `data`.

    Args:
        data: dataset folders; all their train splits are searched for copies, the first one's gives the floor.
        out: folder for report.json, report.md and sheets. Keep it private: the sheets `nearest_…` hold real pictures.
        guidance: values to go through; empty: the checkpoint's own.
        against: other checkpoints to measure on the same masks and seeds, e.g. a plain ControlNet.
        feature_net: SqueezeNet 1.1 weights for (b) and (c); None leaves them out.
        far: how many masks unlike any training mask to try.
        only_fit: leave out copies and far masks (for choosing guidance on val).
    """

    checkpoint: str
    data: tuple[Path, ...]
    out: Path
    split: dataset.Split = "test"
    seeds: tuple[int, ...] = (1, 2, 3)
    guidance: tuple[float, ...] = ()
    against: tuple[str, ...] = ()
    segmenter: str = "polyp-segmenter"
    feature_net: Path | None = None
    far: int = 50
    only_fit: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Figure:
    """A measured value with its 95 % interval over `n` cases."""

    value: float
    low: float
    high: float
    n: int


@dataclass
class Row:
    """Everything measured of one set of pictures."""

    name: str
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class _Set:
    """Pictures (K,N,S,S,3) of N masks under K seeds, and what of each is outside or a box, (K,N,S,S) bool."""

    images: np.ndarray
    hidden: np.ndarray


class _Measure:
    """The real pictures, the judge and the feature net: what every row is measured against."""

    def __init__(self, request: EvaluateRequest):
        self.request = request
        self.judge = judges.load(request.segmenter)
        self.net = SqueezeNetFeatures(request.feature_net) if request.feature_net else None
        held_out = dataset.read(request.data[0], request.split)
        if len(held_out.cases) < 2 * fidelity.FOLDS:
            raise DatasetError(
                request.data[0],
                [f"its {request.split} split has {len(held_out.cases)} pictures; at least 10 are needed."],
            )
        if len(request.seeds) < 2:
            raise RecipeError("Diversity needs at least two seeds; choose e.g. --seeds 1,2,3.")
        self.held_out = held_out

    def prepare(self, loaded: Loaded) -> None:
        """Read the held-out and the training pictures as the checkpoint's recipe prepares them."""
        recipe = loaded.model.recipe
        self.real = batches.prepare([self.held_out], recipe.size, recipe.data)
        train = [dataset.read(folder, "train") for folder in self.request.data]
        self.train = batches.prepare(train, recipe.size, recipe.data)
        self.real_set = _Set(self.real.images[None], self.real.views[None] > 0)
        home = np.flatnonzero(np.array(self.train.styles) == self.real.styles[0])
        draw = np.random.default_rng(0)
        if len(home) < len(self.real):
            raise DatasetError(
                self.request.data[0],
                ["its train split is smaller than the held-out one; no floor can be drawn."],
            )
        chosen = [draw.choice(home, len(self.real), replace=False) for _ in self.request.seeds]
        self.floor_set = _Set(self.train.images[np.stack(chosen)], self.train.views[np.stack(chosen)] > 0)

    def row(self, name: str, found: _Set, masks: np.ndarray | None) -> Row:
        """Figures (a) to (e) of a set; `masks` (N,S,S) bool, None leaves the mask fit out."""
        row, n = Row(name), len(self.real)
        if masks is not None:
            fit = np.mean([fidelity.dice(self.judge.masks(images), masks) for images in found.images], axis=0)
            row.figures["dice"] = _mean(fit)
        if self.net is not None:
            frames = self.real_set.hidden | found.hidden
            for suffix, hidden in (("", [None] * len(frames)), (", same frame", frames)):
                real = [self._features(self.real.images, h) for h in hidden]
                made = [self._features(images, h) for images, h in zip(found.images, hidden, strict=True)]
                hits = [fidelity.classifier_hits(a, b) for a, b in zip(real, made, strict=True)]
                row.figures["classifier" + suffix] = _mean(np.mean(hits, axis=0))
                row.figures["KID" + suffix] = _kid(real, made)
        row.figures |= self._spectrum(found.images)
        if len(found.images) > 1 and masks is not None:
            within = fidelity.diversity(found.images.swapaxes(0, 1))
            across = fidelity.diversity(self.real.images[None])[0]
            low, high = fidelity.interval(lambda i: float(np.sqrt(within[i].mean() / across)), n)
            row.figures["diversity"] = Figure(float(np.sqrt(within.mean() / across)), low, high, n)
        return row

    def _features(self, images: np.ndarray, hidden: np.ndarray | None) -> np.ndarray:
        """(N,512) of norm √512: the mean over the last map of pictures at 227 px, with `hidden` (N,S,S) painted black.

        The norm makes KID's x·y/D a cosine; the raw ones are hundreds in size, and their cube is noise.
        """
        assert self.net is not None
        found = []
        for k, image in enumerate(images):
            shown = image if hidden is None else np.where(hidden[k][..., None], np.uint8(0), image)
            small = cv2.resize(shown, (FEATURE_SIZE, FEATURE_SIZE), interpolation=cv2.INTER_AREA)
            with torch.no_grad():
                found.append(self.net(batches.to_x([small]))[-1].mean((2, 3))[0].numpy())
        flat = np.stack(found)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True) * flat.shape[1] ** 0.5

    def _spectrum(self, images: np.ndarray) -> dict[str, Figure]:
        real = fidelity.power_spectra(self.real.images)
        made = np.mean([fidelity.power_spectra(some) for some in images], axis=0)
        found = {}
        for name, of in (("spectrum, lowest", np.min), ("spectrum, highest", np.max)):

            def ratio(i: np.ndarray, of=of) -> float:  # noqa: ANN001
                return float(of(made[i].mean(axis=0) / real[i].mean(axis=0)))

            everyone = np.arange(len(real))
            found[name] = Figure(ratio(everyone), *fidelity.interval(ratio, len(real), draws=200), len(real))
        return found


def _mean(values: np.ndarray) -> Figure:
    low, high = fidelity.interval(lambda i: float(values[i].mean()), len(values))
    return Figure(float(values.mean()), low, high, len(values))


def _kid(real: list[np.ndarray], made: list[np.ndarray]) -> Figure:
    """Mean KID over seeds; interval: 2.5 to 97.5 percentile of halves of the cases, drawn without repeats."""
    n, draw, pairs = len(real[0]), np.random.default_rng(0), list(zip(real, made, strict=True))
    halves = [(draw.permutation(n)[: n // 2], *pairs[k % len(pairs)]) for k in range(100)]
    spread = [fidelity.kid(a[half], b[half], paired=True) for half, a, b in halves]
    value = float(np.mean([fidelity.kid(a, b, paired=True) for a, b in pairs]))
    return Figure(value, *(float(v) for v in np.percentile(spread, [2.5, 97.5])), n)


def evaluate(request: EvaluateRequest) -> Iterator[Event]:
    """Measure (a) mask fit, (b) classifier, (c) KID, (d) spectrum, (e) diversity, (f) copies, (g) the same for real
    pictures, real pictures through the autoencoder and the checkpoints in `against`; and mask fit on far masks.

    Raises:
        CheckpointError, DatasetError, RecipeError: before anything is synthesized.
    """
    measure = _Measure(request)
    models = [load(name, request.device) for name in (request.checkpoint, *request.against)]
    first = models[0]
    measure.prepare(first)
    real, masks = measure.real, measure.real.masks > 0
    yield Notice(f"{len(real)} pictures of {request.split}, {len(measure.train)} of train.")
    rows = [measure.row("real: training pictures (floor)", measure.floor_set, None)]
    ceiling = fidelity.dice(measure.judge.masks(real.images), masks)
    rows[0].figures["dice"] = _mean(ceiling)
    back = _through(first, real)
    rows.append(measure.row("real through the autoencoder", _Set(back[None], real.views[None] > 0), masks))
    rows[-1].figures["PSNR"] = _mean(fidelity.psnr(_through(first, real, detail=False), real.images))
    rows[-1].figures["PSNR, with detail"] = _mean(fidelity.psnr(back, real.images))
    sets: dict[str, _Set] = {}
    for loaded, name in zip(models, (request.checkpoint, *request.against), strict=True):
        for guidance in request.guidance or (loaded.model.recipe.sampling.guidance,):
            for words, seeds in _seeds(request, len(real)).items():
                title = f"{Path(name).name}, guidance {guidance:g}{words}"
                made = yield from _synthesize(loaded, real.masks, seeds, guidance, title)
                sets[title] = made
                rows.append(measure.row(title, made, masks))
                yield Notice(_line(rows[-1]))
    far: dict[str, Figure] = {}
    sheets: dict[str, bytes] = {}
    for title, found in sets.items():
        name = f"sheet_{title.replace(', guidance ', '_').replace(OWN, '_own')}"
        sheets[name] = sheet.grid([real.masks * np.uint8(255), *found.images])
    if not request.only_fit:
        yield from _copies(measure, first, back, rows, sets, sheets)
        far = yield from _far(first, measure.judge, request.far, sheets)
        drawn = np.stack([generate.plausible(k, real.masks.shape[1]).labels for k in range(GENERATED)])
        made = yield from _synthesize(
            first, drawn, [(k + 1,) for k in range(GENERATED)], None, "generated masks"
        )
        sheets["generated"] = sheet.grid([drawn * np.uint8(255), *made.images], columns=8, numbered=True)
    yield from _write(request, first, measure, rows, far, sheets)


def _seeds(request: EvaluateRequest, count: int) -> dict[str, list[tuple[int, ...]]]:
    """Seeds of each of `count` masks, by what a row's title says of them.

    One seed paints nearly one ground under every mask, so a set of one seed is far from real pictures however real each
    is; as in a dealt dataset, each mask then has seeds of its own. A curve over guidance goes without.
    """
    found = {"": [request.seeds] * count}
    if not request.guidance:
        k = len(request.seeds)
        found[OWN] = [tuple(range(n * k + 1, (n + 1) * k + 1)) for n in range(count)]
    return found


@torch.no_grad()
def _through(loaded: Loaded, real: Pictures, detail: bool = True) -> np.ndarray:
    """Real pictures encoded and decoded, (N,S,S,3)."""
    model, found = loaded.model, []
    for k, image in enumerate(real.images):
        x = batches.to_x([image]).to(model.device, model.dtype)
        hint = batches.to_hint(real.masks[k : k + 1]).to(x)
        back = model.decode(model.autoencoder.encode(x), hint, [k] if detail else None)
        found.append(batches.to_images(back))
    return np.concatenate(found)


def _synthesize(
    loaded: Loaded, masks: np.ndarray, seeds: Sequence[tuple[int, ...]], guidance: float | None, title: str
) -> Generator[Event, None, _Set]:
    """Each of the masks (N,S,S) with its K seeds, the checkpoint's own steps and style; returns a _Set."""
    recipe = loaded.model.recipe
    style = recipe.styles.index(recipe.sampling.style or recipe.styles[0])
    images, begun = np.empty((len(seeds[0]), *masks.shape, 3), np.uint8), time.monotonic()
    outside = np.empty(images.shape[:-1], bool)
    for n, labels in enumerate(masks):
        ask = SampleRequest(seeds=seeds[n], guidance=guidance, batch=len(seeds[n]))
        results = (e for e in sample(loaded, Mask(labels), ask) if isinstance(e, SampleResult))
        for k, result in enumerate(results):
            images[k, n] = result.image
            view = view_of(loaded.model, style, result.mask, result.seed) & batches.OUTSIDE
            outside[k, n] = cv2.resize(view, masks.shape[:0:-1], interpolation=cv2.INTER_NEAREST) > 0
        rate = (n + 1) / (time.monotonic() - begun)
        yield Progress(title, n + 1, len(masks), rate, (len(masks) - n - 1) / rate)
    return _Set(images, outside)


def _copies(
    measure: _Measure,
    loaded: Loaded,
    back: np.ndarray,
    rows: list[Row],
    sets: dict[str, _Set],
    sheets: dict[str, bytes],
) -> Iterator[Event]:
    """Share of pictures nearer to a training picture than 99 % of the val pictures are, in three spaces."""

    @torch.no_grad()
    def latents(images: np.ndarray) -> np.ndarray:
        model, found = loaded.model, []
        for start in range(0, len(images), ENCODED_TOGETHER):
            x = batches.to_x(images[start : start + ENCODED_TOGETHER])
            found.append(model.autoencoder.encode(x.to(model.device, model.dtype)))
        return torch.cat(found).flatten(1).float().cpu().numpy()

    spaces: dict[str, copies.Features] = {
        "grey": copies.thumbnails,
        "latents": latents,
        "segmenter": measure.judge.features,
    }
    recipe = loaded.model.recipe
    val = batches.prepare([dataset.read(measure.request.data[0], "val")], recipe.size, recipe.data)
    known = {"real: training pictures (floor)": measure.real_set.images, rows[1].name: back[None]}
    known |= {title: found.images for title, found in sets.items()}
    for step, (space, features) in enumerate(spaces.items(), start=1):
        training = features(measure.train.images)
        limit = copies.threshold(copies.nearest(val.images, training, features))
        for row in rows:
            near = [copies.nearest(images, training, features) for images in known[row.name]]
            flagged = np.mean([n.distance < limit for n in near], axis=0)
            row.figures[f"copies, {space}"] = _mean(flagged)
            if row is rows[2]:
                order = np.argsort(near[0].distance)[:CLOSEST]
                both = [known[row.name][0][order], measure.train.images[near[0].index[order]]]
                sheets[f"nearest_{space}"] = sheet.grid(both)
        yield Progress("looking for copies", step, len(spaces))


def _far(
    loaded: Loaded, judge: Judge, count: int, sheets: dict[str, bytes]
) -> Generator[Event, None, dict[str, Figure]]:
    """Mask fit on masks unlike any training mask; returns a Figure for each kind: Dice, or the area seen if empty."""
    size = loaded.model.recipe.size
    drawn = [generate.far(seed, size) for seed in range(count)]
    masks = np.stack([mask.labels for _, mask in drawn])
    made = yield from _synthesize(loaded, masks, [(k + 1,) for k in range(count)], None, "far masks")
    sheets["far"] = sheet.grid([masks * np.uint8(255), made.images[0]])
    seen = judge.masks(made.images[0])
    fit = fidelity.dice(seen, masks > 0)
    kinds = np.array([kind for kind, _ in drawn])
    return {
        str(kind): _mean(seen[kinds == kind].mean(axis=(1, 2)) if kind == "empty" else fit[kinds == kind])
        for kind in dict.fromkeys(kinds)
    }


def _line(row: Row) -> str:
    return f"{row.name}: " + ", ".join(f"{name} {f.value:.3f}" for name, f in row.figures.items())


def _write(
    request: EvaluateRequest,
    loaded: Loaded,
    measure: _Measure,
    rows: list[Row],
    far: dict[str, Figure],
    sheets: dict[str, bytes],
) -> Iterator[Event]:
    facts = {
        "checkpoint": loaded.name,
        "checkpoint_sha256": loaded.sha256,
        "segmenter_sha256": measure.judge.sha256,
        "feature_net": request.feature_net.name if request.feature_net else None,
        "split": request.split,
        "masks": len(measure.real),
        "seeds": list(request.seeds),
        "steps": loaded.model.recipe.sampling.steps,
    }
    with writing(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    report = {**facts, "rows": [asdict(row) for row in rows], "far": {k: asdict(f) for k, f in far.items()}}
    write_atomically(request.out / "report.json", json.dumps(report, indent=2).encode())
    write_atomically(request.out / "report.md", sheet.table(facts, rows, far).encode())
    for name, picture in sheets.items():
        write_atomically(request.out / f"{name}.png", picture)
    yield Saved(request.out / "report.md")
