"""Weights trained on other styles, taken over by name for the styles of new data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ROWS = (
    "context.style.weight",
    "context.table",
)  # learned, or of prompts: (styles + 1, ...), the null style last
MEASURED = ("views", "fields", "context.text")  # of training pictures: (styles, ...)


def adopt_styles(
    tensors: dict[str, Tensor], known: Sequence[str], wanted: Sequence[str], default: str | None = None
) -> dict[str, Tensor]:
    """The same weights for the styles `wanted` instead of `known`.

    A style of the same name keeps its row; a new one starts as a copy of the style `default` (the first where it is
    none): the mean of all rows would be a look that the network has never seen. The null style stays.

    Args:
        tensors: of a checkpoint, by name.
    """
    names = list(known)
    first = names.index(default) if default in names else 0
    rows = torch.tensor([names.index(name) if name in names else first for name in wanted])
    with_null = torch.cat([rows, torch.tensor([len(names)])])
    changed = {name: tensors[name][with_null] for name in ROWS if name in tensors}
    return {**tensors, **changed, **{name: tensors[name][rows] for name in MEASURED if name in tensors}}
