"""Live pictures: one quick picture of the mask on the screen; the newest request of a page wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from ui.lane import Job, Waiting
from ui.mask_canvas import mask_of
from ui.run import base64_png
from ui.services import LOADING, Services, sentence
from ui.settings import LARGEST_SEED, fit, prompt, whole

STEPS = 8
STEPS_DRAGGING = 6
STEPS_DETAIL, STEPS_DETAIL_DRAGGING = 3, 0  # dragged, the look alone follows
PATIENCE = 1.5  # seconds to wait for others in the lane before the page is told that it is busy
LONGEST = 7.0  # seconds altogether; the page itself gives up after 8
BUSY = "Another picture is being made; live goes on after it."
LONGEST_PAGE = 40  # characters of a page's own name


class Live:
    """The server function `live`; the work runs on the lane's thread, the function only waits for it."""

    def __init__(self, services: Services):
        self._services = services
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, str], Job] = {}

    def live(self, payload: dict) -> dict:
        """A quick picture of {token, page, runs, width, height, seed, guidance, corner_box, prompt, dragging}.

        Returns:
            {ok, png (base64), seconds}, or {ok: false, reason: busy|superseded|loading|error, error}. `seconds` is
            what the picture itself took, without waiting.
        """
        job, key = None, None
        try:
            owner = self._services.identity.owner(payload.get("token"))
            key = owner, str(payload.get("page"))[:LONGEST_PAGE]
            mask = mask_of(payload.get("runs"), payload.get("width"), payload.get("height"))
            seed = whole(payload.get("seed"), "The seed", 0, LARGEST_SEED)
            settings = {
                "seeds": (seed,),
                "guidance": fit(payload.get("guidance")),
                "corner_box": payload.get("corner_box") is True,
                "prompt": prompt(str(payload.get("prompt") or "")) or None,
                "steps": STEPS_DRAGGING if payload.get("dragging") is True else STEPS,
                "detail_steps": STEPS_DETAIL_DRAGGING if payload.get("dragging") is True else STEPS_DETAIL,
                "batch": 1,
            }
            if self._services.model.state == "loading":
                self._services.model.want()
                return {"ok": False, "reason": "loading", "error": LOADING}
            if self._services.model.problem:
                return {"ok": False, "reason": "error", "error": self._services.model.problem}
            job = self._services.lane.submit(lambda: self._work(mask, settings))
            with self._lock:
                older, self._jobs[key] = self._jobs.get(key), job
            if older is not None:
                older.stop()
            return _wait(job)
        except Exception as error:  # noqa: BLE001 - sentence() logs what nobody foresaw; the page goes on
            return {"ok": False, "reason": "error", "error": sentence(error)}
        finally:
            if job is not None:
                job.stop()
                with self._lock:
                    if self._jobs.get(key) is job:
                        del self._jobs[key]

    def give_way(self, owner: str) -> None:
        """Stop the live pictures of `owner`: something that was asked for comes first."""
        with self._lock:
            for (whose, _), job in self._jobs.items():
                if whose == owner:
                    job.stop()

    def _work(self, mask: Any, settings: dict[str, Any]) -> Iterator[Any]:
        model = yield from self._services.model.wait()
        from siamese.tasks.sample import SampleRequest, sample

        yield from sample(model, mask, SampleRequest(**settings))


def _wait(job: Job) -> dict:
    asked = time.monotonic()
    begun = None
    for event in job.events():
        now = time.monotonic()
        if isinstance(event, Waiting):
            if now - asked > PATIENCE:
                return {"ok": False, "reason": "busy", "error": BUSY}
            continue
        begun = begun or now
        if hasattr(event, "image"):
            seconds = event.seconds
            return {"ok": True, "png": base64_png(event.image), "seconds": round(seconds, 3)}
        if now - asked > LONGEST:
            return {"ok": False, "reason": "slow", "error": "Live took too long.", "seconds": now - begun}
    return {"ok": False, "reason": "superseded", "error": "A newer request came first."}
