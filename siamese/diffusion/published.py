"""The published checkpoint format, in and out: one file with the release's names, whole or the trained part alone.

Strict about what trains (756 tensors with DHI): all there, in the right shapes, nothing beside them. What is frozen
may be absent, as in files that DeepSpeed put together, and comes from the base then.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from siamese.atomic import private_folder
from siamese.diffusion import checkpoint, ldm_keys, sd15, text
from siamese.diffusion.base import Base, differences, read_text, text_names, tokenizer_of
from siamese.diffusion.foreign import TensorFile
from siamese.diffusion.ldm_keys import AUTOENCODER, CONTROL, HINT, TEXT, TRAINED, UNET
from siamese.diffusion.noise import noise_schedule
from siamese.errors import CheckpointError, MachineError, RecipeError, writing
from siamese.hub import find_base
from siamese.recipe import Recipe
from siamese.shipped import FILE, find

TORCH_ENDINGS = (".ckpt", ".pth", ".bin", ".pt")
ENDINGS = (".safetensors", *TORCH_ENDINGS)
PLAIN, DENSE = HINT + "14.weight", HINT + "0.initial_conv.weight"
OWN = (UNET, CONTROL, AUTOENCODER)
SCHEDULE_TOLERANCE = 1e-4  # between alphas_bar of a file and of the recipe


@dataclass(frozen=True)
class Imported:
    """What became of a file: the written model, tensors that trained, tensors from the base, tensors left out."""

    path: Path
    trained: int
    from_base: int
    left_out: tuple[str, ...]


def import_file(source: Path, recipe: Recipe, out: Path) -> Imported:
    """Turn a published file into a checkpoint folder `out`; what it lacks comes from `recipe.base`.

    Raises:
        CheckpointError: not such a file (said what it is instead), incomplete, or the base is missing.
        RecipeError: the recipe is of another family or names no styles. MachineError: `out` cannot be written.
    """
    _check_recipe(recipe)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise CheckpointError(f"{out} exists already; choose another --out folder.")
    file = TensorFile(source)
    layout = ldm_keys.layout(recipe)
    _check(file, recipe)
    if not recipe.base:
        recipe = recipe.model_copy(update={"base": str(source.resolve())})
    tensors = {
        own: file[name].reshape(_own_shape(shape, own))
        for name, (own, shape) in layout.items()
        if name in file
    }
    found_text = text_names(file, TEXT)
    missing = [own for own, _ in layout.values() if own not in tensors]
    base = None
    if missing or not found_text:
        if Path(recipe.base) == source.resolve():
            raise CheckpointError(
                f"{source} holds the trained part alone ({len(missing)} frozen tensors are absent"
                f"{'' if found_text else ', and the text encoder'}); name Stable Diffusion 1.5 with --base."
            )
        base = Base(recipe.base, recipe)
        tensors |= {name: base[name] for name in missing}
    width = recipe.denoiser.context_width
    encoder = read_text(found_text, source, width) if found_text or base is None else base.text(width)
    tensors |= sd15.context(recipe, encoder, tokenizer_of(find_base(recipe.base)))
    tensors |= sd15.constants(recipe)
    model = checkpoint.assemble(recipe, _separate(tensors), str(source))
    _write_folder(model, out, source)
    known = {*layout, *ldm_keys.SCHEDULE}
    left_out = tuple(sorted(n for n in file if n not in known and not n.startswith(TEXT)))
    return Imported(out / FILE, len(sd15.trained_names(recipe)), len(missing), left_out)


def export_file(
    name: str | Path,
    target: Path,
    base: str | None = None,
    trained_only: bool = False,
    old_text_keys: bool = False,
) -> int:
    """Write a checkpoint as one file under the published names; the numbers keep their bits.

    Args:
        target: its ending chooses safetensors or a torch file (.ckpt, .pth, .bin, .pt).
        base: where the text encoder comes from; None: the recipe's base. Unused with `trained_only`.
        old_text_keys: names of the text encoder as transformers before 5.6 has them (the release's own code).
    Returns: how many tensors were written.
    Raises:
        CheckpointError: not of the family sd15, or the base's text encoder is another one.
        MachineError: the disk is full or the folder cannot be written.
    """
    if target.suffix not in ENDINGS:
        raise CheckpointError(f"{target} needs one of the endings {', '.join(ENDINGS)}.")
    if not target.parent.is_dir():
        raise MachineError(f"There is no folder {target.parent}; make it, or choose another place.")
    folder = find(name)
    recipe, _ = checkpoint.read_recipe(folder)
    _check_recipe(recipe)
    own = checkpoint.read_weights(folder)
    tensors = {
        published: own[ours].reshape(shape)
        for published, (ours, shape) in ldm_keys.layout(recipe).items()
        if not trained_only or published.startswith(TRAINED)
    }
    if not trained_only:
        encoder = _text_of(base or recipe.base, recipe, own["context.encoder"])
        level = text.OLD_LEVEL if old_text_keys else ""
        tensors |= {f"{TEXT}{level}{n}": value for n, value in encoder.items()}
        if old_text_keys:
            tensors[f"{TEXT}{level}embeddings.position_ids"] = torch.arange(text.TOKENS)[None]
        tensors |= ldm_keys.schedule_buffers()
    _write_file(tensors, target)
    return len(tensors)


def describe(path: Path) -> dict[str, object]:
    """What a file of weights is, without reading its numbers: kind, counts, formats.

    Raises:
        CheckpointError: missing, damaged, or with code inside.
    """
    file = TensorFile(path)
    groups = {
        "U-Net, encoder": [n for n in file if n.startswith(UNET) and not n.startswith(TRAINED)],
        "U-Net, decoder": [n for n in file if n.startswith(ldm_keys.DECODER)],
        "control branch": [n for n in file if n.startswith(CONTROL) and not n.startswith(HINT)],
        "hint encoder": [n for n in file if n.startswith(HINT)],
        "autoencoder": [n for n in file if n.startswith(AUTOENCODER)],
        "text encoder": [n for n in file if n.startswith(TEXT)],
    }
    known = {n for names in groups.values() for n in names} | set(ldm_keys.SCHEDULE)
    formats = sorted({str(d).removeprefix("torch.") if d else "other" for d in file.dtypes.values()})
    return {
        "file": str(path),
        "kind": kind(file),
        "container": {"zip": "torch file", "legacy": "torch file before 1.6"}.get(file.kind, file.kind),
        "megabytes": f"{path.stat().st_size / 1e6:.2f}",
        "tensors": len(file),
        "numbers": sum(torch.Size(file.shape(n)).numel() for n in file),
        "formats": formats,
        "groups": {what: len(names) for what, names in groups.items() if names},
        "others": sorted(n for n in file if n not in known)[:8],
    }


def kind(file: TensorFile) -> str:
    """What a file of weights is, in words."""
    whole = any(n.startswith(AUTOENCODER) for n in file) and any(n.startswith(TEXT) for n in file)
    if DENSE in file:
        return "Siamese-Diffusion, whole" if whole else "Siamese-Diffusion, trained part"
    if PLAIN in file or any(n.startswith(("input_hint_block.", "controlnet_cond_embedding.")) for n in file):
        return "plain ControlNet (its hint encoder is no DHI)"
    if any(n.startswith(CONTROL) for n in file):
        return "control branch without a hint encoder"
    if any(n.startswith(UNET) for n in file):
        return "Stable Diffusion without a control branch"
    return "weights of another kind"


def _check_recipe(recipe: Recipe) -> None:
    noise = recipe.diffusion
    usual = (noise.prediction, noise.schedule, noise.zero_terminal_snr) == ("eps", "scaled_linear", False)
    if recipe.family != "sd15" or recipe.hint.unshuffle != 1 or recipe.denoiser.frame or not usual:
        raise RecipeError(
            f"The published format holds the family sd15 as assets/recipes/sd15.toml has it (eps, scaled_linear, no "
            f"frame, no hint.unshuffle), and {recipe.name} is another; such checkpoints stay in our own format."
        )
    if not recipe.styles:
        raise RecipeError('The recipe names no styles; give one with --set styles=["polyp"].')


def _check(file: TensorFile, recipe: Recipe) -> None:
    """Complete, in the recipe's shapes, nothing unknown beside it, and of the recipe's noise schedule."""
    found = kind(file)
    if recipe.hint.kind == "dense" and DENSE not in file:
        raise CheckpointError(f"{file.path} is no Siamese-Diffusion checkpoint but: {found}.")
    layout = ldm_keys.layout(recipe)
    here = {n: file.shape(n) for n in file if n.startswith(OWN)}
    wanted = {n: s for n, (_, s) in layout.items() if n.startswith(TRAINED) or n in here}
    problems = differences(wanted, here)
    if problems:
        trained = sum(n.startswith(TRAINED) for n in wanted)
        raise CheckpointError(
            f"{file.path} does not hold the {trained} trained tensors of this recipe as they should be: {problems}. "
            "Copy it again from its source, or name the recipe that it was trained with."
        )
    wrong = [n for n in here if file.dtypes[n] not in (torch.float32, torch.float16, torch.bfloat16)]
    if wrong:
        raise CheckpointError(
            f"{file.path}: {wrong[0]} is not in fp32, fp16 or bf16; save it as one of them."
        )
    if "alphas_cumprod" in file:
        bar, own = file["alphas_cumprod"].float(), noise_schedule(recipe.diffusion).alphas_cumprod
        if bar.shape != own.shape or not bool((bar - own).abs().max() < SCHEDULE_TOLERANCE):
            raise CheckpointError(
                f"{file.path} was trained with another noise schedule than the recipe's {recipe.diffusion.schedule}; "
                "its pictures would be noise. Name the recipe that it was trained with."
            )


def _own_shape(shape: ldm_keys.Shape, own: str) -> ldm_keys.Shape:
    linear = own.startswith("autoencoder.") and ".attentions." in own and len(shape) == 4
    return shape[:2] if linear else shape


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor in memory of its own: files may hold one under two names."""
    found, seen = {}, set()
    for name, value in tensors.items():
        place = value.data_ptr()
        found[name] = value.clone() if place in seen else value
        seen.add(place)
    return found


def _text_of(base: str | None, recipe: Recipe, digest: Tensor) -> dict[str, Tensor]:
    if base is None:
        raise CheckpointError(
            "A whole file needs the text encoder of Stable Diffusion 1.5; name it with --base, or use --trained-only."
        )
    encoder = Base(base, recipe).text(recipe.denoiser.context_width)
    if not torch.equal(text.digest(encoder), digest):
        raise CheckpointError(
            f"The text encoder of {base} is not the one that this checkpoint's prompts were embedded with; name that "
            "one with --base, or use --trained-only."
        )
    return encoder


def _write_folder(model: torch.nn.Module, out: Path, source: Path) -> None:
    with writing(out):
        private_folder(out.parent)
        making = out.with_name(f".adding-{secrets.token_hex(8)}")
        making.mkdir(mode=0o700)
        try:
            checkpoint.save(model, making, {}, dtype=None, stage="siamese", imported=source.name)
            if out.is_dir():
                out.rmdir()  # only an empty one
            making.rename(out)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def _write_file(tensors: dict[str, Tensor], target: Path) -> None:
    with writing(target):
        temporary = target.with_name(f".writing-{secrets.token_hex(8)}{target.suffix}")
        try:
            if target.suffix == ".safetensors":
                save_file({n: v.contiguous() for n, v in tensors.items()}, temporary, {"format": "pt"})
            else:
                torch.save(tensors, temporary)
            os.replace(temporary, target)
        except RuntimeError as error:  # torch's writer does not say why
            raise MachineError(
                f"{target} could not be written whole; is the disk of {target.parent} full? Free some space."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
