"""Recipes: those that ship can be read, old ones still mean what they meant, mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from siamese import recipe, shipped
from siamese.errors import RecipeError
from siamese.shipped import FILE
from tests.conftest import ROOT, TINY


@pytest.mark.parametrize("path", sorted((ROOT / "assets" / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_recipes_can_be_read_and_written(path: Path) -> None:
    read = recipe.read(path)
    assert recipe.parse_json(read.json()) == read


def test_none_is_a_word_where_toml_has_no_null() -> None:
    assert recipe.read(TINY, ['diffusion.min_snr="none"']).diffusion.min_snr is None
    with pytest.raises(RecipeError, match="diffusion.min_snr"):
        recipe.read(TINY, ['diffusion.min_snr="some"'])


@pytest.mark.parametrize(("before", "now"), [(True, "decoder"), (False, "all")])
def test_checkpoints_of_version_0_1_say_decoder_only(before: bool, now: str) -> None:
    read = recipe.parse({"train_autoencoder": {"decoder_only": before, "steps": 7}})
    assert read.train_autoencoder.trains == now
    assert read.train_autoencoder.steps == 7


def test_earlier_checkpoints_have_a_texture_that_is_read_no_more() -> None:
    stage = {"trains": "texture", "bands": 2.0, "statistics": 0.3, "steps": 7}
    read = recipe.parse({"autoencoder": {"texture": 16}, "train_autoencoder": stage})
    assert read.autoencoder == recipe.parse({}).autoencoder
    assert read.train_autoencoder.steps == 7


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((), "needs autoencoder.detail"),
        (("autoencoder.detail=[8,8,8,8,8,8]",), "size 64 must divide by 128"),
        (("autoencoder.detail=[8,8]", "train_autoencoder.crop=60"), "crop 60 must divide by 8"),
    ],
)
def test_detail_that_cannot_be_trained_is_refused(changes: tuple[str, ...], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe.read(TINY, ["train_autoencoder.trains=detail", *changes])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (("denoiser.guide=[8]",), "one value for each of denoiser.widths"),
        (('stages=["guide"]',), "stage guide needs denoiser.guide"),
        (("family=sd15", "denoiser.guide=[8,16]"), "for the family compact"),
    ],
)
def test_a_guide_that_cannot_be_is_refused(changes: tuple[str, ...], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe.read(TINY, changes)


def test_only_sampling_can_be_changed_after_training() -> None:
    read = recipe.read(TINY)
    assert recipe.changed(read, ["sampling.guidance=3"], only="sampling").sampling.guidance == 3
    with pytest.raises(RecipeError, match="train again"):
        recipe.changed(read, ["seed=3"], only="sampling")


def test_guidance_and_steps_are_read_from_a_header_without_weights(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    metadata = {"recipe": recipe.read(TINY, ["sampling.guidance=3.5", "sampling.steps=30"]).json()}
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / FILE, metadata)
    assert (shipped.guidance(tmp_path), shipped.steps(tmp_path)) == (3.5, 30)
    (tmp_path / FILE).write_bytes(b"\xff" * 64)
    assert shipped.guidance(tmp_path) is None and shipped.steps(tmp_path) is None
    assert shipped.guidance("nowhere") is None
    assert (shipped.guidance("polyp-compact"), shipped.steps("polyp-compact")) == (3, 24)
