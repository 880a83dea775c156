"""Copies planted on purpose, so that each run of the copy check says how many it would have caught.

Each is made of a training picture and carried through what a synthesized picture goes through: one size, uint8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from siamese.data.view import DARK
from siamese.gate.copies import LESION, CopyCheck, Known

COUNT = 50
CROP = 0.8  # of the side that a cropped copy keeps
HUE, BRIGHTNESS = (8, 20), (0.12, 0.3)  # of a recoloured copy: degrees and shares, to either side
QUALITY = 40  # of a JPEG copy
PASTED = (0.02, 0.5)  # of the side: shortest and longest side of a lesion that is pasted elsewhere
TRIES, PLACES = 200, 8  # lesions and hosts tried for one pasted copy, places in each host

Case = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Planted:
    """Planted copies.

    Args:
        images, masks: (N,S,S,3) and (N,S,S) uint8. kinds: what was done. of: rows of the training pictures.
        hosts: rows of those that a lesion was pasted into, -1 for the other kinds: a host is itself a training
            picture, so the check must not look at it.
    """

    images: np.ndarray
    masks: np.ndarray
    kinds: tuple[str, ...]
    of: tuple[int, ...]
    hosts: tuple[int, ...]


@dataclass(frozen=True)
class Caught:
    """How many planted copies were flagged, `n` of `of`; by kind (flagged, planted)."""

    n: int
    of: int
    by_kind: dict[str, tuple[int, int]]

    def sentence(self) -> str:
        """In words, for a report."""
        missed = [f"{kind} {n} of {of}" for kind, (n, of) in self.by_kind.items() if n < of]
        return f"caught {self.n} of {self.of} planted copies" + (f" ({', '.join(missed)})" if missed else "")


def plant(training: Known, count: int = COUNT, seed: int = 0) -> Planted:
    """Copies of training pictures, the kinds in turn, the same for the same seed.

    Fewer than `count` where no lesion can be pasted elsewhere: too few pictures, or none with room.
    """
    images, masks, kinds, of, hosts = [], [], [], [], []
    names = list(KINDS)
    for k in range(count):
        draw = np.random.default_rng([seed, k])
        kind = names[k % len(names)]
        row, host = int(draw.integers(len(training))), -1
        if kind == "pasted":
            found = _paste(training, draw)
            if found is None:
                continue
            image, mask, row, host = found
        else:
            image, mask = KINDS[kind](training.images[row], training.masks[row], draw)
        images.append(np.ascontiguousarray(image))
        masks.append(np.ascontiguousarray(mask))
        kinds.append(kind)
        of.append(row)
        hosts.append(host)
    shape = training.images.shape[1:]
    return Planted(
        np.stack(images) if images else np.zeros((0, *shape), np.uint8),
        np.stack(masks) if masks else np.zeros((0, *shape[:2]), np.uint8),
        tuple(kinds),
        tuple(of),
        tuple(hosts),
    )


def caught(check: CopyCheck, planted: Planted) -> Caught:
    """Score the planted copies and count those that are flagged; a pasted lesion must be found as a lesion."""
    rows = np.arange(check.rows)
    ratios = check.ratios(planted.images, planted.masks, np.array(planted.hosts)[:, None] == rows)
    lesion = np.array([space in LESION for space in ratios])
    above = np.array([ratio.value > 1 for ratio in ratios.values()]).reshape(len(ratios), -1)
    by_kind = dict.fromkeys(planted.kinds, (0, 0))
    for k, kind in enumerate(planted.kinds):
        n, of = by_kind[kind]
        found = above[lesion, k] if kind == "pasted" else above[:, k]
        by_kind[kind] = n + int(found.any()), of + 1
    return Caught(sum(n for n, _ in by_kind.values()), len(planted.kinds), by_kind)


def _exact(image: np.ndarray, mask: np.ndarray, draw: np.random.Generator) -> Case:
    return image, mask


def _mirrored(image: np.ndarray, mask: np.ndarray, draw: np.random.Generator) -> Case:
    """One of the seven other orientations."""
    turns, flip = divmod(int(draw.integers(1, 8)), 2)
    image, mask = np.rot90(image, turns), np.rot90(mask, turns)
    return (image[:, ::-1], mask[:, ::-1]) if flip else (image, mask)


def _cropped(image: np.ndarray, mask: np.ndarray, draw: np.random.Generator) -> Case:
    size = len(mask)
    side = round(CROP * size)
    top, left = (int(v) for v in draw.integers(0, size - side + 1, 2))
    window = np.s_[top : top + side, left : left + side]
    return (
        cv2.resize(image[window], (size, size), interpolation=cv2.INTER_LINEAR),
        cv2.resize(mask[window], (size, size), interpolation=cv2.INTER_NEAREST),
    )


def _recoloured(image: np.ndarray, mask: np.ndarray, draw: np.random.Generator) -> Case:
    hue, gain = (draw.uniform(*span) * draw.choice((-1, 1)) for span in (HUE, BRIGHTNESS))
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.float32) + hue / 2).round() % 180  # OpenCV counts half degrees
    recoloured = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32) * (1 + gain)
    return recoloured.clip(0, 255).astype(np.uint8), mask


def _jpeg(image: np.ndarray, mask: np.ndarray, draw: np.random.Generator) -> Case:
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]), mask


def _paste(training: Known, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int, int] | None:
    """The lesion of one picture blended into another patient's, turned, mirrored, up to a fifth larger or smaller.

    Gradients are kept and colours follow the new place (Pérez et al., Poisson Image Editing, 2003).
    """
    size = training.images.shape[1]
    for _ in range(TRIES):
        row, host = (int(v) for v in draw.integers(len(training), size=2))
        if row == host or "" != training.groups[row] == training.groups[host]:
            continue
        ys, xs = np.nonzero(training.masks[row])
        if not len(ys):
            continue
        high, wide = int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1
        margin = max(3, round(0.1 * max(high, wide)))
        top, left = int(ys.min()) - margin, int(xs.min()) - margin
        bottom, right = top + high + 2 * margin, left + wide + 2 * margin
        fits = PASTED[0] * size <= min(high, wide) and max(high, wide) <= PASTED[1] * size
        if not fits or top < 0 or left < 0 or bottom > size or right > size:
            continue
        scale = draw.uniform(0.8, 1.2)
        extent = tuple(round(scale * e) for e in (right - left, bottom - top))
        piece = cv2.resize(training.images[row, top:bottom, left:right], extent, interpolation=cv2.INTER_AREA)
        lesion = cv2.resize(
            (training.masks[row, top:bottom, left:right] > 0).astype(np.uint8),
            extent,
            interpolation=cv2.INTER_NEAREST,
        )
        piece, lesion = (np.ascontiguousarray(a) for a in _mirrored(piece, lesion, draw))
        pasted = _blended(training.images[host], training.masks[host], piece, lesion, draw)
        if pasted is not None:
            return *pasted, row, host
    return None


def _blended(
    image: np.ndarray, mask: np.ndarray, piece: np.ndarray, lesion: np.ndarray, draw: np.random.Generator
) -> Case | None:
    """A piece on bright tissue clear of the host's own lesion; None where no place drawn is free."""
    size, (high, wide) = len(mask), lesion.shape
    if high + 4 >= size or wide + 4 >= size:
        return None
    for _ in range(PLACES):
        top, left = (int(draw.integers(2, size - extent - 2)) for extent in (high, wide))
        window = np.s_[top : top + high, left : left + wide]
        if not mask[window].any() and (image[window].max(axis=2) <= DARK).mean() <= 0.02:
            break
    else:
        return None
    reach = cv2.dilate(lesion, np.ones((3, 3), np.uint8), iterations=max(1, min(high, wide) // 20))
    reach[[0, -1]] = 0
    reach[:, [0, -1]] = 0  # seamlessClone centres the mask's own box, not the patch
    ys, xs = np.nonzero(reach)
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    middle = (left + int(xs.min() + xs.max() + 1) // 2, top + int(ys.min() + ys.max() + 1) // 2)
    blended = cv2.seamlessClone(
        np.ascontiguousarray(piece[box]), image, reach[box] * 255, middle, cv2.NORMAL_CLONE
    )
    place = np.zeros_like(mask)
    place[window] = lesion
    return blended, place


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], Case] | None] = {
    "exact": _exact,
    "mirrored": _mirrored,
    "cropped": _cropped,
    "recoloured": _recoloured,
    "jpeg": _jpeg,
    "pasted": None,  # needs two pictures
}
