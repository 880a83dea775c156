"""The memorisation watch: it warns of a network that has learnt two pictures by heart, and of no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from siamese.data import batches, dataset
from siamese.data.batches import Pictures
from siamese.diffusion import checkpoint
from siamese.diffusion.losses import denoising_loss
from siamese.metrics import copies
from siamese.tasks.looks import Look, verdict
from siamese.tasks.watch import Watch, held_out
from tests.conftest import write_dataset

TRAINED, HELD_OUT = 2, 24
STEPS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn cases: two to train on, the others held out."""
    root = write_dataset(tmp_path_factory.mktemp("watched") / "drawn", TRAINED + HELD_OUT)
    names = [f"case{k:03d}" for k in range(TRAINED + HELD_OUT)]
    (root / "train.txt").write_text("\n".join(names[:TRAINED]))
    (root / "val.txt").write_text("\n".join(names[TRAINED:]))
    return root


def load(tiny_checkpoint: Path, pictures: int = 8) -> torch.nn.Module:
    model = checkpoint.load(tiny_checkpoint).model
    watch = model.recipe.watch.model_copy(update={"every": 50, "pictures": pictures})
    sampling = model.recipe.sampling.model_copy(update={"guidance": 1.0})
    model.recipe = model.recipe.model_copy(update={"watch": watch, "sampling": sampling})
    return model


def read(folder: Path, model: torch.nn.Module) -> tuple[Pictures, Pictures]:
    trained = batches.prepare([dataset.read(folder, "train")], model.recipe.size, model.recipe.data)
    kept = held_out([folder], model.recipe)
    assert kept is not None
    return trained, kept


def test_learning_by_heart_is_seen_and_the_step_before_it_is_the_best(
    folder: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    model = load(tiny_checkpoint)
    trained, kept = read(folder, model)
    watch = Watch(model, trained, kept, tmp_path)
    first = watch.look(0)
    assert first["copies"] == 0
    assert watch.verdict().warned_at is None
    assert watch.best_step == 0

    sample, _ = watch._fixed_sample(trained)
    g = torch.Generator().manual_seed(0)
    model.control.requires_grad_(False)
    model.unet.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.unet.parameters(), lr=3e-3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(0, len(sample.t), (8,), generator=g)
        part = replace(
            sample,
            z_0=sample.z_0[rows],
            eps=torch.randn(sample.eps[rows].shape, generator=g),
            t=torch.randint(0, 1000, (8,), generator=g),
            frame=sample.frame[rows],
            context=model.sampling_context(sample.context[rows]),
        )
        optimizer.zero_grad()
        denoising_loss(model, part).backward()
        optimizer.step()
        cosine.step()
    figures = watch.look(STEPS)
    assert figures["copies"] > 0.5
    assert figures["nearest"] < 1
    assert figures["trained"] < first["trained"]
    assert figures["held_out"] > figures["trained"]
    found = watch.verdict()
    assert (found.best_step, found.warned_at) == (0, STEPS)
    assert "begins to copy" in found.sentence

    again = Watch(
        model, trained, kept, tmp_path
    )  # resumed: the looks are known, and a repeated one replaces its own
    assert again.verdict() == found
    assert again.look(STEPS) == pytest.approx(figures)
    assert [look.step for look in again.looks] == [0, STEPS]
    assert again.look(100)["copies"] > 0.5
    assert [look.step for look in again.looks] == [0, 100]
    assert Watch(model, trained, None, tmp_path).looks == ()  # other pictures: looks of their own


def test_without_held_out_pictures_the_training_pictures_calibrate(
    small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    model = load(tiny_checkpoint, pictures=4)
    trained = batches.prepare([dataset.read(small_dataset, "train")], model.recipe.size, model.recipe.data)
    assert held_out([small_dataset], model.recipe) is None
    (tmp_path / "watch.json").write_text('{"fingerprint": 3')  # cut short: forgotten
    watch = Watch(model, trained, None, tmp_path)
    figures = watch.look(40)
    assert figures.keys() == {"copies", "nearest", "trained"}
    assert figures["copies"] == 0
    assert "12 training pictures against the others" in watch.calibration
    known = trained.images[:4]
    near = copies.nearest(known, copies.thumbnails(trained.images), copies.thumbnails)
    apart = copies.nearest(known, copies.thumbnails(trained.images), copies.thumbnails, np.arange(4))
    assert near.index.tolist() == [0, 1, 2, 3]
    assert (apart.index != near.index).all()
    assert (apart.distance > near.distance + 0.1).all()


def test_latents_that_are_known_are_not_encoded_again(
    folder: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    from siamese.tasks.latents import Latents, encode

    model = load(tiny_checkpoint)
    trained, kept = read(folder, model)
    *_, latents = encode(model, trained, tmp_path / "cache", None)
    assert isinstance(latents, Latents)
    assert latents.variants > 1
    known, anew = (Watch(model, trained, kept, tmp_path, given) for given in (latents, None))
    known._prepare()
    anew._prepare()
    assert np.allclose(known._index["latents"], anew._index["latents"], atol=2e-2)


def test_verdicts() -> None:
    calm = [Look(100, 0.0, 1.5, 0.10, 0.30), Look(200, 0.1, 1.4, 0.09, 0.25), Look(300, 0.0, 1.3, 0.08, 0.27)]
    found = verdict(calm, limit=0.1, pictures=10)
    assert (found.best_step, found.warned_at) == (200, None)
    assert "Few of 10 pictures looked like copies at 3 looks" in found.sentence
    assert "No copy found at 1 look at 1 picture each" in verdict(calm[:1], limit=0.1, pictures=1).sentence
    loud = [*calm, Look(400, 0.3, 0.9, 0.05, 0.2), Look(500, 0.0, 1.5, 0.05, 0.1)]
    found = verdict(loud, limit=0.1, pictures=10)
    assert (found.best_step, found.warned_at) == (200, 400)
    assert "3 of 10" in found.sentence
    unmeasured = [replace(look, held_out=None) for look in loud]
    assert verdict(unmeasured, limit=0.1, pictures=10).best_step == 300
    found = verdict(loud[3:], limit=0.1, pictures=10)
    assert (found.best_step, found.warned_at) == (None, 400)
    one = verdict([Look(100, 0.1, 0.9, 0.1)], limit=0.05, pictures=10)
    assert "1 of 10 pictures stands nearer" in one.sentence
    assert verdict([], limit=0.1, pictures=10).best_step is None
