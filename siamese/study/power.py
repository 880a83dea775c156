"""What a design can detect, by simulation; and how long it takes a rater.

The model: what a rater says of a picture depends, on the logit scale, on the arm, the picture, the rater, and on what
this rater thinks of this arm. Two questions are told apart. For these raters, the difference is that of these very
raters, and pictures are the sample: t test over pictures. For clinicians at large, raters are the sample too: t test
with (raters − 1) degrees of freedom on the larger of the two standard errors, over pictures and over raters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from siamese.counted import counted
from siamese.study.design import LONGEST_SITTING, SECONDS, Design
from siamese.study.orders import presentations
from siamese.study.spreads import Spreads

WANTED = 0.8  # power
READING = 2.0  # minutes for information sheet, consent and screen check
CELLS = 3_000_000  # votes simulated for one effect, at most
SIMULATIONS = 600
THRESHOLDS = (-2.2, -0.7, 0.7, 2.2)  # between five levels, logits
EFFECTS = np.concatenate([np.arange(0.1, 1.0, 0.15), np.arange(1.0, 3.6, 0.5)])  # logits that are tried


@dataclass(frozen=True)
class Found:
    """What one question can show.

    Args:
        difference: that is detected with 80 % power; None where no difference is.
        margin: within which equivalence is shown with 80 % when there is no difference (P1, of the AUC); None: none, or
            no such question.
    """

    difference: float | None
    margin: float | None = None


@dataclass(frozen=True)
class Power:
    """What a design can detect; `unit` says of what."""

    these: Found
    everyone: Found
    unit: str
    simulations: int

    def sentences(self, raters: int) -> tuple[str, str]:
        """In words, for these raters and for clinicians at large."""
        return (
            f"For {'this rater' if raters == 1 else f'these {raters} raters'}: {self._words(self.these)}",
            f"For clinicians at large: {self._words(self.everyone) if raters > 1 else 'one rater shows nothing.'}",
        )

    def _words(self, found: Found) -> str:
        if found.difference is None:
            return "no difference is detected with 80 % power; more raters or pictures are needed."
        text = f"a difference of {found.difference:.2f} {self.unit} is detected with 80 % power"
        if found.margin is not None:
            text += f"; equal arms are shown to be so within an AUC of 0.5 ± {found.margin:.2f}"
        return text + "."


def power(design: Design, spreads: Spreads = Spreads(), seed: int = 0) -> Power:  # noqa: B008
    """Smallest difference between two arms that the design detects, by simulation.

    Args:
        design: protocol, pictures an arm, raters, level of the test.
        spreads: assumed, or of a pilot.
        seed: of the simulation.
    """
    alpha = design.primary.alpha
    count = simulations(design.per_arm, design.raters, design.together)
    tried, shares = [], []
    for effect in EFFECTS:
        trial = _Trial(design, spreads, count, seed)
        means, reject = trial.run(float(effect), alpha)
        tried.append(means)
        shares.append(reject)
        if min(reject) > 0.95:
            break
    means, shares = np.array(tried), np.array(shares)
    margins: tuple[float | None, float | None] = (None, None)
    if design.protocol == "P1":
        margins = _Trial(design, spreads, count, seed).margins(alpha)
    found = [Found(_at(means, shares[:, k]), margins[k]) for k in (0, 1)]
    if design.raters < 2:
        found[1] = Found(None)
    return Power(found[0], found[1], UNITS[design.protocol], count)


UNITS = {
    "P1": "of the share voted real",
    "P2": "ranks",
    "P3": "levels",
    "P4": "from a half, of the share taken for the patient's,",
}


def simulations(pictures: int, raters: int, together: int = 1) -> int:
    """How many studies are simulated for each effect."""
    return int(np.clip(CELLS // (pictures * raters * max(2, together)), 60, SIMULATIONS))


def rejections(
    low: float,
    high: float,
    pictures: int,
    raters: int,
    spreads: Spreads = Spreads(),  # noqa: B008
    count: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Share of simulated P1 studies that tell an arm of which `high` of the votes are real from one of which `low` are.

    Args:
        low, high: shares, 0..1, of a typical picture and rater.
        pictures: of each arm.
        raters: two or more.
        count: studies.

    Returns:
        For these raters, and for clinicians at large, at a level of 0.05.
    """
    trial = _Trial(Design(per_arm=pictures, raters=raters), spreads, count, seed, start=_logit(low))
    return trial.run(_logit(high) - _logit(low), 0.05)[1]


