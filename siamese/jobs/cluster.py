"""Take it to my cluster: one zip with recipe, data, program and the scripts that train there, without Internet.

The same choice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from siamese import recipe as recipes
from siamese.atomic import beside
from siamese.errors import DatasetError, SiameseError, writing
from siamese.recipe import Recipe
from siamese.sections import Settings
from siamese.shipped import find

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "assets" / "cluster"
WHEN = (1980, 1, 1, 0, 0, 0)  # of every member
STORED = (".png", ".jpg", ".jpeg", ".webp", ".safetensors")  # do not shrink further
ABOUT_DATA = (
    "train.txt",
    "val.txt",
    "test.txt",
    "index.csv",
    "dataset.json",
)  # never key.csv: names of patients
OF_CHECKPOINT = ("model.safetensors", "view.json", "card.md")
NOT_THERE = ("gradio",)  # the page stays at home
DIGESTS = "data-digests.json"


@dataclass(frozen=True)
class Pack:
    """What to take along.

    Args:
        recipe: every setting. data: dataset folders, as `train --data` takes them.
        start: a shipped name or a folder of a checkpoint to start from. with_data: False: only its digests and path.
    """

    recipe: Recipe
    data: tuple[Path, ...]
    start: str | None = None
    with_data: bool = True


def pack(request: Pack, out: Path) -> Path:
    """Write the zip; atomic.

    Returns:
        `out`.

    Raises:
        DatasetError, CheckpointError, SiameseError: nothing is written.
        MachineError: disk full or folder not writable.
    """
    members = sorted(_members(request), key=lambda member: member[0])
    out = Path(out)
    with writing(out), beside(out, ".packing-") as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            _put(archive, name, content)
    return out


def toml(recipe: Recipe) -> str:
    """Every setting of a recipe as a TOML file.

    Raises:
        SiameseError: it could not be read back as it was.
    """
    flat, tables = [], []
    for name in type(recipe).model_fields:
        value = getattr(recipe, name)
        if isinstance(value, Settings):
            tables.append("\n".join(["", f"[{name}]", *_lines(value)]))
        else:
            flat += _line(recipe, name)
    text = "\n".join([*flat, *tables]) + "\n"
    if recipes.parse(tomllib.loads(text)) != recipe:
        raise SiameseError(
            f"The recipe {recipe.name} cannot be written as TOML; this is a fault of the program."
        )
    return text


def check_data(listing: Path, where: Path) -> int:
    """Are the data folders below `where` those whose digests were taken along?

    Returns:
        How many files were compared.

    Raises:
        DatasetError: files that are missing or differ.
    """
    wanted = json.loads(listing.read_text(encoding="utf-8"))
    problems, count = [], 0
    for folder in wanted:
        for name, digest in folder["files"].items():
            path, count = where / folder["name"] / name, count + 1
            if not path.is_file():
                problems.append(
                    f"{folder['name']}/{name} is missing; copy the data as it was when this was packed."
                )
            elif _sha256(path) != digest:
                problems.append(f"{folder['name']}/{name} is another file; copy the data as it was.")
    if problems:
        raise DatasetError(where, problems[:20])
    return count


def _members(request: Pack) -> Iterator[tuple[str, bytes | Path]]:
    """Names in the zip, and what they hold."""
    from siamese.data import dataset

    datasets = [dataset.read(folder) for folder in request.data]
    names = [folder.root.resolve().name for folder in datasets]
    if len(set(names)) < len(names) or not names:
        raise SiameseError(f"Choose one or more data folders with different names, not: {', '.join(names)}.")
    recipe, options = request.recipe, [f'--data "$DATA"/{shlex.quote(name)}' for name in names]
    if recipe.data.feature_net:
        net = Path(recipe.data.feature_net)
        if not net.is_file():
            raise SiameseError(
                f"data.feature_net {net} is not there; leave it out of the recipe, or name the file."
            )
        yield f"weights/{net.name}", net
        here = recipe.data.model_copy(update={"feature_net": f"weights/{net.name}"})
        recipe = recipe.model_copy(update={"data": here})
    if request.start:
        folder = find(request.start)
        label = folder.resolve().name
        yield from ((f"start/{label}/{n}", folder / n) for n in OF_CHECKPOINT if (folder / n).is_file())
        options.append(f"--start start/{shlex.quote(label)}")
    listing = []
    for name, found in zip(names, datasets, strict=True):
        paths = [path for case in found.cases for path in (case.image, case.mask)]
        paths += [path for about in ABOUT_DATA if (path := found.root / about).is_file()]
        if request.with_data:
            yield from ((f"data/{name}/{_inside(path, found.root)}", path) for path in paths)
        else:
            digests = {_inside(path, found.root): _sha256(path) for path in sorted(paths)}
            listing.append({"name": name, "path": str(found.root.resolve()), "files": digests})
    if listing:
        yield DIGESTS, json.dumps(listing, indent=1, ensure_ascii=False).encode()
    yield "recipe.toml", toml(recipe).encode()
    yield from _scripts(request, options)
    for path in (ROOT / "siamese").rglob("*.py"):
        yield path.relative_to(ROOT).as_posix(), path


def _scripts(request: Pack, options: list[str]) -> Iterator[tuple[str, bytes]]:
    parent = request.data[0].resolve().parent
    data = "data" if request.with_data else str(parent)
    check = "" if request.with_data else f'"$PYTHON" -m siamese jobs check-data {DIGESTS} "$DATA"'
    contents = (
        "data/" if request.with_data else f"{DIGESTS} (the data itself is not; DATA=its folder bash run.sh)"
    )
    words = {
        "@NAME@": request.recipe.name,
        "@DATA@": data.replace('"', "").replace("$", "").replace("`", ""),
        "@CHECK@": check,
        "@OPTIONS@": " ".join(options),
        "@CONTENTS@": contents,
    }
    for path in sorted(TEMPLATES.iterdir()):
        text = path.read_text(encoding="utf-8")
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        yield path.name, text.encode()
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    yield "requirements-train.txt", "".join(line for line in lines if not line.startswith(NOT_THERE)).encode()


def _lines(settings: Settings) -> list[str]:
    return [line for name in type(settings).model_fields for line in _line(settings, name)]


def _line(settings: Settings, name: str) -> list[str]:
    value = getattr(settings, name)
    if value is None and type(settings).model_fields[name].default is None:
        return []
    return [f"{name} = {recipes.toml_value(value)}"]


def _inside(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _put(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    member = zipfile.ZipInfo(name, WHEN)
    member.external_attr = (0o100755 if name.endswith((".sh", ".sbatch")) else 0o100644) << 16
    member.compress_type = zipfile.ZIP_STORED if name.lower().endswith(STORED) else zipfile.ZIP_DEFLATED
    member.create_system = 3  # as Unix writes it, on every system
    if isinstance(content, bytes):
        archive.writestr(member, content)
        return
    with content.open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
