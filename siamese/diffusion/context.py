"""Context of the family compact: what a picture is of, and what was done to it, as tokens for cross-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siamese.data.batches import AUGMENTATION_WIDTH, FLAGS


class Context(nn.Module):
    """Three context tokens (B,3,W): style or null; augmentation (zero at sampling); box and text flags.

    Buffer `text` (styles,) in [0,1]: the share of each style's training pictures whose burnt-in text was removed.
    """

    def __init__(self, styles: int, width: int):
        super().__init__()
        self.null = styles
        self.text: Tensor
        self.register_buffer("text", torch.zeros(styles))
        self.style = nn.Embedding(styles + 1, width)
        self.augmentation = nn.Linear(AUGMENTATION_WIDTH, width)
        self.flags = nn.Linear(FLAGS, width)

    def forward(self, style: Tensor, augmentation: Tensor, flags: Tensor) -> Tensor:
        """style (B,) int64 (`null` for none); augmentation (B,10) about [-1,1]; flags (B,2) in [0,1]."""
        return torch.stack([self.style(style), self.augmentation(augmentation), self.flags(flags)], dim=1)

    def sampled(self, style: Tensor, corner_box: bool) -> Tensor:
        """What a new picture is painted in: no augmentation, text removed as often as it was in training.

        Devices that burn text in see in colours and light of their own: a picture without would be one of the few of
        the others (log 125). The null style stands for all styles.
        """
        label = self.text.new_zeros(len(style), AUGMENTATION_WIDTH)
        text = torch.cat([self.text, self.text.mean()[None]])[style]
        return self(style, label, torch.stack([torch.full_like(text, float(corner_box)), text], dim=1))
