"""The guide: trained alone on a finished model, kept by what is trained on, and led away from at sampling."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from siamese import recipe
from siamese.data.batches import OUTSIDE
from siamese.diffusion import checkpoint
from siamese.masks.mask import Mask
from siamese.tasks.painted import STEPS
from siamese.tasks.painted import painted as looked_at
from siamese.tasks.sample import SampleRequest, SampleResult, sample
from siamese.tasks.train import TrainRequest, train
from tests.conftest import TINY, draw_case
from tests.tasks.resumed import goes_on, trained
from tests.tasks.test_train import losses

GUIDE = "denoiser.guide=[8,16]"


@pytest.fixture(scope="module")
def guided(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny model with a guide that was trained on it: the run folder."""
    words = [
        'stages=["guide"]',
        GUIDE,
        "train_guide.steps=60",
        "train_guide.batch=16",
        "train_guide.warmup=5",
    ]
    settings = recipe.read(TINY, [*words, "train_guide.lr=5e-3", "train_guide.ema=0.8"])
    source = str(tiny_run[0] / "checkpoints" / "siamese-0000040")
    run = tmp_path_factory.mktemp("guided")
    series = losses(
        list(train(TrainRequest(settings, (small_dataset,), run, start=source, precision="fp32"))), "guide"
    )
    first, last = (np.mean([series[k]["L"] for k in steps]) for steps in (range(1, 6), range(56, 61)))
    assert last < first
    return run


def painted(folder: Path, guide: float, start: float = 0.0) -> np.ndarray:
    loaded = checkpoint.load(folder)
    words = [f"sampling.guide={guide}", f"sampling.guidance_start={start}"]
    loaded.model.recipe = recipe.changed(loaded.model.recipe, words, only="sampling")
    made = sample(loaded, Mask(draw_case(0)[1] // 255), SampleRequest(seeds=(1,), steps=3, guidance=1))
    return next(event.image for event in made if isinstance(event, SampleResult))


def test_a_guide_is_trained_alone_and_changes_what_is_painted(
    guided: Path, tiny_run: tuple[Path, list]
) -> None:
    source, folder = tiny_run[0] / "checkpoints/siamese-0000040", guided / "checkpoints/guide-0000060"
    before, after = load_file(source / "model.safetensors"), load_file(folder / "model.safetensors")
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {name.partition(".")[0] for name in after.keys() - before.keys()} == {"guide"}
    plain = painted(source, 0)
    assert (plain == painted(folder, 0)).all() and (plain != painted(folder, 1)).any()
    assert (painted(folder, 0.5, start=0.9) == painted(folder, 0)).all()


def test_pictures_of_a_training_are_painted_as_the_studio_paints_them(guided: Path) -> None:
    loaded = checkpoint.load(guided / "checkpoints/guide-0000060")
    model = loaded.model
    words = ["sampling.guide=0.5", "sampling.guidance_start=0.4"]
    model.recipe = recipe.changed(model.recipe, words, only="sampling")
    mask, view = draw_case(0, model.recipe.size)[1], model.views[:1].numpy() & OUTSIDE
    with torch.no_grad():
        (found,) = looked_at(
            model, mask[None] // 255, view, torch.tensor([0]), [1], partial(model.predictor, guidance=2)
        )
    made = sample(loaded, Mask(mask // 255), SampleRequest(seeds=(1,), steps=STEPS, guidance=2))
    wanted = next(event.image for event in made if isinstance(event, SampleResult))
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_a_guide_goes_on_with_the_next_training_or_is_left_out(
    guided: Path, small_dataset: Path, tmp_path: Path
) -> None:
    source = guided / "checkpoints/guide-0000060"
    before = load_file(source / "model.safetensors")
    for name, words in (("kept", [GUIDE]), ("out", [])):
        settings = recipe.read(TINY, ['stages=["siamese"]', "train_siamese.steps=1", *words])
        run = tmp_path / name
        list(train(TrainRequest(settings, (small_dataset,), run, start=str(source), precision="fp32")))
        found = load_file(run / "checkpoints/siamese-0000001/model.safetensors")
        own = [key for key in found if key.startswith("guide.")]
        assert bool(own) == (name == "kept")
        assert all(torch.equal(found[key], before[key]) for key in own)


def test_a_guide_never_trained_guides_nothing(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    source = tiny_run[0] / "checkpoints/siamese-0000040"
    words = ['stages=["siamese"]', "train_siamese.steps=1", "train_siamese.lr=1e-12", "train_siamese.ema=0"]
    settings = recipe.read(TINY, [*words, GUIDE])
    list(train(TrainRequest(settings, (small_dataset,), tmp_path, start=str(source), precision="fp32")))
    model = checkpoint.load(tmp_path / "checkpoints/siamese-0000001").model
    assert model.guide is not None and not model.guided


def test_a_stopped_training_of_a_guide_goes_on_as_if_it_had_not_stopped(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    settings = recipe.read(TINY, ['stages=["guide"]', GUIDE, "train_guide.steps=6"])
    source = str(tiny_run[0] / "checkpoints" / "siamese-0000040")

    def request(name: str) -> TrainRequest:
        return TrainRequest(settings, (small_dataset,), tmp_path / name, start=source, precision="fp32")

    trained(request("stopped"), until=3)
    goes_on(request("unbroken"), request("stopped"), at=3, rel=0, atol=0)
