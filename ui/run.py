"""One run for the page: what is to be made, where it stands, and what the picture panel shows of it."""

from __future__ import annotations

import base64
import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from siamese.counted import counted
from siamese.events import Notice, Preview
from siamese.masks.mask import Mask
from ui.lane import Waiting
from ui.services import LOADING, ResidentModel

if TYPE_CHECKING:
    from siamese.gallery import Gallery

Frame = dict[str, Any]
SIZES = ("resized from", "its proportions changed")  # said once at the end, in fewer words


@dataclass(frozen=True)
class Plan:
    """What to make of a mask: `rows` of (guidance, seeds), the rest the same for all."""

    mask: Mask
    rows: tuple[tuple[float, tuple[int, ...]], ...]
    steps: int
    sampler: str
    corner_box: bool
    prompt: str = ""  # empty: that of training

    @property
    def first_seed(self) -> int:
        """The seed of the first picture."""
        return self.rows[0][1][0]

    @property
    def count(self) -> int:
        """Pictures altogether."""
        return sum(len(beside) for _, beside in self.rows)

    def work(self, resident: ResidentModel) -> Iterator[Any]:
        """For the lane: notices, previews with the time left for all rows, results."""
        model = yield from resident.wait()
        from siamese.tasks.sample import SampleRequest, sample

        done, begun = 0.0, time.monotonic()  # done: in pictures
        for guidance, beside in self.rows:
            request = SampleRequest(
                seeds=beside,
                guidance=guidance,
                steps=self.steps,
                sampler=self.sampler,
                corner_box=self.corner_box,
                prompt=self.prompt or None,
                batch=resident.batch,
            )
            for event in sample(model, self.mask, request):
                if isinstance(event, Preview):
                    done += len(event.seeds) / event.total
                    left = (time.monotonic() - begun) / done * (self.count - done)
                    event = dataclasses.replace(event, seconds_left=left)
                yield event


def base64_png(image: np.ndarray) -> str:
    """(H,W,3) uint8 RGB -> base64 of a lossless PNG."""
    done, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return base64.b64encode(data.tobytes()).decode()


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


def time_left(seconds: float | None) -> str:
    """' · about 6 s left', or nothing when unknown."""
    if seconds is None:
        return ""
    if seconds >= 90:
        return f" · about {round(seconds / 60)} min left"
    return f" · about {max(1, round(seconds))} s left"


class Frames:
    """What the large picture shows: every preview, then each finished picture."""

    def __init__(self, plan: Plan):
        self.plan = plan

    def preview(self, event: Preview, done: int) -> Frame:
        """An unfinished picture, after `done` finished ones."""
        label = f"unfinished, step {event.step} of {event.total}"
        return {"kind": "preview", "png": base64_png(tile(event.images)), "label": label}

    def finished(self, name: str, done: int) -> Frame:
        """The picture `name` is in the gallery; it is number `done`, from 1."""
        return {"kind": "finished", "id": name}

    def stopped(self, preview: Frame, step: int, total: int) -> Frame | None:
        """What stays after a stop at `step`."""
        return {**preview, "kind": "unfinished", "label": f"unfinished: stopped at step {step} of {total}"}


class Sheet(Frames):
    """A contact sheet: guidance downwards, seeds across; cells fill one by one."""

    def __init__(self, plan: Plan):
        super().__init__(plan)
        self.cells: list[str | None] = [None] * plan.count

    def _frame(self, previews: list[list[Any]]) -> Frame:
        rows, seeds = [guidance for guidance, _ in self.plan.rows], list(self.plan.rows[0][1])
        return {
            "kind": "sheet",
            "rows": rows,
            "seeds": seeds,
            "cells": list(self.cells),
            "previews": previews,
        }

    def preview(self, event: Preview, done: int) -> Frame:
        """The cells that are being made show their unfinished pictures."""
        return self._frame([[done + i, base64_png(image)] for i, image in enumerate(event.images)])

    def finished(self, name: str, done: int) -> Frame:
        """One more cell."""
        self.cells[done - 1] = name
        return self._frame([])

    def stopped(self, preview: Frame, step: int, total: int) -> Frame | None:
        """The cells that were finished."""
        return self._frame([])


class Run:
    """Where a run stands, in words; stores each finished picture at once.

    Args:
        plan: what was asked.
        gallery: where pictures go.
        frames: what the panel shows.
    """

    def __init__(self, plan: Plan, gallery: Gallery, frames: Frames):
        self.plan, self.gallery, self.frames = plan, gallery, frames
        self.done = 0
        self._step = self._total = 0
        self._preview: Frame | None = None
        self._notices: list[str] = []
        self._side = 0  # of the finished pictures, pixels

    def take(self, event: Any) -> tuple[str, float, Frame | None] | None:
        """What an event means for the page: a sentence, percent done, a frame or none."""
        share = 100 / self.plan.count
        if isinstance(event, Waiting):
            ahead = counted(event.ahead, "other request")
            return (f"Waiting: {ahead} first…" if event.ahead else "Starting…"), 0, None
        if isinstance(event, Notice):
            if event.text.startswith(SIZES):
                return None
            self._notices.append(event.text)
            return event.text, self.done * share, None
        if isinstance(event, Preview):
            self._step, self._total = event.step, event.total
            self._preview = self.frames.preview(event, self.done)
            together = max(1, len(event.seeds))
            which = f"{self.done + 1}" if together == 1 else f"{self.done + 1}–{self.done + together}"
            which = f"picture {which} of {self.plan.count} · " if self.plan.count > 1 else ""
            text = f"{which}step {event.step} of {event.total}{time_left(event.seconds_left)}"
            percent = (self.done + together * event.step / event.total) * share
            return text[0].upper() + text[1:], percent, self._preview
        name = self._store(event)
        self.done += 1
        self._preview = None
        frame = self.frames.finished(name, self.done)
        return f"{self.done} of {self.plan.count} finished", self.done * share, frame

    def last_frame(self, stopped: bool) -> Frame | None:
        """What to show at the end, where it differs from what is there."""
        if stopped and self._preview is not None:
            return self.frames.stopped(self._preview, self._step, self._total)
        return None

    def outcome(self, stopped: bool) -> tuple[str, str]:
        """The last sentence and the state: done or stopped."""
        made = counted(self.done, "picture")
        if stopped and self.done < self.plan.count:
            at = ""
            if self._preview is not None:
                at = f" at step {self._step} of {self._total}; the last picture is unfinished"
            return f"Stopped{at}. {made if self.done else 'No picture'} finished.", "stopped"
        notes = [n for n in self._notices if n != LOADING and not n.startswith("empty mask")]
        said = ["Nothing is drawn: this is normal mucosa."] if self.plan.mask.empty else []
        high, wide = self.plan.mask.labels.shape
        if self._side and (high, wide) != (self._side, self._side):
            said.append(f"Your outline of {wide}×{high} pixels was used at {self._side}×{self._side}.")
        said += [n[0].upper() + n[1:].rstrip(".") + "." for n in dict.fromkeys(notes)]
        return " ".join([f"Done: {made}.", *said]), "done"

    def _store(self, result: Any) -> str:
        self._side = len(result.image)
        facts = {"seed": result.seed, **result.facts, "seconds": round(result.seconds, 1)}
        caption = f"seed {result.seed} · guidance {float(facts['guidance']):g} · {facts['steps']} steps"
        mask = self.plan.mask  # as drawn, so that it can be drawn on; the picture's own size follows from it
        stored = self.gallery.add(result.png(), mask.png(), facts, caption, mask.area)
        return stored.name
