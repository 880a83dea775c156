"""Where checkpoints lie, and what can be read of them without loading torch."""

from __future__ import annotations

import json
from pathlib import Path

from siamese.errors import CheckpointError

SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"
FILE = "model.safetensors"
VIEW = (
    "view.json"  # corners of the default style's field of view, for a page that must not wait for the weights
)
MOST_CORNERS = 64
LONGEST_HEADER = 16_000_000  # bytes of a safetensors header


def find(checkpoint: str | Path) -> Path:
    """The folder of a checkpoint: a folder, or a name under the shipped checkpoints.

    Raises:
        CheckpointError: none there; the message lists those that are.
    """
    for folder in (Path(checkpoint), SHIPPED / str(checkpoint)):
        if (folder / FILE).is_file():
            return folder
    if Path(checkpoint).is_file():
        raise CheckpointError(f"{checkpoint} is a file; name the folder that holds {FILE}.")
    shipped = sorted(p.parent.name for p in SHIPPED.glob(f"*/{FILE}"))
    raise CheckpointError(
        f"No checkpoint {checkpoint}: expected a folder with {FILE}, or one of: {', '.join(shipped) or 'none shipped'}."
    )


def field_of_view(checkpoint: str | Path) -> list[tuple[float, float]]:
    """Corners (x, y) in [0,1] of the field of view that a checkpoint paints by default; empty where it says none."""
    try:
        corners = json.loads((find(checkpoint) / VIEW).read_text(encoding="utf-8"))
        found = [(float(x), float(y)) for x, y in corners[:MOST_CORNERS]]
    except (CheckpointError, OSError, ValueError, TypeError):
        return []
    return found if all(0 <= v <= 1 for corner in found for v in corner) else []


def guidance(checkpoint: str | Path) -> float | None:
    """The guidance a checkpoint was tuned for, from the header of its file; None where it says none."""
    return _sampling(checkpoint, "guidance", 0, 15)


def steps(checkpoint: str | Path) -> int | None:
    """The sampling steps a checkpoint was tuned for, from the header of its file; None where it says none."""
    found = _sampling(checkpoint, "steps", 1, 1000)
    return None if found is None else int(found)


def _sampling(checkpoint: str | Path, name: str, least: float, most: float) -> float | None:
    try:
        found = float(_recipe(checkpoint)["sampling"][name])
    except (ValueError, TypeError, KeyError):
        return None
    return found if least <= found <= most else None


def takes_prompts(checkpoint: str | Path) -> bool:
    """Does a checkpoint understand words (family sd15)? From the header of its file."""
    return _recipe(checkpoint).get("family") == "sd15"


def _recipe(checkpoint: str | Path) -> dict:
    """The recipe as the file's header holds it, unchecked; empty where there is none."""
    try:
        with (find(checkpoint) / FILE).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= LONGEST_HEADER else {}
        found = json.loads(header["__metadata__"]["recipe"])
    except (CheckpointError, OSError, ValueError, TypeError, KeyError):
        return {}
    return found if isinstance(found, dict) else {}
