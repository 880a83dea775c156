"""The screen "Dataset": from masks to an export, its layout and the server functions behind it."""

from __future__ import annotations

import gradio as gr

from ui.dataset_export import Exports
from ui.dataset_plan import Plans
from ui.dataset_review import Reviews
from ui.dataset_sets import Sets
from ui.mask_canvas import server_function
from ui.parcels import Outbox
from ui.services import Services
from ui.training_tasks import Tasks


class Dataset:
    """Everything of the screen."""

    def __init__(self, services: Services):
        self._services = services
        tasks = Tasks(services.identity)
        outbox = Outbox(services.workspace, services.identity)
        sets = Sets(services)
        self.functions = [tasks.task, tasks.cancel, outbox.piece, *sets.functions]
        self.functions += Plans(services, tasks).functions
        self.functions += Reviews(services, sets).functions
        self.functions += Exports(services, tasks, sets, outbox).functions

    def open(self, name: str, request: gr.Request) -> gr.HTML:
        """A page of `name` opened: give the screen its token."""
        return gr.HTML(token=self._services.identity.mint(self._services.enter(request, name)))


def build(page: gr.Blocks, services: Services) -> None:
    """Lay out the screen inside `page`, the gr.Blocks that is open, and wire it."""
    dataset = Dataset(services)
    screen = gr.HTML(
        html_template="<div class='tr ds'></div>",
        js_on_load="""
        const mount = () => {
            const screen = window.SiameseMask.mountDataset(element.querySelector(".ds"), {
                server, token: () => props.token});
            const begin = () => { if (props.token) screen.start(); };
            watch("token", begin);
            begin();
        };
        if (window.SiameseMask && window.SiameseMask.mountDataset) mount();
        else window.addEventListener("siamese-scripts", mount, { once: true });
        """,
        server_functions=[server_function(f) for f in dataset.functions],
        apply_default_css=False,
        elem_id="dataset",
        token="",
    )
    name = gr.Textbox(visible=False)
    page.load(dataset.open, name, screen, js=services.who, show_progress="hidden", api_visibility="private")
