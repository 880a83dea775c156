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


def blended(window: Tensor, painted: Tensor, closeup: Closeup) -> Tensor:
    """The window (3,h,h) with what was painted (3,S,S) in its place, reduced; the rim of the place is blended."""
    soft = cv2.GaussianBlur(closeup.place.astype("float32"), (0, 0), closeup.soft)
    both = torch.cat([painted.to(window), torch.from_numpy(soft)[None].to(window)])
    small = F.interpolate(both[None], size=window.shape[-2:], mode="area")[0]
    return small[3:] * small[:3] + (1 - small[3:]) * window
