"""What happens between Generate and a picture: the lane, the previews, Stop, and the words for each."""

from __future__ import annotations

import base64
import html
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from siamese import shipped
from siamese.errors import SiameseError
from siamese.events import Notice, Preview
from siamese.masks.mask import Mask
from ui.identity import NOBODY
from ui.lane import Job, Waiting
from ui.mask_canvas import SIZE, Drafts, examples
from ui.pictures import Pictures
from ui.services import LOADING, Made, Services, sentence

ASSETS = Path(__file__).parent.parent / "assets"
LARGEST_SEED = 2**31 - 1
GUIDANCE = 2.0  # where the checkpoint does not say what it was tuned for
MOST = 8  # pictures at once


class SettingError(SiameseError):
    """A setting on the page that is empty or outside its range."""


class Runs:
    """The jobs of each open page, so that its Stop button and its closing reach them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, list[Job]] = {}

    def add(self, session: str, job: Job) -> None:
        """Remember that `job` belongs to `session`."""
        with self._lock:
            self._jobs.setdefault(session, []).append(job)

    def remove(self, session: str, job: Job) -> None:
        """Forget a job that ended."""
        with self._lock:
            left = [j for j in self._jobs.get(session, []) if j is not job]
            self._jobs[session] = left
            if not left:
                del self._jobs[session]

    def stop(self, session: str) -> None:
        """Stop everything of `session`."""
        with self._lock:
            for job in self._jobs.get(session, []):
                job.stop()


def status(state: str, text: str, percent: float = 0) -> dict[str, str | int]:
    """The value of the status line: one of idle, sampling, done, stopped, error, and a sentence."""
    return {"state": state, "text": html.escape(text), "percent": round(percent)}


def whole(value: float | None, name: str, low: int, high: int) -> int:
    """A whole number of the page within its range.

    Raises:
        SettingError: empty, not whole, or outside.
    """
    if value is None or value != int(value) or not low <= value <= high:
        found = "empty" if value is None else f"{value:g}"
        raise SettingError(f"{name} is {found}; a whole number from {low} to {high} was expected.")
    return int(value)


def tile(images: np.ndarray) -> np.ndarray:
    """(N,H,W,3) uint8 -> one (H',W',3) picture, nearly square."""
    count, height, width, _ = images.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    sheet = np.zeros((down * height, across * width, 3), np.uint8)
    for i, image in enumerate(images):
        y, x = divmod(i, across)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = image
    return sheet


def base64_png(image: np.ndarray) -> str:
    """(H,W,3) uint8 RGB -> base64 of a lossless PNG."""
    done, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return base64.b64encode(data.tobytes()).decode()


def left(seconds: float | None) -> str:
    """'about 6 s left', or nothing when unknown."""
    if seconds is None:
        return ""
    if seconds >= 90:
        return f" · about {round(seconds / 60)} min left"
    return f" · about {max(1, round(seconds))} s left"


class Studio:
    """The behaviour behind the screen."""

    def __init__(self, services: Services):
        self.services = services
        self.examples = examples(ASSETS / "masks")
        self.view = shipped.field_of_view(services.model.checkpoint)
        tuned = shipped.guidance(services.model.checkpoint)
        self.tuned = GUIDANCE if tuned is None else tuned
        first = self.examples[0].mask if self.examples else Mask(np.zeros((SIZE, SIZE), np.uint8))
        self.first = first
        self.drafts = Drafts(services.workspace, services.identity, first, services.model.want)
        self.pictures = Pictures(services)
        self.runs = Runs()

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """A page opened: give it its token, and the picture that was there last."""
        owner = request.username or NOBODY
        token = self.services.identity.mint(owner)
        made = self.services.shelf.listing(owner)
        frame = None
        if made:
            frame = {"kind": "finished", "id": made[0]["id"]}
        elif (ASSETS / "first.png").is_file() and self._stored_digest(owner) == self.first.digest:
            png = base64.b64encode((ASSETS / "first.png").read_bytes()).decode()
            frame = {"kind": "first", "png": png, "label": "example, made beforehand"}
        return gr.HTML(token=token), gr.HTML(token=token, results=made, frame=frame)

    def _stored_digest(self, owner: str) -> str:
        try:
            return self.drafts.stored(owner)[0].digest
        except SiameseError:
            return ""  # the drawing area itself reports a damaged draft

    def machine(self) -> Iterator[dict[str, str]]:
        """The footer's word about the model, until it is settled."""
        for _ in self.services.model.watch():
            yield {"state": "loading", "text": LOADING}
        problem = self.services.model.problem
        word = (
            f"{problem} Drawing works meanwhile."
            if problem
            else f"Model {self.services.model.name} is ready."
        )
        state = "failed" if problem else "ready"
        yield {"state": state, "text": html.escape(word)}

    def generate(
        self,
        seed: float | None,
        guidance: float | None,
        count: float | None,
        steps: float | None,
        sampler: str,
        corner_box: bool,
        revision: float | None,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Make pictures from the stored drawing; yields (seed, status, pictures, generate, another, stop)."""
        owner = request.username or NOBODY
        session = request.session_hash or ""
        last = _Last()
        job = None
        try:
            seed_number = whole(seed, "The seed", 0, LARGEST_SEED)
            wanted = whole(count, "The number of pictures", 1, MOST)
            settings = {
                "seeds": tuple((seed_number + i) % (LARGEST_SEED + 1) for i in range(wanted)),
                "guidance": self._guidance(guidance),
                "steps": whole(steps, "The number of steps", 1, 1000),
                "sampler": sampler,
                "corner_box": bool(corner_box),
            }
            mask = self._mask(owner, revision)
            job = self.services.lane.submit(lambda: self._work(mask, settings))
            self.runs.add(session, job)
            yield seed_number, status("sampling", "Starting…"), gr.skip(), *_buttons(running=True)
            for event in job.events():
                shown = self._show(event, owner, settings, last)
                if shown is not None:
                    yield gr.skip(), *shown, *_buttons(running=True)
            word, state = last.outcome(job.stopped, wanted, mask.empty)
            pictures = gr.HTML(frame=last.unfinished()) if state == "stopped" and last.frame else gr.skip()
            yield gr.skip(), status(state, word), pictures, *_buttons(running=False)
        except Exception as error:  # noqa: BLE001 - sentence() logs what nobody foresaw; the page goes on
            yield gr.skip(), status("error", sentence(error)), gr.skip(), *_buttons(running=False)
        finally:
            if job is not None:
                job.stop()
                self.runs.remove(session, job)

    def stop(self, request: gr.Request) -> None:
        """The Stop button, and the closing of a tab."""
        self.runs.stop(request.session_hash or "")

    def _guidance(self, guidance: float | None) -> float:
        if guidance is None or not 0 <= guidance <= 15:
            raise SettingError("Fit to the outline (guidance) must be a number from 0 to 15.")
        return float(guidance)

    def _mask(self, owner: str, revision: float | None) -> Mask:
        mask, stored = self.drafts.stored(owner)
        if revision is None or stored < revision:
            raise SettingError(
                "Your newest strokes have not reached the server yet, so nothing was made. "
                "They are kept in this browser; wait for “saved” and press Generate again."
            )
        if stored > revision:
            raise SettingError(
                "The drawing was changed in another window just now; nothing was made, press Generate again."
            )
        return mask

    def _work(self, mask: Mask, settings: dict[str, Any]) -> Iterator[Any]:
        model = yield from self.services.model.wait()
        from siamese.tasks.sample import SampleRequest, sample

        yield from sample(model, mask, SampleRequest(**settings, batch=self.services.model.batch))

    def _show(self, event: Any, owner: str, settings: dict[str, Any], last: _Last) -> tuple[Any, Any] | None:
        count = len(settings["seeds"])
        share = 100 / count
        if isinstance(event, Waiting):
            ahead = f"{event.ahead} other request{'s' if event.ahead != 1 else ''} first"
            return status("sampling", f"Waiting: {ahead}…" if event.ahead else "Starting…"), gr.skip()
        if isinstance(event, Notice):
            last.notices.append(event.text)
            return status("sampling", event.text, last.done * share), gr.skip()
        if isinstance(event, Preview):
            last.step, last.total = event.step, event.total
            last.frame = base64_png(tile(event.images))
            together = max(1, len(event.seeds))
            which = f"{last.done + 1}" if together == 1 else f"{last.done + 1}–{last.done + together}"
            which = f"picture {which} of {count} · " if count > 1 else ""
            text = f"{which}step {event.step} of {event.total}{left(event.seconds_left)}"
            percent = (last.done + together * event.step / event.total) * share
            label = f"unfinished, step {event.step} of {event.total}"
            frame = {"kind": "preview", "png": last.frame, "label": label}
            return status("sampling", text[0].upper() + text[1:], percent), gr.HTML(frame=frame)
        last.done += 1
        last.frame = None
        name = self.services.shelf.add(owner, _made(event, settings))
        listing = self.services.shelf.listing(owner)
        pictures = gr.HTML(results=listing, frame={"kind": "finished", "id": name})
        return status("sampling", f"{last.done} of {count} finished", last.done * share), pictures


class _Last:
    """Where a run stands, to say how it ended."""

    def __init__(self) -> None:
        self.done = 0
        self.step = 0
        self.total = 0
        self.frame: str | None = None
        self.notices: list[str] = []

    def unfinished(self) -> dict[str, str]:
        label = f"unfinished: stopped at step {self.step} of {self.total}"
        return {"kind": "unfinished", "png": self.frame or "", "label": label}

    def outcome(self, stopped: bool, wanted: int, empty: bool) -> tuple[str, str]:
        made = f"{self.done} picture{'s' if self.done != 1 else ''}"
        if stopped and self.done < wanted:
            at = f" at step {self.step} of {self.total}; the last picture is unfinished" if self.frame else ""
            return f"Stopped{at}. {made if self.done else 'No picture'} finished.", "stopped"
        notes = [n for n in self.notices if n != LOADING and not n.startswith("empty mask")]
        said = ["Nothing is drawn: this is normal mucosa."] if empty else []
        said += [n[0].upper() + n[1:].rstrip(".") + "." for n in dict.fromkeys(notes)]
        return " ".join([f"Done: {made}.", *said]), "done"


def _made(result: Any, settings: dict[str, Any]) -> Made:
    facts = {"seed": result.seed, **result.facts, "seconds": round(result.seconds, 1)}
    guidance = float(facts.get("guidance", settings["guidance"]))
    steps = facts.get("steps", settings["steps"])
    caption = f"seed {result.seed} · guidance {guidance:g} · {steps} steps"
    return Made(picture=result.png(), mask=result.mask.png(), facts=facts, caption=caption)


def _buttons(running: bool) -> tuple[Any, Any, Any]:
    ready = gr.update(interactive=not running)
    return ready, ready, gr.update(interactive=running)
