"""Files become model input: the one place where stored pixels turn into tensors.

`prepare` reads a dataset into uint8 arrays at the model's size, `augment` draws one labelled variant of a case,
`to_x`, `to_hint`, `to_frame` convert. Value spaces: image uint8 HWC RGB; mask uint8 (H,W) {0,1}, or
0..K where the dataset has classes; view uint8 (H,W), bit 1 = outside the field of view, bit 2 = corner box.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from siamese.data import view as views
from siamese.data.dataset import Case, Dataset
from siamese.data.neardup import difference_hash
from siamese.data.paste import paste
from siamese.errors import DatasetError, MaskError
from siamese.masks.classes import hint_of
from siamese.masks.mask import Mask, read_labels
from siamese.picture import decode
from siamese.sections import AugmentationRecipe, DataRecipe

OUTSIDE, BOX = 1, 2  # bits of a view map
FRAME_CHANNELS = 2  # outside, box
AUGMENTATION_WIDTH = 10  # rotation one-hot (3), flip, zoom, shift x, shift y, brightness, contrast, hue
FLAGS = 2  # corner box, burnt-in text
VIEW_SIZE = 96  # side of the view maps that a checkpoint carries
FIELDS = 16  # fields of view that a checkpoint carries for a style


@dataclass(frozen=True)
class Pictures:
    """A dataset in memory: images (N,S,S,3), masks (N,S,S), views (N,S,S) uint8; the rest one entry each.

    `sha256` (N,32) uint8 is of the decoded pixels, `dhash` (N,8) uint8 the 64-bit difference hash.
    """

    stems: tuple[str, ...]
    styles: tuple[str, ...]
    images: np.ndarray
    masks: np.ndarray
    views: np.ndarray
    text: np.ndarray
    sha256: np.ndarray
    dhash: np.ndarray

    def __len__(self) -> int:
        return len(self.stems)


@dataclass(frozen=True)
class Variant:
    """One augmented case, and the `label` (10,) float32 that tells the network what was done."""

    image: np.ndarray
    mask: np.ndarray
    view: np.ndarray
    label: np.ndarray


def read_picture(path: Path) -> np.ndarray:
    """Read a picture file as (H,W,3) uint8 RGB; MaskError as `siamese.picture.decode`."""
    return decode(path.read_bytes())


def prepare(datasets: Sequence[Dataset], size: int, recipe: DataRecipe) -> Pictures:
    """Read, check, clean and resize every case of the datasets.

    Raises:
        DatasetError: every unreadable, mismatched or grey file at once, each with its cure.
    """
    kinds = {dataset.classes for dataset in datasets}
    if len(kinds) > 1 and any(len(classes) > 1 for classes in kinds):
        listed = "; ".join(", ".join(classes) or "one class" for classes in sorted(kinds))
        raise DatasetError(
            Path("the datasets"), [f"their classes differ ({listed}); train on sets with the same classes."]
        )
    work = [(len(dataset.classes), case) for dataset in datasets for case in dataset.cases]
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda item: _prepare_case(item[1], item[0], size, recipe), work))
    problems = [
        f"{case.stem}: {found}"
        for (_, case), found in zip(work, results, strict=True)
        if isinstance(found, str)
    ]
    if problems:
        raise DatasetError(datasets[0].root if len(datasets) == 1 else Path("the datasets"), problems)
    ready = [found for found in results if not isinstance(found, str)]
    columns = list(zip(*ready, strict=True))
    return Pictures(
        stems=tuple(case.stem for _, case in work),
        styles=tuple(case.style for _, case in work),
        images=np.stack(columns[0]),
        masks=np.stack(columns[1]),
        views=np.stack(columns[2]),
        text=np.array(columns[3]),
        sha256=np.stack(columns[4]),
        dhash=np.stack(columns[5]),
    )


def _prepare_case(case: Case, classes: int, size: int, recipe: DataRecipe):
    try:
        picture = read_picture(case.image)
    except MaskError as error:
        return f"picture {case.image.name} {error}"
    try:
        mask = Mask(read_labels(case.mask, classes)) if classes > 1 else Mask.read(case.mask)
    except MaskError as error:
        return str(error)
    if any("threshold" in note for note in mask.notes):
        return (
            f"mask {case.mask.name} has grey levels; save it as PNG with 0 and 255 only (threshold at 127)."
        )
    if mask.labels.shape != picture.shape[:2]:
        (mask_h, mask_w), (image_h, image_w) = mask.labels.shape, picture.shape[:2]
        return f"mask is {mask_h}×{mask_w} but picture is {image_h}×{image_w}; export both at one size."
    labels = mask.labels
    digest = np.frombuffer(hashlib.sha256(np.ascontiguousarray(picture)).digest(), np.uint8)
    hashed = difference_hash(picture)
    text = views.burnt_in_text(picture)
    if recipe.remove_text and text.any():
        picture = views.inpaint(picture, text)
    inside, box = views.field_of_view(picture), views.corner_box(picture)
    if recipe.crop_to_view:
        rows, columns = _view_window(inside)
        picture, labels, inside, box = (a[rows, columns] for a in (picture, labels, inside, box))
    view = np.where(inside, 0, OUTSIDE).astype(np.uint8) | np.where(box, BOX, 0).astype(np.uint8)
    shrinking = picture.shape[0] > size
    image = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    labels, view = (cv2.resize(a, (size, size), interpolation=cv2.INTER_NEAREST) for a in (labels, view))
    return image, labels, view, bool(text.any()), digest, hashed


def _view_window(inside: np.ndarray) -> tuple[slice, slice]:
    """The box around the field of view, its narrow side widened until the sides differ by a quarter at most."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    high, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    return (
        _widened(int(rows[0]), high, round(0.8 * wide), inside.shape[0]),
        _widened(int(columns[0]), wide, round(0.8 * high), inside.shape[1]),
    )


