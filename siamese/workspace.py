"""Where everything a person makes lives: drafts, masks, pictures, datasets, runs. One folder, private."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import tempfile
import threading
from pathlib import Path

from siamese.atomic import private_folder, write_atomically
from siamese.errors import MachineError, MaskError, writing
from siamese.gallery import Gallery
from siamese.library import Library

LARGEST_REVISION = 2**53 - 1  # the largest whole number a browser counts exactly
NOBODY = "default"  # the owner where there is no login
BACKGROUND = "background.png"
LARGEST_BACKGROUND = 64 * 1024 * 1024  # bytes
PNG = b"\x89PNG\r\n\x1a\n"


class Workspace:
    """A folder with `drafts`, `masks`, `pictures`, `datasets`, `runs`, `exports` and `cache`, each created when first asked for.

    Args:
        root: the folder; created, readable by its owner only, when it does not exist.

    Raises:
        MachineError: `root` is a file, cannot be created, or cannot be written.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser().absolute()
        self._saving = threading.Lock()
        self._doors = threading.Lock()
        self._galleries: dict[str, Gallery] = {}
        self._libraries: dict[str, Library] = {}
        try:
            private_folder(self.root)
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
    def datasets(self) -> Path:
        """One folder for each dataset, with `images/` and `masks/`."""
        return self._folder("datasets")

    @property
    def runs(self) -> Path:
        """One folder for each training or other long run."""
        return self._folder("runs")

    @property
    def exports(self) -> Path:
        """One folder for each exported dataset, with its zip and its key."""
        return self._folder("exports")

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
            folder = self.draft_folder(owner)
            with writing(folder):
                private_folder(folder)
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
            folder = self.draft_folder(owner)
            for revision in reversed(_revisions(folder)):
                try:
                    return (folder / f"{revision}.png").read_bytes(), revision
                except FileNotFoundError:  # another process stored a newer one meanwhile and removed this one
                    continue
            return None

    def gallery(self, owner: str) -> Gallery:
        """The synthesized pictures of `owner`; pairs kept by an older version are moved to the owner "default"."""
        with self._doors:
            if owner not in self._galleries:
                if (self.root / "kept").is_dir():
                    Gallery(self.root / "pictures" / owner_folder(NOBODY)).adopt_kept(self.root / "kept")
                self._galleries[owner] = Gallery(self.root / "pictures" / owner_folder(owner))
            return self._galleries[owner]

    def library(self, owner: str) -> Library:
        """The saved masks of `owner`."""
        with self._doors:
            if owner not in self._libraries:
                self._libraries[owner] = Library(self.root / "masks" / owner_folder(owner))
            return self._libraries[owner]

    def save_background(self, owner: str, png: bytes) -> str:
        """Store the picture that `owner` draws over, in place of the one before.

        Args:
            owner: who draws.
            png: a PNG file, decoded and written anew by the caller; at most 64 MB.

        Returns:
            Its sha256, hex: the same picture, the same id.

        Raises:
            MaskError: no PNG, or too large.
            MachineError: disk full or folder not writable; the one before is untouched.
        """
        if not png.startswith(PNG) or len(png) > LARGEST_BACKGROUND:
            raise MaskError(
                f"The background picture has {len(png) / 2**20:.1f} MB and "
                f"{'is' if png.startswith(PNG) else 'is not'} a PNG file; a PNG of at most 64 MB was expected."
            )
        with self._saving:
            path = self.draft_folder(owner) / BACKGROUND
            with writing(path):
                private_folder(path.parent)
            write_atomically(path, png)
        return hashlib.sha256(png).hexdigest()

    def load_background(self, owner: str) -> tuple[bytes, str] | None:
        """The picture that `owner` draws over and its id; None when there is none."""
        try:
            png = (self.draft_folder(owner) / BACKGROUND).read_bytes()
        except FileNotFoundError:
            return None
        return png, hashlib.sha256(png).hexdigest()

    def remove_background(self, owner: str) -> None:
        """Forget the picture that `owner` draws over; nothing happens when there is none."""
        (self.draft_folder(owner) / BACKGROUND).unlink(missing_ok=True)

    def save_case(self, owner: str, picture_png: bytes, mask_png: bytes, stem: str) -> Path:
        """Add a labelled case to the person's own dataset; the mask first, so that no picture is without one.

        Args:
            owner: whose dataset, `datasets/<owner>-own`.
            picture_png: the picture, PNG, checked by the caller.
            mask_png: its mask at the same size, PNG.
            stem: the wanted name; made safe, and numbered where it is taken.

        Returns:
            The picture's file; the mask has the same name in `masks/`.

        Raises:
            MachineError: disk full or folder not writable; no half case is left.
        """
        wanted = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60].strip("-") or "case"
        with self._saving:
            root = self.datasets / f"{owner_folder(owner)}-own"
            for folder in (root / "images", root / "masks"):
                with writing(folder):
                    private_folder(folder)
            names = (wanted if n == 1 else f"{wanted}-{n}" for n in itertools.count(1))
            name = next(n for n in names if not (root / "images" / f"{n}.png").exists())
            image, mask = root / "images" / f"{name}.png", root / "masks" / f"{name}.png"
            write_atomically(mask, mask_png)  # one left by a crash, without its picture, is written over
            try:
                write_atomically(image, picture_png)
            except BaseException:
                mask.unlink(missing_ok=True)
                raise
            return image

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        with writing(folder):
            private_folder(folder)
        return folder

    def draft_folder(self, owner: str) -> Path:
        """Where the drawing of `owner` lies; it may not exist yet."""
        return self.drafts / owner_folder(owner)

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"


def owner_folder(owner: str) -> str:
    """The folder's name for a person: readable, and two people never meet in one."""
    readable = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:24] or "user"
    digest = hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable}-{digest}"


def _blocked_by_file(folder: Path) -> bool:
    return any(part.is_file() for part in (folder, *folder.parents))


def _revisions(folder: Path) -> list[int]:
    """Stored revisions, oldest first: one, or two after a crash between writing and removing."""
    if not folder.is_dir():
        return []
    return sorted(int(p.stem) for p in folder.glob("*.png") if p.stem.isdecimal())
