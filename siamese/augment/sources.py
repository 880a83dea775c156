"""The masks that a plan uses: of datasets' train splits, the studio's library, a folder or zip, or the examples."""

from __future__ import annotations

import csv
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from siamese.augment.item import Source
from siamese.augment.plan import Plan
from siamese.counted import counted
from siamese.data import archive, dataset
from siamese.data.importing import KEY
from siamese.data.lists import GROUPS
from siamese.data.tree import Tree
from siamese.errors import AugmentError, DatasetError, MaskError
from siamese.masks.likeness import Limits, limits_of
from siamese.masks.mask import Mask, read_labels
from siamese.masks.redraw import within
from siamese.shipped import SHIPPED
from siamese.workspace import Workspace

EXAMPLES = SHIPPED.parent / "assets" / "masks"
MOST_NAMED = 20  # in one message
PRIVATE = 4 * 1024 * 1024  # bytes of a list of patients
THRESHOLDED = ("grey mask", "colour mask", "16-bit mask", "mask with transparency")


class SourceMask:
    """A mask that lends itself, kept packed: a set of thousands fits in memory.

    Args:
        source: where it comes from. labels: (H,W) uint8; longer side at most 1024.
    """

    def __init__(self, source: Source, labels: np.ndarray):
        self.source = source
        self._shape: tuple[int, int] = labels.shape
        self._packed = zlib.compress(np.ascontiguousarray(labels).tobytes(), 1)

    @property
    def labels(self) -> np.ndarray:
        """(H,W) uint8, read-only."""
        return np.frombuffer(zlib.decompress(self._packed), np.uint8).reshape(self._shape)

    def __repr__(self) -> str:
        return f"SourceMask({self.source.dataset or self.source.kind}, {self.source.stem!r})"


@dataclass(frozen=True)
class Sources:
    """All masks of a plan.

    Args:
        masks: in a fixed order. limits: what they look like. roots: folders of the datasets they come from.
        notes: sentences for the user about what was left out or changed. classes: names of the labels 1..K of label
            pictures, () where all masks are black and white.
    """

    masks: tuple[SourceMask, ...]
    limits: Limits
    roots: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def read(plan: Plan, workspace_root: Path | None) -> Sources:
    """Read the masks that a plan names.

    Args:
        workspace_root: where names of datasets and the library are looked for; None: folders only.

    Raises:
        AugmentError: nothing there, or every unreadable mask of a dataset at once. Of a folder, a zip or the library,
            unreadable ones are left out and named in `notes`, unless none is left.
    """
    wanted = plan.masks
    notes: list[str] = []
    roots: tuple[Path, ...] = ()
    classes: tuple[str, ...] = ()
    if wanted.source == "dataset":
        roots = tuple(dict.fromkeys(dataset_root(name, workspace_root) for name in wanted.where))
        read_all = [_of_dataset(root) for root in roots]
        masks = [mask for some, _ in read_all for mask in some]
        classes = _one_list(read_all, roots)
    elif wanted.source == "library":
        masks = _of_library(wanted.owner, wanted.where, workspace_root, notes)
    elif wanted.source == "folder":
        masks = _of_folder(Path(wanted.where[0]).expanduser(), notes)
    else:
        masks = _of_files(
            "examples", EXAMPLES, [PurePosixPath(p.name) for p in EXAMPLES.glob("*.png")], notes
        )
    masks = _without(masks, plan, notes)
    if not masks:
        raise AugmentError("No mask was found; " + _CURES[wanted.source] + (" " + " ".join(notes)).rstrip())
    limits = limits_of(mask.labels for mask in masks)
    return Sources(tuple(masks), limits, roots, tuple(notes), classes)


def _without(masks: list[SourceMask], plan: Plan, notes: list[str]) -> list[SourceMask]:
    """The masks that the plan does not leave out."""
    names = {name for m in masks for name in (m.source.stem, f"{m.source.dataset}/{m.source.stem}")}
    strangers = [name for name in plan.masks.without if name not in names]
    if strangers:
        notes.append(f"masks.without names what no mask is called: {', '.join(_some(strangers))}.")
    kept = [m for m in masks if not plan.masks.leaves_out(m.source.dataset, m.source.stem)]
    if len(kept) < len(masks):
        notes.append(f"{counted(len(masks) - len(kept), 'mask')} left out, as masks.without says.")
    return kept


