"""The page around the screens: theme, services, launch settings."""

from __future__ import annotations

import hmac
import webbrowser
from collections.abc import Callable

import gradio as gr

from siamese.errors import MachineError
from siamese.workspace import Workspace
from ui import dataset, files, rate, studio, train
from ui.address import url
from ui.calm import calm
from ui.mask_canvas import STATIC
from ui.services import Services

TITLE = "Siamese Studio"
HERE_ONLY = ("127.0.0.1", "localhost", "::1")  # addresses that nobody else can reach
INTENT = (
    "Draw the outline of a polyp and see it as tissue. Every picture is synthetic: white light only, "
    "no size in millimetres, not for diagnosis."
)


def theme() -> gr.themes.Base:
    """Dark neutral greys (R = G = B), whether or not the browser asks for a dark page."""
    grey = gr.themes.colors.neutral
    made = gr.themes.Base(
        primary_hue=grey,
        secondary_hue=grey,
        neutral_hue=grey,
        font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_sm,
        spacing_size=gr.themes.sizes.spacing_sm,
    ).set(
        body_background_fill_dark="#181818",
        body_text_color_dark="#e6e6e6",
        body_text_color_subdued_dark="#a8a8a8",
        block_background_fill_dark="#212121",
        panel_background_fill_dark="#181818",
        panel_border_width_dark="0px",
        block_border_width_dark="0px",
        block_label_text_color_dark="#d0d0d0",
        block_title_text_color_dark="#d0d0d0",
        block_info_text_color_dark="#a0a0a0",
        border_color_primary_dark="#3a3a3a",
        input_background_fill_dark="#161616",
        input_border_color_dark="#4a4a4a",
        slider_color_dark="#bdbdbd",
        button_primary_background_fill_dark="#e2e2e2",
        button_primary_background_fill_hover_dark="#ffffff",
        button_primary_text_color_dark="#111111",
        button_secondary_background_fill_dark="#343434",
        button_secondary_background_fill_hover_dark="#434343",
        button_secondary_text_color_dark="#ececec",
        button_cancel_background_fill_dark="#343434",
        button_cancel_background_fill_hover_dark="#434343",
        button_cancel_text_color_dark="#ececec",
        checkbox_label_background_fill_dark="#2a2a2a",
        checkbox_label_background_fill_selected_dark="#4c4c4c",
        checkbox_background_color_selected_dark="#6a6a6a",
        checkbox_border_color_dark="#7a7a7a",
    )
    for name in dir(made):
        if name.endswith("_dark") and getattr(made, name) is not None:
            setattr(made, name.removesuffix("_dark"), getattr(made, name))
    return made


def head() -> str:
    """Styles of our own, inline, so that the page is dark from its first paint."""
    sheets = sorted(STATIC.glob("*.css"), key=lambda path: (path.name != "studio.css", path.name))
    css = "\n".join(path.read_text(encoding="utf-8") for path in sheets)
    return f'<meta name="color-scheme" content="dark"><style>{css}</style>'


def build(services: Services) -> gr.Blocks:
    """The whole page; imports no torch."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 7200), fill_width=True) as page:
        gr.HTML(
            f"<header class='top'><h1>{TITLE}</h1><p>{INTENT}</p></header>",
            apply_default_css=False,
            elem_id="top",
        )
        with gr.Tabs(elem_id="screens"):
            with gr.Tab("Studio", id="studio", elem_id="screen-studio"):
                studio.build(page, services)
            with gr.Tab("Train", id="train", elem_id="screen-train"):
                train.build(page, services)
            with gr.Tab("Dataset", id="dataset", elem_id="screen-dataset"):
                dataset.build(page, services)
            with gr.Tab("Rate", id="rate", elem_id="screen-rate"):
                rate.build(page, services)
            with gr.Tab("Your files", id="files", elem_id="screen-files"):
                files.build(page, services)
    page.queue(default_concurrency_limit=16, max_size=64, api_open=False)
    calm(page)
    return page


def login(password: str) -> Callable[[str, str], bool]:
    """Anybody with the password may enter, under a name of their own; drawings are stored under that name."""

    def check(name: str, word: str) -> bool:
        return bool(name.strip()) and hmac.compare_digest(word.encode(), password.encode())

    return check


def serve(
    workspace: Workspace, checkpoint: str, host: str, port: int, password: str | None, browser: bool = True
) -> None:
    """Serve the page until interrupted.

    Raises:
        MachineError: the port was taken meanwhile.
    """
    services = Services(workspace, checkpoint, login=bool(password), here_only=host in HERE_ONLY)
    page = build(services)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            inbrowser=False,
            run_history=False,
            footer_links=[],
            enable_monitoring=False,
            mcp_server=False,
            ssr_mode=False,
            pwa=False,
            allowed_paths=[],
            max_file_size="64mb",
            show_error=False,
            strict_cors=True,
            state_session_capacity=200,
            auth=login(password) if password else None,
            auth_message="Your name, and the password of this studio.",
            theme=theme(),
            head=head(),
        )
    except OSError as error:
        cure = f"choose another one, for example `--port {port + 1}`"
        raise MachineError(f"Port {port} was taken meanwhile; {cure}.") from error
    services.model.start()
    print(f"{TITLE} is at {url(host, port)}", flush=True)
    if browser:
        webbrowser.open(url(host, port))
    page.block_thread()
