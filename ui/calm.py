"""Gradio's queue looks a thousand times a second whether there is something to do: a tenth of a core, day and night."""

from __future__ import annotations

import gradio as gr

LOOK = 0.02  # seconds between two looks


def calm(page: gr.Blocks) -> None:
    """For a page whose queue is set up."""
    page._queue.sleep_when_free = LOOK
