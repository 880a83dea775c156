"""Where everything of the screen "Rate" stands, and which answer belongs to which button."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from siamese.study.templates import TEMPLATES
from ui import rate_pages, rate_words
from ui.rate import KINDS, LOOK, QUIET, SHOWN
from ui.services import sentence

if TYPE_CHECKING:
    from siamese.study.studies import Study
    from ui.rate import Rate, _Page

LABELS = {
    "title": ("Title, shown to raters", ""),
    "organiser": ("Who runs it", "On the protocol sheet and the information sheet."),
    "texts.contact": ("Contact for raters", "Whom they ask, and how."),
    "told": ("What raters are told about the proportion", "Empty: nothing."),
    "raters_who_know": ("Organisers or pickers among the raters, and why", "“none” where there are none."),
    "per_arm": ("Pictures of each arm", ""),
    "raters": ("Raters", ""),
    "sittings": ("Sittings", ""),
    "primary.kind": (
        "The one question",
        "Equivalence: told apart no better than guessing, within the margin.",
    ),
    "primary.margin": ("Margin", "Of the AUC or share; of levels or ranks otherwise."),
    "primary.inference": (
        "Whom it is about",
        "These raters, or clinicians at large (more than five raters).",
    ),
}


def lay_out(p: _Page) -> None:
    """Make the components."""
    at = p.at
    with gr.Column(elem_id="rate"):
        with gr.Row():
            at["study"] = gr.Dropdown(label="Study", choices=[], elem_id="rate-study")
            at["steps"] = gr.HTML(elem_id="rate-steps")
        at["said"] = gr.HTML(elem_id="rate-said")
        with gr.Accordion("New study", open=False, elem_id="rate-new") as at["new"]:
            choices = [(one.about, one.key) for one in TEMPLATES.values()]
            at["template"] = gr.Radio(choices, value=choices[0][1], label="What do you want to know?")
            with gr.Row():
                at["name"] = gr.Textbox(label="Name", info="a-z, 0-9 and hyphens", elem_id="rate-name")
                at["n_per_arm"] = gr.Number(
                    50, label="Pictures of each arm", precision=0, minimum=2, elem_id="rate-n"
                )
                at["n_raters"] = gr.Number(5, label="Raters", precision=0, minimum=1, elem_id="rate-raters")
            with gr.Row():
                at["real"] = gr.Dropdown(
                    label="Patients' pictures",
                    info="a dataset, or the path of a folder",
                    allow_custom_value=True,
                    elem_id="rate-real",
                )
                at["split"] = gr.Dropdown(
                    ["", "test", "val", "train"],
                    value="",
                    label="Of these, the list",
                    allow_custom_value=True,
                )
                at["synthetic"] = gr.Dropdown(
                    label="Synthetic pictures",
                    info="one arm for each folder",
                    multiselect=True,
                    allow_custom_value=True,
                    elem_id="rate-synthetic",
                )
            at["make"] = gr.Button(
                "Make the study", variant="primary", elem_id="rate-make", interactive=False
            )
        _design(at)
        with gr.Accordion("2 · Pictures, and what gives them away", open=False, elem_id="rate-2"):
            gr.Markdown(
                "All arms pass one preparation. A cue that alone tells them apart (AUC beyond 0.3 to 0.7) needs a "
                "written reason."
            )
            with gr.Row():
                at["prepare"] = gr.Button("Prepare the pictures", variant="primary", elem_id="rate-prepare")
                at["stop"] = gr.Button("Stop", elem_id="rate-stop")
            at["cues"] = gr.HTML(elem_id="rate-cues")
            at["reasons"] = gr.Textbox(
                label="Why the study goes on although a cue tells the arms apart",
                info="one line each, name of the cue: reason",
                lines=3,
                elem_id="rate-reasons",
            )
        _lock(at)
        _raters(at)
        with gr.Accordion("5 · Results", open=False, elem_id="rate-5"):
            gr.Markdown(
                "Opening the truth stands in the log for ever; votes that come later enter no figure."
            )
            with gr.Row():
                at["open_by"] = gr.Textbox(label="Who opens it", elem_id="rate-open-by")
                at["why"] = gr.Textbox(label="Why now", elem_id="rate-why")
                at["open_name"] = gr.Textbox(label="Type the study's name", elem_id="rate-open-name")
            with gr.Row():
                at["unblind"] = gr.Button("Unblind", elem_id="rate-unblind")
                at["report"] = gr.Button("Show the report", variant="primary", elem_id="rate-report")
            at["page"] = gr.HTML(elem_id="rate-page")
            at["files"] = gr.Files(label="Report and export", interactive=False, elem_id="rate-files")
            at["methods"] = gr.Textbox(
                label="Methods, to copy", lines=6, buttons=["copy"], interactive=False, elem_id="rate-methods"
            )


def _design(at: dict[str, Any]) -> None:
    with gr.Accordion("1 · Design", open=False, elem_id="rate-1") as at["design"]:
        at["cost"] = gr.HTML(elem_id="rate-cost")
        for keys in (
            ("title", "organiser", "texts.contact"),
            ("told", "raters_who_know"),
            ("per_arm", "raters", "sittings"),
            ("primary.kind", "primary.margin", "primary.inference"),
        ):
            with gr.Row():
                for key in keys:
                    at[f"f:{key}"] = _field(key)
        at["arms"] = gr.HTML(elem_id="rate-arms")
        at["pools"] = gr.Textbox(
            label="What the pictures of each arm are, and how they were chosen",
            info="one line each, arm: words; it stands on the protocol sheet",
            lines=2,
            elem_id="rate-pools",
        )
        with gr.Row():
            at["keep"] = gr.Button("Save", variant="primary", elem_id="rate-save")
        with gr.Accordion("All settings and texts", open=False):
            at["text"] = gr.Code(language=None, label="design.toml", lines=20, elem_id="rate-text")
            at["take"] = gr.Button("Use this text", elem_id="rate-take")


def _lock(at: dict[str, Any]) -> None:
    with gr.Accordion("3 · Lock", open=False, elem_id="rate-3"):
        at["missing"] = gr.HTML(elem_id="rate-missing")
        with gr.Row():
            at["rehearse"] = gr.Button("Rehearse", elem_id="rate-rehearse")
            at["pace"] = gr.Button("Take its pace", elem_id="rate-pace")
        with gr.Row():
            at["by"] = gr.Textbox(label="Who locks it", elem_id="rate-by")
            at["base"] = gr.Textbox(
                label="Where raters will open the pages",
                placeholder="https://ratings.example.org",
                elem_id="rate-base",
            )
            at["typed"] = gr.Textbox(label="Type the study's name", elem_id="rate-typed")
        at["lock"] = gr.Button(
            "Lock: orders, links and protocol sheet", variant="primary", elem_id="rate-lock"
        )
        at["sheet"] = gr.DownloadButton("Protocol sheet (PDF)", visible=False, elem_id="rate-sheet")


def _raters(at: dict[str, Any]) -> None:
    with gr.Accordion("4 · Raters", open=False, elem_id="rate-4"):
        at["counts"] = gr.HTML(elem_id="rate-counts")
        with gr.Row():
            at["host"] = gr.Textbox("127.0.0.1", label="Address to serve at")
            at["port"] = gr.Number(7870, label="Port", precision=0, elem_id="rate-port")
            at["certificate"] = gr.Textbox(
                label="TLS certificate (file)", placeholder="needed for other machines"
            )
            at["key"] = gr.Textbox(label="TLS key (file)")
            at["proxy"] = gr.Checkbox(label="Only a reverse proxy with TLS reaches it")
        with gr.Row():
            at["serve"] = gr.Button("Serve the rating pages", variant="primary", elem_id="rate-serve")
            at["quit"] = gr.Button("Stop serving", elem_id="rate-quit")
        at["served"] = gr.HTML(elem_id="rate-served")
        with gr.Accordion("Personal links", open=False, elem_id="rate-link-list"):
            at["links"] = gr.HTML(elem_id="rate-links")
            with gr.Row():
                at["move"] = gr.Textbox(
                    label="Address in the links",
                    placeholder="https://ratings.example.org",
                    elem_id="rate-move",
                )
                at["number"] = gr.Number(1, label="Rater", precision=0, minimum=0)
                at["link_by"] = gr.Textbox(label="Who changes it")
            with gr.Row():
                at["moved"] = gr.Button("Write the links for this address")
                at["again"] = gr.Button("A new link for this rater")
                at["revoke"] = gr.Button("Close this rater's link")
        with gr.Accordion("Raters behind a firewall", open=False):
            gr.Markdown(
                "A kit is one HTML file that a rater opens without network; the answers come back as a file, each vote "
                "is taken once."
            )
            at["kit_for"] = gr.Textbox(label="Raters", placeholder="1, 3; empty: all")
            at["kit"] = gr.Button("Write kits", elem_id="rate-kit")
            at["kits"] = gr.Files(label="Kits", interactive=False, elem_id="rate-kits")
            at["votes"] = gr.Files(label="Votes that came back", file_types=[".json"], elem_id="rate-votes")
        with gr.Row():
            at["backup"] = gr.Button("Back up now", elem_id="rate-backup")


def _field(key: str) -> Any:  # noqa: ANN401 - a component
    label, info = LABELS[key]
    more = {"label": label, "info": info or None, "elem_id": f"rate-f-{key.replace('.', '-')}"}
    if key == "primary.kind":
        return gr.Dropdown(KINDS, **more)
    if key == "primary.inference":
        return gr.Dropdown([("these raters", "these"), ("clinicians at large", "all")], **more)
    if key == "primary.margin":
        return gr.Number(minimum=0, step=0.01, **more)
    if key in ("per_arm", "raters", "sittings"):
        return gr.Number(precision=0, minimum=1, **more)
    return gr.Textbox(**more)


def wire(page: gr.Blocks, rate: Rate, p: _Page, who: str | None) -> None:
    """Bind the components to the answers."""
    shown = [p.at[name] for name in SHOWN]
    outputs, desk = [p.said, *shown], rate.desk
    name = gr.Textbox(visible=False)
    page.load(rate.open, name, [p.study, p.new, p.real, p.synthetic, p.make, *shown], js=who, **QUIET)
    p.study.input(lambda one: ["", *rate.shown(one)], p.study, outputs, **QUIET)
    p.make.click(
        rate.make,
        [name, p.at["name"], p.template, p.real, p.split, p.synthetic, p.n_per_arm, p.n_raters],
        [p.said, p.study, p.new, p.design, *shown],
        **QUIET,
    )

    def on(button: gr.Button, work: Callable[..., Any], *inputs: Any, form: bool = False) -> Any:  # noqa: ANN401
        kept = p.form[1:] if form else []
        return button.click(rate.answer(work, form), [p.study, *inputs, *kept], outputs, **QUIET)

    on(p.keep, rate.save, form=True)
    on(p.take, desk.take_text, p.text)
    preparing = p.prepare.click(rate.prepare, p.form, outputs, **QUIET)
    p.stop.click(
        lambda: rate_words.told("Stopped; the earlier preparation stays."),
        None,
        p.said,
        cancels=preparing,
        **QUIET,
    )

    def rehearsed(study: Study, *form: Any) -> str:  # noqa: ANN401
        rate.save(study, *form)
        return f"Open {desk.rehearse(study)} in another tab and rate as a rater would; none of it counts."

    def locked(study: Study, typed: str, by: str, base: str, *form: Any) -> str:  # noqa: ANN401
        rate.save(study, *form)
        return desk.lock(study, typed, by, base)

    on(p.rehearse, rehearsed, form=True)
    on(p.pace, desk.pace)
    on(p.lock, locked, p.typed, p.by, p.base, form=True).then(_sheet(rate), p.study, p.sheet, **QUIET)
    p.study.change(_sheet(rate), p.study, p.sheet, **QUIET)

    def served(study: Study, host: str, port: float, certificate: str, key: str, proxy: bool) -> str:
        from siamese.study.links import base_of

        words = ["--host", host.strip(), "--port", str(int(port)), "--base", base_of(study)]
        for option, value in (("--certificate", certificate), ("--key", key)):
            words += [option, value.strip()] if value.strip() else []
        return rate_pages.start(study, [*words, *(["--behind-proxy"] if proxy else [])])

    def linked(change: Callable[[Any, Study, int, str], object]) -> Callable[..., None]:
        def work(study: Study, number: float, by: str) -> None:
            from siamese.study import links

            change(links, study, int(number), by)

        return work

    def moved(study: Study, base: str) -> None:
        from siamese.study.links import move_links

        move_links(study, base.strip())

    on(p.serve, served, p.host, p.port, p.certificate, p.key, p.proxy)
    on(p.quit, rate_pages.stop)
    on(p.moved, moved, p.move)
    on(p.again, linked(lambda links, *one: links.reissue(*one)), p.number, p.link_by)
    on(p.revoke, linked(lambda links, *one: links.revoke(*one)), p.number, p.link_by)
    p.votes.upload(rate.answer(desk.take), [p.study, p.votes], outputs, **QUIET)
    on(p.backup, lambda study: f"Saved: {desk.backup(study)}. The truth is inside; keep it to yourself.")
    on(p.unblind, desk.unblind, p.open_name, p.open_by, p.why)
    _give(rate, p.kit, desk.kits, [p.study, p.kit_for], [p.said, p.kits])
    _give(rate, p.report, lambda study: desk.report(study), [p.study], [p.said, p.page, p.files, p.methods])
    gr.Timer(LOOK).tick(_counted(rate), p.study, p.counts, **QUIET)


def _give(
    rate: Rate, button: gr.Button, work: Callable[..., Any], inputs: list[Any], outputs: list[Any]
) -> None:
    """A button whose answer goes to the outputs after the sentence."""

    def run(name: str | None, *values: Any) -> list[Any]:  # noqa: ANN401
        try:
            found = work(rate.desk.studies.find(name or ""), *values)
            return ["", *(found if isinstance(found, tuple) else (found,))]
        except Exception as error:  # noqa: BLE001 - sentence() logs what nobody foresaw; the page goes on
            return [rate_words.told(sentence(error), bad=True), *[gr.skip()] * (len(outputs) - 1)]

    button.click(run, inputs, outputs, **QUIET)


def _sheet(rate: Rate) -> Callable[[str | None], Any]:
    def run(name: str | None) -> Any:  # noqa: ANN401
        if not name:
            return gr.update(visible=False, value=None)
        # three seconds of statistics, not for who opens the page to draw
        from siamese.study.lock import SHEET

        path = rate.desk.studies.find(name).folder / SHEET
        there = path.is_file()
        return gr.update(visible=there, value=rate.desk.handed(path) if there else None)

    return run


def _counted(rate: Rate) -> Callable[[str | None], Any]:
    def run(name: str | None) -> Any:  # noqa: ANN401
        study = rate.desk.studies.find(name) if name in rate.desk.names() else None
        if study is None or not study.locked:
            return gr.skip()
        from siamese.study.studies import status

        return rate_words.counts(status(study))

    return run
