"""Presets: every name can be read on top of every recipe, and says what the paper's rows say."""

from __future__ import annotations

from pathlib import Path

import pytest

from siamese import presets, recipe
from siamese.errors import RecipeError
from siamese.shipped import SHIPPED
from tests.conftest import ROOT, TINY

RECIPES = ROOT / "assets" / "recipes"
COMPACT = RECIPES / presets.COMPACT


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda p: p.stem)
def test_ablations_stand_on_any_recipe(path: Path) -> None:
    plain = recipe.read(path)
    for found in presets.ABLATIONS:
        changed = recipe.read(path, found.changes)
        differing = {name for name in plain.model_dump() if getattr(plain, name) != getattr(changed, name)}
        assert differing <= {"hint", "loss"}, found.name  # the same data, sizes, steps and draws


def test_table_5_turns_each_component_on_and_off() -> None:
    rows = {name: recipe.read(TINY, presets.preset(f"table5-{name}").changes) for name in range(1, 9)}
    found = {
        name: (r.hint.kind == "dense", r.loss.w_a > 0, r.loss.w_c > 0, r.loss.objective == "siamese")
        for name, r in rows.items()
    }
    assert len(set(found.values())) == 8
    assert found[1] == (False, False, False, False)
    assert found[8] == (True, True, True, True)
    assert all(siamese == (augmented or consistent) for _, augmented, consistent, siamese in found.values())
    paper = recipe.read(TINY)
    assert rows[8].loss == paper.loss
    assert rows[8].hint == paper.hint


def test_table_6_changes_w_c_alone() -> None:
    rows = [recipe.read(TINY, p.changes) for name, p in presets.PRESETS.items() if name.startswith("table6-")]
    assert [r.loss.w_c for r in rows] == [0, 0.5, 1, 1.5, 2]
    assert len({r.loss.model_copy(update={"w_c": 0.0}).model_dump_json() for r in rows}) == 1


def test_baselines_and_the_follow_up() -> None:
    assert recipe.read(TINY, presets.preset("controlnet-mask").changes).loss.objective == "mask"
    both = recipe.read(TINY, presets.preset("controlnet-mask+image").changes)
    assert (both.loss.objective, both.hint.kind) == ("mask+image", "plain")
    assert recipe.read(TINY, presets.preset("area-weighted").changes).loss.area_weighted


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean table5-4"):
        presets.preset("table-5-4")
    with pytest.raises(RecipeError, match="--list-presets"):
        presets.preset("nothing like it")


@pytest.mark.parametrize("size", presets.SIZES, ids=lambda s: str(s.pictures))
def test_a_fine_tune_keeps_the_sizes_of_its_start(size: presets.Size) -> None:
    from siamese.diffusion import checkpoint

    start, _ = checkpoint.read_recipe(SHIPPED / presets.START)
    tuned = recipe.read(COMPACT, size.finetune)
    for name in ("size", "autoencoder", "hint", "denoiser", "diffusion", "data"):
        assert getattr(tuned, name) == getattr(start, name), name
    changeable = {"variants", "paste"}  # neither is told to the network
    assert tuned.augmentation.model_dump(exclude=changeable) == start.augmentation.model_dump(
        exclude=changeable
    )
    assert tuned.stages == ("guide", "siamese")
    assert tuned.sampling.model_dump(exclude={"style"}) == start.sampling.model_dump(exclude={"style"})
    free = recipe.read(TINY, presets.going_on(size, guide=False))
    assert free.stages == ("siamese",) and free.autoencoder == recipe.read(TINY).autoencoder
    guided = recipe.read(TINY, ["denoiser.guide=[8,16]", *presets.going_on(size, guide=True)])
    assert guided.stages == ("guide", "siamese") and guided.denoiser.guide == (8, 16)
    assert tuned.train_siamese.steps % tuned.watch.every == 0
    assert tuned.train_siamese.checkpoint_every == tuned.watch.every


def test_the_size_is_the_nearest_by_ratio_and_steps_grow_slower_than_pictures() -> None:
    assert [presets.size_for(n).pictures for n in (1, 100, 170, 180, 540, 560, 1700, 1800, 99_999)] == [
        100, 100, 100, 300, 300, 1000, 1000, 3000, 3000,
    ]  # fmt: skip
    assert presets.preset_for(120) == presets.SIZES[0].finetune
    assert presets.preset_for(120, start=False) == presets.SIZES[0].scratch
    steps = [recipe.read(COMPACT, s.finetune).train_siamese.steps for s in presets.SIZES]
    seen = [n / s.pictures for n, s in zip(steps, presets.SIZES, strict=True)]
    assert steps == sorted(steps)
    assert seen == sorted(seen, reverse=True)
    for size in presets.SIZES:
        assert recipe.read(COMPACT, size.scratch).autoencoder.detail == ()
