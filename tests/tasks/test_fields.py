"""Pictures stand in the field of view that their seed draws."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from siamese.data.batches import OUTSIDE
from siamese.diffusion import checkpoint
from siamese.masks.mask import Mask
from siamese.shipped import FILE
from siamese.tasks.sample import SampleRequest, sample_many, view_of
from tests.conftest import ROOT


def test_a_picture_is_dark_outside_the_field_that_its_seed_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    loaded = checkpoint.load("polyp-compact")
    labels = np.zeros((384, 384), np.uint8)
    cv2.circle(labels, (200, 190), 60, 1, -1)
    mask = Mask(labels)
    style = loaded.model.recipe.styles.index("kvasir-seg")
    loaded.model.fields[style, ::2] = 0
    loaded.model.fields[style, ::2, :, :24] = OUTSIDE  # half of them: a quarter at the left
    outside = [view_of(loaded.model, style, mask, seed) & OUTSIDE > 0 for seed in range(8)]
    order = np.argsort([one[:, :24].sum() for one in outside])
    seeds = int(order[0]), int(order[-1])
    made = sample_many(loaded, [mask] * 2, SampleRequest(seeds=seeds, steps=12, detail_steps=0))
    small = [cv2.resize(one.image, (96, 96), interpolation=cv2.INTER_AREA).mean(-1) for one in made]
    between = outside[seeds[1]] & ~outside[seeds[0]]
    assert between.mean() > 0.15
    assert small[1][between].mean() < 25
    assert small[0][between].mean() > 2 * small[1][between].mean()


def test_a_checkpoint_from_before_keeps_its_typical_view(tiny_checkpoint: Path, tmp_path: Path) -> None:
    tensors = load_file(tiny_checkpoint / FILE)
    assert tensors.pop("fields").any()
    with safe_open(tiny_checkpoint / FILE, framework="pt") as file:
        save_file(tensors, tmp_path / FILE, file.metadata())
    model, mask = checkpoint.load(tmp_path).model, Mask(np.zeros((64, 64), np.uint8))
    typical = model.views[0].numpy()
    assert all((view_of(model, 0, mask, seed) == typical).all() for seed in range(8))
