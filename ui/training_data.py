"""Data for training, as the page sees it: the datasets of the workspace, and bringing in another one."""

from __future__ import annotations

import base64
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamese.data import dataset
from siamese.errors import SiameseError
from siamese.workspace import Workspace
from ui.parcels import Inbox
from ui.services import Services
from ui.training_tasks import Task, Tasks

if TYPE_CHECKING:
    from siamese.data.importing import Choices
    from siamese.data.report import Report

MOST_THUMBS = 24  # of one answer
SMALL = 96  # pixels
LARGE = 200
SPLITS = ("train", "val", "test")
TEXT = ("blank", "leave-out", "keep")


class TrainingData:
    """Server functions; who asks is read from the signed token. A report belongs to whoever asked for it."""

    def __init__(self, services: Services, tasks: Tasks, inbox: Inbox):
        self._services = services
        self._workspace = services.workspace
        self._tasks, self._inbox = tasks, inbox
        self._lock = threading.Lock()
        self._reports: dict[str, tuple[str, Report]] = {}
        self.functions = [
            self.datasets,
            self.small,
            self.inspect,
            self.shown,
            self.split,
            self.bring,
            self.forget,
        ]

    def datasets(self, payload: dict) -> dict:
        """What can be trained on: {ok, here_only, datasets: [{name, count, splits, problem}]}, newest first."""
        self._services.identity.owner(payload.get("token"))
        return {"ok": True, "here_only": self._services.here_only, "datasets": listed(self._workspace)}

    def small(self, payload: dict) -> dict:
        """Three small pictures with outlines of the dataset {name}: {ok, thumbs: [base64 of a PNG]}."""
        self._services.identity.owner(payload.get("token"))
        cases = dataset.read(folder_of(self._workspace, payload.get("name"))).cases
        chosen = [cases[len(cases) * k // 3] for k in range(min(3, len(cases)))]
        return {"ok": True, "thumbs": [_thumb(case.image, case.mask) for case in chosen]}

    def inspect(self, payload: dict) -> dict:
        """Look through a finished {upload} or a {path} of this machine; the task's result is the report."""
        owner = self._services.identity.owner(payload.get("token"))
        source, mine = self._source(owner, payload)

        def work(task: Task) -> dict[str, Any]:
            from siamese.data.inspect import inspect

            try:
                report = task.follow(inspect(source, self._workspace.cache))[-1]
            finally:
                if mine:
                    source.unlink(missing_ok=True)  # unpacked, or of no use
            name = secrets.token_urlsafe(12)
            with self._lock:
                before = [k for k, (whose, _) in self._reports.items() if whose == owner]
                closed = [self._reports.pop(k)[1] for k in before]
                self._reports[name] = owner, report
            for old in closed:
                old.close()
            proposal = "" if mine else source.stem
            return {"report": name, "proposal": _plain(proposal), **report.summary()}

        return self._tasks.begin(owner, work)

    def shown(self, payload: dict) -> dict:
        """Pictures of up to 24 {stems} of {report}: {ok, thumbs: {stem: base64 of a PNG}}."""
        from siamese.data.thumbs import thumb

        report, stems = self._report(payload), payload.get("stems")
        wanted = [str(stem) for stem in (stems if isinstance(stems, list) else [])[:MOST_THUMBS]]
        known = {case.stem: case for case in report.cases}
        made = {stem: thumb(known[stem], LARGE) for stem in wanted if stem in known}
        return {"ok": True, "thumbs": {stem: base64.b64encode(png).decode() for stem, png in made.items()}}

    def split(self, payload: dict) -> dict:
        """What the split of {report} would be with {choices}: {ok, counts, method, across, moved}."""
        from siamese.data.groups import plan

        report = self._report(payload)
        found = plan(report, _choices(report, payload, name="not-named-yet"))
        return {
            "ok": True,
            "counts": found.counts,
            "groups": found.groups,
            "method": found.method,
            "across": len(found.across),
            "moved": len(found.moved),
        }

    def bring(self, payload: dict) -> dict:
        """Bring {report} in as {name} with {choices}; the task's result is {name, count}. Nothing is trained."""
        from siamese.data.importing import bring_in, check_name

        owner = self._services.identity.owner(payload.get("token"))
        report = self._report(payload)
        choices = _choices(report, payload, check_name(str(payload.get("name") or "").strip()))

        def work(task: Task) -> dict[str, Any]:
            task.follow(bring_in(report, self._workspace.datasets, choices))
            self._close(str(payload.get("report")))
            return _told(self._workspace.datasets / choices.name)

        return self._tasks.begin(owner, work)

    def forget(self, payload: dict) -> dict:
        """Let go of {report}; what was unpacked for it is deleted."""
        self._report(payload)
        self._close(str(payload.get("report")))
        return {"ok": True}

    def _source(self, owner: str, payload: dict) -> tuple[Path, bool]:
        """What to look through, and whether it is a copy of ours."""
        if payload.get("upload"):
            return self._inbox.take(owner, payload["upload"]), True
        if not self._services.here_only:
            raise SiameseError(
                "Folders of the machine that runs this studio can be named only where nobody else can reach it; "
                "send a zip instead."
            )
        text = str(payload.get("path") or "").strip().strip("\"'")
        if not text or "\0" in text:
            raise SiameseError("Type the path of a folder or a zip of this computer first.")
        path = Path(text).expanduser()
        if not path.is_absolute() or not path.exists():
            raise SiameseError(f"There is nothing at {text}; type the whole path of a folder or a zip.")
        return path, False

    def _report(self, payload: dict) -> Report:
        owner = self._services.identity.owner(payload.get("token"))
        with self._lock:
            whose, report = self._reports.get(str(payload.get("report")), ("", None))
        if report is None or whose != owner:
            raise SiameseError("This report is not known any more; choose the pictures again.")
        return report

    def _close(self, name: str) -> None:
        with self._lock:
            _, report = self._reports.pop(name, ("", None))
        if report is not None:
            report.close()


def folder_of(workspace: Workspace, name: object) -> Path:
    """The folder of a dataset of the workspace.

    Raises:
        SiameseError: there is none of this name.
    """
    for folder in workspace.datasets.iterdir():
        if folder.name == name and folder.is_dir() and not folder.name.startswith("."):
            return folder
    raise SiameseError(f"There is no dataset {str(name)[:60]!r} any more; choose another one.")


def listed(workspace: Workspace) -> list[dict[str, Any]]:
    """The datasets of a workspace, newest first: [{name, count, splits, problem}]."""
    folders = [p for p in workspace.datasets.iterdir() if p.is_dir() and not p.name.startswith(".")]
    folders.sort(key=lambda p: (-p.stat().st_mtime, p.name))
    return [_told(p) for p in folders]


def _told(folder: Path) -> dict[str, Any]:
    """A dataset in the list."""
    try:
        count = len(dataset.read(folder).cases)
        own = any((folder / f"{split}.txt").is_file() for split in SPLITS)
        splits = (
            {split: len(dataset.read(folder, split).cases) for split in SPLITS} if own else {"train": count}
        )
        return {"name": folder.name, "count": count, "splits": splits, "problem": ""}
    except (SiameseError, OSError) as error:
        return {"name": folder.name, "count": 0, "splits": {}, "problem": str(error)}


def _choices(report: Report, payload: dict, name: str) -> Choices:
    from siamese.data.importing import Choices

    given = payload.get("choices")
    given = given if isinstance(given, dict) else {}
    known = {case.stem for case in report.cases}
    of = given.get("text_of")
    exceptions = {
        str(stem): act
        for stem, act in (of.items() if isinstance(of, dict) else ())
        if stem in known and act in TEXT
    }
    return Choices(
        name=name,
        text=given.get("text") if given.get("text") in TEXT else "blank",
        text_of=exceptions,
        leave_out=given.get("leave_out") is True,
        resplit=given.get("resplit") is True,
        duplicates="keep" if given.get("duplicates") == "keep" else "join",
    )


def _thumb(image: Path, mask: Path) -> str:
    """base64 of a small PNG with the outline; empty when a file cannot be read."""
    import cv2
    import numpy as np

    picture, drawn = cv2.imread(str(image)), cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
    if picture is None or drawn is None:
        return ""
    side = min(picture.shape[:2])
    scale = SMALL / side
    size = (max(SMALL, round(picture.shape[1] * scale)), max(SMALL, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    there = (drawn > 127).astype(np.uint8) if drawn.max() > 127 else (drawn > 0).astype(np.uint8)
    there = cv2.resize(there, size, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(there, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(small, found, -1, (0, 0, 0), 3)
    cv2.drawContours(small, found, -1, (233, 180, 86), 1)
    x, y = (size[0] - SMALL) // 2, (size[1] - SMALL) // 2
    return base64.b64encode(cv2.imencode(".png", small[y : y + SMALL, x : x + SMALL])[1].tobytes()).decode()


def _plain(text: str) -> str:
    """A name proposed for a dataset."""
    import re

    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
