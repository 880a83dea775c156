"""The cue check: how well does each simple thing, a colour or a black border, tell the arms apart by itself?

A rater who sees one of them need not look at the tissue. Measured on prepared pictures, within what is seen of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from siamese.counted import counted
from siamese.data import view
from siamese.data.neardup import near_duplicates, small_grey
from siamese.study import frame
from siamese.study.design import Design
from siamese.study.truth import Item

LIMIT = 0.2  # of |AUC − 0.5|: beyond it a cue needs a reason
DRAWS = 1000  # of the bootstrap
ENDS = 4  # examples at each end
BRIGHT, PALE = 245, 40  # value above and saturation below which a pixel is a highlight


@dataclass(frozen=True)
class Cue:
    """How one cue tells an arm from the real one.

    Args:
        cue: a key of MEASURES.
        arm: the other arm.
        auc: share of pairs in which the real picture has the higher value, ties half; 0.5 tells nothing.
        low, high: 95 % bootstrap interval.
        real, other: numbers of pictures.
        lowest, highest: ids of the pictures at both ends, the most extreme first.
    """

    cue: str
    arm: str
    auc: float
    low: float
    high: float
    real: int
    other: int
    lowest: tuple[str, ...]
    highest: tuple[str, ...]

    @property
    def tells(self) -> bool:
        """Whether it needs a reason before lock."""
        return abs(self.auc - 0.5) > LIMIT

    def sentence(self) -> str:
        """What was found, in words."""
        return (
            f"{MEASURES[self.cue]}: AUC {self.auc:.2f} ({self.low:.2f} to {self.high:.2f}) between {self.real} real "
            f"and {self.other} of {self.arm}"
        )


@dataclass(frozen=True)
class Verdict:
    """What the cue check found: every cue of every arm, the strongest first; and `problems` that no reason excuses."""

    cues: tuple[Cue, ...]
    problems: tuple[str, ...] = ()

    def unexplained(self, reasons: dict[str, str]) -> list[Cue]:
        """Cues that tell arms apart and have no written reason."""
        return [cue for cue in self.cues if cue.tells and not reasons.get(cue.cue, "").strip()]


def measure(picture: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """Every cue of a prepared picture (S,S,3) uint8 RGB; `seen` (S,S) bool is what is not black in all of them."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    light = lab[..., 0]
    inner = (
        cv2.erode(seen.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
    )  # without the outline's edge
    found = {
        "text": _text_left(picture, seen),
        "border": float((picture.max(axis=2) <= view.DARK)[seen].mean()),
        "box": float((view.corner_box(picture) & seen).sum() / seen.sum()),
        "lightness": float(light[seen].mean()),
        "red_green": float(lab[..., 1][seen].mean()),
        "yellow_blue": float(lab[..., 2][seen].mean()),
        "saturation": float(hsv[..., 1][seen].mean() / 255),
        "brightness": float(hsv[..., 2][seen].mean() / 255),
        "contrast": float(light[seen].std()),
        "sharpness": float(np.log(cv2.Laplacian(light, cv2.CV_32F)[inner].var() + 1e-6)),
        "jpeg": _blocks(light, inner),
        "noise": _noise(light, inner),
        "highlights": float(((hsv[..., 2] > BRIGHT) & (hsv[..., 1] < PALE))[seen].mean()),
    }
    slope, fine = _spectrum(light)
    return {name: round(value, 6) for name, value in (found | {"spectrum": slope, "fine": fine}).items()}


MEASURES = {
    "text": "fine white strokes at the left, as of burnt-in text",
    "border": "black within the outline",
    "box": "box in the corner that is left",
    "lightness": "mean lightness (L*)",
    "red_green": "mean colour, red to green (a*)",
    "yellow_blue": "mean colour, yellow to blue (b*)",
    "saturation": "mean saturation",
    "brightness": "mean brightness",
    "contrast": "contrast (spread of L*)",
    "sharpness": "sharpness (Laplacian)",
    "jpeg": "JPEG blocks",
    "noise": "noise",
    "highlights": "highlights",
    "spectrum": "slope of the spectrum",
    "fine": "share of fine detail in the spectrum",
}


def check(design: Design, items: Sequence[Item], pictures: Path) -> Verdict:
    """Compare each cue of the real pictures with every other arm's, and look for what else would give them away.

    Args:
        design: as prepared.
        items: as prepared; practice is not compared, and those without a file are left out.
        pictures: folder of `<id>.png`.
    """
    items = [item for item in items if (pictures / f"{item.id}.png").is_file()]
    shown = [item for item in items if not item.practice]
    kinds = {arm.name: arm.kind for arm in design.arms}
    real = [item for item in shown if kinds[item.arm] == "real"]
    found = [
        _cue(name, real, [item for item in shown if item.arm == arm], arm)
        for arm, kind in kinds.items()
        if kind != "real"
        for name in MEASURES
        if real and any(item.arm == arm for item in shown)
    ]
    found.sort(key=lambda cue: -abs(cue.auc - 0.5))
    return Verdict(tuple(found), tuple(_differences(items, pictures) + _twice(items, kinds, pictures)))


def _cue(name: str, real: Sequence[Item], other: Sequence[Item], arm: str) -> Cue:
    x, y = (np.array([item.facts["cues"][name] for item in some]) for some in (real, other))
    value, low, high = auc(x, y)
    both = sorted([*real, *other], key=lambda item: item.facts["cues"][name])
    ids = [item.id for item in both]
    return Cue(name, arm, value, low, high, len(x), len(y), tuple(ids[:ENDS]), tuple(ids[: -ENDS - 1 : -1]))


def auc(x: np.ndarray, y: np.ndarray, draws: int = DRAWS) -> tuple[float, float, float]:
    """Share of pairs with x > y, ties half, of x (N,) and y (M,); with its 95 % interval by bootstrap of both."""
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    draw = np.random.default_rng(0)
    rows, columns = (draw.multinomial(n, np.full(n, 1 / n), draws) for n in wins.shape)
    drawn = ((rows @ wins) * columns).sum(axis=1) / wins.size
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(wins.mean()), float(low), float(high)


def _differences(items: Sequence[Item], pictures: Path) -> list[str]:
    """Sizes in bytes or pixels, or times, in which files differ."""
    stats = [(pictures / f"{item.id}.png").stat() for item in items]
    heads = {(pictures / f"{item.id}.png").open("rb").read(33) for item in items}
    facts: tuple[tuple[str, Callable], ...] = (
        ("bytes", lambda stat: stat.st_size),
        ("times of change", lambda stat: stat.st_mtime_ns),
    )
    found = [
        f"the prepared pictures have different {name}; prepare again."
        for name, of in facts
        if len(set(map(of, stats))) > 1
    ]
    return found + (
        ["the prepared pictures have different sizes in pixels; prepare again."] if len(heads) > 1 else []
    )


def _twice(items: Sequence[Item], kinds: dict[str, str], pictures: Path) -> list[str]:
    """Nearly the same picture twice, a sentence for each pair of arms; a control is by design like the real one."""
    small = (
        np.stack([small_grey(_read(pictures / f"{item.id}.png")) for item in items])
        if items
        else np.zeros((0, 64, 64))
    )
    found: dict[tuple[str, str], list[tuple[float, Item, Item]]] = defaultdict(list)
    for i, j, likeness in near_duplicates(small):
        one, other = items[i], items[j]
        control = {kinds[one.arm], kinds[other.arm]} == {"real", "control"}
        if not (control and one.group == other.group):
            found[min(one.arm, other.arm), max(one.arm, other.arm)].append((likeness, one, other))
    return [_alike(*arms, pairs, kinds) for arms, pairs in found.items()]


def _alike(arm: str, other: str, pairs: list[tuple[float, Item, Item]], kinds: dict[str, str]) -> str:
    """What is alike, and which pictures would have to go."""
    likeness, *closest = max(pairs, key=lambda pair: pair[0])
    go = dict.fromkeys(Path(later.source).stem for _, _, later in pairs)
    cure = (
        "leave out" if len(pairs) == 1 else f"leave out {counted(len(go), 'picture')} under `without`, e.g."
    )
    if arm == other and kinds[arm] == "synthetic":
        cure = f"synthesize with a seed of its own for each mask, or {cure}"
    return (
        f"{counted(len(pairs), 'pair')} of nearly the same picture "
        f"{f'in {arm}' if arm == other else f'in {arm} and in {other}'}, the closest "
        f"{' and '.join(Path(item.source).name for item in closest)} (correlation {likeness:.3f}); {cure} "
        f"{next(iter(go))}."
    )


def _read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def _text_left(picture: np.ndarray, seen: np.ndarray) -> float:
    """Share of fine white strokes in the left third, where endoscopes write, above that in the right third."""
    fine = (
        cv2.resize(
            frame.fine_white(picture).astype(np.uint8), seen.shape[::-1], interpolation=cv2.INTER_NEAREST
        )
        > 0
    )
    third = len(seen) // 3
    left, right = (fine[:, part][seen[:, part]] for part in (slice(0, third), slice(len(seen) - third, None)))
    return float(left.mean() - right.mean())


def _blocks(light: np.ndarray, inner: np.ndarray) -> float:
    """How much larger steps are at every eighth pixel than elsewhere, as a logarithm."""
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(light, axis=axis))
        known = np.delete(inner, 0, axis=axis)
        at = (np.arange(steps.shape[axis]) % 8 == 7).reshape((-1, 1) if axis == 0 else (1, -1))
        edge, rest = steps[known & at], steps[known & ~at]
        found.append(np.log((edge.mean() + 1e-3) / (rest.mean() + 1e-3)) if edge.size and rest.size else 0.0)
    return float(np.mean(found))


