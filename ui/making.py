"""What happens between Generate and a picture: the lane, the previews, Stop, and the words for each."""

from __future__ import annotations

import base64
import html
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from siamese.errors import SiameseError
from siamese.masks.mask import Mask
from ui import model_line
from ui.downloads import Downloads
from ui.drafts import Drafts
from ui.lane import Job
from ui.live import Live
from ui.mask_canvas import SIZE, examples
from ui.outlines import Outlines
from ui.pictures import Pictures
from ui.recall import Recall, plan
from ui.run import Frames, Plan, Run, Sheet
from ui.services import Services, sentence
from ui.settings import (
    FEWEST_COLUMNS,
    LARGEST_SEED,
    MOST,
    MOST_COLUMNS,
    MOST_STEPS,
    SettingError,
    fit,
    fits,
    prompt,
    seeds,
    whole,
)

ASSETS = Path(__file__).parent.parent / "assets"
RANDOM, SAME, COUNT_UP = "random", "same", "+1"
Updates = tuple[Any, ...]


class Jobs:
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


class Studio:
    """The behaviour behind the screen."""

    def __init__(self, services: Services):
        self.services = services
        self.examples = examples(ASSETS / "masks")
        self.view, self.tuned = model_line.view(services), model_line.tuned(services)
        self.tuned_steps = model_line.steps(services)
        first = self.examples[0].mask if self.examples else Mask(np.zeros((SIZE, SIZE), np.uint8))
        self.first = first
        self.drafts = Drafts(
            services.workspace,
            services.identity,
            first,
            services.model.want,
            lambda: model_line.view(services),
        )
        self.outlines = Outlines(services.workspace, services.identity)
        self.pictures = Pictures(services)
        self.recall = Recall(services)
        self.downloads = Downloads(services)
        self.live = Live(services)
        self.jobs = Jobs()
        self.panel_functions = [
            *(self.pictures.listing, self.pictures.picture, self.pictures.thumbs),
            *(self.pictures.outline, self.pictures.judge),
            *(self.recall.recall, self.recall.difference),
            *(self.downloads.slide, self.downloads.pack, self.downloads.piece),
        ]

    def open(self, name: str, request: gr.Request) -> Updates:
        """A page of `name` opened: give it its token, and the picture that was there last."""
        owner = self.services.enter(request, name)
        token = self.services.identity.mint(owner)
        try:
            made = self.services.workspace.gallery(owner).pictures()
        except SiameseError:
            made = []  # the gallery itself reports what is wrong with it
        frame = None
        if made:
            frame = {"kind": "finished", "id": made[0].name}
        elif (ASSETS / "first.png").is_file() and self._stored_digest(owner) == self.first.digest:
            png = base64.b64encode((ASSETS / "first.png").read_bytes()).decode()
            frame = {"kind": "first", "png": png, "label": "example, made beforehand"}
        line = gr.HTML(token=token)
        return gr.HTML(token=token), gr.HTML(token=token, frame=frame), gr.HTML(token=token), line

    def _stored_digest(self, owner: str) -> str:
        try:
            return self.drafts.stored(owner)[0].digest
        except SiameseError:
            return ""  # the drawing area itself reports a damaged draft

    def generate(
        self,
        seed: float | None,
        mode: str,
        guidance: float | None,
        count: float | None,
        steps: float | None,
        sampler: str,
        corner_box: bool,
        words: str | None,
        revision: float | None,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Make pictures from the stored drawing; yields (seed, status, panel, three buttons, stop)."""

        def asked(owner: str) -> Plan:
            first = whole(seed, "The seed", 0, LARGEST_SEED)
            wanted = whole(count, "The number of pictures", 1, MOST)
            rows = ((fit(guidance), seeds(first, wanted)),)
            return self._plan(owner, revision, rows, steps, sampler, corner_box, words)

        yield from self._make(request, asked, Frames, count_up=mode == COUNT_UP)

    def sheet(
        self,
        seed: float | None,
        guidances: str | None,
        columns: float | None,
        steps: float | None,
        sampler: str,
        corner_box: bool,
        words: str | None,
        revision: float | None,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Make a contact sheet, a row for each guidance and a column for each seed; yields as `generate`."""

        def asked(owner: str) -> Plan:
            first = whole(seed, "The seed", 0, LARGEST_SEED)
            name = "The number of examples on the sheet"
            beside = seeds(first, whole(columns, name, FEWEST_COLUMNS, MOST_COLUMNS))
            rows = tuple((row, beside) for row in fits(guidances))
            return self._plan(owner, revision, rows, steps, sampler, corner_box, words)

        yield from self._make(request, asked, Sheet)

    def again(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Make a picture once more from its facts {facts}, with the outline stored here; yields as `generate`."""

        def asked(owner: str) -> Plan:
            facts = event._data.get("facts") if isinstance(event._data, dict) else None
            return plan(self.services.workspace.gallery(owner), facts, self.drafts.stored(owner)[0])

        yield from self._make(request, asked, Frames, keep_seed=True)

    def stop(self, request: gr.Request) -> None:
        """The Stop button, and the closing of a tab."""
        self.jobs.stop(request.session_hash or "")

    def close(self, request: gr.Request) -> None:
        """A page closed: its work ends."""
        self.stop(request)
        self.services.leave(request)

    def _make(
        self,
        request: gr.Request,
        asked: Callable[[str], Plan],
        frames: type[Frames],
        count_up: bool = False,
        keep_seed: bool = False,
    ) -> Iterator[Updates]:
        session = request.session_hash or ""
        job = None
        try:
            owner = self.services.owner(request)
            wanted = asked(owner)
            self.live.give_way(owner)
            job = self.services.lane.submit(lambda: wanted.work(self.services.model))
            self.jobs.add(session, job)
            run = Run(wanted, self.services.workspace.gallery(owner), frames(wanted))
            first = gr.skip() if keep_seed else wanted.first_seed
            yield first, status("sampling", "Starting…"), gr.skip(), *_buttons(running=True)
            for event in job.events():
                shown = run.take(event)
                if shown is not None:
                    text, percent, frame = shown
                    panel = gr.skip() if frame is None else gr.HTML(frame=frame)
                    yield gr.skip(), status("sampling", text, percent), panel, *_buttons(running=True)
            word, state = run.outcome(job.stopped)
            frame = run.last_frame(job.stopped)
            following = seeds(wanted.first_seed, run.done + 1)[-1] if count_up else gr.skip()
            panel = gr.skip() if frame is None else gr.HTML(frame=frame)
            yield following, status(state, word), panel, *_buttons(running=False)
        except Exception as error:  # noqa: BLE001 - sentence() logs what nobody foresaw; the page goes on
            yield gr.skip(), status("error", sentence(error)), gr.skip(), *_buttons(running=False)
        finally:
            if job is not None:
                job.stop()
                self.jobs.remove(session, job)

    def _plan(
        self,
        owner: str,
        revision: float | None,
        rows: tuple[tuple[float, tuple[int, ...]], ...],
        steps: float | None,
        sampler: str,
        corner_box: bool,
        words: str | None,
    ) -> Plan:
        counted = whole(steps, "The number of steps", 1, MOST_STEPS)
        said = prompt(words) if model_line.takes_prompts(self.services) else ""  # else its box is hidden
        return Plan(self._mask(owner, revision), rows, counted, sampler, bool(corner_box), said)

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


def _buttons(running: bool) -> Updates:
    ready = gr.update(interactive=not running)
    return ready, ready, ready, gr.update(interactive=running)
