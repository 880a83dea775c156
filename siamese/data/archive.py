"""A zip from somewhere else, unpacked with suspicion: only what a dataset is made of, only into one folder."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from siamese.data.dataset import SUFFIXES
from siamese.errors import DatasetError, writing
from siamese.events import Progress

WANTED = (*SUFFIXES, ".json", ".jsonl", ".csv", ".txt")
MOST_MEMBERS = 200_000
LARGEST_MEMBER = 1 << 30  # bytes
LARGEST = 100 << 30  # bytes, unpacked
RATIO, RATIO_FROM = 200, 256 << 20  # unpacked to packed, looked at from so many bytes on
DEEPEST = 24  # folders
PIECE = 1 << 20
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file's name on Windows


def unpack(archive: Path, into: Path) -> Iterator[Progress]:
    """Unpack the pictures, masks and lists of `archive` below the empty folder `into`.

    Raises:
        DatasetError: no zip, damaged, encrypted, too large, or with members that point elsewhere: nothing is used.
        MachineError: disk full.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = _checked(archive, file, into)
            for done, (member, name) in enumerate(members, 1):
                target = into.joinpath(*name.parts)
                with writing(into):
                    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    with file.open(member) as source, target.open("xb") as sink:
                        shutil.copyfileobj(source, sink, PIECE)  # zipfile stops at the announced size
                if done % 20 == 0 or done == len(members):
                    yield Progress("unpack", done, len(members))
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        FileExistsError,
        UnicodeError,
    ) as error:
        raise DatasetError(
            archive, [f"it is damaged or no zip file ({error}); copy or pack it again."]
        ) from None


def _checked(archive: Path, file: zipfile.ZipFile, into: Path) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The members to unpack with their names; DatasetError for an archive that no honest program packs."""
    members = file.infolist()
    if len(members) > MOST_MEMBERS:
        raise DatasetError(archive, [f"it holds {len(members)} files; at most {MOST_MEMBERS} are read."])
    problems, chosen, seen = set(), [], set()
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        kind = stat.S_IFMT(member.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or ":" in str(name) or "\0" in member.orig_filename:
            problems.add("it holds paths that lead out of it (absolute, or with “..”); pack it again.")
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            problems.add("it holds links or devices; pack it again with the files themselves.")
        elif member.flag_bits & 1:
            problems.add("it is encrypted; unpack it and choose the folder.")
        elif member.is_dir() or "__MACOSX" in name.parts or any(p.startswith(".") for p in name.parts):
            continue
        elif len(name.parts) > DEEPEST or any(
            len(p.encode()) > 200 or RESERVED.fullmatch(p) for p in name.parts
        ):
            problems.add("it holds names that not every system can store; rename them.")
        elif name.suffix.lower() in WANTED:
            if str(name).casefold() in seen:
                problems.add("two of its files have the same name; pack it again.")
            seen.add(str(name).casefold())
            chosen.append((member, name))
    size, packed = (sum(getattr(m, what) for m, _ in chosen) for what in ("file_size", "compress_size"))
    if size > LARGEST or any(m.file_size > LARGEST_MEMBER for m, _ in chosen):
        problems.add(f"it unpacks to {size / 2**30:.0f} GB; at most 100 GB, and 1 GB a file, are read.")
    elif size > RATIO_FROM and size > RATIO * packed:
        problems.add("it unpacks to over 200 times its size, as traps do; unpack it yourself and look.")
    elif size > shutil.disk_usage(into).free:
        problems.add(f"it unpacks to {size / 2**30:.1f} GB, and the disk has less; free some space first.")
    if problems:
        raise DatasetError(archive, sorted(problems))
    return chosen
