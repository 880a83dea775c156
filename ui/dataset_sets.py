"""Step 3 of a set: how each stands, its newest pictures; Stop and Go on."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from siamese.atomic import read_capped
from siamese.augment.deal import LENT_NONE
from siamese.augment.folder import GATE, SetFolder
from siamese.data.thumbs import outline
from siamese.errors import AugmentError, MaskError, SiameseError
from siamese.jobs.jobs import Job, Jobs
from siamese.jobs.request import read_json
from siamese.jobs.status import Status
from siamese.picture import decode
from ui.services import Services
from ui.training_runs import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from siamese.augment.folder import Head

NEWEST = 8  # pictures shown while a set is made
RECENT = 30  # finished units that the rate is taken from
SIDE = 192  # pixels of a small picture
LOG = 4096  # bytes


class Sets:
    """Server functions; who asks is read from the signed token. Sets are shared by everybody in the studio."""

    def __init__(self, services: Services):
        self._services = services
        self.jobs = Jobs(services.workspace)
        self.functions = [self.watch, self.stop, self.resume, self.picture]

    def watch(self, payload: dict) -> dict:
        """All sets, and {set} in full: {ok, sets, set}."""
        self._services.identity.owner(payload.get("token"))
        found = [job for job in self.jobs.list() if job.verb == "synthesize"]
        stand = {job.id: job.status() for job in found}
        wanted = next((job for job in found if job.id == payload.get("set")), None)
        return {
            "ok": True,
            "sets": [_line(job, stand[job.id]) for job in found],
            "set": _told(wanted, stand[wanted.id]) if wanted else None,
        }

    def stop(self, payload: dict) -> dict:
        """Ask {set} to stop after the pictures at hand."""
        self.find(payload).cancel()
        return {"ok": True}

    def resume(self, payload: dict) -> dict:
        """Go on with {set}."""
        self.find(payload).resume()
        return {"ok": True}

    def picture(self, payload: dict) -> dict:
        """Small pictures of {ids} of {set}, each with its outline: {ok, pictures: {id: base64 of a JPEG}}."""
        folder, ids = folder_of(self.find(payload)), payload.get("ids")
        wanted = [str(one) for one in ids][:48] if isinstance(ids, list) else []
        known = {one.id for one in folder.items()}
        return {"ok": True, "pictures": {one: small(folder, one) for one in wanted if one in known}}

    def find(self, payload: dict) -> Job:
        """The job of {set}.

        Raises:
            SiameseError: there is none.
        """
        self._services.identity.owner(payload.get("token"))
        job = self.jobs.find(str(payload.get("set")))
        if job.verb != "synthesize":
            raise SiameseError("This set is not there any more; look at the list again.")
        return job


def folder_of(job: Job) -> SetFolder:
    """The folder of a job's set."""
    return SetFolder(job.folder / "set")


def small(folder: SetFolder, id: str) -> str:
    """base64 of a small JPEG of a made picture with its outline; "" where there is none."""
    try:
        picture = decode(read_capped(folder.image_path(id)))
        mask = cv2.imdecode(np.frombuffer(read_capped(folder.mask_path(id)), np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, ValueError, MaskError, cv2.error):
        return ""
    if mask is None:
        return ""
    shown = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    outline(shown, mask, 1)
    return jpeg(shown)


def jpeg(picture: np.ndarray) -> str:
    """base64 of a picture (H,W,3) uint8 RGB."""
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done
    return base64.b64encode(data.tobytes()).decode()


def _line(job: Job, status: Status) -> dict[str, Any]:
    """A set in the list."""
    line = {"id": job.id, "title": job.name, "created": job.created, "part": None, "words": ""}
    line |= {"state": status.state, "state_words": _state_words(job, status)}
    folder = folder_of(job)
    if folder.begun:
        try:
            head = folder.head()
        except AugmentError:
            return line
        part = len(folder.finished()) / max(1, head.units)
        line["words"] = f"{min(head.items, round(part * head.items)):,} of {head.items:,} pictures"
        if status.active:
            line["part"] = part
    return line


def _told(job: Job, status: Status) -> dict[str, Any]:
    folder = folder_of(job)
    log, _ = job.log(-1, LOG)
    told: dict[str, Any] = {
        "id": job.id,
        "title": job.name,
        "state": status.state,
        "state_words": _state_words(job, status),
        "made": 0,
        "total": 0,
        "rate": None,
        "seconds_left": None,
        "newest": [],
        "lines": [],
        "scored": False,
        "log": log,
        "can": {
            "stop": status.active and not (job.folder / "cancel").exists(),
            "resume": status.resumable and bool(job.arguments),
        },
    }
    told["words"] = _sentence(job, status)
    if not folder.begun:
        return told
    try:
        head = folder.head()
    except AugmentError as error:
        return told | {"words": str(error)}
    return told | _progress(folder, head, status.active)


def _progress(folder: SetFolder, head: Head, active: bool) -> dict[str, Any]:
    """Counts, rate and finish time from the finished units, and the newest pictures; read every two seconds."""
    units, batch = sorted(folder.finished()), head.plan.pictures.batch
    made = min(head.items, len(units) * batch)
    if head.units - 1 in units:  # the last unit may be smaller
        made = (len(units) - 1) * batch + head.items - (head.units - 1) * batch
    newest = [one.id for unit in units[-NEWEST:] for one in folder.made_of(unit)][-NEWEST:]
    times = sorted(_changed([folder.unit_path(unit) for unit in units[-RECENT:]]))
    rate = None
    if active and len(times) > 1 and times[-1] > times[0]:
        rate = (len(times) - 1) / (times[-1] - times[0]) * head.items / head.units
    reasons = {words: count for words, count in head.redrawn.items() if words != LENT_NONE}
    redrawn = sum(reasons.values())
    lines = [*head.notes]
    if redrawn:
        why = ", ".join(f"{words}: {count}" for words, count in reasons.items())
        lines.append(f"{redrawn:,} masks no longer looked like the set's and were drawn again ({why}).")
    measured = read_json(folder.root / GATE).get("pictures")  # written when all scores are
    return {
        "made": made,
        "total": head.items,
        "rate": rate,
        "seconds_left": (head.items - made) / rate if rate else None,
        "newest": newest,
        "lines": [*lines, *head.leaks],
        "scored": measured == head.items,
    }


def _changed(paths: Sequence[Path]) -> list[float]:
    found = []
    for path in paths:
        try:
            found.append(path.stat().st_mtime)
        except OSError:
            continue
    return found


def _state_words(job: Job, status: Status) -> str:
    if status.state == "running" and (job.folder / "cancel").exists():
        return "stopping"
    return STATES[status.state]


def _sentence(job: Job, status: Status) -> str:
    if status.state == "queued":
        return (
            f"Begins after {status.ahead} other {'run' if status.ahead == 1 else 'runs'}."
            if status.ahead
            else "Begins as soon as the computer is free for it."
        )
    if status.state == "running":
        asked = (job.folder / "cancel").exists()
        return (
            "Asked to stop: it stops after the pictures at hand."
            if asked
            else "At work. You may close this page."
        )
    if status.state == "finished":
        return "All pictures are made and measured."
    if status.state == "stopped":
        return status.reason or "Stopped as asked; every picture until then is kept."
    return status.reason or "It did not end well; the log says more."