def _noise(light: np.ndarray, inner: np.ndarray) -> float:
    """Standard deviation of noise from the finest diagonal details. Source: Donoho and Johnstone, 1994."""
    even = light[: len(light) // 2 * 2, : light.shape[1] // 2 * 2]
    diagonal = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2
    within = inner[: len(light) // 2 * 2 : 2, : light.shape[1] // 2 * 2 : 2]
    return float(np.median(np.abs(diagonal[within])) / 0.6745) if within.any() else 0.0


def _spectrum(light: np.ndarray) -> tuple[float, float]:
    """Of the middle half: slope of log power against log frequency, and log share above a quarter cycle."""
    size = len(light)
    part = light[size // 4 : size - size // 4, size // 4 : size - size // 4]
    window = np.hanning(len(part))[:, None] * np.hanning(part.shape[1])
    power = np.abs(np.fft.fft2((part - part.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(part.shape[0])[:, None], np.fft.fftfreq(part.shape[1]))
    band = (frequency > 2 / len(part)) & (frequency < 0.5)
    bins = np.round(frequency[band] * len(part)).astype(int)
    radial = np.bincount(bins, power[band])[bins.min() :] / np.bincount(bins)[bins.min() :]
    slope = np.polyfit(np.log(np.arange(bins.min(), bins.max() + 1)), np.log(radial + 1e-9), 1)[0]
    return float(slope), float(np.log(power[frequency >= 0.25].sum() / (power[band].sum() + 1e-9) + 1e-9))
