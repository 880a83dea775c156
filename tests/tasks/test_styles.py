"""Weights of other styles: taken over by name, in a real fine-tune as well."""

from __future__ import annotations

from pathlib import Path

import torch

from siamese import recipe
from siamese.diffusion import checkpoint
from siamese.events import Saved
from siamese.tasks.styles import adopt_styles
from siamese.tasks.train import TrainRequest, train
from tests.conftest import TINY, write_dataset


def test_rows_follow_their_names_and_new_styles_start_as_the_default() -> None:
    rows = torch.arange(4.0)[:, None].expand(-1, 3).clone()  # a, b, c, null
    views = torch.arange(3)[:, None]
    text = torch.tensor([0.25, 0.5, 1.0])
    measured = {"views": views, "fields": views, "context.text": text}
    tensors = {"context.style.weight": rows, **measured, "other": torch.ones(1)}
    found = adopt_styles(tensors, ("a", "b", "c"), ("new", "c", "a"), default="b")
    assert found["context.style.weight"][:, 0].tolist() == [1, 2, 0, 3]
    assert found["views"][:, 0].tolist() == found["fields"][:, 0].tolist() == [1, 2, 0]
    assert found["context.text"].tolist() == [0.5, 1.0, 0.25]
    assert found["other"] is tensors["other"]
    assert adopt_styles(tensors, ("a", "b", "c"), ("new",))["context.style.weight"][:, 0].tolist() == [0, 3]
    same = adopt_styles(tensors, ("a", "b", "c"), ("a", "b", "c"))
    assert torch.equal(same["context.style.weight"], rows)


def test_a_fine_tune_on_another_dataset_starts_from_the_known_look(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    other = write_dataset(tmp_path / "other", count=6)
    changes = [
        'stages=["siamese"]',
        "train_siamese.steps=1",
        "train_siamese.lr=1e-12",
        "train_siamese.batch=4",
    ]
    request = TrainRequest(
        recipe.read(TINY, [*changes, "sampling.style=drawn"]),
        (other,),
        tmp_path / "run",
        start=str(tiny_checkpoint),
        precision="fp32",
    )
    saved = [e.path for e in train(request) if isinstance(e, Saved)][-1]
    before, after = checkpoint.load(tiny_checkpoint).model, checkpoint.load(saved).model
    assert after.recipe.styles == ("other",)
    assert torch.allclose(after.context.style.weight, before.context.style.weight, atol=1e-6)
    assert torch.allclose(after.unet.conv_in.weight, before.unet.conv_in.weight, atol=1e-6)


def test_an_ablation_starts_from_a_base_with_another_hint_encoder(
    tiny_checkpoint: Path, small_dataset: Path, tmp_path: Path
) -> None:
    changes = ["hint.kind=plain", 'stages=["siamese"]', "train_siamese.fresh_control=true"]
    settings = recipe.read(TINY, [*changes, "train_siamese.steps=1", "train_siamese.batch=2"])
    request = TrainRequest(
        settings, (small_dataset,), tmp_path / "run", start=str(tiny_checkpoint), precision="fp32"
    )
    saved = [e.path for e in train(request) if isinstance(e, Saved)][-1]
    assert checkpoint.load(saved).model.recipe.hint.kind == "plain"
