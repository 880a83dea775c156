"""Step 5 of a set: written in the layouts that trainers eat, verified, and handed over as a zip."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamese.counted import counted
from siamese.errors import AugmentError, SiameseError, writing
from siamese.gate import rules
from ui.dataset_sets import Sets, folder_of
from ui.parcels import Outbox
from ui.services import Services
from ui.training_form import size
from ui.training_tasks import Task, Tasks

if TYPE_CHECKING:
    from siamese.augment.folder import SetFolder
    from siamese.export.findings import Verified

ZIP = ".zip"
LARGEST = 2 * 10**9  # bytes of a zip that a page fetches into its memory
LONGEST = 400  # characters of a word for the card


class Exports:
    """Server functions; who asks is read from the signed token. Exports lie in the workspace's folder `exports`."""

    def __init__(self, services: Services, tasks: Tasks, sets: Sets, outbox: Outbox):
        self._services, self._tasks, self._sets, self._outbox = services, tasks, sets, outbox
        self.functions = [self.export_offers, self.export_set, self.export_zip]

    def export_offers(self, payload: dict) -> dict:
        """What {set} can be exported as: {ok, layouts, usual, real, pictures, title, problem}."""
        from siamese.export.layouts import DEFAULT, LAYOUTS

        job = self._sets.find(payload)
        folder = folder_of(job)
        stand = rules.standing(folder)
        accepted = sum(one.state == "accepted" for one in stand.values())
        copies = sum(one.copy and one.state == "flagged" for one in stand.values())
        problem = "" if accepted else "No picture is accepted; accept some in the review."
        if copies:
            waiting = counted(copies, "possible copy", "possible copies")
            problem = f"{waiting} of training pictures must be decided first."
        return {
            "ok": True,
            "layouts": [
                {"key": key, "words": one.title, "about": one.readers} for key, one in LAYOUTS.items()
            ],
            "usual": DEFAULT,
            "real": bool(_lenders(folder)),
            "pictures": accepted,
            "title": job.name,
            "problem": problem,
        }

    def export_set(self, payload: dict) -> dict:
        """Write {set} as asked and verify it; the task's result is {name, size, fetched, sha256, lines, where}."""
        owner = self._services.identity.owner(payload.get("token"))
        job = self._sets.find(payload)
        layouts = payload.get("layouts")
        sources = str(payload.get("sources") or "")[:LONGEST]
        words = {
            name: str(payload.get(name) or "")[:LONGEST]
            for name in ("title", "licence", "consent", "contact")
        }
        out = self._new(words["title"] or job.name)

        def work(task: Task) -> dict[str, Any]:
            from siamese.export import verify
            from siamese.tasks.export import ExportRequest, export

            asked = ExportRequest(
                set=folder_of(job).root,
                out=out,
                layouts=tuple(str(one) for one in layouts) if isinstance(layouts, list) else (),
                real=payload.get("merge") is True,
                square=payload.get("square") is True,
                keep_stems=payload.get("stems") is True,
                zip=True,
                workspace=self._services.workspace.root,
                licences=tuple((name, sources) for name in _lenders(folder_of(job))) if sources else (),
                **words,
            )
            try:
                task.follow(export(asked))
                return self._told(out, task.follow(verify.verify(out.with_name(out.name + ZIP)))[-1])
            except BaseException:
                shutil.rmtree(out.parent, ignore_errors=True)
                raise

        return self._tasks.begin(owner, work)

    def export_zip(self, payload: dict) -> dict:
        """Let the page fetch the zip of the export {name}: {ok, id, file, size}."""
        owner = self._services.identity.owner(payload.get("token"))
        name = str(payload.get("name"))
        path = self._services.workspace.exports / name / f"{name}{ZIP}"
        if not re.fullmatch(r"[a-z0-9-]{1,80}", name) or not path.is_file():
            raise SiameseError("This export is not there any more; write it again.")
        key, copy = self._outbox.room()
        with writing(copy):  # the outbox removes what was fetched: a second name of the same file will do
            os.link(path, copy)
        return self._outbox.offer(owner, key, copy, f"{name}.zip")

    def _new(self, title: str) -> Path:
        """A folder of its own in `exports`, for the dataset, its zip and its key; none of them is there yet."""
        exports = self._services.workspace.exports
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "dataset"
        with writing(exports):
            for k in range(1, 10_000):
                name = slug if k == 1 else f"{slug}-{k}"
                try:
                    (exports / name).mkdir(mode=0o700)
                    return exports / name / name
                except FileExistsError:
                    continue
        raise AugmentError(f"There are very many exports called {slug}; choose another title.")

    def _told(self, out: Path, found: Verified) -> dict[str, Any]:
        from siamese.export.findings import in_words

        if not found.good:
            raise AugmentError("What was written is not whole: " + " ".join(found.sentences()))
        path = out.with_name(f"{out.name}{ZIP}")
        return {
            "name": out.name,
            "size": size(path.stat().st_size),
            "fetched": path.stat().st_size <= LARGEST,
            "sha256": _sum(path),
            "lines": [in_words(found), *found.notes],
            "where": f"It lies in {out.parent} on the computer that runs this studio; the key from its names to "
            "yours lies beside it and in no zip.",
        }


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lenders(folder: SetFolder) -> list[str]:
    """Names of the real datasets that a set stands beside."""
    return [Path(name).name for name in folder.head().plan.beside]
