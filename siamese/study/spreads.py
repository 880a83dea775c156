"""How much pictures, raters and their views of an arm differ, on the logit scale: assumed, or from a pilot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spreads:
    """Standard deviations on the logit scale: of pictures, raters, and raters' views of an arm. Defaults: a guess."""

    item: float = 0.7
    rater: float = 0.5
    rater_arm: float = 0.3


def spreads_of(rater: np.ndarray, arm: np.ndarray, item: np.ndarray, value: np.ndarray) -> Spreads:
    """Spreads from a pilot's P1 votes, by the method of moments: what shares vary beyond chance.

    Args:
        rater, arm, item: (N,), of each vote.
        value: (N,) True for real.

    Returns:
        Spreads between 0.05 and 3; those that the votes are too few for stay as guessed.
    """
    value = np.asarray(value, float)
    arms, raters = np.unique(arm), np.unique(rater)
    items = [v for one in arms if np.isfinite(v := _item_variance(item[arm == one], value[arm == one]))]
    of_item = float(np.mean(items)) if items else np.nan
    of_rater, of_both = np.nan, np.nan
    if len(raters) > 1:
        shares = np.array([[value[(arm == a) & (rater == r)].mean() for a in arms] for r in raters])
        votes = len(value) / (len(arms) * len(raters))
        noise = float(np.mean([value[arm == a].var() for a in arms])) / votes
        centred = shares - shares.mean(axis=1, keepdims=True) - shares.mean(axis=0) + shares.mean()
        freedom = (len(raters) - 1) * (len(arms) - 1)
        of_both = float((centred**2).sum() / freedom - noise) if freedom else np.nan
        of_rater = (
            float(shares.mean(axis=1).var(ddof=1) - (max(of_both, 0) + noise) / len(arms))
            if freedom
            else np.nan
        )
    return _on_logits((of_item, of_rater, of_both), float(value.mean()))


def _item_variance(item: np.ndarray, value: np.ndarray) -> float:
    """Variance of pictures' shares in one arm, less what chance alone gives."""
    shares = np.array([value[item == name].mean() for name in np.unique(item)])
    return float(shares.var(ddof=1) - value.var() * len(shares) / len(value)) if len(shares) > 1 else np.nan


def _on_logits(variances: tuple[float, ...], share: float) -> Spreads:
    """Variances of shares as standard deviations of logits.

    The slope of a share is flatter the more its logit varies: by √(1 + 0.346 variance). Source: Zeger, Liang and
    Albert, Biometrics 1988.
    """
    guess = Spreads()
    slope = max(share * (1 - share), 0.05)
    found = np.array([guess.item, guess.rater, guess.rater_arm])
    known = np.isfinite(variances)
    for _ in range(20):
        flatter = slope / np.sqrt(1 + 0.346 * float((found**2).sum()))
        found = np.where(known, np.clip(np.sqrt(np.maximum(variances, 0)) / flatter, 0.05, 3), found)
    return Spreads(*(float(one) for one in found))
