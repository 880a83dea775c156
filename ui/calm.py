"""What Gradio does for its developers, or too often, left out: a shorter start, and rest when nobody uses it."""

from __future__ import annotations

import gc
import inspect
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

LOOK = 0.02  # seconds between two looks of the queue; with Gradio's own 0.001 it takes a tenth of a core


def calm(page: gr.Blocks) -> None:
    """For a page whose queue is set up."""
    page._queue.sleep_when_free = LOOK


def import_gradio() -> None:
    """Import Gradio without the type stubs that it compares, or writes, for every component at every start.

    They take 1.7 s, and of two starts at once both write the same files. Components of no file have none: for so long
    all are taken for such.
    """
    getfile = inspect.getfile

    def no_file(of: Any) -> str:  # noqa: ANN401 - as inspect has it
        if sys._getframe(1).f_globals.get("__name__") == "gradio.component_meta":
            raise OSError("its stub is not wanted")
        return getfile(of)

    inspect.getfile = no_file
    gc.disable()  # next to nothing of it is ever freed
    try:
        import gradio  # noqa: F401
    finally:
        inspect.getfile = getfile
        gc.enable()
