"""Training runs, as the page sees them: how each stands, its curves and previews, and what can be done with it."""

from __future__ import annotations

import base64
import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamese.counted import counted
from siamese.errors import SiameseError
from siamese.events import Notice
from siamese.jobs import history
from siamese.jobs.history import History, downsample
from siamese.jobs.jobs import Job, Jobs
from siamese.jobs.request import read_json
from siamese.jobs.status import Status
from siamese.recipe import STAGES
from ui.resident import Choice
from ui.services import Services
from ui.training_tasks import Task, Tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

POINTS = 400  # of one curve
FORM = "form.json"  # in the run folder: what the page asked for, for Duplicate
LOG = 16384  # bytes of the log's end
MOST_NOTICES = 30
LARGEST_PREVIEW = 32 * 2**20  # bytes
WATCHED = "watch."  # what the names of the watch's figures begin with
WORDS = {
    "autoencoder": "Autoencoder (detail)",
    "base": "Base (tissue)",
    "guide": "Guide (what to avoid)",
    "siamese": "Siamese (outlines)",
    "segmenter": "Judge (fit to outlines)",
    "encoding pictures": "Preparing the pictures",
    "watch": "Memorisation watch",
}
STATES = {
    "queued": "waiting",
    "running": "running",
    "finished": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "interrupted": "interrupted",
}


