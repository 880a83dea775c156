"""A run that was trained elsewhere comes home: wrapped there, checked and listed here."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from siamese.atomic import beside
from siamese.errors import RecipeError, SiameseError, writing
from siamese.jobs.jobs import Job
from siamese.jobs.request import Request
from siamese.recipe import parse_json
from siamese.shipped import LONGEST_HEADER
from siamese.workspace import Workspace

WEIGHTS = r"checkpoints/[a-z]+-\d{7}/(model|state)\.safetensors"
KNOWN: dict[str, int] = {  # pattern of a file's path in the run folder -> largest size, bytes
    r"recipe\.json|precision\.txt|watch\.json": 1 << 20,
    r"data\.json": 64 << 20,
    r"events\.jsonl": 512 << 20,
    r"log\.txt": 64 << 20,
    r"previews/[\w.-]+\.png": 64 << 20,
    r"(tensorboard/)?events\.out\.tfevents\.[\w.-]+": 512 << 20,
    WEIGHTS: 64 << 30,
}
MOST_FILES = 20_000
BOMB = 1000  # times its own size that a member may unfold to


@dataclass(frozen=True)
class _Source:
    """One file on its way: path in the run folder, size in bytes, how to open it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def bring_back(source: Path, workspace: Workspace, name: str = "") -> Job:
    """Put a run that was trained elsewhere among the runs; files that are no part of a run are left out.

    Args:
        source: a zip (`bash back.sh`, or the run folder zipped by hand), or the folder itself.
        name: what to call it; else the recipe's name.

    Raises:
        SiameseError: no run, damaged or unsafe; nothing is left in the workspace.
        MachineError: disk full or folder not writable.
    """
    source = Path(source)
    if source.is_dir():
        return _adopt(_of_folder(source), workspace, name, source)
    try:
        with zipfile.ZipFile(source) as archive:
            return _adopt(_of_zip(archive, source), workspace, name, source)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:  # damaged, or encrypted
        raise SiameseError(
            f"{source.name} cannot be read as a zip ({error}); make it again with back.sh."
        ) from error
    except FileNotFoundError as error:
        raise SiameseError(f"There is no {source}; name run.zip or the run folder.") from error


def wrap(folder: Path, out: Path) -> Path:
    """Put what is worth taking home of a run folder into a zip; atomic.

    Raises:
        SiameseError: no run folder. MachineError: disk full or folder not writable.
    """
    found, out = _of_folder(Path(folder)), Path(out)
    with (
        writing(out),
        beside(out, ".packing-") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for entry in found:
            member = zipfile.ZipInfo(entry.name)
            stored = entry.name.endswith((".png", ".safetensors"))
            member.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            with entry.open() as data, archive.open(member, "w", force_zip64=True) as target:
                shutil.copyfileobj(data, target, 1 << 20)
    return out


def _of_folder(root: Path) -> list[_Source]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not (Path(folder) / name).is_symlink()]
        for file in files:
            path = Path(folder) / file
            if _limit(name := path.relative_to(root).as_posix()) and stat.S_ISREG(path.lstat().st_mode):
                found.append(_Source(name, path.stat().st_size, _opener(path)))
    return _complete(sorted(found, key=lambda entry: entry.name), root)


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _of_zip(archive: zipfile.ZipFile, source: Path) -> list[_Source]:
    members = archive.infolist()
    if len(members) > MOST_FILES:
        raise SiameseError(f"{source.name} holds {len(members)} files; a run has at most {MOST_FILES}.")
    roots = [
        PurePosixPath(m.filename).parent for m in members if PurePosixPath(m.filename).name == "recipe.json"
    ]
    root = min(roots, key=lambda folder: len(folder.parts), default=PurePosixPath("."))
    found = []
    for member in members:
        path = PurePosixPath(member.filename)
        kind = member.external_attr >> 16
        if ".." in path.parts or path.is_absolute() or "\\" in member.filename or stat.S_ISLNK(kind):
            raise SiameseError(
                f"{source.name} holds the path {member.filename[:80]!r}, which no run has; it was refused."
            )
        if (
            member.is_dir()
            or not path.is_relative_to(root)
            or not _limit(name := str(path.relative_to(root)))
        ):
            continue
        if member.file_size > 1 << 20 and member.file_size > BOMB * max(1, member.compress_size):
            raise SiameseError(
                f"{name} in {source.name} would unfold to {member.file_size / 1e9:.1f} GB; it was refused."
            )
        found.append(_Source(name, member.file_size, lambda member=member: archive.open(member)))
    return _complete(found, source)


