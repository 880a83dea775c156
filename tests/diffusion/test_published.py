"""The published format: the names of all 1,511 tensors, round trips bit for bit, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from siamese import recipe
from siamese.__main__ import app
from siamese.diffusion import checkpoint, ldm_keys, published, sd15, text
from siamese.errors import CheckpointError, MachineError, RecipeError
from siamese.recipe import Recipe
from tests.conftest import ROOT
from tests.diffusion.sd15_files import (
    EIGHTH,
    SHIPPED,
    Tensors,
    draw,
    published_tensors,
    small,
    text_shapes,
    trained_part,
    write_file,
    write_folder,
    write_tokenizer,
)

OFFICIAL = ROOT.parent / "shared" / "reference" / "official_keys.txt"  # not on every machine
OFFICIAL_DIGEST = (
    "6b5c57a873ee20ef113d8bb481e1fb2b09add50221da24e785e51fec376e5cc5"  # of its sorted lines "name shape"
)


def all_names(settings: Recipe, width: int, words: int) -> dict[str, tuple[int, ...]]:
    """Published names and shapes of a whole file, as we know them."""
    found = {name: shape for name, (_, shape) in ldm_keys.layout(settings).items()}
    found |= {ldm_keys.TEXT + name: shape for name, shape in text_shapes(width, words).items()}
    return found | dict.fromkeys(ldm_keys.SCHEDULE, (1000,))


def test_the_names_are_the_releases() -> None:
    """Names and shapes at full width against the digest of the release's own list, and the list where it is."""
    ours = all_names(recipe.read(SHIPPED), 768, 49408)
    lines = sorted(f"{name} {list(shape)}" for name, shape in ours.items())
    assert len(lines) == 1511
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == OFFICIAL_DIGEST
    if OFFICIAL.is_file():
        rows = [
            row.split("  ") for row in OFFICIAL.read_text().splitlines() if row and not row.startswith("#")
        ]
        assert lines == sorted(f"{name} {shape}" for name, shape, _ in rows)


def test_the_map_is_diffusers() -> None:
    """Every tensor goes where diffusers' own converters put it."""
    from diffusers.loaders import single_file_utils as converters

    settings = small()
    marked = published_tensors()
    layout = ldm_keys.layout(settings)
    ours = {own: marked[name] for name, (own, _) in layout.items()}
    sizes = {"layers_per_block": 2, "class_embed_type": None, "block_out_channels": settings.denoiser.widths}
    control = {"layers_per_block": 2, "conditioning_channels": 3}
    found = {
        "unet.": converters.convert_ldm_unet_checkpoint(dict(marked), sizes),
        "control.": converters.convert_controlnet_checkpoint(dict(marked), control),
        "autoencoder.kl.": converters.convert_ldm_vae_checkpoint(
            dict(marked), {"down_block_types": [0] * 4, "up_block_types": [0] * 4}
        ),
    }
    for prefix, tensors in found.items():
        kept = {prefix + n: v for n, v in tensors.items() if not n.startswith("controlnet_cond_embedding")}
        assert kept.keys() == {n for n in ours if n.startswith(prefix)}
        for name, value in kept.items():
            assert torch.equal(value.flatten(), ours[name].flatten()), name


def test_plain_controlnets_hint_encoder_is_named_too() -> None:
    layout = ldm_keys.layout(small('hint.kind="plain"'))
    names = {n.removeprefix(ldm_keys.HINT) for n in layout if n.startswith(ldm_keys.HINT)}
    assert names == {f"{k}.{kind}" for k in range(0, 16, 2) for kind in ("weight", "bias")}


def test_a_plain_controlnet_is_taken_by_a_recipe_that_says_so(base: Path, tmp_path: Path) -> None:
    """ControlNet's own files, for the paper's baseline: 728 tensors train."""
    settings = with_base(base, 'hint.kind="plain"')
    shapes = {n: s for n, (_, s) in ldm_keys.layout(settings).items() if n.startswith(ldm_keys.TRAINED)}
    tensors = draw(shapes, seed=9)
    save_file(tensors, tmp_path / "plain.safetensors")
    assert published.import_file(tmp_path / "plain.safetensors", settings, tmp_path / "in").trained == 728
    published.export_file(tmp_path / "in", tmp_path / "out.safetensors", trained_only=True)
    same(read(tmp_path / "out.safetensors"), tensors)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a vocabulary and a whole published file."""
    root = tmp_path_factory.mktemp("published")
    write_tokenizer(root / "tokenizer")
    save_file(published_tensors(), root / "whole.safetensors")
    return root


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sd15") / "base", small())


def read(path: Path) -> Tensors:
    """All tensors of a file written by us."""
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, weights_only=True, map_location="cpu")


def same(found: Tensors, wanted: Tensors) -> None:
    """The same names, formats, shapes and bits."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        other = found[name]
        assert (other.dtype, other.shape) == (value.dtype, value.shape), name
        assert torch.equal(other.contiguous().view(torch.uint8), value.contiguous().view(torch.uint8)), name


