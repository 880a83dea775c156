"""A refusal of the machine becomes one sentence, whoever reports it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from safetensors import SafetensorError

from siamese.errors import DatasetError, MachineError, writing
from tests.conftest import TINY
from tests.shell import siamese


def test_a_full_disk_is_a_sentence_for_plain_files() -> None:
    refused = pytest.raises(MachineError, match="is full; free some space")
    with refused, writing(Path("out")), open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


def test_a_full_disk_is_a_sentence_for_safetensors() -> None:
    """The message as safetensors 0.8 gives it on a full tmpfs."""
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(MachineError, match="is full"), writing(Path("out")):
        raise SafetensorError(said)


def test_other_errors_pass() -> None:
    with pytest.raises(SafetensorError), writing(Path("out")):
        raise SafetensorError("header too large")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk"
)
def test_training_on_a_full_disk_keeps_the_last_good_checkpoint(small_dataset: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        words = ["train", TINY, "--data", small_dataset, "--run", disk / "run", "--precision", "fp32"]
        done = siamese(*words)
        assert done.returncode == 2, done.stderr
        assert "is full; free some space" in done.stderr.splitlines()[-1]
        points = list((disk / "run" / "checkpoints").glob("[a-z]*-*"))
        assert points
        assert all((point / "model.safetensors").stat().st_size > 1000 for point in points)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_all_problems_are_listed() -> None:
    text = str(DatasetError(Path("set"), ["one.", "two."]))
    assert text.splitlines() == ["set: 2 problems found.", "  - one.", "  - two."]
