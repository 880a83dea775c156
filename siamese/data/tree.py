"""The files below a folder, listed once: no links are followed, nothing outside is ever named."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from siamese.atomic import read_capped
from siamese.data.dataset import SUFFIXES
from siamese.errors import DatasetError

MOST = 200_000  # files
LARGEST_LIST = 256 << 20  # bytes of a JSON, CSV or text file
SPLIT = re.compile(
    r"(?:^|[_\- .])(?P<train>train|training|traindata|traindataset|trainset|train\d{4}|imagestr|labelstr)(?=$|[_\- .])"
    r"|(?:^|[_\- .])(?P<val>val|valid|validation|valdata|valdataset|valset|val\d{4})(?=$|[_\- .])"
    r"|(?:^|[_\- .])(?P<test>test|testing|testdata|testdataset|testset|test\d{4}|imagests|labelsts)(?=$|[_\- .])"
)


class Tree:
    """What lies below a folder.

    Args:
        root: the folder.

    Raises:
        DatasetError: no folder, or over 200,000 files.
    """

    def __init__(self, root: Path):
        self.root = root
        self.links = 0
        if not root.is_dir():
            raise DatasetError(root, ["there is no such folder or zip file; check the name."])
        self.files = tuple(sorted(PurePosixPath(name) for name in self._walk(root, "")))
        if len(self.files) > MOST:
            raise DatasetError(root, [f"it holds over {MOST} files; choose the folder of one dataset."])
        self.pictures = tuple(f for f in self.files if f.suffix.lower() in SUFFIXES)
        self.known = frozenset(self.files)

    def _walk(self, folder: Path, before: str) -> Iterator[str]:
        count = 0
        with os.scandir(folder) as inside:
            for item in inside:
                if item.name.startswith(".") or item.name == "__MACOSX":
                    continue
                if item.is_symlink():
                    self.links += 1
                elif item.is_dir(follow_symlinks=False):
                    yield from self._walk(Path(item.path), f"{before}{item.name}/")
                elif item.is_file(follow_symlinks=False):
                    count += 1
                    if count > MOST:
                        return
                    yield f"{before}{item.name}"

    def path(self, name: PurePosixPath) -> Path:
        """Where a listed file is."""
        return self.root.joinpath(*name.parts)

    def ending(self, *suffixes: str) -> list[PurePosixPath]:
        """The files with one of these endings, those nearest to the root first."""
        return sorted((f for f in self.files if f.suffix.lower() in suffixes), key=lambda f: len(f.parts))

    def text(self, name: PurePosixPath) -> str:
        """A text file's content.

        Raises:
            DatasetError: too large, or not readable.
        """
        try:
            return read_capped(self.path(name), LARGEST_LIST).decode("utf-8-sig", "replace")
        except (OSError, ValueError) as error:
            raise DatasetError(self.root, [f"{name} cannot be read ({error})."]) from None

    def json(self, name: PurePosixPath) -> object:
        """A JSON file's content, None where it is no JSON."""
        try:
            return json.loads(self.text(name))
        except (ValueError, RecursionError):
            return None

    def rows(self, name: PurePosixPath) -> list[dict[str, str]]:
        """A CSV file's rows, its column names in lower case; [] where it is none."""
        try:
            rows = csv.DictReader(self.text(name).splitlines())
            return [{str(k).strip().lower(): str(v or "").strip() for k, v in row.items()} for row in rows]
        except csv.Error:
            return []

    def resolve(self, said: str, near: PurePosixPath) -> PurePosixPath | None:
        """The file of this tree that a list beside `near` means: relative to its folder or one above, else None.

        Leading folders are dropped one by one: the release's paths start at a working directory that nobody has.
        """
        parts = [p for p in PurePosixPath(said.replace("\\", "/")).parts if p not in (".", "/")]
        if ".." in parts:
            return None
        for folder in (near.parent, *near.parent.parents):
            for start in range(len(parts)):
                found = folder.joinpath(*parts[start:])
                if found in self.known:
                    return found
        return None


def split_of(parts: tuple[str, ...]) -> str:
    """train, val, test as folder or file names say it, the innermost first; "" where none does."""
    for part in reversed(parts):
        found = SPLIT.search(part.lower())
        if found:
            return str(found.lastgroup)
    return ""
