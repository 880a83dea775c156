"""`python -m siamese jobs submit|list|status|log|cancel|resume|recover`; the rest of it is in `cluster`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from siamese.commands import cluster
from siamese.jobs import request
from siamese.jobs.jobs import Job, Jobs
from siamese.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Long work in other processes: it goes on when you log out.")
app.command()(cluster.pack)
app.command()(cluster.wrap)
app.command("check-data")(cluster.check_data)
app.command("bring-back")(cluster.bring_back)
app.add_typer(cluster.ray, name="ray")

Where = Annotated[Path | None, typer.Option(help="workspace folder; else SIAMESE_WORKSPACE or the home")]
Id = Annotated[str, typer.Argument(metavar="ID", help="the job's id, as `jobs list` shows it")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
LOOK = 0.5  # seconds between looks at a log that is followed


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def submit(
    verb: Annotated[str, typer.Argument(help=f"one of: {', '.join(request.FOLDERS)}")],
    arguments: Annotated[
        list[str], typer.Argument(metavar="ARGS...", help="what follows the verb, without its folder")
    ],
    name: Annotated[str, typer.Option(help="what you call it")] = "",
    processes: Annotated[int, typer.Option(min=1, max=64, help="one for each GPU (torchrun)")] = 1,
    workspace: Where = None,
) -> None:
    """Queue a verb; options of ours come before the verb."""
    job = Jobs(_workspace(workspace)).submit(verb, arguments, name or verb, processes=processes)
    print(job.id)


@app.command("list")
def list_jobs(workspace: Where = None, as_json: AsJson = False) -> None:
    """Every job, newest first."""
    found = [_facts(job) for job in Jobs(_workspace(workspace)).list()]
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for facts in found:
        print(f"{facts['id']}  {_words(facts)}")


@app.command()
def status(job: Id, workspace: Where = None, as_json: AsJson = False) -> None:
    """How a job stands."""
    facts = _facts(Jobs(_workspace(workspace)).find(job))
    print(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else _words(facts))


@app.command()
def log(
    job: Id,
    follow: Annotated[bool, typer.Option("--follow", help="until the job has ended")] = False,
    workspace: Where = None,
) -> None:
    """What a job printed."""
    found, offset = Jobs(_workspace(workspace)).find(job), 0
    while True:
        active = follow and found.status().active  # before the reading: nothing that comes last is missed
        while True:
            text, offset = found.log(offset)
            if not text:
                break
            print(text, end="", flush=True)
        if not active:
            return
        time.sleep(LOOK)


@app.command()
def cancel(
    job: Id,
    force: Annotated[
        bool, typer.Option("--force", help="at once; what came after the last save is lost")
    ] = False,
    workspace: Where = None,
) -> None:
    """Save and stop a job; a queued one never runs."""
    Jobs(_workspace(workspace)).find(job).cancel(force)


@app.command()
def resume(
    job: Id,
    changes: Annotated[list[str], typer.Option("--set", help="key=value, e.g. train_base.accumulate=2")] = [],  # noqa: B006
    workspace: Where = None,
) -> None:
    """Queue the same request again; training goes on from its last save."""
    Jobs(_workspace(workspace)).find(job).resume(changes)


@app.command()
def recover(workspace: Where = None) -> None:
    """After a restart of the computer: queue again what was waiting."""
    for job in Jobs(_workspace(workspace)).recover():
        print(job.id)


def _workspace(folder: Path | None) -> Workspace:
    return Workspace.default() if folder is None else Workspace(folder)


def _facts(job: Job) -> dict[str, object]:
    found = job.status()
    own = {"id": job.id, "verb": job.verb, "name": job.name, "owner": job.owner, "created": job.created}
    return {
        **own,
        "state": found.state,
        "ahead": found.ahead,
        "reason": found.reason,
        "cure": list(found.cure),
        "folder": str(job.folder),
        "arguments": list(job.arguments),
    }


def _words(facts: dict[str, object]) -> str:
    ahead = f" ({facts['ahead']} ahead)" if facts["state"] == "queued" else ""
    reason = f": {facts['reason']}" if facts["reason"] else ""
    return f"{facts['state']}{ahead}{reason}"
