"""Numbers with commas on the command line."""

from __future__ import annotations

import typer


def seeds(text: str) -> tuple[int, ...]:
    """`1,2,3` as whole numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"--seeds {text}: expected whole numbers with commas, e.g. --seeds 1,2,3."
        ) from None


def numbers(text: str) -> tuple[float, ...]:
    """`1,2.5` as numbers; empty for none."""
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise typer.BadParameter(f"--guidance {text}: expected numbers with commas, e.g. 1,2,3.") from None