class _Trial:
    """`count` simulated studies of two arms; a seed gives the same pictures, raters and luck for every effect."""

    def __init__(self, design: Design, spreads: Spreads, count: int, seed: int, start: float = 0.0):
        self.protocol, self.together = design.protocol, design.together
        self.shape = (count, design.per_arm, design.raters)
        self._draw = np.random.default_rng(seed)
        self._spreads, self._start = spreads, start

    def run(self, effect: float, alpha: float) -> tuple[float, tuple[float, float]]:
        """Mean difference, and shares of studies that detect it: for these raters, for all clinicians."""
        state = self._draw.bit_generator.state
        view = self._normal(2**0.5 * self._spreads.rater_arm, items=False)  # of two arms
        own = view - view.mean(axis=2, keepdims=True)  # these raters' own difference is the effect itself
        picture = [self._normal(self._spreads.item, raters=False) for _ in range(2)]
        rater = self._normal(self._spreads.rater, items=False)
        luck = [self._draw.random(self.shape, np.float32) for _ in range(2 + max(0, self.together - 2))]
        self._draw.bit_generator.state = state
        these = self._difference(effect + own, picture, rater, luck)
        everyone = self._difference(effect + view, picture, rater, luck)
        return float(these.mean()), (_detected(these, alpha)[0], _detected(everyone, alpha)[1])

    def margins(self, alpha: float) -> tuple[float | None, float | None]:
        """The AUC margin that 80 % of studies of equal arms stay within, at twice one-sided `alpha`.

        The AUC of votes without confidence is a half and half the difference of the shares.
        """
        view = self._normal(2**0.5 * self._spreads.rater_arm, items=False)
        picture = [self._normal(self._spreads.item, raters=False) for _ in range(2)]
        rater = self._normal(self._spreads.rater, items=False)
        luck = [self._draw.random(self.shape, np.float32) for _ in range(2)]
        found = []
        for kind, shift in enumerate((view - view.mean(axis=2, keepdims=True), view)):
            d = self._difference(shift, picture, rater, luck)
            error, freedom = _errors(d)
            quantile = stats.t.ppf(1 - alpha, freedom[kind])
            reach = (np.abs(d.mean(axis=(1, 2))) + quantile * error[kind]) / 2
            margin = float(np.quantile(reach, WANTED)) if np.isfinite(reach).all() else 1.0
            found.append(margin if margin < 0.5 else None)
        return found[0], found[1]

    def _normal(self, spread: float, items: bool = True, raters: bool = True) -> np.ndarray:
        count, pictures, people = self.shape
        shape = (count, pictures if items else 1, people if raters else 1)
        return spread * self._draw.standard_normal(shape, np.float32)

    def _difference(
        self, shift: np.ndarray, picture: list[np.ndarray], rater: np.ndarray, luck: list[np.ndarray]
    ) -> np.ndarray:
        """First arm minus second, of each pair of pictures and rater: (count, pictures, raters)."""
        first, second = self._start + shift + picture[0], self._start + picture[1]
        if self.protocol == "P4":
            return (luck[0] < _share(first - second)) - np.float32(0.5)
        if self.protocol == "P2":
            values = [first + _noise(luck[0]), second + _noise(luck[1])]
            values += [self._start + _noise(one) for one in luck[2:]]
            return sum((values[0] > v).astype(np.float32) for v in values[1:]) - sum(
                (values[1] > v).astype(np.float32) for k, v in enumerate(values) if k != 1
            )
        if self.protocol == "P3":
            shown = [value + rater + _noise(one) for value, one in zip((first, second), luck, strict=False)]
            levels = [sum((value > limit).astype(np.float32) for limit in THRESHOLDS) for value in shown]
            return levels[0] - levels[1]
        votes = [(one < _share(v + rater)) for v, one in zip((first, second), luck, strict=False)]
        return votes[0].astype(np.float32) - votes[1]


def _errors(d: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], tuple[float, float]]:
    """Standard errors of the mean of d (count, pictures, raters), for these raters and for all; degrees of freedom."""
    _, pictures, raters = d.shape
    over_pictures = d.mean(axis=2).std(axis=1, ddof=1) / np.sqrt(pictures)
    if raters < 2:
        return (over_pictures, np.full(len(d), np.inf)), (pictures - 1, 1)
    over_raters = d.mean(axis=1).std(axis=1, ddof=1) / np.sqrt(raters)
    return (over_pictures, np.maximum(over_pictures, over_raters)), (pictures - 1, raters - 1)


def _detected(d: np.ndarray, alpha: float) -> tuple[float, float]:
    """Shares of studies whose two-sided t test rejects."""
    errors, freedom = _errors(d)
    size = np.abs(d.mean(axis=(1, 2)))
    found = [
        float((size > stats.t.ppf(1 - alpha / 2, f) * e).mean()) for e, f in zip(errors, freedom, strict=True)
    ]
    return found[0], found[1]


def _at(means: np.ndarray, shares: np.ndarray) -> float | None:
    """The difference at which the power curve reaches 80 %, between the effects that were tried; None: never."""
    rising = np.maximum.accumulate(np.concatenate([[0.0], shares]))
    if rising[-1] < WANTED:
        return None
    k = int(np.argmax(rising >= WANTED))
    values = np.concatenate([[0.0], means])
    step = (WANTED - rising[k - 1]) / (rising[k] - rising[k - 1])
    return float(values[k - 1] + step * (values[k] - values[k - 1]))


def _share(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _noise(luck: np.ndarray) -> np.ndarray:
    """Uniform numbers as logistic noise."""
    return np.log((luck + 1e-6) / (1 - luck + 1e-6))


@dataclass(frozen=True)
class Minutes:
    """How long a rater is busy: `total` minutes for `presentations` of `seconds` each; `warning` may be empty."""

    total: float
    presentations: int
    seconds: float
    warning: str


def minutes(design: Design, shown: int = 0, practice: int = -1) -> Minutes:
    """Minutes of one rater, reading included.

    Args:
        design: protocol, pace.
        shown: pictures (P1, P3) or groups (P2, P4) that were prepared; 0: as the design asks.
        practice: the same of practice; −1: as the design asks.
    """
    shown = shown or design.per_arm * (len(design.arms) or 2 if design.together == 1 else 1)
    count = presentations(design, shown, design.practice if practice < 0 else practice)
    seconds = design.pace or SECONDS[design.protocol]
    total = READING + count * seconds / 60
    warning = ""
    if total > LONGEST_SITTING * design.sittings:
        warning = (
            f"{counted(count, 'presentation')} take about {total:.0f} minutes; half an hour is the most for one "
            "sitting (ITU-R BT.500-15). Show fewer, or ask raters to come back with the same link and say so in "
            "`sittings`."
        )
    return Minutes(total, count, seconds, warning)
