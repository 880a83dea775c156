"""A run is a folder: `recipe.json`, `checkpoints/<stage>-<step>/`, `cache/`, `previews/`, and `cancel` to stop it.

Complete or absent: every save is written under a temporary name and renamed. The newest complete checkpoint is the
state; nothing else is stored about where the run stands.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from siamese import lockfile
from siamese.atomic import write_atomically
from siamese.errors import RecipeError, writing
from siamese.recipe import STAGES, Recipe, Stage, parse_json
from siamese.shipped import FILE

STATE = "state.safetensors"
KEPT = 2  # checkpoints kept for each unfinished stage


@dataclass(frozen=True)
class Point:
    """A complete checkpoint of a run."""

    stage: Stage
    step: int
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / STATE


class RunFolder:
    """The files of one training run."""

    def __init__(self, root: Path):
        self.root = root
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)

    @property
    def cancelled(self) -> bool:
        """Has somebody asked this run to stop?"""
        return (self.root / "cancel").exists()

    def adopt(self, recipe: Recipe) -> None:
        """Store the resolved recipe; on a resumed run refuse one that would build another model.

        Raises:
            RecipeError: the settings that differ, and what to do.
        """
        path = self.root / "recipe.json"
        if path.is_file():
            before = parse_json(path.read_text(encoding="utf-8"), str(path))
            fixed = (
                "family",
                "size",
                "styles",
                "seed",
                "autoencoder",
                "hint",
                "denoiser",
                "diffusion",
                "augmentation",
                "data",
            )
            changed = [name for name in fixed if getattr(before, name) != getattr(recipe, name)]
            if changed:
                raise RecipeError(
                    f"{self.root} holds a run with other settings ({', '.join(changed)}); "
                    "use its recipe again, or choose another --run folder."
                )
        with writing(self.root):
            path.with_suffix(".tmp").write_text(recipe.json(), encoding="utf-8")
            path.with_suffix(".tmp").replace(path)
            self._work = lockfile.take(self.root)  # let go when the process ends: this run cannot be deleted

    def compare_data(self, digests: Mapping[str, str]) -> str | None:
        """Remember the pictures (name → sha256 of picture and mask); a sentence where they changed since the last call.

        Training goes on with what is there now.
        """
        path = self.root / "data.json"
        before: dict[str, str] = {}
        if path.is_file():
            with suppress(ValueError):
                before = json.loads(path.read_text(encoding="utf-8"))
        with writing(self.root):
            write_atomically(path, json.dumps(dict(digests), indent=0).encode())
        if not before or before == digests:
            return None
        other = [n for n in digests if n in before and before[n] != digests[n]]
        new, gone = digests.keys() - before.keys(), before.keys() - digests.keys()
        parts = [
            f"{len(names)} {word}"
            for names, word in ((new, "new"), (gone, "gone"), (other, "changed"))
            if names
        ]
        names = ", ".join([*sorted(new), *sorted(gone), *sorted(other)][:3])
        return (
            f"The data changed since this run was last trained: {', '.join(parts)} (e.g. {names}). It goes on with the "
            "pictures as they are now; for an unbroken run put the old ones back, or choose a new --run folder."
        )

    def points(self, stage: Stage) -> list[Point]:
        """Complete checkpoints of a stage, oldest first."""
        found = []
        for folder in (self.root / "checkpoints").glob(f"{stage}-*"):
            match = re.fullmatch(rf"{stage}-(\d{{7}})", folder.name)
            if match and (folder / FILE).is_file():
                found.append(Point(stage, int(match[1]), folder))
        return sorted(found, key=lambda point: point.step)

    def before(self, stage: Stage) -> Point | None:
        """The newest checkpoint of the nearest earlier stage."""
        for earlier in reversed(STAGES[: STAGES.index(stage)]):
            if points := self.points(earlier):
                return points[-1]
        return None

    def point(self, stage: Stage, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.root / "checkpoints" / f"{stage}-{step:07d}"

    def new_point(self, stage: Stage, step: int) -> tuple[Path, Path]:
        """A temporary folder to fill, and its final place; hand both to `commit`."""
        final = self.point(stage, step)
        temporary = final.with_name(f".{final.name}.tmp{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        with writing(temporary):
            temporary.mkdir(parents=True)
        return temporary, final

    def commit(self, temporary: Path, final: Path, stage: Stage, best: int | None = None) -> None:
        """Make a filled folder the newest checkpoint and drop old ones of its stage, step `best` excepted."""
        with writing(final):
            if final.exists():
                shutil.rmtree(final)
            temporary.rename(final)
        for point in self.points(stage)[:-KEPT]:
            if point.step != best:
                shutil.rmtree(point.folder)
        for leftover in final.parent.glob(".*.tmp*"):
            shutil.rmtree(leftover, ignore_errors=True)