_CURES = {
    "dataset": "put cases on the dataset's train.txt.",
    "library": "save an outline in the studio first, or name another collection.",
    "folder": "put mask files (PNG, white on black) into the folder.",
    "examples": "assets/masks came with the app and is gone; install the app again.",
}


def dataset_root(name: str, workspace_root: Path | None) -> Path:
    """The folder of a dataset: of this name in the workspace's `datasets`, else a path.

    Raises:
        AugmentError: neither is there.
    """
    shelf = workspace_root / "datasets" if workspace_root is not None else None
    if shelf is not None and name == Path(name).name and not name.startswith(".") and _is_dir(shelf / name):
        return (shelf / name).resolve()
    if _is_dir(Path(name).expanduser()):
        return Path(name).expanduser().resolve()
    known = (
        sorted(p.name for p in shelf.iterdir() if p.is_dir()) if shelf is not None and shelf.is_dir() else []
    )
    known = [name for name in known if not name.startswith(".")]
    raise AugmentError(
        f"There is no dataset {name!r}: no folder of this path"
        + (
            f", and the workspace holds {', '.join(known[:MOST_NAMED]) or 'none'}"
            if shelf is not None
            else ""
        )
        + "; name one of them, or import yours with `python -m siamese data import`."
    )


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # ValueError: a NUL inside the name
        return False


def _of_dataset(root: Path) -> tuple[list[SourceMask], tuple[str, ...]]:
    try:
        found = dataset.read(root, "train")
    except DatasetError as error:
        raise AugmentError(f"The masks cannot be used. {error}") from error
    name, groups = root.name, groups_of(root)
    masks, problems = [], []
    for case in found.cases:
        try:
            if found.classes:
                mask = Mask(read_labels(case.mask, len(found.classes)))
            else:
                mask = Mask.read(case.mask)
        except (MaskError, OSError) as error:
            problems.append(str(error))
            continue
        masks.append(
            SourceMask(
                Source("dataset", name, case.stem, mask.digest, group=groups.get(case.stem, "")),
                within(mask.labels),
            )
        )
    if problems:
        raise AugmentError(
            f"{counted(len(problems), 'mask')} of {root} cannot be read; mend them, or take them off train.txt."
            + _listed(problems)
        )
    return masks, found.classes


def _one_list(
    found: list[tuple[list[SourceMask], tuple[str, ...]]], roots: tuple[Path, ...]
) -> tuple[str, ...]:
    """The classes of all datasets; AugmentError where they differ: label 1 would mean two things."""
    lists = {classes: root.name for (_, classes), root in zip(found, roots, strict=True)}
    if len(lists) > 1:
        told = "; ".join(
            f"{name}: {', '.join(classes) or 'black and white'}" for classes, name in lists.items()
        )
        raise AugmentError(f"The datasets' masks have different classes ({told}); make one set of each.")
    return next(iter(lists), ())


def groups_of(root: Path) -> dict[str, str]:
    """Stem → patient or the like, from the key of an import or a column of index.csv; only those that are known."""
    for name, stem, columns in ((KEY, "id", ("group",)), ("index.csv", "stem", GROUPS)):
        path = root / name
        if not path.is_file() or path.stat().st_size > PRIVATE:
            continue
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.DictReader(file)
            column = next((c for c in columns if c in (rows.fieldnames or ())), None)
            if column is not None and stem in (rows.fieldnames or ()):
                found = {row[stem]: row[column] for row in rows if row[stem] and row[column]}
                if found:
                    return found
    return {}


