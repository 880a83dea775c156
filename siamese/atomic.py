"""What appears and vanishes whole: files, and folders of files. A crash leaves nothing half shown."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Generic, TypeVar

from siamese.errors import MachineError, SiameseError, writing

STALE = 24 * 3600  # seconds after which what somebody was writing counts as left by a crash
LARGEST = 64 * 1024 * 1024  # bytes of one file of an entry
T = TypeVar("T")


def write_atomically(path: str | Path, data: bytes, durable: bool = True) -> None:
    """Put `data` at `path` so that a reader sees the old file or the new one, never a part.

    Args:
        path: where; its folder must exist.
        data: the whole content.
        durable: wait until the disk has it (a power cut loses nothing); False where speed matters more.

    Raises:
        MachineError: disk full or folder not writable. The old file is untouched.
    """
    path = Path(path)
    try:
        with writing(path), beside(path, ".writing-", durable) as file:
            file.write(data)
    except OSError as error:  # what `writing` does not know: no such folder, a folder of that name
        raise MachineError(
            f"{path} cannot be written ({(error.strerror or str(error)).lower()}); choose another place."
        ) from error


@contextmanager
def beside(path: Path, prefix: str, durable: bool = False) -> Iterator[IO[bytes]]:
    """A file to fill beside `path`, in whose place it comes when all went well; else nothing of it is left.

    Args:
        prefix: of its name meanwhile; `clear_leftovers` knows it.
        durable: wait until the disk has it.
    """
    handle, temporary = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def private_folder(folder: Path) -> None:
    """Create `folder`, and what is missing above it, with mode 0700; those that exist keep the mode they have."""
    for part in (*reversed(folder.parents), folder):
        if not part.is_dir():
            part.mkdir(mode=0o700, exist_ok=True)


def remove_whole(path: Path) -> None:
    """Delete a file or a folder: it is renamed first, so that it is gone at once and never half there.

    Raises:
        FileNotFoundError: it is not there (any more).
        MachineError: its folder cannot be written.
    """
    with writing(path):
        hidden = path.with_name(f".deleting-{secrets.token_hex(8)}")
        path.rename(hidden)
        if hidden.is_dir() and not hidden.is_symlink():
            shutil.rmtree(hidden, ignore_errors=True)  # the rest is cleared by `clear_leftovers`
        else:
            hidden.unlink(missing_ok=True)


def clear_leftovers(root: Path, depth: int = 3) -> int:
    """Remove below `root`, down to `depth` folders, what a crash left: half deleted, or half written a day ago.

    Returns:
        How many were removed.
    """
    removed = 0
    for level in range(1, depth + 1):
        for kind in ("deleting", "adding", "keeping", "writing"):
            for path in root.glob("*/" * (level - 1) + f".{kind}-*"):
                try:
                    if kind != "deleting" and time.time() - path.lstat().st_mtime < STALE:
                        continue
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
                    removed += 1
                except OSError:  # another process was faster, or it is in use: the next start tries again
                    continue
    return removed


class Entries(Generic[T]):
    """A folder of entries, each a folder of files under a name nobody can guess; safe from several threads.

    Args:
        folder: where; created when the first entry is added.
        parse: an entry's folder -> what is known of it; raises OSError or ValueError when it is damaged.
        gone: the sentence for an entry that is not there.
    """

    NAME = re.compile(r"[0-9]{8}-[0-9]{6}_[0-9a-z]{0,24}_[0-9a-f]{16}")

    def __init__(self, folder: Path, parse: Callable[[Path], T], gone: str):
        self.folder = folder
        self.lock = threading.RLock()
        self._parse = parse
        self._gone = gone
        self._known: dict[str, tuple[int, T]] = {}  # name -> time of change, what was read

    def add(self, files: Mapping[str, bytes], word: str = "") -> str:
        """Store an entry, complete or not at all; `word` goes into its name (letters and digits of it).

        Raises:
            MachineError: disk full or folder not writable.
        """
        with writing(self.folder):
            private_folder(self.folder)
            making = Path(tempfile.mkdtemp(prefix=".adding-", dir=self.folder))  # mode 0700
            try:
                for name, data in files.items():
                    write_atomically(making / name, data)
                return self.adopt(making, word)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise

    def adopt(self, making: Path, word: str = "", made: float | None = None) -> str:
        """Make the folder `making` (on the same disk) an entry; its new name begins with the time it was made."""
        clock = time.strftime("%Y%m%d-%H%M%S", time.localtime(time.time() if made is None else made))
        word = re.sub(r"[^0-9a-z]", "", word.lower())[:24]
        name = f"{clock}_{word}_{secrets.token_hex(8)}"
        making.rename(self.folder / name)
        return name

    def path(self, name: str) -> Path:
        """The folder of an entry.

        Raises:
            SiameseError: no such entry, or no name of ours.
        """
        folder = self.folder / str(name)
        if not self.NAME.fullmatch(str(name)) or not folder.is_dir():
            raise SiameseError(self._gone)
        return folder

    def get(self, name: str) -> T:
        """What is known of an entry.

        Raises:
            SiameseError: not there, or damaged.
        """
        with self.lock:
            try:
                found = self._look(name, self.path(name).stat().st_mtime_ns)
            except (SiameseError, FileNotFoundError):
                found = None
                self._known.pop(str(name), None)
        if found is None:
            raise SiameseError(self._gone)
        return found

    def read(self, name: str, file: str) -> bytes:
        """The bytes of one file of an entry.

        Raises:
            SiameseError: not there.
        """
        try:
            return read_capped(self.path(name) / file)
        except (OSError, ValueError) as error:
            raise SiameseError(self._gone) from error

    def write(self, name: str, file: str, data: bytes) -> None:
        """Replace one file of an entry."""
        with self.lock:
            write_atomically(self.path(name) / file, data)
            self._known.pop(name, None)

    def delete(self, name: str) -> None:
        """Remove an entry, whole.

        Raises:
            SiameseError: not there.
        """
        try:
            with self.lock:
                self._known.pop(str(name), None)
                remove_whole(self.path(name))
        except FileNotFoundError as error:
            raise SiameseError(self._gone) from error

    def all(self) -> list[T]:
        """Every entry that can be read, in no order; only those that changed are read again."""
        with self.lock:
            changes = dict(_changes(self.folder))
            names = [name for name in changes if self.NAME.fullmatch(name)]
            self._known = {name: self._known[name] for name in names if name in self._known}
            found = [self._look(name, changes[name]) for name in names]
        return [entry for entry in found if entry is not None]

    def known(self) -> list[T]:
        """What was read already, without looking at the disk."""
        with self.lock:
            return [entry for _, entry in self._known.values()]

    def _look(self, name: str, changed: int) -> T | None:
        """Read an entry unless it is as it was; the folder's time changes with every file replaced in it."""
        known = self._known.get(name)
        if known is None or known[0] != changed:
            try:
                known = changed, self._parse(self.folder / name)
            except (
                OSError,
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
            ):  # damaged, or deleted meanwhile
                self._known.pop(name, None)
                return None
            self._known[name] = known
        return known[1]


def _changes(folder: Path) -> Iterator[tuple[str, int]]:
    """Name and time of the last change (ns) of what lies in a folder."""
    try:
        with os.scandir(folder) as inside:
            for item in inside:
                with suppress(OSError):  # deleted meanwhile
                    yield item.name, item.stat().st_mtime_ns
    except FileNotFoundError:
        return


def read_capped(path: Path, most: int = LARGEST) -> bytes:
    """The content of a file of at most `most` bytes.

    Raises:
        OSError: not there. ValueError: larger.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path} is larger than {most} bytes")
    return data
