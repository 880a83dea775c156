"""A new training: the form's settings checked, its cost estimated, and only then begun."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from siamese import presets
from siamese.data import dataset
from siamese.errors import SiameseError
from siamese.jobs import cluster, request
from siamese.jobs.jobs import Job
from ui import training_recipe as settings
from ui.parcels import Inbox, Outbox
from ui.services import Services
from ui.training_data import folder_of
from ui.training_machine import Where, offered
from ui.training_recipe import RUN, Form
from ui.training_runs import FORM, Runs, points, read_recipe
from ui.training_tasks import Task, Tasks

RECIPE = "recipe.toml"  # in the run folder
PATHS = ("base", "data.feature_net")  # settings that name files of this machine
LONGEST_MINUTES = 1_000_000


class TrainingForm:
    """Server functions; who asks is read from the signed token."""

    def __init__(self, services: Services, tasks: Tasks, runs: Runs, inbox: Inbox, outbox: Outbox):
        self._services, self._tasks, self._runs = services, tasks, runs
        self._workspace, self._jobs = services.workspace, runs.jobs
        self._inbox, self._outbox = inbox, outbox
        self.functions = [self.settings, self.machine, self.estimate, self.start, self.again]
        self.functions += [self.pack, self.bring_back]

    def settings(self, payload: dict) -> dict:
        """What {form} comes to: {ok, sentence, pictures, knobs, table, problems, sizes, starts, files, size}."""
        self._services.identity.owner(payload.get("token"))
        form = Form.of(payload)
        pictures = self._pictures(form)
        values, preset, sentence = settings.base(form, self._jobs, pictures)
        problems = self._problems(form, values, preset)
        good = {key: value for key, value in form.changes.items() if key not in problems}
        shown = settings.resolve(values, preset, {} if "" in problems else good)
        return {
            "ok": True,
            "sentence": sentence,
            "pictures": pictures,
            "knobs": settings.knobs(shown),
            "table": settings.table(shown),
            "problems": problems,
            "size": presets.size_for(pictures).pictures,
            "sizes": [{"value": size.pictures, "words": size.label} for size in presets.SIZES],
            "starts": self._starts(),
            "files": settings.files(),
        }

    def machine(self, payload: dict) -> dict:
        """Where a training can compute; the task's result is {devices, precisions, processes}."""
        owner = self._services.identity.owner(payload.get("token"))
        return self._tasks.begin(owner, lambda task: offered())

    def estimate(self, payload: dict) -> dict:
        """What {form} would cost, measured on this machine where {trial}; the task's result is {lines, details}."""
        owner = self._services.identity.owner(payload.get("token"))
        form = Form.of(payload)
        recipe, pictures = self._recipe(form), self._pictures(form)
        start, trial = settings.start_of(form, self._jobs), payload.get("trial") is True

        def work(task: Task) -> dict[str, Any]:
            from siamese.tasks.plan import plan

            where = form.where
            found = plan(recipe, pictures, start, where.device, where.precision, trial)
            return estimated(found.summary())

        return self._tasks.begin(owner, work)

    def start(self, payload: dict) -> dict:
        """Begin the training that {form} describes: {ok, run}."""
        owner = self._services.identity.owner(payload.get("token"))
        form = Form.of(payload)
        recipe = self._recipe(form)
        folders = self._folders(form)
        if not folders:
            raise SiameseError("Choose the pictures to train on first, under step 1.")
        for folder in folders:
            dataset.read(folder, "train")
        arguments = [f"{request.RUN}/{RECIPE}"]
        for folder in folders:
            arguments += ["--data", str(folder)]
        start = settings.start_of(form, self._jobs)
        if start is not None:
            arguments += ["--start", start]
        if form.minutes is not None:
            arguments += ["--seconds", f"{min(form.minutes, LONGEST_MINUTES) * 60:g}"]
        arguments += form.where.words()
        files = {RECIPE: cluster.toml(recipe).encode(), FORM: json.dumps(form.told()).encode()}
        name, processes = form.name or " and ".join(form.data), form.where.processes
        job = self._jobs.submit("train", arguments, name, owner, files, processes)
        return {"ok": True, "run": job.id}

    def again(self, payload: dict) -> dict:
        """The form that {run} was begun with, for another one: {ok, form, sentence}."""
        self._services.identity.owner(payload.get("token"))
        job = self._jobs.find(str(payload.get("run")))
        told = request.read_json(job.folder / FORM)
        known = {folder.name for folder in self._workspace.datasets.iterdir()}
        if told:
            form = Form.of({"form": told}).told()
        else:
            data = [
                Path(v).name for o, v in zip(job.arguments, job.arguments[1:], strict=False) if o == "--data"
            ]
            where = Where.of_words(job.arguments, job.request.processes if job.request else 1)
            form = Form(tuple(data), "", 0, RUN + job.id, {}, None, "", where).told()
        gone = [name for name in form["data"] if name not in known]
        form["data"] = [name for name in form["data"] if name in known]
        form["name"] = f"{job.name}, again"
        where, elsewhere = Where.of(form["where"]).here()
        form["where"] = vars(where)
        lost = f"The dataset {', '.join(gone)} is not in this workspace; choose another one." if gone else ""
        return {"ok": True, "form": form, "sentence": f"{lost} {elsewhere}".strip()}

    def pack(self, payload: dict) -> dict:
        """A zip that trains {run} elsewhere, with its {pictures} or without; the task's result is {id, file, size}."""
        owner = self._services.identity.owner(payload.get("token"))
        job = self._jobs.find(str(payload.get("run")))
        folders, start = _asked(job, "--data"), _asked(job, "--start")
        if not folders:
            raise SiameseError(f"What {job.name} was trained on is not known here.")
        with_data = payload.get("pictures") is True
        name, path = self._outbox.room()

        def work(task: Task) -> dict[str, Any]:
            from siamese import recipe

            values = read_recipe(job.folder)
            task.text = "Packing…"
            asked = cluster.Pack(
                recipe=recipe.parse(values, job.name),
                data=tuple(Path(folder) for folder in folders),
                start=start[0] if start else None,
                with_data=with_data,
            )
            cluster.pack(asked, path)
            file = re.sub(r"[^a-z0-9]+", "-", job.name.lower()).strip("-") or "training"
            return self._outbox.offer(owner, name, path, f"{file}_for-a-cluster.zip")

        return self._tasks.begin(owner, work)

    def bring_back(self, payload: dict) -> dict:
        """Take in the zip of a run that was trained elsewhere, a finished {upload}; the result is {run, title}."""
        owner = self._services.identity.owner(payload.get("token"))
        path = self._inbox.take(owner, payload.get("upload"))

        def work(task: Task) -> dict[str, Any]:
            from siamese.jobs.back import bring_back

            try:
                task.text = "Looking through the run…"
                job = bring_back(path, self._workspace)
                return {"run": job.id, "title": job.name}
            finally:
                path.unlink(missing_ok=True)

        return self._tasks.begin(owner, work)

    def _problems(self, form: Form, values: dict[str, Any], preset: tuple[str, ...]) -> dict[str, str]:
        found = settings.problems(values, preset, form.changes)
        if not self._services.here_only:
            word = "Files of the machine can be named only where nobody else can reach this studio."
            found |= {key: word for key in form.changes if key in PATHS}
        return found or form.where.problems(settings.resolve(values, preset, form.changes))

    def _recipe(self, form: Form) -> Any:
        """The checked recipe; SiameseError says what is wrong."""
        values, preset, _ = settings.base(form, self._jobs, self._pictures(form))
        problems = self._problems(form, values, preset)
        if problems:
            raise SiameseError(" ".join(f"{key}: {word}" if key else word for key, word in problems.items()))
        return settings.resolve(values, preset, form.changes)

    def _folders(self, form: Form) -> list[Path]:
        return [folder_of(self._workspace, name) for name in form.data]

    def _pictures(self, form: Form) -> int:
        """Pictures that would be trained on; those of a damaged dataset do not count."""
        count = 0
        for folder in self._folders(form):
            try:
                count += len(dataset.read(folder, "train").cases)
            except SiameseError:
                continue  # step 1 says so, and starting refuses
        return count

    def _starts(self) -> list[dict[str, str]]:
        """What a training can start from."""
        found = [{"value": presets.START, "words": f"{presets.START}, the model that came with the studio"}]
        found.append({"value": "", "words": "Nothing: from scratch"})
        for job in self._jobs.list():
            if job.verb == "train" and any(point["usable"] for point in points(job.folder)):
                found.append({"value": RUN + job.id, "words": f"The model of {job.name}"})
        return found


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(1, round(count / 1e6))} MB"


def estimated(told: dict[str, Any]) -> dict[str, Any]:
    """What a plan's summary says, in words for the page; the rest as details."""
    cards = []
    for fit in told["fits"]:
        settings = fit["settings"]
        word = "does not fit" if settings is None else "fits with other settings" if settings else "fits"
        cards.append(f"{fit['gigabytes']} GB {word}")
    memory, disk = told["memory"]["total"], told["latents"] + told["checkpoints"]
    where = "on the graphics card" if str(told["device"]).startswith("cuda") else "on this machine"
    lines = [
        f"Time: {told['time']}"
        if told["hours"]
        else "Time: not measured yet; press Measure on this machine.",
        f"Memory: {size(memory)} {where}.",
        f"Graphics cards: {', '.join(cards)}.",
        f"Disk: {size(disk)} at most.",
        f"Size: {told['parameters'] / 1e6:.1f} million numbers, {told['trained'] / 1e6:.1f} million of them trained.",
    ]
    return {"lines": lines, "details": [*told["lines"]]}


def _asked(job: Job, option: str) -> list[str]:
    words = job.arguments
    return [value for name, value in zip(words, words[1:], strict=False) if name == option]
