"""Prompts in anybody's words: the family sd15 paints them, the family compact refuses them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from siamese import recipe
from siamese.__main__ import app
from siamese.diffusion import checkpoint
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import CheckpointError, RecipeError
from siamese.masks.mask import Mask
from siamese.tasks import png
from siamese.tasks.sample import SampleRequest, SampleResult, sample
from tests.conftest import TINY, draw_case
from tests.diffusion.sd15_files import small, write_checkpoint, write_folder

TRAINED, TYPED = "a photo of a polyp.", "of a polyp, small."


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and a checkpoint that was trained with one prompt."""
    root = tmp_path_factory.mktemp("prompt")
    base = write_folder(root / "base", small())
    write_checkpoint(root / "model", base, f'prompts=["{TRAINED}"]')
    return root


@pytest.fixture(scope="module")
def mask() -> Mask:
    return Mask.from_array(draw_case(3, 64)[1])


def load(folder: Path) -> checkpoint.Loaded:
    """A checkpoint in which words matter more than drawn weights let them."""
    loaded = checkpoint.load(folder)
    with torch.no_grad():
        for name, weight in loaded.model.unet.named_parameters():
            if "attn2.to_out" in name:
                weight.mul_(30)
    return loaded


def paint(loaded: checkpoint.Loaded, mask: Mask, prompt: str | None = None) -> SampleResult:
    request = SampleRequest(steps=2, prompt=prompt)
    return [e for e in sample(loaded, mask, request) if isinstance(e, SampleResult)][0]


def test_a_typed_prompt_paints_as_if_it_had_been_trained(root: Path, mask: Mask) -> None:
    loaded = load(root / "model")
    typed = paint(loaded, mask, TYPED)
    write_checkpoint(root / "other", root / "base", f'prompts=["{TYPED}"]')
    assert np.array_equal(typed.image, paint(load(root / "other"), mask).image)
    usual = paint(loaded, mask)
    assert not np.array_equal(typed.image, usual.image)
    assert np.array_equal(paint(loaded, mask, TRAINED).image, usual.image)
    assert png.read_facts(typed.png())["prompt"] == TYPED and "prompt" not in usual.facts


def test_the_base_is_needed_for_new_words_alone(root: Path, mask: Mask, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(root / "base", base)
    loaded = checkpoint.load(write_checkpoint(tmp_path / "model", base, f'prompts=["{TRAINED}"]'))
    encoder = base / "text_encoder" / "model.safetensors"
    tensors = load_file(encoder)
    tensors["text_model.final_layer_norm.bias"] += 1
    save_file(tensors, encoder)
    with pytest.raises(CheckpointError, match="holds another one; put back what was there"):
        paint(loaded, mask, TYPED)
    shutil.rmtree(base)
    with pytest.raises(CheckpointError, match="needs the text encoder of the training. There is no base"):
        paint(loaded, mask, TYPED)
    assert paint(loaded, mask, TRAINED).image.shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("prompt", "said"), [("a " * 76, "76 tokens; 75 are the most"), ("a" * 401, "401 characters; 400")]
)
def test_a_prompt_that_is_too_long_is_refused(root: Path, mask: Mask, prompt: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        paint(checkpoint.load(root / "model"), mask, prompt)


def test_the_family_compact_understands_no_prompts(mask: Mask, tmp_path: Path) -> None:
    model = SiameseDiffusion(recipe.read(TINY, ['styles=["a"]']))
    checkpoint.save(model, tmp_path / "small", {})
    with pytest.raises(RecipeError, match="tiny is of the family compact, which understands no prompts"):
        paint(checkpoint.load(tmp_path / "small"), mask, TYPED)


def test_prompts_on_the_command_line(root: Path, mask: Mask, tmp_path: Path, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setenv("SIAMESE_PRECISION", "fp32")
    mask.write(tmp_path / "mask.png")
    words = [
        "sample",
        "--checkpoint",
        str(root / "model"),
        "--mask",
        str(tmp_path / "mask.png"),
        "--steps",
        "2",
    ]
    for name, more in (("typed", ["--prompt", f"  {TYPED} "]), ("usual", []), ("blank", ["--prompt", " "])):
        done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / name), *more])
        assert done.exit_code == 0, done.output
    facts = {
        name: json.loads((tmp_path / name / "manifest.jsonl").read_text())
        for name in ("typed", "usual", "blank")
    }
    assert facts["typed"]["prompt"] == TYPED and "prompt" not in facts["usual"] | facts["blank"]
