"""`python -m siamese doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamese.workspace import Workspace


def doctor(
    checkpoint: Annotated[str, typer.Option(help="a shipped name or a folder")] = "polyp-compact",
    workspace: Annotated[
        Path | None, typer.Option(help="workspace folder; else SIAMESE_WORKSPACE or the home")
    ] = None,
) -> None:
    """Check this machine: versions, device, precision, disk, checkpoint, workspace; a cure for each failure."""
    from siamese import doctor as doctors

    findings = doctors.examine(Workspace.default().root if workspace is None else workspace, checkpoint)
    for finding in findings:
        print(finding)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
