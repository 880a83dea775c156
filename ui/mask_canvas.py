"""The drawing area as a component: our own plain JavaScript in a gr.HTML; and masks as the page writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np

from siamese.errors import MaskError
from siamese.masks.mask import Mask
from ui.services import sentence

SIZE = 384  # side of a mask drawn from nothing, pixels
LARGEST_PICTURE = 2048 * 2048  # pixels of a mask drawn on a picture
STATIC = Path(__file__).parent / "static"
SCRIPTS = (
    "memory.js",
    "engine.js",
    "outline.js",
    "morph.js",
    "pieces.js",
    "warp.js",
    "drawing.js",
    "reshape.js",
    "view.js",
    "sync.js",
    "desk.js",
    "tools.js",
    "keys.js",
    "morphs.js",
    "outlines.js",
    "import.js",
    "look.js",
    "mount.js",
    "who.js",
    "compare.js",
    "sheet.js",
    "gallery.js",
    "recall.js",
    "downloads.js",
    "picture.js",
    "live.js",
    "model.js",
    "files.js",
    "asking.js",
    "train_parcels.js",
    "train_chart.js",
    "train_curves.js",
    "train_previews.js",
    "train_run.js",
    "train_report.js",
    "train_data.js",
    "train_settings.js",
    "train_machine.js",
    "train_form.js",
    "train.js",
    "dataset_masks.js",
    "dataset_amount.js",
    "dataset_work.js",
    "dataset_rule.js",
    "dataset_review.js",
    "dataset_export.js",
    "dataset.js",
)


@dataclass(frozen=True)
class Example:
    """An outline to begin with."""

    name: str
    mask: Mask


def examples(folder: Path) -> list[Example]:
    """The outlines `<number>-<words>.png` of a folder, in the order of their names."""
    return [
        Example(" ".join(path.stem.split("-")[1:]), Mask.read(path).resized(SIZE))
        for path in sorted(folder.glob("*.png"))
    ]


def runs(mask: Mask) -> list[int]:
    """The mask as lengths of equal pixels in reading order, background first: 000110000 is [3, 2, 4]."""
    flat = (mask.labels > 0).ravel()
    turns = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], turns, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def mask_of(lengths: object, width: object = SIZE, height: object = SIZE) -> Mask:
    """The inverse of `runs`, for a drawing of `width` × `height` pixels; two values by construction.

    Raises:
        MaskError: no such size, or not whole numbers that fill it exactly.
    """
    for side in (width, height):
        if isinstance(side, bool) or not isinstance(side, int) or side < 1:
            raise MaskError("The drawing did not say its size; reload the page.")
    if width * height > LARGEST_PICTURE:
        raise MaskError(f"The drawing has {width}×{height} pixels; at most 2048×2048 are stored.")
    total = width * height
    if not isinstance(lengths, list) or len(lengths) > total + 1:
        raise MaskError("The drawing did not arrive whole; reload the page.")
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 or n > total for n in lengths):
        raise MaskError("The drawing holds something other than counts of pixels; reload the page.")
    if sum(lengths) != total:
        raise MaskError(f"The drawing has {sum(lengths)} pixels; {total} were expected; reload the page.")
    values = np.arange(len(lengths)) % 2
    return Mask.from_array(np.repeat(values, lengths).astype(bool).reshape(height, width))


def server_function(method: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """A plain function around a method, since Gradio marks its server functions and a method cannot be marked.

    Whatever goes wrong is answered as {ok: false, error}, a sentence for the page.
    """

    def call(payload: dict) -> dict:
        try:
            return method(payload if isinstance(payload, dict) else {})
        except Exception as error:  # noqa: BLE001 - sentence() logs what nobody foresaw; the page goes on
            return {"ok": False, "error": sentence(error)}

    call.__name__ = method.__name__
    return call


def scripts() -> str:
    """All scripts of the page, in order, as one text."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)


def mask_canvas(
    functions: Sequence[Callable[[dict], dict]],
    *,
    size: int = SIZE,
    examples: Sequence[Example] = (),
    view: Sequence[tuple[float, float]] = (),
    elem_id: str = "mask-canvas",
) -> gr.HTML:
    """The drawing area as a component; it begins to work when its prop `token` is set.

    Args:
        functions: those of `Drafts` and `Outlines`.
        size: side of a mask drawn from nothing, pixels.
        examples: outlines offered below the canvas.
        view: corners (x, y) in [0,1] of the field of view to show; none: the whole square.
        elem_id: id of the element.
    """
    drawing = {
        "size": size,
        "view": [list(corner) for corner in view],
        "examples": [{"name": e.name, "runs": runs(e.mask)} for e in examples],
    }
    return gr.HTML(
        html_template="<div class='mc'></div>",  # constant: a changed template would wipe the canvas
        js_on_load=scripts()
        + """
        window.dispatchEvent(new Event("siamese-scripts"));
        const canvas = window.SiameseMask.mount(element.querySelector(".mc"), {
            ...JSON.parse(props.drawing), server, token: () => props.token});
        const begin = () => { if (props.token) canvas.start(); };
        watch("token", begin);
        begin();
        """,
        server_functions=[server_function(f) for f in functions],
        apply_default_css=False,
        elem_id=elem_id,
        drawing=json.dumps(drawing),  # one text: at every event Gradio copies each number of a list by itself
        token="",
    )
