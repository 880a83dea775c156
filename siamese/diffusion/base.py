"""The base of the family sd15: the weights of Stable Diffusion 1.5, read on demand from a folder or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from siamese.diffusion import ldm_keys, text
from siamese.diffusion.foreign import TensorFile
from siamese.errors import CheckpointError
from siamese.hub import ENDINGS, PARTS, find_base, hub_name
from siamese.recipe import Recipe

OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # diffusers < 0.15


class Base(Mapping[str, Tensor]):
    """Weights of Stable Diffusion 1.5 by our names (`unet.…`, `autoencoder.kl.…`), and its text encoder.

    Args:
        name: a folder in diffusers' layout, a .safetensors/.ckpt/.pth/.bin file, or a hub name that was fetched.
        recipe: whose names and shapes are expected.
    Raises:
        CheckpointError: not there (the message names the cure), damaged, or not of these sizes.
    """

    def __init__(self, name: str | Path, recipe: Recipe):
        self.path = find_base(name)
        self._found: dict[str, tuple[TensorFile, str]] = {}  # our name → file and name there
        self._text: dict[str, tuple[TensorFile, str]] = {}
        if self.path.is_dir():
            self._open_folder()
        else:
            self._open_file(recipe)
        wanted = {
            n: s for n, s in ldm_keys.shapes(recipe).items() if n.startswith(("unet.", "autoencoder.kl."))
        }
        problems = differences(
            wanted, {n: file.shape(own) for n, (file, own) in self._found.items()}, extra=False
        )
        if problems:
            raise CheckpointError(
                f"{self.path} is not Stable Diffusion 1.5 in the sizes of this recipe: {problems}; choose another base."
            )
        self._shapes = wanted

    def _open_folder(self) -> None:
        files = {}
        for part, stem in PARTS.items():
            candidates = [self.path / part / (stem + ending) for ending in ENDINGS]
            path = next((p for p in candidates if p.is_file()), None)
            if path is None and part == "text_encoder":
                path = next((p for p in (self.path / part).glob("pytorch_model*.bin")), None)
            if path is None:
                raise CheckpointError(
                    f"{self.path} has no {part}/{stem}.safetensors; a base in diffusers' layout has unet, vae, "
                    f"text_encoder and tokenizer. Fetch it whole: python -m siamese fetch {hub_name(self.path)}"
                )
            files[part] = TensorFile(path)
        self._found = {f"unet.{name}": (files["unet"], name) for name in files["unet"]}
        for name in files["vae"]:
            self._found["autoencoder.kl." + _modern(name)] = files["vae"], name
        self._text = text_names(files["text_encoder"], "")

    def _open_file(self, recipe: Recipe) -> None:
        file = TensorFile(self.path)
        for published, (own, _) in ldm_keys.layout(recipe).items():
            if published in file and own.startswith(("unet.", "autoencoder.")):
                self._found[own] = file, published
        if not self._found:
            raise CheckpointError(
                f"{self.path} holds no Stable Diffusion 1.5 (no {ldm_keys.UNET}… inside); choose its file or folder."
            )
        self._text = text_names(file, ldm_keys.TEXT)

    @property
    def tokenizer(self) -> Path:
        """The folder of the vocabulary: `tokenizer/` in the base's folder, or beside its file."""
        return tokenizer_of(self.path)

    def text(self, context_width: int) -> dict[str, Tensor]:
        """The text encoder's weights by `text.names`.

        Raises:
            CheckpointError: missing or of another width.
        """
        return read_text(self._text, self.path, context_width)

    def __getitem__(self, name: str) -> Tensor:
        file, own = self._found[name]
        return file[own].reshape(self._shapes[name])

    def __iter__(self):  # noqa: ANN204
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def text_names(file: TensorFile, prefix: str) -> dict[str, tuple[TensorFile, str]]:
    """Text encoder tensors of a file by `text.names`; keys of old and new transformers alike."""
    found = {}
    for name in file:
        if name.startswith(prefix) and not name.endswith("position_ids"):
            bare = name.removeprefix(prefix).removeprefix(text.OLD_LEVEL)
            if bare.startswith(("embeddings.", "encoder.", "final_layer_norm.")):
                found[bare] = file, name
    return found


def read_text(
    found: Mapping[str, tuple[TensorFile, str]], where: Path, context_width: int
) -> dict[str, Tensor]:
    """The tensors that `text_names` found, complete and of the context's width.

    Raises:
        CheckpointError: tensors missing, too many, or of another width.
    """
    wanted, here = set(text.names()), set(found)
    width = (
        found["final_layer_norm.weight"][0].shape(found["final_layer_norm.weight"][1])
        if wanted <= here
        else ()
    )
    if wanted != here or width != (context_width,):
        raise CheckpointError(
            f"{where} has no text encoder that fits (CLIP ViT-L/14: {len(wanted)} tensors of width {context_width}; "
            f"found {len(here & wanted)} and {len(here - wanted)} others); choose a base of Stable Diffusion 1.5."
        )
    return {name: file[own] for name, (file, own) in found.items()}


def tokenizer_of(path: Path) -> Path:
    """The folder with `vocab.json` and `merges.txt` of a base's folder or file.

    Raises:
        CheckpointError: none there.
    """
    folder = path if path.is_dir() else path.parent
    for candidate in (folder / "tokenizer", folder):
        if (candidate / "vocab.json").is_file() and (candidate / "merges.txt").is_file():
            return candidate
    raise CheckpointError(
        f"The words of prompts cannot be read: {folder} has no tokenizer/ with vocab.json and merges.txt; copy them "
        f"from Stable Diffusion 1.5 or CLIP ViT-L/14 into {folder / 'tokenizer'}."
    )


def differences(
    wanted: Mapping[str, ldm_keys.Shape], found: Mapping[str, ldm_keys.Shape], extra: bool = True
) -> str:
    """What is missing, too many or of another shape, with counts and first names; empty when all is well."""
    other = sorted(n for n in wanted.keys() & found.keys() if _matrix(found[n]) != _matrix(wanted[n]))
    problems = [
        _some("missing", sorted(wanted.keys() - found.keys())),
        _some("unknown", sorted(found.keys() - wanted.keys()) if extra else []),
        _some("of another shape", [f"{n} {list(found[n])} instead of {list(wanted[n])}" for n in other]),
    ]
    return "; ".join(p for p in problems if p)


def _matrix(shape: ldm_keys.Shape) -> ldm_keys.Shape:
    """A 1×1 convolution is a linear map; files hold the same weights as either."""
    return shape[:-2] if shape[-2:] == (1, 1) else shape


def _some(what: str, names: list[str], most: int = 3) -> str:
    if not names:
        return ""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} tensor{'s' if len(names) != 1 else ''} {what} ({', '.join(names[:most])}{more})"


def _modern(name: str) -> str:
    """A name of diffusers' autoencoder today: attention was called otherwise when SD 1.5 was released."""
    head, _, kind = name.rpartition(".")
    parent, _, last = head.rpartition(".")
    return (
        f"{parent}.{OLD_ATTENTION[last]}.{kind}" if ".attentions." in name and last in OLD_ATTENTION else name
    )