def _limit(name: str) -> int:
    """Largest size of a file of a run, bytes; 0: no file of a run."""
    return next((most for pattern, most in KNOWN.items() if re.fullmatch(pattern, name)), 0)


def _complete(found: list[_Source], source: Path) -> list[_Source]:
    names = [entry.name for entry in found]
    if "recipe.json" not in names or not any(name.endswith("model.safetensors") for name in names):
        raise SiameseError(
            f"{source.name} is no run of a training: recipe.json and checkpoints/ with model.safetensors were "
            "expected. Choose the run.zip that back.sh made, or the run folder."
        )
    if len(set(names)) < len(names):
        raise SiameseError(f"{source.name} holds one file twice; zip the run folder again.")
    for entry in found:
        if entry.size > _limit(entry.name):
            raise SiameseError(
                f"{entry.name} in {source.name} has {entry.size / 1e6:.0f} MB, more than a run's has."
            )
    return found


def _adopt(found: list[_Source], workspace: Workspace, name: str, source: Path) -> Job:
    runs = workspace.runs
    free = shutil.disk_usage(runs).free
    needed = sum(entry.size for entry in found)
    if needed > free:
        raise SiameseError(
            f"{source.name} needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; free some space."
        )
    with writing(runs):
        making = Path(tempfile.mkdtemp(prefix=".adding-", dir=runs))
        try:
            for entry in found:
                _copy(entry, making / entry.name)
            recipe = _check(making, source)
            shown = name or recipe
            asked = Request("train", (), shown, created=time.time(), shell=True)
            asked.write(making)
            return _place(making, runs, shown, asked)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise


def _place(making: Path, runs: Path, name: str, asked: Request) -> Job:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "run"
    folder = runs / f"{time.strftime('%Y%m%d-%H%M%S')}_train_{slug}"
    if folder.exists():
        folder = folder.with_name(f"{folder.name}-{secrets.token_hex(2)}")
    making.rename(folder)
    return Job(folder, asked)


def _copy(entry: _Source, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    left = entry.size
    with entry.open() as source, path.open("xb") as target:
        while data := source.read(1 << 20):
            left -= len(data)
            if left < 0:
                raise SiameseError(f"{entry.name} is larger than it says; it was refused.")
            target.write(data)


def _check(folder: Path, source: Path) -> str:
    """Are the files what their names say? Returns the recipe's name."""
    recipe = parse_json(
        (folder / "recipe.json").read_text("utf-8", "replace"), f"recipe.json of {source.name}"
    )
    for path in folder.rglob("*.safetensors"):
        if problem := _damage(path):
            raise SiameseError(f"{path.relative_to(folder)} of {source.name} {problem}; wrap the run again.")
    for path in folder.rglob("*.png"):
        with path.open("rb") as file:
            if file.read(8) != b"\x89PNG\r\n\x1a\n":
                path.unlink()
    weights = next(path for path in sorted(folder.rglob("model.safetensors")))
    said = _metadata(weights)
    if not {"recipe", "segmenter"} & said.keys():
        raise RecipeError(
            f"{weights.relative_to(folder)} of {source.name} carries no recipe; it is no model of ours."
        )
    return recipe.name


def _metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header.get("__metadata__") or {}


def _damage(path: Path) -> str:
    """What is wrong with a safetensors file, by its header alone; empty: nothing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            return "is no safetensors file"
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            if not isinstance(header.get("__metadata__", {}), dict):
                return "is no safetensors file"
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError, IndexError):
            return "is no safetensors file"
    if not ends or not all(isinstance(end, int) for end in ends) or max(ends) + 8 + length != size:
        return "is not complete"
    return ""
