"""An export as files: a folder or a zip, read with the same suspicion; and the zip that is the same for the same files.

Our zips are stored, not packed (a PNG does not shrink), so a zip that unpacks to more than it holds is none of ours.
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from siamese.atomic import beside
from siamese.counted import counted
from siamese.data.archive import DEEPEST, MOST_MEMBERS, PIECE, RESERVED
from siamese.errors import AugmentError, writing
from siamese.events import Progress

WHEN = (1980, 1, 1, 0, 0, 0)
LARGEST = 1 << 30  # bytes of one file


class Files:
    """The files of an export by their path inside it, "/" between parts.

    Args:
        sizes: path → bytes. problems: sentences about what may not be there: links, paths that lead out, duplicates.
    """

    def __init__(self, where: Path, sizes: dict[str, int], problems: list[str]):
        self.where, self.sizes, self.problems = where, sizes, problems

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            AugmentError: not there, larger than 1 GB, or damaged.
        """
        with self.stream(name) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise AugmentError(f"{name} has over 1 GB, which no picture or list of an export has; look at it.")
        return data

    @contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """A file, opened; can be read from any place.

        Raises:
            AugmentError: not there, or damaged, while it is read too.
        """
        if name not in self.sizes:
            raise AugmentError(f"{name} is missing; export the set again.")
        try:
            with self._open(name) as file:
                yield file
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise AugmentError(f"{name} cannot be read ({error}); copy the export again.") from None

    def _open(self, name: str) -> IO[bytes]:
        return (self.where / name).open("rb")


class _Zipped(Files):
    def __init__(self, where: Path, archive: zipfile.ZipFile, sizes: dict[str, int], problems: list[str]):
        super().__init__(where, sizes, problems)
        self._archive = archive

    def _open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


@contextmanager
def opened(where: Path) -> Iterator[Files]:
    """The files of an export's folder or zip, to be read one by one; nothing is unpacked.

    Raises:
        AugmentError: neither, or no zip that can be opened.
    """
    if where.is_dir():
        yield _folder(where)
        return
    if not where.is_file():
        raise AugmentError(f"There is nothing at {where}; name the folder or the zip of an export.")
    try:
        archive = zipfile.ZipFile(where)
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeError) as error:
        raise AugmentError(f"{where} is damaged or no zip file ({error}); copy it again.") from None
    with archive:
        yield _zip(where, archive)


def pack(folder: Path, target: Path) -> Iterator[Progress]:
    """Write the files of `folder` into the zip `target`: the same files give the same bytes, on every system.

    Raises:
        AugmentError: `target` is there already, or the folder holds links.
        MachineError: disk full or folder not writable; nothing is left.
    """
    if target.exists():
        raise AugmentError(f"{target} is there already; choose another name, or move it away first.")
    files = _folder(folder)
    if files.problems:
        raise AugmentError(f"{folder} cannot be packed: " + " ".join(files.problems))
    with (
        writing(target),
        beside(target, ".writing-", durable=True) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for done, name in enumerate(sorted(files.sizes), 1):
            member = zipfile.ZipInfo(name, WHEN)
            member.create_system, member.external_attr = 3, 0o100644 << 16
            member.file_size = files.sizes[name]  # decides on zip64 before anything is written
            with (folder / name).open("rb") as source, archive.open(member, "w") as sink:
                shutil.copyfileobj(source, sink, PIECE)
            if done % 50 == 0 or done == len(files.sizes):
                yield Progress("zip", done, len(files.sizes))
    target.chmod(0o644)


def _folder(root: Path) -> Files:
    sizes: dict[str, int] = {}
    problems: set[str] = set()
    for parent, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(parent, name)
            inside = path.relative_to(root).as_posix()
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                sizes[inside] = found.st_size
            elif not stat.S_ISDIR(found.st_mode):
                problems.add(f"{inside} is a link or a device; put the file itself there.")
            if _unsafe(PurePosixPath(inside)):
                problems.add(f"{inside!r} is a name that not every system can store; rename it.")
    return Files(root, sizes, sorted(problems))


def _zip(where: Path, archive: zipfile.ZipFile) -> Files:
    members, problems, sizes = archive.infolist(), set(), {}
    if len(members) > MOST_MEMBERS:
        raise AugmentError(f"{where} holds {len(members)} files; at most {MOST_MEMBERS} are read.")
    total = sum(member.file_size for member in members)
    if total > where.stat().st_size:
        raise AugmentError(
            f"{where} unpacks to {total / 2**20:.0f} MB from {where.stat().st_size / 2**20:.0f} MB, as traps do; "
            "our zips hold their files as they are. Nothing of it was read."
        )
    for member in members:
        name = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        shown = repr(member.filename[:100])
        if name.is_absolute() or ".." in name.parts or "\\" in member.orig_filename or _unsafe(name):
            problems.add(f"{shown} is a path that leads out or that not every system can store.")
        elif kind not in (0, stat.S_IFREG):
            problems.add(f"{shown} is a link, a folder or a device; an export's zip holds files alone.")
        elif member.flag_bits & 1 or member.compress_type != zipfile.ZIP_STORED:
            problems.add(f"{shown} is packed or encrypted; an export's zip stores its files as they are.")
        else:
            sizes[member.filename] = member.file_size
    twice = [name for name, times in Counter(m.filename.casefold() for m in members).items() if times > 1]
    if twice:
        named = ", ".join(sorted(twice)[:3])
        problems.add(f"{counted(len(twice), 'file is', 'files are')} in it twice ({named}).")
    return _Zipped(where, archive, sizes, sorted(problems))


def _unsafe(name: PurePosixPath) -> bool:
    return len(name.parts) > DEEPEST or any(
        ":" in part or "\0" in part or len(part.encode()) > 200 or RESERVED.fullmatch(part) for part in name.parts
    )
