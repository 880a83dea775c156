"""Memory: reading, writing and starting a model of the family sd15 takes at most 1.3 times its weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from siamese import recipe
from siamese.diffusion import ldm_keys
from siamese.diffusion.foreign import TensorFile
from siamese.recipe import Recipe
from tests.conftest import ROOT
from tests.diffusion.sd15_files import SHIPPED, schedule, text_shapes, vocabulary, write_tokenizer

QUARTER = (
    "size=64",
    "autoencoder.widths=[32, 64, 128, 128]",
    "hint.widths=[4, 8]",
    "denoiser.widths=[80, 160, 320, 320]",
    "denoiser.groups=16",
    "denoiser.context_width=192",
)
MOST = 1.3  # peak above what Python and its packages take, as a multiple of the weights

# In a process of its own. VmHWM is its highest memory since the last reset (man 5 proc, clear_refs).
MEASURED = """
import ctypes, gc, json, sys, time
from pathlib import Path
from transformers import CLIPTextModel, CLIPTokenizer
from siamese import recipe
from siamese.diffusion import checkpoint, published, sd15

root, ending, changes = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
settings = recipe.read("assets/recipes/sd15.toml", ['styles=["polyp"]', *changes])
source = root / ("whole" + ending)

def memory(what):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(what)) * 1024

before = memory("VmRSS")

def measure(work):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back, so that it is not reused unseen
    Path("/proc/self/clear_refs").write_text("5")
    begun = time.monotonic()
    kept = work()
    return (memory("VmHWM") - before) / source.stat().st_size, time.monotonic() - begun

found = {
    "import": measure(lambda: published.import_file(source, settings.model_copy(update={"base": None}), root / "in")),
    "export": measure(lambda: published.export_file(root / "in", root / ("out" + ending))),
    "load": measure(lambda: checkpoint.load(root / "in")),
    "start": measure(lambda: sd15.start(settings.model_copy(update={"base": str(source)}))),
}
print(json.dumps({what: [round(v, 2) for v in values] for what, values in found.items()}))
"""


def write_whole(path: Path, settings: Recipe, words: int) -> None:
    """A whole published file with drawn weights; the vocabulary beside it."""
    shapes = {name: shape for name, (_, shape) in ldm_keys.layout(settings).items()}
    shapes |= {ldm_keys.TEXT + n: s for n, s in text_shapes(settings.denoiser.context_width, words).items()}
    g = torch.Generator().manual_seed(4)
    tensors = {name: torch.empty(shape).uniform_(-0.05, 0.05, generator=g) for name, shape in shapes.items()}
    tensors |= schedule()
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    write_tokenizer(path.parent / "tokenizer")


def measure(root: Path, ending: str, changes: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Peak as a multiple of the weights, and seconds, of each kind of work."""
    words = [sys.executable, "-c", MEASURED, str(root), ending, *changes]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def same_bits(one: Path, other: Path) -> None:
    """Both files hold the same names, shapes and bits; read one tensor at a time."""
    a, b = TensorFile(one), TensorFile(other)
    assert set(a) == set(b) and len(a) == 1511
    for name in a:
        left, right = a[name], b[name]
        assert left.dtype == right.dtype and left.shape == right.shape
        assert torch.equal(left.view(torch.int32), right.view(torch.int32)), name


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")


@linux
def test_a_quarter_of_the_widths_stays_within_the_bound(tmp_path: Path) -> None:
    settings = recipe.read(SHIPPED, QUARTER)
    write_whole(tmp_path / "whole.safetensors", settings, len(vocabulary()))
    found = measure(tmp_path, ".safetensors", QUARTER)
    print(found)
    assert all(peak <= MOST for peak, _ in found.values()), found


@linux
@pytest.mark.soak
@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_the_full_width_goes_round_bit_for_bit(tmp_path: Path, ending: str) -> None:
    """1.4e9 numbers, 5.7 GB in fp32, in and out; 17 GB of disk for a while."""
    settings = recipe.read(SHIPPED)
    try:
        write_whole(tmp_path / f"whole{ending}", settings, 49408)
        assert (tmp_path / f"whole{ending}").stat().st_size > 5.7e9
        found = measure(tmp_path, ending, ())
        print(found)
        assert all(peak <= MOST for peak, _ in found.values()), found
        same_bits(tmp_path / f"whole{ending}", tmp_path / f"out{ending}")
    finally:
        shutil.rmtree(tmp_path)
