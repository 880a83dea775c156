"""Recall: what a synthesized PNG says about itself, made into settings again, and whether a second run agrees."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from siamese.errors import SiameseError
from siamese.gallery import Gallery
from siamese.masks.header import announced_size, kind
from siamese.masks.mask import Mask
from siamese.sections import Sampler
from siamese.tasks import png
from ui.mask_canvas import runs
from ui.model_line import takes_prompts
from ui.pictures import Answers
from ui.run import Plan
from ui.settings import LARGEST_SEED, MOST_STEPS, fit, prompt, whole

LARGEST_FILE = 16 * 1024 * 1024  # bytes
LARGEST_SIDE = 4096  # pixels
SAMPLERS = get_args(Sampler)
NOT_STORED = "Its outline is not stored here, so it cannot be made again; draw it, or open its mask file."


class RecallError(SiameseError):
    """A picture that does not say how it was made."""


def checked(data: bytes, name: str) -> bytes:
    """A PNG file of acceptable size.

    Raises:
        RecallError: anything else.
    """
    if len(data) > LARGEST_FILE:
        raise RecallError(f"{name} has {len(data) / 2**20:.0f} MB; a picture of at most 16 MB was expected.")
    size = announced_size(data) if data and kind(data) == "PNG" else None
    if size is None or max(size) > LARGEST_SIDE:
        raise RecallError(f"{name} is no PNG picture of this studio; open a “synthetic_….png” saved here.")
    return data


def facts_of(data: bytes, name: str) -> dict[str, str]:
    """The facts that a synthesized PNG carries.

    Raises:
        RecallError: none, or not all that are needed.
    """
    try:
        facts = png.read_facts(checked(data, name))
    except ValueError as error:
        raise RecallError(f"The record in {name} is damaged; open the file as it was saved here.") from error
    if not {"seed", "guidance", "steps", "mask_sha256"} <= facts.keys():
        raise RecallError(
            f"{name} carries no record of how it was made, so it is not a picture of this studio or was saved by "
            "another program; open a “synthetic_….png” saved here."
        )
    settings(facts)
    return {key: str(value)[:400] for key, value in facts.items()}


def settings(facts: dict) -> dict[str, int | float | str | bool]:
    """Facts as settings of the page: seed, guidance, steps, sampler, corner_box, prompt.

    Raises:
        RecallError: a value is missing or impossible.
    """
    try:
        sampler = str(facts.get("sampler", "dpm"))
        if sampler not in SAMPLERS:
            raise ValueError
        return {
            "seed": whole(float(facts["seed"]), "The seed", 0, LARGEST_SEED),
            "guidance": fit(float(facts["guidance"])),
            "steps": whole(float(facts["steps"]), "The number of steps", 1, MOST_STEPS),
            "sampler": sampler,
            "corner_box": str(facts.get("corner_box", "0")) in ("1", "True"),
            "prompt": prompt(str(facts.get("prompt") or "")),
        }
    except (KeyError, ValueError, TypeError, OverflowError, SiameseError) as error:
        raise RecallError(
            "The record in this picture holds a value that this studio does not know; open a picture saved here."
        ) from error


def outline(gallery: Gallery, digest: object) -> Mask | None:
    """The drawing with a digest, of any picture in the gallery."""
    for picture in gallery.pictures():
        if picture.facts.get("mask_sha256") == digest:
            try:
                mask = Mask.from_png(gallery.mask_png(picture.name), "the stored outline")
            except SiameseError:
                continue  # deleted meanwhile or damaged; another picture may have the same one
            if mask.digest == digest:
                return mask
    return None


def plan(gallery: Gallery, facts: object, drawn: Mask) -> Plan:
    """What to make to get the picture with `facts` again, from the stored outline or from the drawing `drawn`.

    Raises:
        RecallError: facts that are none, or the outline is neither stored nor drawn.
    """
    if not isinstance(facts, dict):
        raise RecallError("The page did not say which picture to make again; open it once more.")
    found = settings(facts)
    digest = facts.get("mask_sha256")
    mask = drawn if drawn.digest == digest else outline(gallery, digest)
    if mask is None:
        raise RecallError(NOT_STORED)
    rows = ((found["guidance"], (found["seed"],)),)
    return Plan(mask, rows, found["steps"], found["sampler"], found["corner_box"], found["prompt"])


class Recall(Answers):
    """The server functions."""

    def recall(self, payload: dict) -> dict:
        """Everything about {id} of the gallery or a dropped file {name, data (base64)}.

        Returns:
            {ok, png, caption, facts, settings, id (where the gallery has it), drawing {width, height, runs} or null,
            words}.
        """
        gallery = self.gallery(payload)
        data, name, stored = _source(gallery, payload)
        facts = facts_of(data, name)
        found = settings(facts)
        mask = outline(gallery, facts["mask_sha256"])
        said = f"Seed {found['seed']}, guidance {found['guidance']:g}, {found['steps']} steps"
        said += " and its prompt are set again" if found["prompt"] else " are set again"
        words = f"{said}, and the outline is drawn." if mask else f"{said}. {NOT_STORED}"
        if found["prompt"] and not takes_prompts(self._services):
            words += f" {self._services.model.name} understands no prompts; choose the model that made it."
        height, width = mask.labels.shape if mask else (0, 0)
        return {
            "ok": True,
            "png": base64.b64encode(data).decode(),
            "id": stored,
            "caption": f"seed {found['seed']} · guidance {found['guidance']:g} · {found['steps']} steps",
            "facts": facts,
            "settings": found,
            "drawing": {"width": width, "height": height, "runs": runs(mask)} if mask else None,
            "words": words,
        }

    def difference(self, payload: dict) -> dict:
        """How far the pictures {a} and {b} are apart, each {id} or {name, data}: {ok, identical, most, mean, words}."""
        gallery = self.gallery(payload)
        sides = [payload[side] if isinstance(payload.get(side), dict) else {} for side in "ab"]
        files = [_source(gallery, side)[:2] for side in sides]
        a, b = (_pixels(*file) for file in files)
        if a.shape != b.shape:
            sizes = " and ".join(f"{image.shape[1]}×{image.shape[0]}" for image in (a, b))
            return {
                "ok": True,
                "identical": False,
                "most": None,
                "mean": None,
                "words": f"Different sizes: {sizes}.",
            }
        apart = np.abs(a.astype(np.int16) - b.astype(np.int16))
        most, mean = int(apart.max()), float(apart.mean())
        if not most:
            return {
                "ok": True,
                "identical": True,
                "most": 0,
                "mean": 0.0,
                "words": "Identical, pixel for pixel.",
            }
        why = _why(*(_facts(data) for data, _ in files))
        words = f"Not identical: at most {most} of 255 apart, {mean:.2f} on average. {why}"
        return {"ok": True, "identical": False, "most": most, "mean": round(mean, 4), "words": words}


def _facts(data: bytes) -> dict[str, str]:
    try:
        return png.read_facts(data)
    except ValueError:
        return {}


def _why(before: dict[str, str], after: dict[str, str]) -> str:
    if before.get("checkpoint_sha256") != after.get("checkpoint_sha256"):
        return f"The first was made by another model ({before.get('checkpoint', 'unknown')[:60]})."
    return "Another machine or version may give a slightly different picture."


def _pixels(data: bytes, name: str) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise RecallError(f"{name} is damaged; open the file as it was saved here.")
    return image


def _source(gallery: Gallery, what: dict) -> tuple[bytes, str, str | None]:
    """(file, its name in words, its name in the gallery)."""
    if what.get("id") is not None:
        stored = str(what["id"])
        return gallery.picture_png(stored), "the stored picture", stored
    name = Path(str(what.get("name"))).name[:120] or "the file"
    text = str(what.get("data"))
    if len(text) > LARGEST_FILE * 4 / 3 + 8:
        raise RecallError(f"{name} has more than 16 MB; a picture saved here is far smaller.")
    try:
        return checked(base64.b64decode(text, validate=True), name), name, None
    except binascii.Error as error:
        raise RecallError(f"{name} did not arrive whole; open it again.") from error
