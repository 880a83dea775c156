"""Look at the machine and say what would stop the app, with cures. Never raises; torch is loaded inside."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from siamese.errors import SiameseError
from siamese.workspace import Workspace

HOUSE = Path(__file__).resolve().parents[1]
LEAST_FREE = 2 * 10**9  # bytes
REINSTALL = "pip install -r requirements.txt"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what, e.g. "disk".
        ok: nothing stands in the way.
        found: what is there, one sentence or less.
        cure: what to do when not ok, else empty.
    """

    name: str
    ok: bool
    found: str
    cure: str = ""

    def __str__(self) -> str:
        line = f"{'ok  ' if self.ok else 'FAIL'}  {self.name:<12} {self.found}"
        return line if self.ok else f"{line}\n{'':6}{'':<12} cure: {self.cure}"


def examine(workspace: Workspace | str | Path, checkpoint: str | Path) -> list[Finding]:
    """Check everything the app stands on; takes about ten seconds.

    Args:
        workspace: the workspace in use, or its folder.
        checkpoint: a folder, or a name under the shipped `checkpoints/`.

    Returns:
        The findings: python, packages, device, torchvision, workspace, disk, checkpoint.
    """
    root = workspace.root if isinstance(workspace, Workspace) else Path(workspace).expanduser().absolute()
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("python", check_python),
        ("packages", lambda: check_packages(HOUSE / "requirements.txt")),
        ("device", check_device),
        ("torchvision", check_torchvision),
        ("workspace", lambda: check_workspace(root)),
        ("disk", lambda: check_disk(root)),
        ("checkpoint", lambda: check_checkpoint(checkpoint)),
    ]
    return [_safely(name, check) for name, check in checks]


def check_python() -> Finding:
    """Python 3.11 or newer."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()} ({sys.executable})"
    return Finding(
        "python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer, then make app again"
    )


def check_packages(requirements: Path) -> Finding:
    """Every package of `requirements` installed in its range; all problems at once."""
    from packaging.requirements import Requirement

    lines = [line.split("#")[0].strip() for line in requirements.read_text("utf-8").splitlines()]
    versions, problems = [], []
    for wanted in (Requirement(line) for line in lines if line):
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{wanted.name} is missing")
            continue
        versions.append(f"{wanted.name} {version}")
        if not wanted.specifier.contains(version, prereleases=True):
            problems.append(f"{wanted.name} {version} is installed, {wanted.specifier} is needed")
    if problems:
        return Finding("packages", False, "; ".join(problems), REINSTALL)
    return Finding("packages", True, ", ".join(versions))


def check_device() -> Finding:
    """torch imports, and a two-second trial picks device and precision."""
    try:
        from siamese.diffusion.device import precision_name, trial_precision

        trial = trial_precision("auto", seconds=2.0)
    except (ImportError, OSError) as error:
        return Finding(
            "device", False, f"torch does not load ({_one_line(error)})", f"{REINSTALL} --force-reinstall"
        )
    except RuntimeError as error:
        cure = "update the driver, or hide the device and use the processor: CUDA_VISIBLE_DEVICES=-1"
        return Finding("device", False, f"the device fails at work ({_one_line(error)})", cure)
    if precision_name(trial.chosen) not in trial.milliseconds:
        cure = "update the driver, or hide the device and use the processor: CUDA_VISIBLE_DEVICES=-1"
        return Finding("device", False, f"{trial}: no format computes correctly", cure)
    return Finding("device", True, str(trial))


def check_torchvision() -> Finding:
    """Not installed, or installed and whole: diffusers imports it when it is there."""
    if importlib.util.find_spec("torchvision") is None:
        return Finding("torchvision", True, "not installed, and not needed")
    tried = subprocess.run(  # in a process of its own: a wrong build can bring the interpreter down
        [sys.executable, "-c", "import torchvision; print(torchvision.__version__)"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if tried.returncode:
        last = (tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"])[-1]
        return Finding(
            "torchvision", False, f"installed and broken ({last[:200]})", "pip uninstall torchvision"
        )
    return Finding("torchvision", True, f"{tried.stdout.strip()}, not needed")


def check_workspace(root: Path) -> Finding:
    """The workspace exists or can be made, and can be written."""
    try:
        made = Workspace(root)
        with tempfile.TemporaryFile(dir=made.drafts) as file:
            file.write(b"siamese")
    except SiameseError as error:
        return Finding("workspace", False, str(error), "choose a folder you may write to with --workspace")
    except OSError as error:
        cure = f"make {root / 'drafts'} writable for you, or choose another folder with --workspace"
        return Finding("workspace", False, f"{root} cannot be written ({_one_line(error)})", cure)
    return Finding("workspace", True, f"{root} can be written")


def check_disk(root: Path) -> Finding:
    """At least 2 GB free where the workspace lies."""
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:.1f} GB free at {there}"
    return Finding(
        "disk", free >= LEAST_FREE, found, "free at least 2 GB, or choose another disk with --workspace"
    )


def check_checkpoint(checkpoint: str | Path) -> Finding:
    """`model.safetensors` is there, whole, and the one its note says (`model.sha256`, else the card)."""
    folder = next((f for f in (Path(checkpoint), HOUSE / "checkpoints" / checkpoint) if f.is_dir()), None)
    if folder is None:
        there = sorted(p.parent.name for p in (HOUSE / "checkpoints").glob("*/model.safetensors"))
        cure = (
            f"choose one of: {', '.join(there)}"
            if there
            else "clone again: the shipped checkpoints are missing"
        )
        return Finding("checkpoint", False, f"there is no checkpoint {checkpoint}", cure)
    path = folder / "model.safetensors"
    again = f"copy {path} again from its source (in a clone: git checkout -- {path.name} in its folder)"
    if not path.is_file():
        return Finding("checkpoint", False, f"{folder} has no model.safetensors", again)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = _noted_digest(folder)
    if expected and expected != digest:
        return Finding(
            "checkpoint", False, f"{path} has sha256 {digest[:12]}…, {expected[:12]}… was expected", again
        )
    damage = _safetensors_damage(path)
    if damage:
        return Finding("checkpoint", False, f"{path} is damaged ({damage})", again)
    found = f"{folder.name}, {path.stat().st_size / 1e6:.1f} MB, sha256 {digest[:12]}…"
    return Finding("checkpoint", True, f"{found} {'as noted' if expected else '(no digest noted beside it)'}")


def _noted_digest(folder: Path) -> str | None:
    for name in ("model.sha256", "card.md"):
        note = folder / name
        found = (
            re.search(r"\b[0-9a-fA-F]{64}\b", note.read_text("utf-8", "replace")) if note.is_file() else None
        )
        if found:
            return found.group().lower()
    return None


def _safetensors_damage(path: Path) -> str | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return None
    except (SafetensorError, OSError) as error:
        return _one_line(error)


def _safely(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  a doctor who faints helps nobody: what is unforeseen is a finding too
        found = f"could not be examined ({type(error).__name__}: {_one_line(error)})"
        return Finding(name, False, found, f"{REINSTALL}; if that does not help, report this line")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
