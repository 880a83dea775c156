"""Weight files of strangers: code in a pickle never runs, and what is damaged or hostile is named."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from siamese.diffusion import checkpoint, published, sd15
from siamese.diffusion.foreign import TensorFile
from siamese.errors import CheckpointError
from tests.diffusion.sd15_files import published_tensors, small, trained_part


class Evil:
    """A pickle that makes a file when it is opened without care."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):  # noqa: ANN204
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("ending", [".ckpt", ".bin", ".safetensors"])
def test_code_in_a_pickle_never_runs(tmp_path: Path, modern: bool, ending: str) -> None:
    made = tmp_path / "made"
    path = tmp_path / f"evil{ending}"
    torch.save(
        {**trained_part(published_tensors()), "x": Evil(made)}, path, _use_new_zipfile_serialization=modern
    )
    said = r"holds more than tensors \(.*mkdir.*\).+ask its maker"
    if ending == ".safetensors":
        said = "is called safetensors and is a pickle"
    for work in (
        lambda: published.describe(path),
        lambda: published.import_file(path, small(), tmp_path / "in"),
        lambda: sd15.start(small(f"base={str(path)!r}")),
    ):
        with pytest.raises(CheckpointError, match=said):
            work()
    assert not made.exists()
    with pytest.raises(Exception, match="weights_only|Weights only"):
        torch.load(path.rename(tmp_path / "evil.pt"), weights_only=True)
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert made.exists()  # so the trap was a real one


def test_damaged_and_hostile_files(tmp_path: Path) -> None:
    part = trained_part(published_tensors())
    path = tmp_path / "file"

    def says(sentence: str) -> None:
        with pytest.raises(CheckpointError, match=sentence):
            dict(TensorFile(path))

    says("There is no file")
    path.write_bytes(b"")
    says("neither safetensors nor a torch file")
    path.write_bytes(b"GIF89a, and more of it")
    says("neither safetensors nor a torch file")
    path.write_bytes(struct.pack("<Q", 2**40) + b"{}")
    says("header is longer")
    path.write_bytes(struct.pack("<Q", 2) + b"{]")
    says("damaged or cut short")
    save_file(part, path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    says("damaged or cut short")
    for modern in (True, False):
        torch.save(part, path, _use_new_zipfile_serialization=modern)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        says("damaged or cut short")
    torch.save([torch.zeros(1)], path)
    says("no table of named tensors but a list")
    torch.save({"module.a": torch.zeros(1), "a": torch.zeros(1)}, path)
    says("holds a twice")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 10_000)
    says("is compressed, which torch never does")
    torch.save({"a": torch.zeros(1).to_sparse()}, path)
    says("no plain tensor")


def test_a_header_that_begins_like_a_pickle_is_none(tmp_path: Path) -> None:
    """The first byte of safetensors is its header's length modulo 256; 0x80 is the first of a pickle too."""
    path = tmp_path / "model.safetensors"
    for extra in range(0, 256, 8):
        save_file({"a": torch.zeros(1)}, path, {"padding": "x" * extra})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert TensorFile(path).kind == "safetensors"
    with pytest.raises(CheckpointError, match="safetensors of another kind"):
        checkpoint.read_recipe(tmp_path)
