"""Several classes in one mask: how the model's input tells them apart, and the label pictures they are stored in.

A label picture is a PNG of one channel with 0 (background) and 1..K. It is read as such only where a dataset says
that it has classes; everywhere else grey values are a drawn mask's (`Mask.read`).
"""

from __future__ import annotations

import numpy as np

from siamese.errors import MaskError

# Label k is row k − 1. Red says that something lies there, whatever it is; green and blue say what. Label 1 is the
# paper's binary mask, so that a model of one class goes on from there.
COLOURS: tuple[tuple[float, float, float], ...] = (
    (1, 1, 1),
    (1, 0, 0),
    (1, 0, 1),
    (1, 1, 0),
    (1, 1 / 3, 2 / 3),
    (1, 2 / 3, 1 / 3),
    (1, 1 / 3, 0),
    (1, 2 / 3, 1),
    (1, 0, 1 / 3),
    (1, 1, 2 / 3),
    (1, 2 / 3, 0),
    (1, 1 / 3, 1),
    (1, 0, 2 / 3),
)
MOST = len(COLOURS)  # classes
_TABLE = np.array([(0, 0, 0), *COLOURS], np.float32)


def hint_of(labels: np.ndarray) -> np.ndarray:
    """Labels (...,H,W) uint8 0..13 → the model's input (...,3,H,W) float32 in [0,1]; three equal channels for {0,1}.

    Raises:
        MaskError: a label above 13.
    """
    highest = int(labels.max(initial=0))
    if highest <= 1:
        return np.repeat(labels[..., None, :, :].astype(np.float32), 3, axis=-3)
    if highest > MOST:
        raise MaskError(f"The mask holds label {highest}; at most {MOST} classes are told apart. Merge some.")
    return np.ascontiguousarray(np.moveaxis(_TABLE[labels], -1, -3))
