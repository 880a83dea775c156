"""Prompts: tokens, the text encoder, and the table that stands for both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from siamese.diffusion import text
from siamese.errors import CheckpointError, RecipeError
from tests.diffusion.sd15_files import small, text_encoder, vocabulary, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer(folder)
    return folder


def test_tokens_are_framed_and_padded_with_the_end(tokenizer: Path) -> None:
    words = vocabulary()
    found = text.tokenize(["Of PH", ""], tokenizer)
    begin, end = words[text.BEGIN], words[text.END]
    assert found.shape == (2, 77)
    assert found[0, :5].tolist() == [begin, words["of</w>"], words["p"], words["h</w>"], end]
    assert found[1].tolist() == [begin] + [end] * 76
    assert (found[0, 5:] == end).all()


def test_a_prompt_that_is_too_long_is_refused(tokenizer: Path) -> None:
    assert text.tokenize(["a " * 75], tokenizer).shape == (1, 77)
    with pytest.raises(RecipeError, match="76 tokens; 75 are the most"):
        text.tokenize(["a " * 76], tokenizer)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("vocab.json", None, "put the tokenizer"),
        ("vocab.json", "[1, 2]", "damaged"),
        ("vocab.json", json.dumps({"a": 0}), "is missing"),
        ("merges.txt", "three words here\n", "damaged"),
        ("vocab.json", " " * 8_000_001, "larger than"),
    ],
)
def test_a_vocabulary_that_cannot_be_used(
    tmp_path: Path, name: str, content: str | None, sentence: str
) -> None:
    write_tokenizer(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=sentence):
        text.tokenize(["a"], tmp_path)


def test_the_embedding_is_clips_last_hidden_state(tokenizer: Path) -> None:
    """Against the formulas of CLIP's text encoder, written out."""
    weights = text_encoder()
    words = ("a photo of a polyp.", "")
    h = _clip_by_hand(text.tokenize(words, tokenizer), {n: v.double() for n, v in weights.items()})
    found = text.embed(words, weights, tokenizer)
    assert found.shape == (2, 77, 96) and found.dtype == torch.float32
    assert torch.allclose(found.double(), h, atol=1e-4)
    assert (found[0, 1:] - found[1, 1:]).abs().max() > 0.01


def _clip_by_hand(tokens: torch.Tensor, w: dict[str, torch.Tensor]) -> torch.Tensor:
    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embeddings.token_embedding.weight"][tokens] + w["embeddings.position_embedding.weight"]
    n, length, width = x.shape
    later = torch.full((length, length), -torch.inf, dtype=x.dtype).triu(1)
    for layer in range(12):
        name = f"encoder.layers.{layer}"
        y = norm(x, f"{name}.layer_norm1")
        q, k, v = (
            linear(y, f"{name}.self_attn.{p}_proj").view(n, length, 12, width // 12).transpose(1, 2)
            for p in "qkv"
        )
        attention = ((q @ k.transpose(2, 3)) / (width // 12) ** 0.5 + later).softmax(-1) @ v
        x = x + linear(attention.transpose(1, 2).reshape(n, length, width), f"{name}.self_attn.out_proj")
        y = linear(norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
        x = x + linear(y * torch.sigmoid(1.702 * y), f"{name}.mlp.fc2")
    return norm(x, "final_layer_norm")


def test_words_beyond_the_encoders_table_are_refused(tokenizer: Path) -> None:
    weights = text_encoder()
    weights["embeddings.token_embedding.weight"] = weights["embeddings.token_embedding.weight"][:10]
    with pytest.raises(CheckpointError, match="put the tokenizer that belongs to it"):
        text.embed(["a"], weights, tokenizer)


def test_the_digest_is_of_the_values() -> None:
    weights = text_encoder()
    turned = dict(reversed(weights.items()))
    assert torch.equal(text.digest(weights), text.digest(turned))
    halved = {n: v.half() for n, v in weights.items()}
    assert torch.equal(text.digest(halved), text.digest({n: v.float() for n, v in halved.items()}))
    weights["final_layer_norm.bias"] = weights["final_layer_norm.bias"] + 1e-6
    assert not torch.equal(text.digest(weights), text.digest(turned))


def test_prompts_of_a_recipe() -> None:
    assert text.prompts(small()) == ("A photo of a polyp.", "")
    both = small('styles=["a", "b"]', 'prompts=["A photo of a polyp, white light", ""]')
    assert text.prompts(both) == ("A photo of a polyp, white light", "", "")


def test_the_table_answers_as_the_context_does() -> None:
    table = text.PromptTable(2, 8)
    table.table.copy_(torch.randn(3, 77, 8))
    found = table(torch.tensor([1, table.null]), torch.zeros(2, 10), torch.zeros(2, 2))
    assert torch.equal(found, table.table[[1, 2]])
    assert not list(table.parameters())
