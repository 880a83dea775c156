"""Burnt-in text that training removed: a new picture is one of those that had it as often as they were."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from siamese import recipe
from siamese.diffusion import checkpoint
from siamese.events import Saved
from siamese.masks.mask import Mask
from siamese.shipped import FILE
from siamese.tasks.sample import SampleRequest, sample_many
from siamese.tasks.train import TrainRequest, train
from tests.conftest import TINY, draw_case

ONE_STEP = ('stages=["siamese"]', "train_siamese.steps=1", "train_siamese.batch=4")


def written(root: Path, of: int) -> Path:
    """Eight pictures of 400 px, `of` of them with three rows of burnt-in text."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for k in range(8):
        picture, mask = (cv2.resize(part, (400, 400)) for part in draw_case(k, 96))
        picture = cv2.GaussianBlur(picture, (0, 0), 3)
        picture[100:240, :140] //= 2
        for row in range(3 if k < of else 0):
            place = 20, 150 + 18 * row
            cv2.putText(picture, "12:34:56", place, cv2.FONT_HERSHEY_PLAIN, 0.9, (255, 255, 255), 1)
        cv2.imwrite(str(root / "images" / f"case{k}.png"), picture[..., ::-1])
        cv2.imwrite(str(root / "masks" / f"case{k}.png"), (mask > 127).astype(np.uint8) * 255)
    return root


def trained(data: Path, start: Path, run: Path, *changes: str) -> torch.Tensor:
    """`context.text` of a checkpoint that was trained on for one step."""
    request = TrainRequest(
        recipe.read(TINY, [*ONE_STEP, *changes]), (data,), run, start=str(start), precision="fp32"
    )
    saved = [event.path for event in train(request) if isinstance(event, Saved)][-1]
    return checkpoint.load(saved).model.context.text


def test_a_training_notes_how_often_text_was_removed(tiny_checkpoint: Path, tmp_path: Path) -> None:
    data = written(tmp_path / "drawn", of=6)
    assert trained(data, tiny_checkpoint, tmp_path / "removed").tolist() == [0.75]
    left = trained(data, tiny_checkpoint, tmp_path / "left", "data.remove_text=false")
    assert left.tolist() == [0.0]  # text that stays in the pictures is not asked for


def test_pictures_are_painted_in_that_share(tiny_checkpoint: Path) -> None:
    loaded = checkpoint.load(tiny_checkpoint)
    context = loaded.model.context
    zero = torch.zeros(2, 10)
    for share in (0.0, 0.75):
        context.text[:] = share
        for box in (False, True):
            flags = torch.tensor([[float(box), share]]).expand(2, -1)
            style = torch.tensor([0, context.null])
            assert torch.allclose(loaded.model.sampling_context(style, box), context(style, zero, flags))
    mask = Mask((draw_case(0, 64)[1] > 127).astype(np.uint8))
    pictures = []
    for share in (0.0, 1.0):
        context.text[:] = share
        pictures.append(sample_many(loaded, [mask], SampleRequest(seeds=(1,), steps=4))[0].image)
    assert (pictures[0] != pictures[1]).any()


def test_a_checkpoint_from_before_paints_as_it_did(tiny_checkpoint: Path, tmp_path: Path) -> None:
    tensors = load_file(tiny_checkpoint / FILE)
    assert tensors.pop("context.text").tolist() == [0.0]
    with safe_open(tiny_checkpoint / FILE, framework="pt") as file:
        save_file(tensors, tmp_path / FILE, file.metadata())
    old = checkpoint.load(tmp_path).model
    assert old.context.text.tolist() == [0.0]
    style = torch.tensor([0])
    assert torch.equal(
        old.sampling_context(style), checkpoint.load(tiny_checkpoint).model.sampling_context(style)
    )
