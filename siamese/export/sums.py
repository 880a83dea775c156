"""`SHA256SUMS`: one line a file, as `sha256sum --check` reads it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from siamese.errors import AugmentError, writing
from siamese.events import Progress

FILE = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write(folder: Path) -> Iterator[Progress]:
    """Write the sums of every file below `folder`, sorted by path."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = []
    for done, name in enumerate(names, 1):
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
        if done % 200 == 0 or done == len(names):
            yield Progress("sums", done, len(names))
    with writing(folder):
        (folder / FILE).write_bytes("".join(lines).encode())


def read(data: bytes) -> dict[str, str]:
    """Path → sha256.

    Raises:
        AugmentError: a line that is none, or a path that stands there twice.
    """
    found: dict[str, str] = {}
    for number, text in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        match = LINE.fullmatch(text)
        if match is None and text:
            raise AugmentError(f"Line {number} of {FILE} is damaged; export the set again.")
        if match and match[2] in found:
            raise AugmentError(f"{FILE} names {match[2]} twice; export the set again.")
        if match:
            found[match[2]] = match[1]
    return found
