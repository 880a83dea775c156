"""The screen "Train": its layout, and the server functions behind it."""

from __future__ import annotations

import gradio as gr

from ui.mask_canvas import server_function
from ui.parcels import Inbox, Outbox
from ui.services import Services
from ui.training_data import TrainingData
from ui.training_form import TrainingForm
from ui.training_runs import Runs
from ui.training_tasks import Tasks


class Train:
    """Everything of the screen; jobs that were waiting when the computer went off are queued again."""

    def __init__(self, services: Services):
        self._services = services
        tasks = Tasks(services.identity)
        inbox = Inbox(services.workspace, services.identity)
        outbox = Outbox(services.workspace, services.identity)
        runs = Runs(services, tasks)
        data = TrainingData(services, tasks, inbox)
        form = TrainingForm(services, tasks, runs, inbox, outbox)
        self.functions = [tasks.task, tasks.cancel, inbox.upload, outbox.piece]
        self.functions += [*runs.functions, *data.functions, *form.functions]
        runs.jobs.recover()

    def open(self, name: str, request: gr.Request) -> gr.HTML:
        """A page of `name` opened: give the screen its token."""
        return gr.HTML(token=self._services.identity.mint(self._services.enter(request, name)))


def build(page: gr.Blocks, services: Services) -> None:
    """Lay out the screen inside `page`, the gr.Blocks that is open, and wire it."""
    train = Train(services)
    screen = gr.HTML(
        html_template="<div class='tr'></div>",
        js_on_load="""
        const mount = () => {
            const screen = window.SiameseMask.mountTrain(element.querySelector(".tr"), {
                server, token: () => props.token});
            const begin = () => { if (props.token) screen.start(); };
            watch("token", begin);
            begin();
        };
        if (window.SiameseMask && window.SiameseMask.mountTrain) mount();
        else window.addEventListener("siamese-scripts", mount, { once: true });
        """,
        server_functions=[server_function(f) for f in train.functions],
        apply_default_css=False,
        elem_id="train",
        token="",
    )
    name = gr.Textbox(visible=False)
    page.load(train.open, name, screen, js=services.who, show_progress="hidden", api_visibility="private")
