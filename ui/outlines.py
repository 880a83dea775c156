"""The server functions of the tab "Outlines": one person's saved masks, those of datasets, and random ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from pathlib import Path

from siamese.errors import MaskError, SiameseError
from siamese.masks.generate import plausible
from siamese.masks.mask import Mask
from siamese.workspace import Workspace
from ui.drafts import asked, drawing, drawn, thumb, uploaded
from ui.identity import Identity
from ui.mask_canvas import LARGEST_PICTURE, SIZE

MOST = 120  # outlines shown at once; the search finds the others
LARGEST_SEED = 999_999
LARGEST_DATASET = 20_000  # masks that are searched


class Outlines:
    """Every function takes {token, …}; changes answer the new list."""

    def __init__(self, workspace: Workspace, identity: Identity):
        self._workspace = workspace
        self._identity = identity

    @property
    def functions(self) -> list[Callable[[dict], dict]]:
        """What the page may call."""
        acts = {
            "outlines": self._list,
            "outline": self._get,
            "outline_save": self._save,
            "outline_import": self._import,
            "outline_rename": self._rename,
            "outline_duplicate": self._duplicate,
            "outline_delete": self._delete,
            "outline_random": self._random,
        }
        return [asked(self._identity, act, name) for name, act in acts.items()]

    def _list(self, owner: str, payload: dict) -> dict:
        """{search}: {saved: [{name, title, collection, area, png, own}]}, one's own first, newest first."""
        library = self._workspace.library(owner)
        found = []
        for saved in library.search(str(payload.get("search") or "")[:80], MOST):
            try:
                _, png = _seen(library.folder / saved.name / "mask.png", round(saved.made))
            except SiameseError:  # deleted meanwhile, or damaged: the others are still shown
                continue
            found.append(
                {
                    "name": saved.name,
                    "title": saved.title,
                    "collection": saved.collection,
                    "area": saved.area,
                    "png": png,
                    "own": True,
                }
            )
        return {"saved": found + self._of_datasets(str(payload.get("search") or ""), MOST - len(found))}

    def _of_datasets(self, words: str, most: int) -> list[dict]:
        wanted = words.lower().split()
        named = self._dataset_masks()
        chosen = [name for name in named if all(word in name.lower() for word in wanted)][:most]
        found = []
        for name in chosen:
            try:
                area, png = _seen(named[name], named[name].stat().st_mtime_ns)
            except (SiameseError, OSError):  # no mask, or gone meanwhile: the others are still shown
                continue
            folder, _, stem = name.partition("/")
            found.append(
                {"name": name, "title": stem, "collection": folder, "area": area, "png": png, "own": False}
            )
        return found

    def _dataset_masks(self) -> dict[str, Path]:
        """`<dataset>/<stem>` and file of the masks in the workspace's datasets; people's own cases are in their
        libraries."""
        folders = (f for f in sorted(self._workspace.datasets.iterdir()) if not f.name.endswith("-own"))
        files = (file for folder in folders for file in sorted(folder.glob("masks/*")) if file.is_file())
        return {f"{file.parents[1].name}/{file.stem}": file for file in islice(files, LARGEST_DATASET)}

    def _get(self, owner: str, payload: dict) -> dict:
        name = str(payload.get("name"))
        if "/" in name:  # looked up among those that are there, never used as a path
            path = self._dataset_masks().get(name)
            if path is None:
                raise MaskError("This mask is no longer among the datasets; reload the page.")
            mask = Mask.read(path)
            return drawing(mask if mask.labels.size <= LARGEST_PICTURE else mask.resized(SIZE))
        return drawing(self._workspace.library(owner).get(name))

    def _save(self, owner: str, payload: dict) -> dict:
        mask = drawn(payload)
        if mask.empty:
            raise MaskError("Nothing is drawn; draw an outline first.")
        saved = self._workspace.library(owner).add(mask, str(payload.get("title") or ""))
        return {**self._list(owner, payload), "word": f"saved as “{saved.title}”"}

    def _import(self, owner: str, payload: dict) -> dict:
        name, data = uploaded(payload)
        mask = Mask.from_png(data, name)
        self._workspace.library(owner).add(mask, Path(name).stem, str(payload.get("collection") or "")[:60])
        return {}

    def _rename(self, owner: str, payload: dict) -> dict:
        self._workspace.library(owner).rename(str(payload.get("name")), str(payload.get("title") or ""))
        return self._list(owner, payload)

    def _duplicate(self, owner: str, payload: dict) -> dict:
        self._workspace.library(owner).duplicate(str(payload.get("name")))
        return self._list(owner, payload)

    def _delete(self, owner: str, payload: dict) -> dict:
        self._workspace.library(owner).delete(str(payload.get("name")))
        return self._list(owner, payload)

    def _random(self, owner: str, payload: dict) -> dict:
        seed = payload.get("seed")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
            raise MaskError(f"The number must be a whole number from 0 to {LARGEST_SEED}.")
        return drawing(plausible(seed, SIZE))


@lru_cache(maxsize=1024)
def _seen(path: Path, changed: int) -> tuple[float, str]:
    """Lesion's share and small picture of a mask file, read again when it `changed`."""
    mask = Mask.read(path)
    return mask.area, thumb(mask.labels)