def _widened(start: int, extent: int, wanted: int, limit: int) -> slice:
    """`extent` pixels from `start`, widened about its middle to `wanted` where the picture allows it."""
    wider = min(max(extent, wanted), limit)
    start = min(max(0, start - (wider - extent) // 2), limit - wider)
    return slice(start, start + wider)


def augment(pictures: Pictures, index: int, recipe: AugmentationRecipe, seed: int) -> Variant:
    """One variant of a case, the same for the same seed.

    Labelled: 8 orientations, zoom with shift, brightness, contrast, hue. Unlabelled: a smooth joint warp, small
    lesions of the same style blended in (`paste`).
    """
    draw = np.random.default_rng(seed)
    image, mask, view = pictures.images[index], pictures.masks[index], pictures.views[index]
    size = image.shape[0]
    turns, flip = (
        (int(draw.integers(4)), bool(draw.integers(2))) if draw.random() < recipe.orientation else (0, False)
    )
    zoom = float(np.exp(draw.uniform(0, np.log(recipe.zoom))))
    shift = draw.uniform(-1, 1, 2) * (1 - 1 / zoom) / 2
    brightness, contrast = draw.uniform(-1, 1, 2)
    hue = draw.uniform(-1, 1)
    bends = draw.normal(size=(2, 4, 4)).astype(np.float32)
    if recipe.paste and draw.random() < recipe.paste:
        image, mask = paste(image, mask, view, alike(pictures, index, draw), draw)

    grid = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / zoom + (size - 1) / 2
    map_x, map_y = np.meshgrid(grid + np.float32(shift[0] * size), grid + np.float32(shift[1] * size))
    if recipe.warp:
        strength = recipe.warp * size / 384 / 2
        for target, bend in ((map_x, bends[0]), (map_y, bends[1])):
            target += strength * cv2.resize(bend, (size, size), interpolation=cv2.INTER_CUBIC)
    image = cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    mask, view = (
        cv2.remap(a, map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101) for a in (mask, view)
    )
    image, mask, view = (np.rot90(a, turns) for a in (image, mask, view))
    if flip:
        image, mask, view = (a[:, ::-1] for a in (image, mask, view))
    image = _recolour(image, recipe.brightness * brightness, recipe.brightness * contrast, recipe.hue * hue)
    label = np.zeros(AUGMENTATION_WIDTH, np.float32)
    if turns:
        label[turns - 1] = 1
    label[3] = flip
    label[4] = np.log(zoom) / max(np.log(recipe.zoom), 1e-6)
    label[5:7] = 4 * shift
    label[7:10] = brightness, contrast, hue
    return Variant(np.ascontiguousarray(image), np.ascontiguousarray(mask), np.ascontiguousarray(view), label)


def alike(pictures: Pictures, index: int, draw: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Four pictures of the same style with their masks, for `paste`."""
    others = [i for i, style in enumerate(pictures.styles) if style == pictures.styles[index]]
    return [(pictures.images[i], pictures.masks[i]) for i in draw.choice(others, 4)]


def _recolour(image: np.ndarray, brightness: float, contrast: float, hue: float) -> np.ndarray:
    """Brightness and contrast about mid-grey, hue as a rotation of the chroma plane; black stays black."""
    angle = 2 * np.pi * hue
    u = np.array([1, 1, 1]) / np.sqrt(3)
    cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(u, u)
    table = np.arange(256) / 255
    bent = (1 + brightness) * (table + contrast * table * (1 - table) * (2 * table - 1) * 2)
    bent = np.clip(bent * 255, 0, 255).astype(np.uint8)
    return cv2.transform(cv2.LUT(image, bent), turn.astype(np.float32))


def identity(pictures: Pictures, index: int) -> Variant:
    """The case as it is."""
    label = np.zeros(AUGMENTATION_WIDTH, np.float32)
    return Variant(pictures.images[index], pictures.masks[index], pictures.views[index], label)


def to_x(images: Iterable[np.ndarray] | Tensor) -> Tensor:
    """(S,S,3) uint8 each, or (B,S,S,3), → x (B,3,S,S) float32 in [-1,1]."""
    stacked = images if isinstance(images, Tensor) else torch.from_numpy(np.stack(list(images)))
    return stacked.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(x: Tensor) -> np.ndarray:
    """x (B,3,S,S) in [-1,1] → (B,S,S,3) uint8, rounded."""
    return (
        ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    )


def to_hint(masks: Iterable[np.ndarray]) -> Tensor:
    """Masks (S,S) → hint (B,3,S,S) float32 in [0,1]: three equal channels for {0,1}, a colour a class otherwise.

    The first channel is {0,1} always: whether anything lies there.
    """
    labels = np.stack(list(masks))
    if labels.max(initial=0) <= 1:
        return torch.from_numpy(labels).float()[:, None].expand(-1, 3, -1, -1)
    return torch.from_numpy(hint_of(labels))


def to_frame(maps: Iterable[np.ndarray], latent_size: int) -> Tensor:
    """View maps (S,S) → frame (B,2,h,w) float32 in [0,1]: the share of each latent's pixels outside, and in the box."""
    view = torch.from_numpy(np.stack(list(maps)))
    planes = torch.stack([(view & OUTSIDE) > 0, (view & BOX) > 0], dim=1).float()
    return torch.nn.functional.adaptive_avg_pool2d(planes, latent_size)


def unboxed(maps: np.ndarray) -> np.ndarray:
    """Those of (N,S,S) view maps without a corner box, or all of them where each has one.

    A box cuts its corner off the field of view that is found, and a network paints the box that such a corner hides.
    """
    clear = ~((maps & BOX) > 0).any(axis=(1, 2))
    return maps[clear] if clear.any() else maps


def typical_view(maps: np.ndarray) -> np.ndarray:
    """What most of (N,S,S) view maps show, (96,96) uint8: outside by majority of `unboxed`; the median of the boxes."""
    small = np.stack([cv2.resize(m, (VIEW_SIZE, VIEW_SIZE), interpolation=cv2.INTER_NEAREST) for m in maps])
    outside = ((unboxed(small) & OUTSIDE) > 0).mean(axis=0) > 0.5
    boxed = small[((small & BOX) > 0).any(axis=(1, 2))]
    box = ((boxed & BOX) > 0).mean(axis=0) > 0.5 if len(boxed) else np.zeros_like(outside)
    return outside.astype(np.uint8) * OUTSIDE | box.astype(np.uint8) * BOX


def fields_of_view(maps: np.ndarray) -> np.ndarray:
    """What is outside in FIELDS of `unboxed` (N,S,S) maps, from the least to the most, (FIELDS,96,96) uint8.

    As many maps of about that much stand behind each; the one most like their typical view speaks for them, for the
    others may be cut by a box that was not found, or by the dark.
    """
    clear = unboxed(maps) & OUTSIDE
    small = np.stack([cv2.resize(m, (VIEW_SIZE, VIEW_SIZE), interpolation=cv2.INTER_NEAREST) for m in clear])
    order = np.argsort(small.sum(axis=(1, 2), dtype=np.int64), kind="stable")
    away = (small != (small.mean(axis=0) > 0.5)).sum(axis=(1, 2))
    starts = (np.arange(FIELDS) * len(small) / FIELDS).astype(int)
    groups = [order[k : max(k + 1, end)] for k, end in zip(starts, [*starts[1:], len(small)], strict=True)]
    return small[[group[np.argmin(away[group])] for group in groups]]


def drawn_view(fields: np.ndarray, typical: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """The view map (96,96) that a seed draws from `fields` (N,96,96), with the box of the typical one (96,96).

    One that hides more of the labels (S,S) than the typical does is passed over; the typical one where all are.
    """
    lesion = cv2.resize((labels > 0).astype(np.uint8), (VIEW_SIZE, VIEW_SIZE), interpolation=cv2.INTER_NEAREST) > 0
    least = np.count_nonzero((typical & OUTSIDE)[lesion])
    for k in np.random.default_rng([seed, len(fields)]).permutation(len(fields)):
        if np.count_nonzero(fields[k][lesion]) <= least:
            return fields[k] | typical & BOX
    return typical


def flags(maps: Iterable[np.ndarray], text: Iterable[bool]) -> Tensor:
    """(B,2) float32: has a corner box, had burnt-in text."""
    return torch.tensor([[float((m & BOX).any()), float(t)] for m, t in zip(maps, text, strict=True)])


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of one epoch, the same for the same seed: a permutation of 0..count−1."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def batch_indices(count: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Indices of step `step` (from 0): epochs one after another, each in its own order."""
    places = np.arange(step * batch, (step + 1) * batch)
    orders = {epoch: epoch_order(count, seed, epoch) for epoch in {int(p) // count for p in places}}
    return np.array([orders[int(p) // count][int(p) % count] for p in places])
