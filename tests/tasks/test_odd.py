"""Outlines odder than those trained on, painted by the shipped checkpoint: the lesion keeps to them."""

from __future__ import annotations

import numpy as np
import pytest

from siamese.diffusion import checkpoint
from siamese.masks import generate
from siamese.masks.likeness import oddity
from siamese.metrics import fidelity
from siamese.segmentation import judge
from siamese.tasks.sample import SampleRequest, sample_many
from tests.conftest import ROOT
from tests.tasks.looks import standing_out

ODD = (9, 15, 10, 40)  # two stars, two lesions half behind the border


def test_stars_and_lesions_behind_the_border_keep_to_their_outline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge finds the half lesions; stars, of which it knows nothing, stand out more than where guided like any."""
    monkeypatch.chdir(ROOT)
    loaded = checkpoint.load("polyp-compact")
    recipe = loaded.model.recipe
    assert recipe.sampling.early > 0
    masks = [generate.far(seed, recipe.size)[1] for seed in ODD]
    assert all(oddity(mask.labels) > 0.5 for mask in masks)
    request = SampleRequest(seeds=tuple(seed + 1 for seed in ODD), steps=12, detail_steps=0)
    stars = []
    for early in (recipe.sampling.early, 0.0):
        sampling = recipe.sampling.model_copy(update={"early": early})
        loaded.model.recipe = recipe.model_copy(update={"sampling": sampling})
        made = np.stack([result.image for result in sample_many(loaded, masks, request)])
        if early:
            seen = judge.load("polyp-segmenter").masks(made)
            assert fidelity.dice(seen, np.stack([mask.labels > 0 for mask in masks]))[2:].min() > 0.9
        stars.append([standing_out(made[k], masks[k].labels > 0) for k in (0, 1)])
    assert np.mean(stars[0]) > 1.3 * np.mean(stars[1])
