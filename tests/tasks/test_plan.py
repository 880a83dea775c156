"""The dry run: what it counts is what happens, what it proposes fits, and it leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from siamese import presets, recipe
from siamese.__main__ import app
from siamese.errors import CheckpointError, RecipeError
from siamese.tasks import rehearsal
from siamese.tasks.memory import GIB, USABLE, _alive, fit, memory_of
from siamese.tasks.plan import advice, changes, plan
from tests.conftest import ROOT, TINY

ONE = 'stages=["siamese"]'
CPU = torch.device("cpu")
BF16 = torch.bfloat16


def test_bytes_are_counted_as_they_come_and_go() -> None:
    found = rehearsal._Alive()
    with found:
        kept = torch.zeros(1000)
        gone = torch.zeros(3000) + 1  # two at once
        del gone
        view = kept[:10]
        assert found.bytes == 4000
        del kept
        assert found.bytes == 4000  # the view holds it
        del view
        assert found.bytes == 0
    assert found.peak == 4000 + 2 * 12_000


def test_blank_tensors_need_what_real_ones_do() -> None:
    tiny = recipe.read(TINY, [ONE, "loss.K_tau=1.0"])
    counted = rehearsal.alive(tiny, "siamese", 4, None)
    real = rehearsal.cast(tiny, "siamese", CPU, None)
    batch = rehearsal._blank_batch(tiny, "siamese", 4)
    found = rehearsal._Alive()
    with found:
        rehearsal._step(real, batch, tiny.train_siamese.steps - 1, None)
    assert counted == pytest.approx(found.peak, rel=0.02)
    assert all(parameter.grad is None for parameter in real.whole.parameters())


def test_the_detail_is_counted_too() -> None:
    words = ['stages=["autoencoder"]', "train_autoencoder.trains=detail", "autoencoder.detail=[8,8]"]
    small, large = (recipe.read(TINY, [*words, f"train_autoencoder.crop={side}"]) for side in (32, 64))
    assert 2 * rehearsal.alive(small, "autoencoder", 4, BF16) < rehearsal.alive(large, "autoencoder", 4, BF16)
    assert rehearsal.operations(large, "autoencoder", None) > 3.5 * rehearsal.operations(
        small, "autoencoder", None
    )


def test_settings_change_memory_as_they_should() -> None:
    def total(*more: str) -> int:
        return memory_of(recipe.read(TINY, [ONE, *more]), BF16).total

    plain = total()
    assert total("train_siamese.accumulate=4") < plain
    assert total("compute.gradient_checkpointing=true") < plain
    lighter = memory_of(recipe.read(TINY, [ONE, "compute.optimizer=adamw8bit"]), BF16)
    heavier = memory_of(recipe.read(TINY, [ONE]), BF16)
    assert lighter.optimizer * 4 == heavier.optimizer
    assert lighter.averages == heavier.averages > 0
    assert lighter.weights == heavier.weights
    rehearsed = _alive.cache_info().misses
    assert (
        total("train_siamese.lr=1e-5", "train_siamese.ema=0", "train_base.batch=64", "sampling.steps=9")
        < plain
    )
    assert total("train_siamese.lr=1e-5", "seed=4", "augmentation.zoom=1", "watch.every=5") == plain
    assert _alive.cache_info().misses == rehearsed  # nothing of these changes what is alive


def test_the_cheapest_settings_that_fit_are_named_and_do_fit() -> None:
    tiny = recipe.read(TINY, [ONE])
    whole = memory_of(tiny, BF16).total
    assert fit(tiny, 2 * whole / GIB).settings == ()
    tight = 0.85 * whole / USABLE / GIB
    found = fit(tiny, tight)
    assert found.settings is not None
    assert found.settings[0].startswith("train_siamese.accumulate=")
    changed = recipe.read(TINY, [ONE, *found.settings])
    assert memory_of(changed, BF16).total == found.needed <= tight * USABLE * GIB
    never = fit(tiny, 1e-4)
    assert never.settings is None
    assert "does not fit" in never.sentence


def test_work_grows_with_the_image_branch() -> None:
    def work(*more: str) -> float:
        return rehearsal.operations(recipe.read(TINY, [ONE, *more]), "siamese", None)

    alone = work(*presets.preset("table5-2").changes)
    mixed = work("train_siamese.mask_only=0.5", "loss.w_a=0.0")
    assert 1.2 * alone < mixed < 2 * alone  # half of the steps with L_i and L_c


def test_a_plan_says_what_differs_and_can_be_sent() -> None:
    tiny = recipe.read(TINY, [ONE, "train_siamese.accumulate=2"])
    found = plan(tiny, pictures=100, trial=False, precision="bf16")
    summary = json.loads(json.dumps(found.summary()))
    model_bytes = 4 * found.parameters
    assert summary["memory"]["weights"] == model_bytes
    assert found.trained == sum(found.parts.values()) - found.parts["autoencoder"]
    assert found.latents == 100 * 2 * (2 * 8 * 8 * (4 + 2) + 4 * 12)
    assert found.hours is None
    text = "\n".join(found.lines())
    assert "40 steps of 8 pictures (2 parts of 4, one after another)" in text
    assert "denoiser.heads=4" in text
    assert "denoiser.layers" not in text  # as the defaults
    assert "denoiser.layers=1" in "\n".join(found.lines(verbose=True))
    with pytest.raises(RecipeError, match="does not divide"):
        plan(recipe.read(TINY, [ONE, "train_siamese.accumulate=3"]), 100, trial=False)
    with pytest.raises(CheckpointError, match="No checkpoint"):
        plan(tiny, 100, start="nowhere", trial=False)


@pytest.mark.parametrize("name", ["tiny", "compact", "sd15"])
def test_every_setting_that_is_said_can_be_set(name: str, tmp_path: Path) -> None:
    read = recipe.read(TINY.with_name(f"{name}.toml"))
    (tmp_path / "empty.toml").write_text("")
    assert recipe.read(tmp_path / "empty.toml", changes(read)) == read
    assert changes(recipe.Recipe()) == []


def test_advice_follows_the_machine() -> None:
    compact = recipe.read(TINY)
    assert advice(compact, 100, card=0).startswith("Advice: compact starting from polyp-compact")
    assert advice(compact, 5000, card=0).startswith("Advice: compact, because")
    assert advice(compact, 100, card=11).startswith("Advice: compact")
    assert advice(compact, 100, card=80).startswith("Advice: sd15")


def test_a_dry_run_writes_nothing(small_dataset: Path, tmp_path: Path) -> None:
    command = ["train", str(TINY), "--data", str(small_dataset), "--run", str(tmp_path / "run"), "--dry-run"]
    command += ["--preset", "table5-2", "--set", ONE, "--precision", "bf16", "--device", "cpu"]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    assert "12 pictures, siamese, from nothing" in found.output
    assert 'loss.objective="mask"' in found.output
    assert "measured on this machine (cpu)" in found.output
    assert not list(tmp_path.iterdir())


def test_presets_are_listed_and_a_run_folder_is_asked_for(small_dataset: Path) -> None:
    listed = CliRunner().invoke(app, ["train", "--list-presets"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == list(presets.PRESETS)
    found = CliRunner().invoke(app, ["train", str(TINY), "--data", str(small_dataset)])
    assert isinstance(found.exception, RecipeError)


@pytest.mark.soak
def test_the_papers_model_is_planned_at_full_width() -> None:
    found = plan(recipe.read(ROOT / "assets" / "recipes" / "sd15.toml"), 1450, precision="bf16", device="cpu")
    assert found.trained == pytest.approx(874.26e6, rel=1e-4)
    assert [card.settings is None for card in found.fits] == [True, False, False]
    assert found.hours is not None
    assert 0.2 < found.hours < 20