def with_base(path: Path | str, *changes: str) -> Recipe:
    return small(f"base={str(path)!r}", *changes)


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_a_whole_file_goes_round_bit_for_bit(place: Path, tmp_path: Path, ending: str) -> None:
    """All 1,511 tensors, in and out."""
    source = place / f"whole{ending}"
    if not source.exists():
        torch.save({"state_dict": published_tensors(), "global_step": 3000}, source)
    done = published.import_file(source, small().model_copy(update={"base": None}), tmp_path / "in")
    assert (done.trained, done.from_base, done.left_out) == (756, 0, ())
    assert (tmp_path / "in").stat().st_mode & 0o777 == 0o700
    target = tmp_path / f"out{ending}"
    assert published.export_file(tmp_path / "in", target) == 1511
    same(read(target), published_tensors())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", target.name]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_bits(base: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    part = {n: v.to(dtype) for n, v in trained_part(published_tensors()).items()}
    save_file(part, tmp_path / "half.safetensors")
    published.import_file(tmp_path / "half.safetensors", with_base(base), tmp_path / "in")
    published.export_file(tmp_path / "in", tmp_path / "out.safetensors", trained_only=True)
    same(read(tmp_path / "out.safetensors"), part)
    assert checkpoint.load(tmp_path / "in").model.dtype == torch.float32


@pytest.mark.parametrize(
    ("prefix", "ending"),
    [("", ".bin"), ("module.", ".pth"), ("_forward_module.", ".bin"), ("_forward_module.module.", ".pth")],
)
def test_the_trained_part_with_a_base(base: Path, tmp_path: Path, prefix: str, ending: str) -> None:
    """What DeepSpeed leaves: 756 tensors under a prefix; the frozen rest is the base's."""
    part = trained_part(published_tensors())
    source = tmp_path / f"part{ending}"
    wrapped = {prefix + n: v for n, v in part.items()}
    torch.save(
        {"state_dict": wrapped} if ending == ".pth" else wrapped,
        source,
        _use_new_zipfile_serialization=ending == ".pth",
    )
    done = published.import_file(source, with_base(base), tmp_path / "in")
    assert (done.trained, done.from_base) == (756, 1302 - 756)
    published.export_file(tmp_path / "in", tmp_path / "out.pth", trained_only=True)
    same(read(tmp_path / "out.pth"), part)
    wanted = sd15.start(with_base(base)).state_dict()
    loaded = checkpoint.load(tmp_path / "in")
    names = set(sd15.trained_names(small()))
    assert all(torch.equal(v, wanted[n]) for n, v in loaded.model.state_dict().items() if n not in names)
    assert loaded.metadata["imported"] == source.name


def test_a_file_that_lacks_only_the_frozen_encoder(place: Path, base: Path, tmp_path: Path) -> None:
    """§3.3: the consolidated file may keep the autoencoder and the text encoder and lack 298 tensors."""
    tensors = published_tensors()
    cut = {
        n: v for n, v in tensors.items() if not n.startswith(ldm_keys.UNET) or n.startswith(ldm_keys.DECODER)
    }
    assert len(tensors) - len(cut) == 298
    save_file(cut, tmp_path / "cut.safetensors")
    done = published.import_file(tmp_path / "cut.safetensors", with_base(base), tmp_path / "in")
    assert done.from_base == 298
    state = checkpoint.load(tmp_path / "in").model.state_dict()
    assert torch.equal(state["autoencoder.kl.quant_conv.bias"], tensors["first_stage_model.quant_conv.bias"])


def test_old_names_of_the_text_encoder(place: Path, tmp_path: Path) -> None:
    published.import_file(
        place / "whole.safetensors", small().model_copy(update={"base": None}), tmp_path / "in"
    )
    count = published.export_file(tmp_path / "in", tmp_path / "old.ckpt", old_text_keys=True)
    old = read(tmp_path / "old.ckpt")
    assert count == 1512 and f"{ldm_keys.TEXT}text_model.embeddings.position_ids" in old
    assert f"{ldm_keys.TEXT}text_model.final_layer_norm.bias" in old
    write_tokenizer(tmp_path / "tokenizer")
    done = published.import_file(
        tmp_path / "old.ckpt", small().model_copy(update={"base": None}), tmp_path / "again"
    )
    assert done.left_out == ()
    published.export_file(tmp_path / "again", tmp_path / "new.ckpt")
    same(read(tmp_path / "new.ckpt"), published_tensors())


