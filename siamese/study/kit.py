"""Kits: one self-contained HTML file for each rater behind a firewall, without the truth.

A kit holds the texts, the rater's order and a copy of every picture under a token of its own; no arm, no source, no id
of an item. It asks the network for nothing. Answers stay in that browser until the rater saves them as a file, which
`siamese.study.kit_import` takes in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from siamese.atomic import beside, private_folder
from siamese.errors import StudyError, writing
from siamese.study import pages
from siamese.study.kit_order import Tokens, kit_id, order_of, token
from siamese.study.kit_pictures import Parcels, masks_of, pictures_of
from siamese.study.studies import Study

OWN = Path(__file__).parent / "kit_page"
SCRIPTS = (*pages.SCRIPTS, *(OWN / f"{name}.js" for name in ("log", "file", "vault", "door", "kit")))
STYLES = (pages.STYLE, OWN / "kit.css")
LARGEST = 300 * 10**6  # bytes of a kit; browsers open it in seconds, e-mail carries a tenth


@dataclass(frozen=True)
class Kit:
    """A kit, written or about to be.

    Args:
        rater: number.
        path: where it lies.
        size: bytes.
        pictures: copies of pictures in it, repeats and practice included.
    """

    rater: int
    path: Path
    size: int
    pictures: int


class Kits:
    """Kits of some raters of a study; their size is known before anything is written.

    Args:
        study: locked.
        raters: numbers.

    Raises:
        StudyError: not locked, no such rater, a picture that is missing or was changed, or a kit would be too large.
    """

    def __init__(self, study: Study, raters: Sequence[int]):
        self._study, self._shell = study, _shell(study)
        self._orders = {rater: order_of(study, rater) for rater in raters}
        shown = {item for order in self._orders.values() for one in order for item in one.items}
        outlined = {
            item
            for order in self._orders.values()
            for one in order
            if self._with_mask(one)
            for item in one.items
        }
        self._pictures = Parcels(pictures_of(study, sorted(shown)))
        self._masks = Parcels(masks_of(study, sorted(outlined)))
        self.planned = tuple(self._plan(rater) for rater in raters)
        for kit in self.planned:
            if kit.size > LARGEST:
                raise StudyError(
                    f"The kit of rater {kit.rater} would have {kit.size / 1e6:.0f} MB; at most {LARGEST / 1e6:.0f} MB "
                    "open well in a browser. Give this rater a personal link (`study serve`), or make a smaller study."
                )

    def write(self) -> Iterator[Kit]:
        """Write them one after another into the study's folder `kits`, each readable by its owner alone.

        Raises:
            MachineError: disk full, or the folder cannot be written.
        """
        for kit in self.planned:
            with writing(kit.path):
                private_folder(kit.path.parent)
                with beside(kit.path, ".writing-") as file:
                    for part in self._parts(kit.rater):
                        file.write(part.encode("utf-8"))
            yield kit

    def _plan(self, rater: int) -> Kit:
        order = self._orders[rater]
        copies = sum(len(one.items) for one in order)
        outlines = sum(len(one.items) for one in order if self._with_mask(one))
        size = sum(len(part.encode("utf-8")) for part in self._parts(rater, empty=True))
        size += copies * self._pictures.written + outlines * self._masks.written
        return Kit(rater, self._study.folder / "kits" / f"rater-{rater:02d}.html", size, copies)

    def _parts(self, rater: int, empty: bool = False) -> Iterator[str]:
        order = self._orders[rater]
        yield self._shell.before
        yield _data("kit", "application/json", json.dumps(self._facts(rater), ensure_ascii=False))
        for one in order:
            for n, item in enumerate(one.items):
                parcel = "" if empty else self._pictures.parcel(item, one.tokens[n])
                yield _data(one.tokens[n], "text/plain", parcel)
                if self._with_mask(one):
                    name = self._mask_token(rater, one, n)
                    yield _data(name, "text/plain", "" if empty else self._masks.parcel(item, name))
        yield self._shell.after

    def _facts(self, rater: int) -> dict[str, object]:
        """All that a kit knows beside its pictures."""
        shown, order = self._study.shown, self._orders[rater]
        minutes = max(1, math.ceil(len(order) * shown.seconds / 60))
        return {
            "kit": kit_id(self._study, rater, order),
            "study": self._study.id,
            "design_sha256": self._study.design_sha256,
            "rater": rater,
            "seconds": shown.seconds,
            "sheet": pages.sheet(shown, minutes),
            "words": shown.texts.words.model_dump(mode="json"),
            "presentations": [self._shows(rater, order, one) for one in order],
        }

    def _shows(self, rater: int, order: tuple[Tokens, ...], one: Tokens) -> dict[str, object]:
        """A presentation as a kit knows it: a hidden repeat looks like any other."""
        before = order[one.place - 1] if one.place else one
        outlined = range(len(one.items)) if self._with_mask(one) else ()
        return {
            "practice": one.phase == "practice",
            "pause": before.block != one.block and before.phase != "practice",  # as in `way.stage_of`
            "question": one.question,
            "pictures": one.tokens,
            "outlines": [self._mask_token(rater, one, n) for n in outlined],
        }

    def _with_mask(self, one: Tokens) -> bool:
        return bool(one.question) and self._study.shown.scale(one.question).with_mask

    def _mask_token(self, rater: int, one: Tokens, position: int) -> str:
        return token(f"{self._study.id}:mask", rater, one.place, position, one.items[position])


@dataclass(frozen=True)
class _Shell:
    before: str
    after: str


def _shell(study: Study) -> _Shell:
    """The page around the data: one style sheet and one script, allowed by their digests and nothing else."""
    script = "\n".join(path.read_text("utf-8") for path in SCRIPTS)
    style = "\n".join(path.read_text("utf-8") for path in STYLES)
    page = (OWN / "kit.html").read_text("utf-8")
    for name, text in (
        ("language", escape(study.shown.texts.language)),
        ("title", escape(study.shown.title)),
        ("style-digest", _digest(style)),
        ("script-digest", _digest(script)),
        ("style", style),
    ):
        page = page.replace(f"<!--{name}-->", text)
    before, after = page.split("<!--data-->\n")
    return _Shell(before, after.replace("<!--script-->", script))


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _data(name: str, kind: str, text: str) -> str:
    """A block that the browser keeps as it is; no text of it can end the block."""
    return f'<script type="{kind}" id="d-{name}">{text.replace("<", chr(92) + "u003c")}</script>\n'
