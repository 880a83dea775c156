"""Siamese Studio: draw a lesion mask, see it as tissue.

    from siamese import load, sample

    model = load("polyp-compact")
    for picture in sample(model, "mask.png", seeds=[1, 2, 3]):
        open(f"picture_{picture.seed}.png", "wb").write(picture.png())

Nothing heavy is imported until one of the names is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

for _name, _value in (
    ("OPENCV_LOG_LEVEL", "ERROR"),  # read when cv2 loads; a damaged file is our sentence to say
    # read when torch loads: rounds that a thread spins before it sleeps. None: a picture takes 1.55 s, not 0.88 s;
    # as many as GNU's default: 9 s beside other work, this: 2.2 s (log of polyp-compact, 39)
    ("GOMP_SPINCOUNT", "1000"),
):
    os.environ.setdefault(_name, _value)

if TYPE_CHECKING:
    from siamese.masks.mask import Mask as Mask
    from siamese.tasks.sample import load as load
    from siamese.tasks.sample import pictures as sample

__all__ = ["Mask", "load", "sample"]


def __getattr__(name: str) -> object:
    if name == "Mask":
        from siamese.masks.mask import Mask

        return Mask
    if name in ("load", "sample"):
        from siamese.tasks import sample as module

        return module.load if name == "load" else module.pictures
    raise AttributeError(f"module 'siamese' has no attribute {name!r}")
