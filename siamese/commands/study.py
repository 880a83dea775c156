"""`python -m siamese study …`: blind rating studies. The words of each part lie in `study_<part>.py` beside this."""

from __future__ import annotations

import typer

from siamese.commands import study_design, study_kit, study_report, study_serve, study_store

app = typer.Typer(
    no_args_is_help=True, help="Blind rating studies: design, lock, links, pages, votes, report."
)
app.command()(study_design.templates)
app.command()(study_design.new)
app.command()(study_design.control)
app.command()(study_design.check)
app.command()(study_design.power)
app.command()(study_design.rehearse)
app.command()(study_design.lock)
app.command()(study_design.links)
app.command()(study_store.status)
app.command()(study_store.verify)
app.command()(study_store.backup)
app.command()(study_store.restore)
app.command()(study_store.migrate)
app.command()(study_store.grant)
app.command()(study_store.erase)
app.command()(study_serve.serve)
app.command()(study_kit.kit)
app.command("import")(study_kit.import_)
app.command()(study_report.unblind)
app.command()(study_report.report)
app.command()(study_report.export)
app.command()(study_report.paper)
