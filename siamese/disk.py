"""What lies where in a workspace, how large it is, and how it is deleted with all that hangs on it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from siamese import lockfile
from siamese.atomic import remove_whole
from siamese.counted import counted
from siamese.errors import SiameseError
from siamese.library import Library
from siamese.provenance import Model, trained_on
from siamese.workspace import BACKGROUND, Workspace

Kind = Literal["drawing", "saved mask", "picture", "dataset", "run", "study", "export", "cache"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHARED: tuple[Kind, ...] = (  # of the whole workspace; the others are one person's
    "dataset",
    "run",
    "study",
    "export",
    "cache",
)
LOCKED = "links"  # what a study's folder has from its lock on
SET = "set/set.json"  # what a run that synthesized a set holds
DAMAGED = "damaged, cannot be opened"
OWN = re.compile(r"(.+)-[0-9a-f]{12}-own")  # what `Workspace.save_case` names a person's own dataset
REMEMBERS = "Deleting pictures does not make a model forget them"


@dataclass(frozen=True)
class Entry:
    """One thing that can be deleted.

    Args:
        id: opaque; what `delete` takes.
        kind: one of KINDS.
        title: what a person knows it by.
        path: relative to the workspace, with "/".
        bytes: size of all its files.
        made: seconds since 1970.
        shared: everybody at this workspace sees and may delete it.
        note: e.g. how many pictures; may be empty.
    """

    id: str
    kind: Kind
    title: str
    path: str
    bytes: int
    made: float
    shared: bool
    note: str = ""


@dataclass(frozen=True)
class Total:
    """Number and size of all entries of a kind."""

    kind: Kind
    count: int
    bytes: int


@dataclass(frozen=True)
class Deleted:
    """What a deletion takes with it, or took.

    Args:
        entry: the thing itself.
        along: in words, what goes with it.
        models: names of the models that were trained on it; they remain.
    """

    entry: Entry
    along: tuple[str, ...]
    models: tuple[str, ...]

    @property
    def warning(self) -> str:
        """The sentence about models that were trained on it; empty when there are none."""
        if not self.models:
            return ""
        return f"{REMEMBERS}: {', '.join(self.models)} {'was' if len(self.models) == 1 else 'were'} trained on it."


def entries(workspace: Workspace, owner: str) -> list[Entry]:
    """Everything in the workspace that `owner` may see: own drawings, masks, pictures; datasets, runs and so on of all.

    Returns:
        By kind as in KINDS, newest first within each.
    """
    found = [*_drawings(workspace, owner), *_masks(workspace, owner), *_pictures(workspace, owner)]
    found += [*_datasets(workspace), *_runs(workspace), *_studies(workspace), *_exports(workspace)]
    found += _cache(workspace)
    return sorted(found, key=lambda e: (KINDS.index(e.kind), -e.made, e.title))


def totals(found: Iterable[Entry]) -> list[Total]:
    """Number and size of each kind, in the order of KINDS; kinds without entries too."""
    listed = list(found)
    groups = [(kind, [e.bytes for e in listed if e.kind == kind]) for kind in KINDS]
    return [Total(kind, len(sizes), sum(sizes)) for kind, sizes in groups]


def look(workspace: Workspace, owner: str, entry_id: str) -> Deleted:
    """What deleting an entry would take with it; nothing is changed.

    Raises:
        SiameseError: no such entry of this person, or it is in use.
    """
    entry = _find(workspace, owner, entry_id)
    return _plan(workspace, entry)[0]


def delete(workspace: Workspace, owner: str, entry_id: str) -> Deleted:
    """Delete an entry with all that hangs on it; a crash leaves nothing half shown.

    Raises:
        SiameseError: no such entry of this person, or it is in use: nothing was deleted.
        MachineError: its folder cannot be written.
    """
    entry = _find(workspace, owner, entry_id)
    said, with_it = _plan(workspace, entry)
    path = workspace.root / entry.path
    for part in with_it:
        _remove(part)
    if entry.kind == "cache":
        for child in list(path.iterdir()):
            _remove(child)
    elif entry.kind == "drawing" and path.name != BACKGROUND:
        for revision in path.parent.glob("[0-9]*.png"):
            _remove(revision)
    else:
        _remove(path)
    return said


def _plan(workspace: Workspace, entry: Entry) -> tuple[Deleted, list[Path]]:
    """In words and as paths, what goes with an entry.

    Raises:
        SiameseError: it is in use.
    """
    path = workspace.root / entry.path
    if entry.kind == "run":
        if lockfile.held(path):
            raise SiameseError(f"The run {entry.title} is at work; stop it first, then delete it.")
        if (path / SET).is_file():
            return Deleted(
                entry, ("its pictures, their scores and what was decided of them", "its log"), ()
            ), []
        return Deleted(entry, ("its models", "its prepared training data and previews", "its log"), ()), []
    if entry.kind == "study":
        if (path / LOCKED).exists():
            raise SiameseError(
                f"The study {entry.title} is locked: it holds votes or waits for them, and votes are never deleted here. "
                "Back it up, then remove its folder by hand."
            )
        return Deleted(entry, ("its prepared pictures",), ()), []
    if entry.kind == "export":
        return Deleted(entry, ("its zip", "the key that leads from its names to yours"), ()), []
    if entry.kind == "picture":
        return Deleted(entry, ("its outline and how it was made",), ()), []
    if entry.kind != "dataset":
        return Deleted(entry, (), ()), []
    models = trained_on(path, workspace.runs)
    busy = [m.run for m in models if m.run and lockfile.held(workspace.runs / m.run)]
    if busy:
        raise SiameseError(
            f"The run {busy[0]} is training on {entry.title}; stop it first, then delete this."
        )
    prepared = _prepared(workspace, models)
    copies = list(_copies(workspace, path.name))
    along = []
    if prepared:
        size, where = _size_text(sum(size_of(p) for p in prepared)), {p.parent for p in prepared}
        along.append(f"training data and previews made from it in {counted(len(where), 'run')}, {size}")
    if copies:
        along.append(f"{counted(len(copies), 'copy', 'copies')} of its outlines among saved masks")
    return Deleted(entry, tuple(along), tuple(m.name for m in models)), [*prepared, *copies]


def _prepared(workspace: Workspace, models: list[Model]) -> list[Path]:
    """Folders inside runs that hold what was made from training pictures."""
    folders = [workspace.runs / m.run / name for m in models if m.run for name in ("cache", "previews")]
    return [folder for folder in folders if folder.is_dir()]


def _copies(workspace: Workspace, collection: str) -> Iterator[Path]:
    for folder in _visible(workspace.root / "masks"):
        library = Library(folder)
        yield from (library.folder / s.name for s in library.masks() if s.collection == collection)


def _find(workspace: Workspace, owner: str, entry_id: str) -> Entry:
    for entry in entries(workspace, owner):
        if entry.id == entry_id:
            return entry
    raise SiameseError("This is no longer there; the list has been read anew.")


def _drawings(workspace: Workspace, owner: str) -> Iterator[Entry]:
    folder = workspace.draft_folder(owner)
    revisions = [p for p in _visible(folder) if p.suffix == ".png" and p.stem.isdecimal()]
    if revisions:
        newest = max(revisions, key=lambda p: int(p.stem))
        yield _entry(workspace, "drawing", "The drawing on the page", newest)
    if (folder / BACKGROUND).is_file():
        yield _entry(workspace, "drawing", "The picture behind the drawing", folder / BACKGROUND)


def _masks(workspace: Workspace, owner: str) -> Iterator[Entry]:
    library = workspace.library(owner)
    found = {saved.name: saved for saved in library.masks()}
    for folder in _visible(library.folder):
        if saved := found.get(folder.name):
            note = f"{saved.area:.1%} of the picture"
            note += f", from {saved.collection}" if saved.collection else ""
            yield _entry(workspace, "saved mask", saved.title, folder, saved.made, note)
        else:
            yield _entry(workspace, "saved mask", folder.name, folder, note=DAMAGED)


def _pictures(workspace: Workspace, owner: str) -> Iterator[Entry]:
    gallery = workspace.gallery(owner)
    found = {picture.name: picture for picture in gallery.pictures()}
    for folder in _visible(gallery.folder):
        if picture := found.get(folder.name):
            note = "not judged" if picture.state == "new" else picture.state
            note += f": {picture.reason}" if picture.reason else ""
            note += ", favourite" if picture.favourite else ""
            yield _entry(workspace, "picture", picture.caption, folder, picture.made, note)
        else:
            yield _entry(workspace, "picture", folder.name, folder, note=DAMAGED)


def _datasets(workspace: Workspace) -> Iterator[Entry]:
    for folder in _visible(workspace.root / "datasets"):
        own = OWN.fullmatch(folder.name)
        whose = "" if own is None or own[1] == "default" else f" of {own[1]}"
        title = f"Own cases{whose}" if own else folder.name
        count = counted(len(_visible(folder / "images")), "picture")
        yield _entry(workspace, "dataset", title, folder, note=count)


def _runs(workspace: Workspace) -> Iterator[Entry]:
    for folder in _visible(workspace.root / "runs"):
        models = len(_visible(folder / "checkpoints"))
        note = "report" if (folder / "report.md").is_file() else ""
        if models:
            note = counted(models, "saved model")
        elif (folder / SET).is_file():
            note = f"set of {counted(len(_visible(folder / 'set' / 'images')), 'picture')}"
        yield _entry(
            workspace, "run", folder.name, folder, note="at work now" if lockfile.held(folder) else note
        )


def _studies(workspace: Workspace) -> Iterator[Entry]:
    for folder in _visible(workspace.root / "studies"):
        note = "locked: holds votes, or waits for them" if (folder / LOCKED).exists() else "draft"
        yield _entry(workspace, "study", folder.name, folder, note=note)


def _exports(workspace: Workspace) -> Iterator[Entry]:
    for folder in _visible(workspace.root / "exports"):
        yield _entry(
            workspace, "export", folder.name, folder, note="zip" if any(folder.glob("*.zip")) else ""
        )


def _cache(workspace: Workspace) -> Iterator[Entry]:
    folder = workspace.root / "cache"
    if _visible(folder):
        yield _entry(workspace, "cache", "The page's temporary files", folder, note="made again when needed")


def _entry(
    workspace: Workspace, kind: Kind, title: str, path: Path, made: float | None = None, note: str = ""
) -> Entry:
    relative = path.relative_to(workspace.root).as_posix()
    shown = hashlib.sha256(f"{kind}:{relative}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    if path.is_symlink():
        note = "a link: only the link is deleted"
    try:
        made = path.lstat().st_mtime if made is None else made
    except OSError:
        made = 0.0
    return Entry(shown, kind, title, relative, size_of(path), made, kind in SHARED, note)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links are not followed."""
    try:
        if path.is_symlink() or path.is_file():
            return path.lstat().st_size
        with os.scandir(path) as inside:
            return sum(
                size_of(Path(item.path)) if item.is_dir(follow_symlinks=False) else _bytes(item)
                for item in inside
            )
    except OSError:
        return 0


def _bytes(item: os.DirEntry) -> int:
    try:
        return item.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _size_text(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"


def _visible(folder: Path) -> list[Path]:
    try:
        return [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError:
        return []


def _remove(path: Path) -> None:
    try:
        remove_whole(path)
    except FileNotFoundError:
        return


def free(workspace: Workspace) -> int:
    """Bytes still free on the workspace's disk."""
    return shutil.disk_usage(workspace.root).free