def test_another_text_encoder_is_not_exported(place: Path, base: Path, tmp_path: Path) -> None:
    published.import_file(
        place / "whole.safetensors", small().model_copy(update={"base": None}), tmp_path / "in"
    )
    other = write_folder(tmp_path / "other", small())
    weights = load_file(other / "text_encoder" / "model.safetensors")
    weights["text_model.final_layer_norm.bias"] += 1
    save_file(weights, other / "text_encoder" / "model.safetensors")
    with pytest.raises(CheckpointError, match="is not the one that this checkpoint's prompts"):
        published.export_file(tmp_path / "in", tmp_path / "out.ckpt", base=str(other))
    assert not (tmp_path / "out.ckpt").exists()
    assert published.export_file(tmp_path / "in", tmp_path / "out.ckpt", base=str(base)) == 1511


def refused(tensors: Tensors, tmp_path: Path, sentence: str, settings: Recipe | None = None) -> None:
    """Importing a file of these tensors says so, and leaves nothing behind."""
    save_file(tensors, tmp_path / "file.safetensors")
    with pytest.raises(CheckpointError, match=sentence):
        published.import_file(tmp_path / "file.safetensors", settings or small(), tmp_path / "in")
    assert not (tmp_path / "in").exists() and not list(tmp_path.glob(".*"))


def test_what_trains_must_be_there_whole_and_alone(tmp_path: Path) -> None:
    whole = trained_part(published_tensors())
    first, second = sorted(whole)[:2]
    sentence = rf"756 trained tensors .+ 1 tensor missing \({first}\)"
    refused({n: v for n, v in whole.items() if n != first}, tmp_path, sentence)
    refused(
        whole | {"control_model.extra": torch.zeros(1)}, tmp_path, r"1 tensor unknown \(control_model.extra\)"
    )
    bent = {second: whole[second].flatten()[:1], first: whole[first].flatten()[:1]}
    refused(whole | bent, tmp_path, r"2 tensors of another shape \(control_model.+\[1\] instead of \[")
    few = dict(list(whole.items())[400:])
    refused(few | {sd15_first(): whole[sd15_first()]}, tmp_path, r"tensors missing \(.+ and \d+ more\)")
    refused(whole | {first: whole[first].double()}, tmp_path, "not in fp32, fp16 or bf16")
    refused(whole | {first: whole[first].int()}, tmp_path, "not in fp32, fp16 or bf16")


def sd15_first() -> str:
    """The tensor by which DHI is told."""
    return f"{ldm_keys.HINT}0.initial_conv.weight"


def test_other_files_are_named(tmp_path: Path) -> None:
    whole = trained_part(published_tensors())
    plain = {n: v for n, v in whole.items() if not n.startswith(ldm_keys.HINT)}
    refused(plain, tmp_path, "control branch without a hint encoder")
    plain |= {f"{ldm_keys.HINT}{k}.weight": torch.zeros(1) for k in range(0, 16, 2)}
    refused(plain, tmp_path, "plain ControlNet")
    refused({"controlnet_cond_embedding.conv_in.weight": torch.zeros(1)}, tmp_path, "plain ControlNet")
    refused(
        {ldm_keys.UNET + "out.0.bias": torch.zeros(1)}, tmp_path, "Stable Diffusion without a control branch"
    )
    refused({"a": torch.zeros(1)}, tmp_path, "weights of another kind")


def test_another_noise_schedule_is_refused(tmp_path: Path) -> None:
    tensors = published_tensors()
    bar = torch.linspace(0.0001, 0.02, 1000).neg().add(1).cumprod(0)
    refused(tensors | {"alphas_cumprod": bar}, tmp_path, "another noise schedule")


def test_without_its_base_the_trained_part_says_what_it_needs(tmp_path: Path) -> None:
    part = trained_part(published_tensors())
    bare = small().model_copy(update={"base": None})
    refused(part, tmp_path, r"546 frozen tensors are absent, and the text encoder\); name .+ --base", bare)
    refused(part, tmp_path, "python -m siamese fetch", with_base("owner/not-fetched"))
    with pytest.raises(RecipeError, match="family sd15"):
        published.import_file(
            tmp_path / "file.safetensors", recipe.read(ROOT / "assets/recipes/tiny.toml"), tmp_path
        )


