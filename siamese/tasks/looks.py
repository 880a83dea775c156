"""What the memorisation watch has seen, and what follows: the best step, and the first with a warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from siamese.counted import counted


@dataclass(frozen=True)
class Look:
    """Figures of one look.

    Args:
        copies: share of the pictures that count as copies, in the space where more do.
        nearest: median over the pictures of (distance to the nearest training picture / distance that counts as a
            copy), in the space where it is smaller; below 1 most are copies.
        trained, held_out: L_m with fixed noise on training and held-out pictures; None: there are none.
    """

    step: int
    copies: float
    nearest: float
    trained: float
    held_out: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the looks say: the step to use, the first step with a warning (None: none), both in a sentence."""

    best_step: int | None
    warned_at: int | None
    sentence: str


def verdict(looks: Sequence[Look], limit: float, pictures: int) -> Verdict:
    """What looks in order of their steps say; `limit` is the share of `pictures` above which a look warns."""
    if not looks:
        return Verdict(None, None, "No look was taken yet.")
    warned = next((look for look in looks if look.copies > limit), None)
    calm = [look for look in looks if warned is None or look.step < warned.step]
    if not calm:
        assert warned is not None
        return Verdict(
            None,
            warned.step,
            f"Already at step {warned.step} {_flagged(warned, pictures)}: take fewer steps, more pictures, or "
            "another start.",
        )
    measured = [(look.held_out, -look.step) for look in calm if look.held_out is not None]
    best = -min(measured)[1] if measured else calm[-1].step
    why = "the least loss on held-out pictures" if measured else "the last look"
    if warned is None:
        often, of = counted(len(looks), "look"), counted(pictures, "picture")
        said = (
            f"No copy found at {often} at {of} each"
            if not any(look.copies for look in looks)
            else f"Few of {of} looked like copies at {often}"
        )
        return Verdict(best, None, f"{said}; best step {best} ({why}).")
    return Verdict(
        best,
        warned.step,
        f"From step {warned.step} on {_flagged(warned, pictures)}: it begins to copy. Best step {best} "
        f"({why} before that).",
    )


def _flagged(look: Look, pictures: int) -> str:
    copies, of = round(look.copies * pictures), counted(pictures, "picture")
    stand = "stands" if copies == 1 else "stand"
    return f"{copies} of {of} {stand} nearer to a training picture than real ones do"
