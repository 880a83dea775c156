"""Text prompts of the family sd15: embedded once by the base's CLIP text encoder into a table that the model holds.

Training and sampling look rows up and need no text encoder.
Source: CLIP ViT-L/14 as Stable Diffusion 1.5 uses it: 77 tokens, padded, the last hidden state after its layer norm.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from siamese.atomic import read_capped
from siamese.errors import CheckpointError, RecipeError
from siamese.recipe import Recipe

TOKENS = 77
HEADS = 12  # of CLIP ViT-L/14; tensors do not tell
DEFAULT_PROMPT = "A photo of a polyp."
LARGEST_VOCABULARY = 8_000_000  # bytes; CLIP's has 0.9e6
OLD_LEVEL = "text_model."  # in files of transformers before 5.6
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


class PromptTable(nn.Module):
    """Context of the family sd15: row `style` of the embedded prompts; called as `context.Context` is.

    Buffers: `table` (styles+1,77,W), its last row the empty prompt; `encoder` (32,) uint8, digest of the text encoder.
    """

    def __init__(self, styles: int, width: int):
        super().__init__()
        self.null = styles
        self.table: Tensor
        self.encoder: Tensor
        self.register_buffer("table", torch.zeros(styles + 1, TOKENS, width))
        self.register_buffer("encoder", torch.zeros(32, dtype=torch.uint8))

    def forward(self, style: Tensor, augmentation: Tensor, flags: Tensor) -> Tensor:
        """style (B,) int64 (`null` for the empty prompt) → (B,77,W); augmentation and flags have no token here."""
        return self.table[style]

    def sampled(self, style: Tensor, corner_box: bool) -> Tensor:
        """As of `context.Context`; (B,77,W)."""
        return self.table[style]


def prompts(recipe: Recipe) -> tuple[str, ...]:
    """One prompt for each style, and the empty one behind them."""
    return (*(recipe.prompts or (DEFAULT_PROMPT,) * len(recipe.styles)), "")


def names(layers: int = 12) -> list[str]:
    """The text encoder's tensors, as transformers names them since 5.6; 196 of CLIP ViT-L/14."""
    parts = ["self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj", "self_attn.out_proj"]
    parts += ["layer_norm1", "mlp.fc1", "mlp.fc2", "layer_norm2"]
    found = ["embeddings.token_embedding.weight", "embeddings.position_embedding.weight"]
    for layer in range(layers):
        found += [f"encoder.layers.{layer}.{part}.{kind}" for part in parts for kind in ("weight", "bias")]
    return [*found, "final_layer_norm.weight", "final_layer_norm.bias"]


def embed(words: Sequence[str], weights: Mapping[str, Tensor], tokenizer: Path) -> Tensor:
    """Prompts → (n,77,W) float32, with the text encoder `weights` (by `names`) and a folder of vocabulary files.

    Raises:
        CheckpointError: weights or vocabulary do not fit. RecipeError: a prompt is longer than 75 tokens.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    tokens = tokenize(words, tokenizer)
    vocabulary, width = weights["embeddings.token_embedding.weight"].shape
    if int(tokens.max()) >= vocabulary:
        raise CheckpointError(
            f"The vocabulary in {tokenizer} has words that the text encoder lacks (number {int(tokens.max())} of "
            f"{vocabulary}); put the tokenizer that belongs to it there."
        )
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=weights["encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=sum(name.endswith(".mlp.fc1.weight") for name in weights),
        num_attention_heads=HEADS,
        max_position_embeddings=weights["embeddings.position_embedding.weight"].shape[0],
        hidden_act="quick_gelu",
        bos_token_id=int(tokens[0, 0]),
        eos_token_id=int(tokens[-1, -1]),
        pad_token_id=int(tokens[-1, -1]),
    )
    with torch.device("meta"):
        model = CLIPTextModel(config)
    try:
        model.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"The text encoder is not CLIP ViT-L/14 ({reason}); use SD 1.5's.") from None
    model.embeddings.position_ids = torch.arange(config.max_position_embeddings)[None]
    with torch.no_grad():
        return model.eval()(input_ids=tokens).last_hidden_state.clone()


def tokenize(words: Sequence[str], folder: Path) -> Tensor:
    """Prompts → token numbers (n,77) int64, padded with the end token; reads `vocab.json` and `merges.txt`.

    Raises:
        CheckpointError: no vocabulary there, or a damaged one. RecipeError: a prompt is too long.
    """
    from transformers import CLIPTokenizer

    try:
        vocabulary = json.loads(read_capped(folder / "vocab.json", LARGEST_VOCABULARY))
        lines = read_capped(folder / "merges.txt", LARGEST_VOCABULARY).decode("utf-8").splitlines()
        merges = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
        if not {BEGIN, END} <= set(vocabulary) or min(vocabulary.values()) < 0:
            raise ValueError(f"{BEGIN} or {END} is missing")
        found = CLIPTokenizer(vocab=vocabulary, merges=merges)
        coded = [found(text)["input_ids"] for text in words]
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no vocab.json and merges.txt in {folder}; put the tokenizer of Stable Diffusion 1.5 there."
        ) from None
    except Exception as error:  # noqa: BLE001 - a stranger's vocabulary can break the tokenizer in any way
        raise CheckpointError(f"The vocabulary in {folder} is damaged ({error}); copy it again.") from None
    for text, tokens in zip(words, coded, strict=True):
        if len(tokens) > TOKENS:
            raise RecipeError(
                f"The prompt {text[:60]!r} has {len(tokens) - 2} tokens; {TOKENS - 2} are the most, shorten it."
            )
    return torch.tensor([tokens + [vocabulary[END]] * (TOKENS - len(tokens)) for tokens in coded])


def digest(weights: Mapping[str, Tensor]) -> Tensor:
    """SHA-256 of a text encoder's names and float32 values as (32,) uint8: the file's format does not count."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode())
        found.update(memoryview(weights[name].float().contiguous().numpy()).cast("B"))
    return torch.tensor(list(found.digest()), dtype=torch.uint8)