def test_tensors_that_share_memory_are_written_apart(base: Path, tmp_path: Path) -> None:
    part = trained_part(published_tensors())
    one, two = f"{ldm_keys.CONTROL}zero_convs.0.0.bias", f"{ldm_keys.CONTROL}zero_convs.1.0.bias"
    part[two] = part[one]
    torch.save(part, tmp_path / "file.pt")
    published.import_file(tmp_path / "file.pt", with_base(base), tmp_path / "in")
    state = checkpoint.load(tmp_path / "in").model.state_dict()
    assert torch.equal(state["control.controlnet_down_blocks.1.bias"], part[one])


def test_nothing_is_written_over(place: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mine.txt").touch()
    bare = small().model_copy(update={"base": None})
    with pytest.raises(CheckpointError, match="exists already"):
        published.import_file(place / "whole.safetensors", bare, tmp_path / "in")
    (tmp_path / "in" / "mine.txt").unlink()
    published.import_file(place / "whole.safetensors", bare, tmp_path / "in")  # an empty folder is free
    with pytest.raises(CheckpointError, match="one of the endings"):
        published.export_file(tmp_path / "in", tmp_path / "out.zip")
    with pytest.raises(MachineError, match="no folder"):
        published.export_file(tmp_path / "in", tmp_path / "nowhere" / "out.ckpt")


def test_the_command_line(base: Path, tmp_path: Path) -> None:
    """import, info of both, export, publish: as somebody with the published weights goes about it."""
    run = CliRunner()
    torch.save(trained_part(published_tensors()), tmp_path / "part.bin")
    changes = [word for change in EIGHTH for word in ("--set", change)]
    words = [
        "checkpoint",
        "import",
        str(tmp_path / "part.bin"),
        "--base",
        str(base),
        "--out",
        str(tmp_path / "in"),
    ]
    done = run.invoke(app, [*words, *changes, "--set", 'prompts=["of a ph."]'], catch_exceptions=False)
    assert done.exit_code == 0 and "756 trained tensors, 546 frozen ones from the base" in done.stdout
    about = json.loads(run.invoke(app, ["checkpoint", "info", str(tmp_path / "in")]).stdout)
    assert about["recipe"]["family"] == "sd15" and about["recipe"]["prompts"] == ["of a ph."]
    done = run.invoke(app, ["checkpoint", "export", str(tmp_path / "in"), str(tmp_path / "out.pth")])
    assert done.exit_code == 0 and "1511 tensors" in done.stdout
    about = json.loads(run.invoke(app, ["checkpoint", "info", str(tmp_path / "out.pth")]).stdout)
    assert about["kind"] == "Siamese-Diffusion, whole" and about["container"] == "torch file"
    assert about["groups"] == {
        "U-Net, encoder": 298,
        "U-Net, decoder": 388,
        "control branch": 324,
        "hint encoder": 44,
        "autoencoder": 248,
        "text encoder": 196,
    }
    assert about["tensors"] == 1511 and about["formats"] == ["float32"] and about["others"] == []
    run.invoke(
        app, ["checkpoint", "publish", str(tmp_path / "in"), str(tmp_path / "small")], catch_exceptions=False
    )
    assert checkpoint.read_recipe(tmp_path / "small")[0].base is None  # a path of this machine


def test_the_prompts_of_an_import_are_embedded(base: Path, tmp_path: Path) -> None:
    torch.save(trained_part(published_tensors()), tmp_path / "part.bin")
    settings = with_base(base, 'styles=["a", "b"]', 'prompts=["a ph.", "of b"]')
    published.import_file(tmp_path / "part.bin", settings, tmp_path / "in")
    model = checkpoint.load(tmp_path / "in").model
    encoder = {
        n.removeprefix(ldm_keys.TEXT): v
        for n, v in published_tensors().items()
        if n.startswith(ldm_keys.TEXT)
    }
    wanted = text.embed(["a ph.", "of b", ""], encoder, base / "tokenizer")
    assert torch.equal(model.context.table, wanted)


def test_a_base_may_be_a_published_file_itself(place: Path, tmp_path: Path) -> None:
    """control_sd15.ckpt holds a control branch too; as a base its U-Net counts."""
    model = sd15.start(with_base(place / "whole.safetensors"))
    assert torch.equal(
        model.unet.conv_in.weight, published_tensors()[ldm_keys.UNET + "input_blocks.0.0.weight"]
    )
    assert write_file(tmp_path / "x.ckpt", small()).is_file()