class Runs:
    """Server functions; who asks is read from the signed token. Runs are shared by everybody in the studio."""

    def __init__(self, services: Services, tasks: Tasks):
        self._services, self._tasks = services, tasks
        self.jobs = Jobs(services.workspace)
        self._lock = threading.Lock()
        self._histories: dict[str, History] = {}
        self.functions = [self.watch, self.preview, self.stop, self.resume, self.use, self.home]

    def watch(self, payload: dict) -> dict:
        """All runs, and {run} in full unless its version is still {seen}: {ok, runs, model, run}."""
        self._services.identity.owner(payload.get("token"))
        found = [job for job in self.jobs.list() if job.verb == "train"]
        stand = {job.id: job.status() for job in found}
        answer = {"ok": True, "runs": [self._line(job, stand[job.id]) for job in found], "run": None}
        answer["model"] = model_of(self._services)
        wanted = next((job for job in found if job.id == payload.get("run")), None)
        if wanted is not None:
            told = self._told(wanted, stand[wanted.id])
            answer["run"] = None if told["version"] == payload.get("seen") else told
        return answer

    def preview(self, payload: dict) -> dict:
        """The preview {name} of {run}: {ok, png (base64)}."""
        job, name = self._find(payload), str(payload.get("name"))
        if not re.fullmatch(r"[\w.-]{1,100}\.png", name):
            raise SiameseError("There is no such preview.")
        path = job.folder / "previews" / name
        try:
            if path.is_symlink() or path.stat().st_size > LARGEST_PREVIEW:
                raise SiameseError("There is no such preview.")
            return {"ok": True, "png": base64.b64encode(path.read_bytes()).decode()}
        except OSError as error:
            raise SiameseError("This preview is no longer there.") from error

    def stop(self, payload: dict) -> dict:
        """Ask {run} to save and stop."""
        self._find(payload).cancel()
        return {"ok": True}

    def resume(self, payload: dict) -> dict:
        """Go on with {run}, {eased}: with the settings that would have fitted into the memory."""
        job = self._find(payload)
        job.resume(job.status().cure if payload.get("eased") is True else ())
        return {"ok": True}

    def use(self, payload: dict) -> dict:
        """Make everybody's pictures with the model {point} of {run}; the task's result is {name}."""
        owner = self._services.identity.owner(payload.get("token"))
        job = self._find(payload)
        point = next((p for p in points(job.folder) if p["id"] == payload.get("point")), None)
        if point is None or not point["usable"]:
            raise SiameseError("This saved model is no longer there; choose another one.")
        choice = Choice(job.id, str(point["id"]), job.name)

        def work(task: Task) -> dict[str, Any]:
            task.follow(self._switch(choice))
            return {"name": self._services.model.name}

        return self._tasks.begin(owner, work)

    def home(self, payload: dict) -> dict:
        """Go back to the model that the app was started with; the task's result is {name}."""
        owner = self._services.identity.owner(payload.get("token"))

        def work(task: Task) -> dict[str, Any]:
            task.follow(self._switch(None))
            return {"name": self._services.model.name}

        return self._tasks.begin(owner, work)

    def _switch(self, choice: Choice | None) -> Iterator[Notice]:
        yield Notice("The model is being loaded…")
        self._services.model.switch(choice)

    def _find(self, payload: dict) -> Job:
        self._services.identity.owner(payload.get("token"))
        return self.jobs.find(str(payload.get("run")))

    def _history(self, job: Job) -> History:
        with self._lock:
            known = self._histories.get(job.id)
            if known is None:
                known = self._histories[job.id] = history.read(job.folder)
            else:
                known.refresh()
            return known

    def _line(self, job: Job, status: Status) -> dict[str, Any]:
        """A run in the list."""
        line = {"id": job.id, "title": job.name, "created": job.created, "words": "", "part": None}
        line |= {"state": status.state, "state_words": _state_words(job, status), "point": None}
        if status.state == "running":
            now = self._history(job).progress
            if now is not None:
                line["words"] = f"{words(now.stage)}, step {now.step:,} of {now.total:,}"
                line["part"] = now.step / max(now.total, 1)
        usable = [p for p in points(job.folder) if p["usable"]]
        if usable and status.state != "running":
            line["point"] = usable[-1]["id"]
        return line

    def _told(self, job: Job, status: Status) -> dict[str, Any]:
        known, recipe = self._history(job), read_recipe(job.folder)
        with self._lock:
            stages = _stages(known, recipe)
            now, notices, failed = known.progress, known.notices[-MOST_NOTICES:], known.failed
            began = known.sessions[0] if known.sessions else None
            watch = _watch(known, job.folder, recipe)
        saved = points(job.folder, watch["best"] if watch else None)
        usable = [p for p in saved if p["usable"]]
        best = next((p["id"] for p in usable if p["best"]), usable[-1]["id"] if usable else "")
        choice = self._services.model.choice
        log, _ = job.log(-1, LOG)
        told = {
            "id": job.id,
            "title": job.name,
            "state": status.state,
            "state_words": _state_words(job, status),
            "words": _sentence(job, status, now),
            "stage_words": words(now.stage) if now else "",
            "step": now.step if now else 0,
            "total": now.total if now else 0,
            "rate": now.rate if now else None,
            "seconds_left": now.seconds_left if now else None,
            "memory": now.memory if now else 0,
            "began": began or job.created,
            "data": data_of(job),
            "stages": stages,
            "watch": watch,
            "points": saved,
            "best": best,
            "used": choice.point if choice and choice.run == job.id else "",
            "notices": [failed, *notices] if failed and not status.reason else notices,
            "log": log,
            "can": {
                "stop": status.active and not (job.folder / "cancel").exists(),
                "resume": status.resumable and bool(job.arguments),
                "ease": status.resumable and bool(status.cure),
                "use": bool(best) and not (choice and choice.run == job.id and choice.point == best),
                "duplicate": bool(recipe) or (job.folder / FORM).is_file(),
                "pack": bool(recipe) and bool(data_of(job)),
            },
        }
        told["version"] = str(hash(json.dumps(told, sort_keys=True, default=str)))
        return told


def words(stage: str) -> str:
    """What the page calls a stage of training."""
    return WORDS.get(stage, stage)


def points(folder: Path, best: int | None = None) -> list[dict[str, Any]]:
    """The saved models of a run, in the order they were made: [{id, words, usable, best}]."""
    found = []
    for path in folder.glob("checkpoints/*/model.safetensors"):
        match = re.fullmatch(r"(\w+)-(\d{7})", path.parent.name)
        if match and match[1] in STAGES:
            found.append((STAGES.index(match[1]), int(match[2]), path.parent.name))
    return [
        {
            "id": name,
            "words": f"{words(STAGES[stage])}, step {step:,}",
            "usable": STAGES[stage] == "siamese",
            "best": STAGES[stage] == "siamese" and step == best,
        }
        for stage, step, name in sorted(found)
    ]


