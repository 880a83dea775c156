"""What every word of `python -m siamese study` takes, and how it finds its study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamese.workspace import Workspace

if TYPE_CHECKING:
    from siamese.study.studies import Study

Name = Annotated[str, typer.Argument(metavar="NAME", help="the study's name")]
Where = Annotated[
    Path | None, typer.Option("--workspace", help="default: SIAMESE_WORKSPACE or ~/SiameseStudio")
]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


def workspace_of(folder: Path | None) -> Workspace:
    """The workspace that was named, or the default one."""
    return Workspace.default() if folder is None else Workspace(folder)


def find(name: str, workspace: Path | None) -> Study:
    """The study of a name in a workspace."""
    from siamese.study.studies import Studies

    return Studies(workspace_of(workspace)).find(name)
