"""The layouts an export can be written in, one module each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from siamese.export.layouts import pranet
from siamese.export.pairs import Options, Pair, Written


@dataclass(frozen=True)
class Layout:
    """A layout: what it is called, who reads it, and the function that writes pairs below a folder."""

    title: str
    readers: str
    write: Callable[[Iterable[Pair], Path, Options], Written]


LAYOUTS: dict[str, Layout] = {
    "pranet": Layout("PraNet", "PraNet, Polyp-PVT and most polyp trainers (images, masks)", pranet.write),
    "pranet-image": Layout(
        "PraNet, singular", "polyp trainers that look for image and mask", pranet.write_singular
    ),
}
DEFAULT = "pranet"
