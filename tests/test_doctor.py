"""doctor: each check tells good from bad on real files, packages and processes, and names a cure."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from siamese import doctor
from siamese.workspace import Workspace

HOUSE = Path(__file__).parents[1]
NAMES = ["python", "packages", "device", "torchvision", "workspace", "disk", "checkpoint"]


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    folder = tmp_path / "polyp-small"
    folder.mkdir()
    save_file({"weight": np.arange(1000, dtype=np.float32)}, folder / "model.safetensors", {"recipe": "{}"})
    return folder


def note(folder: Path, name: str = "model.sha256") -> None:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / name).write_text(
        f"{digest}  model.safetensors\n" if name == "model.sha256" else f"sha256: `{digest}`\n"
    )


def test_all_is_well_here(tmp_path, checkpoint):
    note(checkpoint)
    findings = doctor.examine(Workspace(tmp_path / "workspace"), checkpoint)
    assert [f.name for f in findings] == NAMES
    assert [str(f) for f in findings if not f.ok] == []
    shown = "\n".join(map(str, findings))
    assert "torch 2.13.0" in shown and "gradio 6" in shown
    assert " ms" in shown and "fp32" in shown  # measured, not listed
    assert "as noted" in shown


def test_every_failure_is_reported_at_once_with_its_cure(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    monkeypatch.setattr(doctor, "LEAST_FREE", 10**30)
    findings = doctor.examine(tmp_path / "file" / "workspace", tmp_path / "nowhere")
    failed = {f.name: f for f in findings if not f.ok}
    assert {"python", "workspace", "disk", "checkpoint"} <= failed.keys()
    for finding in failed.values():
        assert finding.cure and "cure: " + finding.cure in str(finding)


def test_what_nobody_foresaw_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "HOUSE", tmp_path)  # no requirements.txt there
    findings = doctor.examine(tmp_path / "workspace", "a\0b")
    assert [f.name for f in findings] == NAMES
    failed = {f.name: f for f in findings if not f.ok}
    assert "FileNotFoundError" in failed["packages"].found
    assert failed["checkpoint"].cure


def test_packages_missing_or_out_of_range_are_all_named(tmp_path):
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("# a comment\nnumpy>=99  # reason\n\nno-such-package-here>=1\nsafetensors>=0.1\n")
    finding = doctor.check_packages(wanted)
    assert not finding.ok and finding.cure == doctor.REINSTALL
    assert f"numpy {np.__version__} is installed, >=99 is needed" in finding.found
    assert "no-such-package-here is missing" in finding.found and "safetensors" not in finding.found


@pytest.mark.parametrize(
    "body", ["raise RuntimeError('operator torchvision::nms does not exist')", "import os; os._exit(3)"]
)
def test_a_broken_torchvision_is_found_and_cured(tmp_path, monkeypatch, body):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(body + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = doctor.check_torchvision()
    assert not finding.ok and finding.cure == "pip uninstall torchvision"
    (package / "__init__.py").write_text("__version__ = '0.99'\n")
    assert doctor.check_torchvision() == doctor.Finding("torchvision", True, "0.99, not needed")


def test_a_workspace_that_lost_its_rights_is_found(tmp_path):
    Workspace(tmp_path)
    (tmp_path / "drafts").write_text("in the way")
    finding = doctor.check_workspace(tmp_path)
    assert not finding.ok and "--workspace" in finding.cure and "Error" not in finding.found
    assert [p.name for p in tmp_path.iterdir()] == ["drafts"]


def test_looking_leaves_no_traces(tmp_path):
    assert doctor.check_workspace(tmp_path).ok
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("name", ["model.sha256", "card.md"])
def test_a_checkpoint_changed_by_one_bit_is_found(checkpoint, name):
    assert "no digest noted" in doctor.check_checkpoint(checkpoint).found
    note(checkpoint, name)
    assert doctor.check_checkpoint(checkpoint).ok
    path = checkpoint / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    finding = doctor.check_checkpoint(checkpoint)
    assert not finding.ok and "was expected" in finding.found and str(path) in finding.cure


@pytest.mark.parametrize("keep", [0, 5, 100, 3000])
def test_a_truncated_checkpoint_without_a_note_is_found(checkpoint, keep):
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    finding = doctor.check_checkpoint(checkpoint)
    assert not finding.ok and "damaged" in finding.found and finding.cure


def test_a_missing_checkpoint_lists_those_that_are_there(tmp_path, monkeypatch, checkpoint):
    (tmp_path / "empty").mkdir()
    assert "has no model.safetensors" in doctor.check_checkpoint(tmp_path / "empty").found
    (tmp_path / "house" / "checkpoints").mkdir(parents=True)
    checkpoint.rename(tmp_path / "house" / "checkpoints" / "polyp-small")
    monkeypatch.setattr(doctor, "HOUSE", tmp_path / "house")
    assert doctor.check_checkpoint("polyp-small").ok
    finding = doctor.check_checkpoint("polyp-large")
    assert not finding.ok and "polyp-small" in finding.cure


def test_a_torch_that_does_not_load_is_a_finding(tmp_path):
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('libtorch_cpu.so: cannot open shared object file')\n")
    code = "from siamese import doctor\nprint(doctor.check_device())"
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=HOUSE, env=env, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("FAIL  device") and "torch does not load (libtorch_cpu.so" in run.stdout
    assert "force-reinstall" in run.stdout


def test_importing_the_doctor_loads_no_torch():
    code = (
        "import sys, siamese.doctor\nprint([m for m in ('torch', 'diffusers', 'gradio') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
