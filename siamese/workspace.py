"""Where everything a person makes lives: drafts, kept pictures, runs. One folder, private to its owner."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path

from siamese.errors import MachineError, MaskError, writing

LARGEST_REVISION = 2**53 - 1  # the largest whole number a browser counts exactly


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
        with writing(path):
            _write_beside_and_rename(path, data, durable)
    except OSError as error:  # what `writing` does not know: no such folder, a folder of that name
        raise MachineError(
            f"{path} cannot be written ({(error.strerror or str(error)).lower()}); choose another place."
        ) from error


def _write_beside_and_rename(path: Path, data: bytes, durable: bool) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Workspace:
    """A folder with `drafts`, `kept`, `runs` and `cache`, each created when first asked for.

    Args:
        root: the folder; created, readable by its owner only, when it does not exist.

    Raises:
        MachineError: `root` is a file, cannot be created, or cannot be written.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser().absolute()
        self._saving = threading.Lock()
        try:
            _private_folder(self.root)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            reason = (
                "a file is in its way"
                if _blocked_by_file(self.root)
                else (error.strerror or str(error)).lower()
            )
            raise MachineError(
                f"The workspace {self.root} cannot be used ({reason}); choose a folder you may write to with "
                "--workspace, or set SIAMESE_WORKSPACE."
            ) from error

    @classmethod
    def default(cls) -> Workspace:
        """The folder named by the variable SIAMESE_WORKSPACE, else `SiameseStudio` in the home folder."""
        return cls(os.environ.get("SIAMESE_WORKSPACE") or Path.home() / "SiameseStudio")

    @property
    def drafts(self) -> Path:
        """One folder for each owner, holding the mask being drawn."""
        return self._folder("drafts")

    @property
    def kept(self) -> Path:
        """One folder for each kept pair of picture and mask."""
        return self._folder("kept")

    @property
    def runs(self) -> Path:
        """One folder for each training or other long run."""
        return self._folder("runs")

    @property
    def cache(self) -> Path:
        """The page's temporary files; may be deleted while the app is not running."""
        return self._folder("cache")

    def save_draft(self, owner: str, png: bytes, revision: int) -> int:
        """Store the mask being drawn, unless a newer one is stored already.

        Args:
            owner: who draws; any text, never used raw as a path.
            png: the mask file, checked by the caller (`Mask.from_png`).
            revision: grows with every stroke, 0 to 2**53 - 1; one that is not above the stored one is
                ignored, so that a late save of an older stroke cannot undo a newer one.

        Returns:
            The revision now stored.

        Raises:
            MaskError: the revision is not such a number.
            MachineError: disk full or folder not writable; the stored draft is untouched.
        """
        if (
            isinstance(revision, bool)
            or not isinstance(revision, int)
            or not 0 <= revision <= LARGEST_REVISION
        ):
            raise MaskError(
                f"The draft's revision is {str(revision)[:40]}; a whole number from 0 to {LARGEST_REVISION} "
                "was expected. Reload the page."
            )
        with self._saving:
            folder = self._draft_folder(owner)
            with writing(folder):
                _private_folder(folder)
            stored = _revisions(folder)
            if stored and stored[-1] >= revision:
                return stored[-1]
            write_atomically(folder / f"{revision}.png", png, durable=False)
            for old in stored:
                (folder / f"{old}.png").unlink(missing_ok=True)
            return revision

    def load_draft(self, owner: str) -> tuple[bytes, int] | None:
        """The stored mask file of `owner` and its revision; None when there is none."""
        with self._saving:
            folder = self._draft_folder(owner)
            for revision in reversed(_revisions(folder)):
                try:
                    return (folder / f"{revision}.png").read_bytes(), revision
                except FileNotFoundError:  # another process stored a newer one meanwhile and removed this one
                    continue
            return None

    def keep(self, picture_png: bytes, mask_png: bytes, facts: dict[str, str | int | float]) -> Path:
        """Keep a picture with its mask: the folder appears complete or not at all.

        Args:
            picture_png: the synthesized picture, PNG.
            mask_png: the mask it was made from, PNG.
            facts: how it was made; `seed` goes into the folder's name.

        Returns:
            `kept/<yyyymmdd-hhmmss>_s<seed>_<4 hex>` with `picture.png`, `mask.png`, `facts.json`.

        Raises:
            MachineError: disk full or folder not writable.
        """
        seed = re.sub(r"[^0-9a-z]", "", str(facts.get("seed", "")).lower())[:20]
        kept = self.kept
        with writing(kept):
            making = Path(tempfile.mkdtemp(prefix=".keeping-", dir=kept))  # mode 0700, as everything here
            try:
                write_atomically(making / "picture.png", picture_png)
                write_atomically(making / "mask.png", mask_png)
                text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
                write_atomically(making / "facts.json", text.encode())
                while True:
                    name = f"{time.strftime('%Y%m%d-%H%M%S')}_s{seed}_{secrets.token_hex(2)}"
                    folder = kept / name
                    if not folder.exists():
                        making.rename(folder)
                        return folder
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise

    def kept_pairs(self) -> list[Path]:
        """The folders made by `keep`, newest first."""
        pairs = [
            p for p in self.kept.iterdir() if not p.name.startswith(".") and (p / "picture.png").is_file()
        ]
        return sorted(pairs, key=lambda p: (p.name[:15], p.stat().st_mtime_ns), reverse=True)

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        with writing(folder):
            _private_folder(folder)
        return folder

    def _draft_folder(self, owner: str) -> Path:
        readable = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:24] or "user"
        digest = hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return self.drafts / f"{readable}-{digest}"

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"


def _private_folder(folder: Path) -> None:
    """Create `folder` with mode 0700; one that exists keeps the mode its owner gave it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _blocked_by_file(folder: Path) -> bool:
    return any(part.is_file() for part in (folder, *folder.parents))


def _revisions(folder: Path) -> list[int]:
    """Stored revisions, oldest first: one, or two after a crash between writing and removing."""
    if not folder.is_dir():
        return []
    return sorted(int(p.stem) for p in folder.glob("*.png") if p.stem.isdecimal())
