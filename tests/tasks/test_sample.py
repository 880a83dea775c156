"""Sampling through the library and the command line: bytes, batches, files, facts, and every kind of bad input."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from siamese import load as public_load
from siamese import sample as public_sample
from siamese.diffusion import checkpoint
from siamese.errors import CheckpointError, RecipeError
from siamese.events import Notice, Preview
from siamese.masks.mask import Mask
from siamese.tasks import png
from siamese.tasks.sample import SampleRequest, SampleResult, sample
from tests.conftest import ROOT, draw_case
from tests.shell import siamese


@pytest.fixture(scope="module")
def loaded(tiny_checkpoint: Path) -> checkpoint.Loaded:
    return checkpoint.load(tiny_checkpoint)


@pytest.fixture(scope="module")
def mask() -> Mask:
    return Mask.from_array(draw_case(3, 64)[1])


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAMESE_PRECISION", "fp32")
    monkeypatch.chdir(ROOT)


def results(loaded: checkpoint.Loaded, mask: Mask, **settings: object) -> list[SampleResult]:
    return [e for e in sample(loaded, mask, SampleRequest(**settings)) if isinstance(e, SampleResult)]


def test_events_in_order(loaded: checkpoint.Loaded, mask: Mask) -> None:
    events = list(sample(loaded, mask, SampleRequest(seeds=(7, 8, 9), steps=4, batch=2)))
    kinds = [type(e).__name__ for e in events]
    assert kinds == ["Preview"] * 4 + ["SampleResult"] * 2 + ["Preview"] * 4 + ["SampleResult"]
    previews = [e for e in events if isinstance(e, Preview)]
    assert [p.step for p in previews] == [1, 2, 3, 4] * 2
    assert previews[0].images.shape == (2, 64, 64, 3)
    assert previews[0].seeds == (7, 8)
    assert previews[-1].seconds_left == pytest.approx(0)
    assert [e.seed for e in events if isinstance(e, SampleResult)] == [7, 8, 9]


@pytest.mark.parametrize("sampler", ["sde", "dpm", "ddim"])
def test_same_request_same_bytes_and_no_batch_in_a_picture(
    loaded: checkpoint.Loaded, mask: Mask, sampler: str
) -> None:
    settings = {"steps": 6, "sampler": sampler, "guidance": 3.0}
    alone = results(loaded, mask, seeds=(5,), batch=1, **settings)[0]
    again = results(loaded, mask, seeds=(5,), batch=1, **settings)[0]
    together = results(loaded, mask, seeds=(4, 5, 6), batch=3, **settings)
    assert alone.png() == again.png()
    assert np.abs(alone.image.astype(int) - together[1].image.astype(int)).max() <= 2
    assert np.abs(together[0].image.astype(int) - together[1].image.astype(int)).max() > 2


def test_guidance_seed_mask_style_and_box_matter(loaded: checkpoint.Loaded, mask: Mask) -> None:
    base = results(loaded, mask, steps=4, guidance=2.0)[0].image
    empty = Mask.from_array(np.zeros((64, 64), np.uint8))
    others = {
        "seed": results(loaded, mask, steps=4, guidance=2.0, seeds=(2,)),
        "guidance": results(loaded, mask, steps=4, guidance=6.0),
        "mask": results(loaded, empty, steps=4, guidance=2.0),
        "box": results(loaded, mask, steps=4, guidance=2.0, corner_box=True),
    }
    for name, found in others.items():
        assert not np.array_equal(found[0].image, base), name


def test_an_empty_mask_is_not_a_dropped_mask(loaded: checkpoint.Loaded) -> None:
    """No lesion asked for, which is not nothing asked for; and said so."""
    empty = Mask.from_array(np.zeros((64, 64), np.uint8))
    events = list(sample(loaded, empty, SampleRequest(steps=4, guidance=1.0)))
    assert any(isinstance(e, Notice) and "normal mucosa" in e.text for e in events)
    dropped = results(loaded, empty, steps=4, guidance=0.0)[0].image
    assert not np.array_equal(events[-1].image, dropped)


def test_closing_stops_at_once(loaded: checkpoint.Loaded, mask: Mask) -> None:
    with closing(sample(loaded, mask, SampleRequest(steps=1000))) as events:
        assert next(events).step == 1
    assert list(events) == []
    assert torch.is_grad_enabled()


def test_hint_is_encoded_once(loaded: checkpoint.Loaded, mask: Mask) -> None:
    calls = []
    handle = loaded.model.dhi.register_forward_hook(lambda *_: calls.append(1))
    results(loaded, mask, seeds=(1, 2, 3), steps=5, batch=1)
    handle.remove()
    assert len(calls) == 1


def test_facts_travel_in_the_png(loaded: checkpoint.Loaded, mask: Mask) -> None:
    found = results(loaded, mask, steps=2, seeds=(11,))[0]
    facts = png.read_facts(found.png())
    assert facts["seed"] == "11"
    assert facts["mask_sha256"] == mask.digest
    assert facts["checkpoint_sha256"] == loaded.sha256
    decoded = cv2.imdecode(np.frombuffer(found.png(), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(decoded, found.image)
    assert png.read_facts(mask.png()) == {}


def test_the_five_lines_of_the_readme(tiny_checkpoint: Path, tmp_path: Path) -> None:
    Mask.from_array(draw_case(3, 64)[1]).write(tmp_path / "mask.png")
    model = public_load(tiny_checkpoint)
    for picture in public_sample(model, tmp_path / "mask.png", seeds=[1, 2], steps=3):
        (tmp_path / f"picture_{picture.seed}.png").write_bytes(picture.png())
    assert sorted(p.name for p in tmp_path.glob("picture*")) == ["picture_1.png", "picture_2.png"]


def test_importing_siamese_is_light() -> None:
    code = "import sys, siamese; assert not {'torch', 'diffusers', 'gradio', 'cv2'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# the command line


def test_sample_writes_pairs_and_a_manifest(
    tiny_checkpoint: Path, small_dataset: Path, tmp_path: Path
) -> None:
    words = (
        "sample",
        "--checkpoint",
        tiny_checkpoint,
        "--steps",
        3,
        "--out",
        tmp_path / "out",
        "--seeds",
        "1,2",
    )
    done = siamese(*words, "--mask", small_dataset / "masks")
    assert done.returncode == 0, done.stderr
    assert "resized from 96×96 to 64×64 (nearest)" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert lines[0]["image"] == "images/case000_s1.png"
    assert {"mask_sha256", "checkpoint_sha256", "seed", "guidance", "seconds", "torch"} <= lines[0].keys()
    saved = cv2.imread(str(tmp_path / "out" / lines[0]["mask"]), cv2.IMREAD_UNCHANGED)
    assert saved.shape == (64, 64)
    assert set(np.unique(saved)) == {0, 255}
    before = (tmp_path / "out" / lines[0]["image"]).read_bytes()
    again = siamese(*words, "--mask", small_dataset / "masks" / "case000.png")
    assert again.returncode == 0
    assert (tmp_path / "out" / lines[0]["image"]).read_bytes() == before
    assert len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 24


def bad_masks(folder: Path) -> dict[str, tuple[Path, str]]:
    folder.mkdir()
    (folder / "notes.png").write_text("these are notes")
    header = struct.pack(">IIBBBBB", 20000, 10000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    whole = Mask.from_array(draw_case(1, 64)[1]).png()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    return {
        "text": (folder / "notes.png", "text file"),
        "huge": (folder / "huge.png", "megapixels"),
        "cut": (folder / "cut.png", "cut.png"),
        "missing": (folder / "none.png", "none.png"),
    }


def test_bad_masks_are_one_sentence(tiny_checkpoint: Path, tmp_path: Path) -> None:
    for path, words in bad_masks(tmp_path / "bad").values():
        done = siamese("sample", "--checkpoint", tiny_checkpoint, "--mask", path, "--out", tmp_path / "out")
        assert done.returncode == 2, path
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_one_bad_mask_of_many_leaves_the_others(tiny_checkpoint: Path, tmp_path: Path) -> None:
    bad_masks(tmp_path / "bad")
    Mask.from_array(draw_case(1, 64)[1]).write(tmp_path / "bad" / "good.png")
    done = siamese(
        "sample",
        "--checkpoint",
        tiny_checkpoint,
        "--mask",
        tmp_path / "bad",
        "--steps",
        2,
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 2
    assert "3 of 4 masks were left out" in done.stderr
    assert (tmp_path / "out" / "images" / "good_s1.png").is_file()


@pytest.fixture(scope="module")
def bad_checkpoints(
    tiny_checkpoint: Path, tiny_run: tuple, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bad")
    made = {
        name: root / name
        for name in ("pickle", "zip", "truncated", "foreign", "misfit", "empty", "recipe", "sd15")
    }
    for folder in made.values():
        folder.mkdir()
    data = (tiny_checkpoint / "model.safetensors").read_bytes()
    (made["pickle"] / "model.safetensors").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    torch.save({"weights": torch.zeros(3)}, made["zip"] / "model.safetensors")
    (made["truncated"] / "model.safetensors").write_bytes(data[: len(data) // 2])
    save_file({"a": torch.zeros(3)}, made["foreign"] / "model.safetensors", {"format": "pt"})
    tensors = load_file(tiny_checkpoint / "model.safetensors")
    tensors.pop("unet.conv_in.weight")
    settings, _ = checkpoint.read_recipe(tiny_checkpoint)
    metadata = {"format": checkpoint.FORMAT, "recipe": settings.json()}
    save_file(tensors, made["misfit"] / "model.safetensors", metadata)
    save_file(tensors, made["recipe"] / "model.safetensors", {**metadata, "recipe": '{"sise": 3}'})
    other = json.dumps(settings.model_dump() | {"family": "sd15"})
    save_file(tensors, made["sd15"] / "model.safetensors", {**metadata, "recipe": other})
    shutil.rmtree(made["empty"])
    return {**made, "segmenter": tiny_run[0] / "checkpoints" / "segmenter-0000020"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pickle", "is a pickle"),
        ("zip", "is a pickle"),
        ("truncated", "damaged or truncated"),
        ("foreign", "another kind"),
        ("misfit", "does not fit its own recipe"),
        ("empty", "No checkpoint"),
        ("recipe", "did you mean 'size'"),
        ("sd15", "does not fit its own recipe"),
        ("segmenter", "is a segmenter"),
    ],
)
def test_bad_checkpoints_are_refused(bad_checkpoints: dict[str, Path], name: str, words: str) -> None:
    with pytest.raises((CheckpointError, RecipeError), match=words):
        checkpoint.load(bad_checkpoints[name])


def test_a_bad_checkpoint_on_the_command_line(bad_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    Mask.from_array(draw_case(1, 64)[1]).write(tmp_path / "mask.png")
    done = siamese(
        "sample",
        "--checkpoint",
        bad_checkpoints["pickle"],
        "--mask",
        tmp_path / "mask.png",
        "--out",
        tmp_path,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "never opened" in done.stderr


def test_no_disk_space_is_one_sentence(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """/dev/full refuses every byte, like a full disk."""
    Mask.from_array(draw_case(1, 64)[1]).write(tmp_path / "mask.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.jsonl").symlink_to("/dev/full")
    done = siamese(
        "sample",
        "--checkpoint",
        tiny_checkpoint,
        "--mask",
        tmp_path / "mask.png",
        "--steps",
        2,
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 2
    assert "is full; free some space" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seeds", "1,x"), "whole numbers"),
        (("--steps", "0"), "greater than or equal to 1"),
        (("--style", "mars"), "knows no style 'mars'"),
    ],
)
def test_bad_settings_exit_with_two(tiny_checkpoint: Path, tmp_path: Path, words: tuple, said: str) -> None:
    Mask.from_array(draw_case(1, 64)[1]).write(tmp_path / "mask.png")
    common = ("--checkpoint", tiny_checkpoint, "--mask", tmp_path / "mask.png", "--out", tmp_path / "out")
    done = siamese("sample", *common, *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_publish_and_info(tiny_checkpoint: Path, tmp_path: Path) -> None:
    assert siamese("checkpoint", "publish", tiny_checkpoint, tmp_path / "small").returncode == 0
    digest, name = (tmp_path / "small" / "model.sha256").read_text().split()
    assert name == "model.safetensors"
    shown = json.loads(siamese("checkpoint", "info", tmp_path / "small").stdout)
    assert shown["sha256"] == digest
    assert shown["recipe"]["size"] == 64
    original, published = checkpoint.load(tiny_checkpoint), checkpoint.load(tmp_path / "small")
    assert torch.equal(original.digests["training.sha256"], published.digests["training.sha256"])
    assert torch.equal(original.model.views, published.model.views)
    mask = Mask.from_array(draw_case(3, 64)[1])
    a, b = (results(m, mask, steps=4)[0].image.astype(int) for m in (original, published))
    assert np.abs(a - b).max() <= 6


def test_a_foreign_manifest_is_left_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    Mask.from_array(draw_case(1, 64)[1]).write(tmp_path / "mask.png")
    (tmp_path / "manifest.jsonl").write_text("not ours\n")
    common = ("--checkpoint", tiny_checkpoint, "--mask", tmp_path / "mask.png", "--out", tmp_path)
    done = siamese("sample", *common)
    assert done.returncode == 2
    assert "Line 1 of" in done.stderr
    assert (tmp_path / "manifest.jsonl").read_text() == "not ours\n"


def test_sampling_imports_no_compiler_and_no_text_models(tiny_checkpoint):
    code = (
        "import sys\n"
        "from siamese.masks import generate\n"
        "from siamese.tasks.sample import load, pictures\n"
        "loaded = load(sys.argv[1])\n"
        "(one,) = pictures(loaded, generate.plausible(1, 64), (1,), steps=2)\n"
        "assert one.image.shape == (64, 64, 3)\n"
        "needless = {'torch._dynamo', 'sympy', 'transformers', 'scipy'} & set(sys.modules)\n"
        "assert not needless, needless\n"
    )
    command = [sys.executable, "-c", code, str(tiny_checkpoint)]
    subprocess.run(command, check=True, timeout=120, cwd=ROOT)