def _of_library(
    owner: str, collections: tuple[str, ...], workspace_root: Path | None, notes: list[str]
) -> list[SourceMask]:
    if workspace_root is None:
        raise AugmentError("The library lies in the workspace; name it with --workspace.")
    library = Workspace(workspace_root).library(owner)
    saved = library.masks()
    strangers = sorted(set(collections) - {one.collection for one in saved})
    if strangers:
        known = ", ".join(sorted({one.collection or "(own outlines)" for one in saved})) or "nothing yet"
        raise AugmentError(
            f"The library of {owner} has no collection {', '.join(map(repr, strangers))}; it holds {known}."
        )
    chosen = sorted(
        (one for one in saved if not collections or one.collection in collections), key=lambda o: o.name
    )
    return _masks(
        "library",
        [(one.name, one.title, partial(library.get, one.name)) for one in chosen],
        "saved outlines",
        notes,
    )


def _of_folder(where: Path, notes: list[str]) -> list[SourceMask]:
    if where.is_dir():
        return _of_tree(where, notes)
    if not where.is_file():
        raise AugmentError(f"There is no folder or zip {where}; check the name.")
    with tempfile.TemporaryDirectory(prefix="masks-") as folder:
        try:
            for _ in archive.unpack(where, Path(folder)):
                pass
        except DatasetError as error:
            raise AugmentError(
                f"{where} cannot be used as a zip of masks: {' '.join(error.problems)}"
            ) from error
        return _of_tree(Path(folder), notes)


def _of_tree(root: Path, notes: list[str]) -> list[SourceMask]:
    try:
        tree = Tree(root)
    except DatasetError as error:
        raise AugmentError(str(error)) from error
    tops = {file.parts[0].lower() for file in tree.pictures if len(file.parts) > 1}
    if {"images", "masks"} <= tops:
        raise AugmentError(
            f"{root} holds images and masks: it is a dataset. Set masks.source to dataset, so that its test cases stay "
            "out, or name its folder of masks."
        )
    others = len(tree.files) - len(tree.pictures)
    if others:
        notes.append(f"{counted(others, 'file that is', 'files that are')} no picture left out.")
    if tree.links:
        notes.append(f"{counted(tree.links, 'link')} not followed.")
    return _of_files("folder", root, list(tree.pictures), notes)


def _of_files(kind: str, root: Path, files: list[PurePosixPath], notes: list[str]) -> list[SourceMask]:
    names = Counter(str(file.with_suffix("")) for file in files)
    wanted = []
    for file in sorted(files):
        name = str(file.with_suffix(""))
        stem = name if names[name] == 1 else str(file)
        wanted.append((stem, str(file), partial(Mask.read, root.joinpath(*file.parts))))
    return _masks(kind, wanted, "mask files", notes)


def _masks(
    kind: str, wanted: list[tuple[str, str, Callable[[], Mask]]], what: str, notes: list[str]
) -> list[SourceMask]:
    """Read (stem, name for messages, how) each; what cannot be read is left out and named."""
    masks, problems, changed = [], [], []
    for stem, shown, get in wanted:
        try:
            mask = get()
        except (MaskError, OSError) as error:
            problems.append(f"{shown}: {error}")
            continue
        if any(note.startswith(THRESHOLDED) for note in mask.notes):
            changed.append(shown)
        masks.append(SourceMask(Source(kind, "", stem, mask.digest), within(mask.labels)))
    if problems and not masks:
        raise AugmentError(f"None of the {len(problems)} {what} can be read." + _listed(problems))
    if problems:
        notes.append(
            f"{len(problems)} of {len(wanted)} {what} left out, for they cannot be read." + _listed(problems)
        )
    if changed:
        notes.append(
            f"{len(changed)} of {len(wanted)} {what} are not black and white; what is brighter than half counts as "
            f"lesion: {', '.join(_some(changed))}."
        )
    return masks


def _some(names: list[str]) -> Iterator[str]:
    yield from names[:MOST_NAMED]
    if len(names) > MOST_NAMED:
        yield f"and {len(names) - MOST_NAMED} more"


def _listed(problems: list[str]) -> str:
    return "".join(f"\n  - {problem}" for problem in _some(problems))
