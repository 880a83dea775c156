"""Steps 1 and 2 of a set: which masks, how many pictures, by which models; what that takes; and Start."""

from __future__ import annotations

import base64
import copy
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from siamese import shipped
from siamese.errors import AugmentError, SiameseError
from siamese.jobs.jobs import Jobs
from ui.services import Services
from ui.training_data import folder_of, listed
from ui.training_runs import points
from ui.training_tasks import Task, Tasks

if TYPE_CHECKING:
    from siamese.augment.plan import Plan
    from siamese.augment.sources import Sources
    from siamese.masks.mask import Mask

SHOWN = 12  # masks of a preview
SIDE = 120  # pixels of a small mask
PLAN = "plan.toml"
RUN = "run:"  # what a model of a training is called in a form
FRESH = 60  # seconds that masks which were read are looked at again
GUESS = 0.7  # seconds a picture, before any was made here


class Plans:
    """Server functions; who asks is read from the signed token."""

    def __init__(self, services: Services, tasks: Tasks):
        self._services, self._tasks = services, tasks
        self._workspace = services.workspace
        self.jobs = Jobs(services.workspace)
        self.functions = [self.offers, self.preview, self.begin, self.again]
        self._lock = threading.Lock()
        self._read: dict[str, tuple[object, float, Sources | None]] = {}

    def offers(self, payload: dict) -> dict:
        """What a set can be made of: {ok, here_only, datasets, collections, examples, models, plan}."""
        from siamese.augment.plan import parse

        owner = self._services.identity.owner(payload.get("token"))
        collections: dict[str, int] = {}
        for saved in self._workspace.library(owner).masks():
            collections[saved.collection] = collections.get(saved.collection, 0) + 1
        models = self._models()
        plan = {"fold": 5, "masks": {"source": "examples"}, "pictures": {"checkpoints": [models[0]["value"]]}}
        return {
            "ok": True,
            "here_only": self._services.here_only,
            "datasets": listed(self._workspace),
            "collections": [{"name": name, "count": count} for name, count in sorted(collections.items())],
            "models": models,
            "plan": parse(plan).model_dump(mode="json"),
        }

    def preview(self, payload: dict) -> dict:
        """Masks as {plan} would deal them; the task's result is {masks: [base64], lines, count, pictures}."""
        owner = self._services.identity.owner(payload.get("token"))
        plan = self._plan(owner, payload)

        def work(task: Task) -> dict[str, Any]:
            from siamese.augment import deal

            task.text = "Reading the masks…"
            head, dealt = deal.preview(plan, self._workspace.root, SHOWN, self._lenders(owner, plan))
            return {
                "masks": [_small(mask) for _, mask in dealt],
                "lines": list(deal.summary(head, self._seconds(), len(dealt))),
                "count": head.masks,
                "pictures": head.items,
            }

        return self._tasks.begin(owner, work)

    def begin(self, payload: dict) -> dict:
        """Queue {plan}: {ok, run}."""
        owner = self._services.identity.owner(payload.get("token"))
        plan = self._plan(owner, payload)
        arguments = ["{run}/" + PLAN, "--workspace", str(self._workspace.root)]
        files = {PLAN: plan.toml().encode()}
        return {"ok": True, "run": self.jobs.submit("synthesize", arguments, plan.name, owner, files).id}

    def again(self, payload: dict) -> dict:
        """The plan of {set} as a form holds it, to be changed and begun anew: {ok, plan}."""
        from siamese.augment.plan import read

        owner = self._services.identity.owner(payload.get("token"))
        plan = read(self.jobs.find(str(payload.get("set"))).folder / PLAN)
        known = {model["folder"]: model["value"] for model in self._models()}
        values = plan.model_dump(mode="json")
        checkpoints = [known[folder] for folder in plan.pictures.checkpoints if folder in known]
        values["pictures"]["checkpoints"] = checkpoints or [next(iter(known.values()))]
        values["real"] = [Path(folder).name for folder in plan.real]
        values["masks"]["owner"] = owner
        if plan.masks.source == "dataset":
            values["masks"]["where"] = [Path(folder).name for folder in plan.masks.where]
        return {"ok": True, "plan": values}

    def _plan(self, owner: str, payload: dict) -> Plan:
        """The plan of a form; names of datasets and models become folders, nothing else of this machine can be named.

        Raises:
            SiameseError: what is wrong with it.
        """
        from siamese.augment.plan import parse

        values = copy.deepcopy(payload.get("plan"))
        if not isinstance(values, dict) or not isinstance(values.get("masks"), dict):
            raise SiameseError("The form did not arrive whole; reload the page.")
        plan = parse(values, "the form")
        masks, where = plan.masks, plan.masks.where
        if masks.source == "dataset":
            where = tuple(str(folder_of(self._workspace, name)) for name in where)
        elif masks.source == "folder" and not self._services.here_only:
            raise AugmentError(
                "Folders of the machine can be named only where nobody else can reach this studio; bring the masks in "
                "under Outlines in the Studio, and choose your saved outlines."
            )
        real = tuple(str(folder_of(self._workspace, name)) for name in plan.real)
        known = {model["value"]: model["folder"] for model in self._models()}
        lost = [name for name in plan.pictures.checkpoints if name not in known]
        if lost:
            raise SiameseError(f"The model {lost[0]} is no longer there; choose another one.")
        chosen = tuple(known[name] for name in plan.pictures.checkpoints)
        return plan.model_copy(
            update={
                "masks": masks.model_copy(update={"where": where, "owner": owner}),
                "real": real,
                "pictures": plan.pictures.model_copy(update={"checkpoints": chosen}),
            }
        )

    def _lenders(self, owner: str, plan: Plan) -> Sources:
        """The masks of a plan; read once while only its ranges change, and anew after a while."""
        from siamese.augment import sources

        key = plan.masks.model_dump_json(exclude={"mode", "random"})
        with self._lock:
            known, when, found = self._read.get(owner, (None, 0.0, None))
        if found is None or known != key or time.monotonic() - when > FRESH:
            found = sources.read(plan, self._workspace.root)
            with self._lock:
                self._read[owner] = key, time.monotonic(), found
        return found

    def _models(self) -> list[dict[str, Any]]:
        """What pictures can be made with: [{value, words, folder, guidance}], the resident model first."""
        home = self._services.model.home
        found = [{"value": Path(home).name, "words": Path(home).name, "folder": str(home)}]
        for job in self.jobs.list():
            usable = [p for p in points(job.folder) if p["usable"]] if job.verb == "train" else []
            if usable:
                folder = job.folder / "checkpoints" / usable[-1]["id"]
                found.append(
                    {"value": RUN + job.id, "words": f"the model of {job.name}", "folder": str(folder)}
                )
        return [one | {"guidance": shipped.guidance(one["folder"])} for one in found]

    def _seconds(self) -> float:
        """Seconds a picture, as measured in the last set that was made here, else a guess."""
        from siamese.augment.folder import SetFolder

        for job in self.jobs.list():
            if job.verb != "synthesize":
                continue
            made = SetFolder(job.folder / "set").made()
            if len(made) >= 8:
                return sum(one.seconds for one in made.values()) / len(made)
        return GUESS


def _small(mask: Mask) -> str:
    """base64 of a small PNG, its longer side `SIDE`."""
    height, width = mask.labels.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shown = cv2.resize((mask.labels > 0).astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".png", shown)
    assert done
    return base64.b64encode(data.tobytes()).decode()
