"""A window of a picture, enlarged and put back."""

from __future__ import annotations

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from siamese.masks.closeup import Closeup


def enlarged(window: Tensor, size: int) -> Tensor:
    """(B,3,h,w) in [-1,1] → (B,3,size,size), bicubic, clamped."""
    return F.interpolate(window.float(), size=(size, size), mode="bicubic", align_corners=False).clamp(-1, 1)


def share(closeup: Closeup, x: Tensor) -> Tensor:
    """How much of each pixel of the window is painted anew, (1,h,h) in [0,1], as x is: its place, rim blurred."""
    soft = cv2.GaussianBlur(closeup.place.astype("float32"), (0, 0), closeup.soft)
    return F.interpolate(torch.from_numpy(soft)[None, None].to(x), size=(closeup.side,) * 2, mode="area")[0]


def blended(window: Tensor, painted: Tensor, shared: Tensor) -> Tensor:
    """The window (3,h,h) with what was painted (3,S,S), reduced, by its share (1,h,h)."""
    small = F.interpolate(painted.to(window)[None], size=window.shape[-2:], mode="area")[0]
    return shared * small + (1 - shared) * window