def data_of(job: Job) -> list[str]:
    """Names of the dataset folders that a run was asked to train on."""
    asked = job.arguments
    return [Path(value).name for option, value in zip(asked, asked[1:], strict=False) if option == "--data"]


def read_recipe(folder: Path) -> dict[str, Any]:
    """The resolved recipe of a run; empty while it has none."""
    try:
        found = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def model_of(services: Services) -> dict[str, Any]:
    """The model that everybody's pictures are made with, in words for a page."""
    model = services.model
    return {
        "state": model.state,
        "name": model.name,
        "problem": model.problem,
        "notice": model.notice,
        "home": Path(model.home).name,
        "away": model.choice is not None,
    }


def _stages(known: History, recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Curves and previews of each stage, in the order of training."""
    names = known.names()
    order = [*STAGES, *(stage for stage in names if stage not in STAGES)]
    previews: dict[str, list[dict[str, Any]]] = {}
    for step, path in known.previews:
        if path.is_file():
            stage = known.preview_stages.get(path.name, "")
            previews.setdefault(stage, []).append({"name": path.name, "step": step})
    stages = []
    for stage in [s for s in order if (s in names or s in previews) and s != "watch"]:
        curves = {
            name: _points(known.series(stage, name))
            for name in names.get(stage, ())
            if not name.startswith(WATCHED)
        }
        one = {"name": stage, "words": words(stage), "curves": curves, "previews": previews.get(stage, [])}
        stages.append(one)
    return stages


def _watch(known: History, folder: Path, recipe: dict[str, Any]) -> dict[str, Any] | None:
    """The share of previews that are like training pictures, and what the watch says of it."""
    found = {
        name.removeprefix(WATCHED): known.series(stage, name)
        for stage, names in known.names().items()
        for name in names
        if stage == "watch" or name.startswith(WATCHED)
    }
    if "copies" not in found:
        return None
    settings = recipe.get("watch")
    limit = settings.get("limit", 0.1) if isinstance(settings, dict) else 0.1
    held = {name: _points(found[name]) for name in ("held_out", "trained") if name in found}
    looked = read_watch(folder)
    return {"copies": _points(found["copies"]), "held": held, "limit": limit} | looked


def read_watch(folder: Path) -> dict[str, Any]:
    """What the watch of a run says: {warning, sentence, best}, best a step or None."""
    told = read_json(folder / "watch.json").get("verdict")
    if not isinstance(told, dict):
        return {"warning": "", "sentence": "", "best": None}
    words, best = str(told.get("sentence") or "")[:600], told.get("best_step")
    warned = told.get("warned_at") is not None
    return {"warning": words if warned else "", "sentence": "" if warned else words, "best": best}


def _points(series: list[tuple[int, float]]) -> list[list[float]]:
    return [[step, float(f"{value:.5g}")] for step, value in downsample(series, POINTS)]


def _state_words(job: Job, status: Status) -> str:
    if status.state == "running" and (job.folder / "cancel").exists():
        return "stopping"
    return STATES[status.state]


def _sentence(job: Job, status: Status, now: history.Progress | None) -> str:
    if status.state == "queued":
        if not status.ahead:
            return "Begins as soon as the computer is free for it."
        return f"Begins after {counted(status.ahead, 'other run')}."
    if status.state == "running":
        if (job.folder / "cancel").exists():
            return "Asked to stop: it saves after this step."
        return "At work. You may close this page; it goes on." if now else "The pictures are being read…"
    if status.state == "finished":
        return "Trained to the end."
    if status.state == "stopped":
        return status.reason or "Stopped as asked; everything until then is saved."
    return status.reason or "It did not end well; the log says more."
