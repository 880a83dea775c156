"""`python -m siamese synthesize`."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from siamese import events, lockfile
from siamese.augment import plan as plans
from siamese.augment.folder import SetFolder
from siamese.augment.plan import Plan
from siamese.errors import AugmentError, RecipeError
from siamese.jobs import lane
from siamese.jobs.request import note
from siamese.shipped import find
from siamese.terminal import Bar, StopSignal
from siamese.workspace import Workspace

BESIDE = "A training or another job is at work in this workspace too, and both at once are slow; Ctrl+C loses nothing."


def synthesize(
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN", help="a .toml as in assets/plans, or the folder of a set to go on with"
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="folder of the set; else one in the workspace's runs")
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=0, max=64, help="of this computer that share the work; 0: as many as are quick here"
        ),
    ] = 0,
    shard: Annotated[
        str,
        typer.Option(help="compute one share only, e.g. 2/4 on the second of four computers with one disk"),
    ] = "",
    gate: Annotated[
        bool, typer.Option("--gate/--no-gate", help="score the pictures when all are made")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what it would make and need, and make nothing")
    ] = False,
    workspace: Annotated[
        Path | None, typer.Option(help="workspace folder; else SIAMESE_WORKSPACE or the home")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
    ray: Annotated[
        str,
        typer.Option(help="dashboard of a Ray cluster whose computers see this disk, e.g. http://head:8265"),
    ] = "",
    shards: Annotated[int, typer.Option(min=1, max=1000, help="with --ray: shares of the work")] = 2,
    gpus: Annotated[int, typer.Option(min=0, help="with --ray: GPUs of each share, 0: one core each")] = 1,
    python: Annotated[str, typer.Option(help="with --ray: the Python there")] = "python3",
    minded: Annotated[Literal["", "here", "far"], typer.Option(hidden=True)] = "",
) -> None:
    """Make a set of pictures on masks, as a plan says; the same command goes on where it stopped. Ctrl+C (or SIGTERM)
    stops after the unit at hand."""
    if minded == "here":
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    home = Workspace.default() if workspace is None else Workspace(workspace)
    chosen, out = _chosen(plan, out)
    for where in chosen.pictures.checkpoints:
        find(where)  # before torch: a missing one is said at once
    from siamese.tasks.share import WHOLE, Shard, words_of
    from siamese.tasks.synthesize import SynthesizeRequest, run_of
    from siamese.tasks.synthesize import synthesize as work

    if dry_run:
        _say(chosen, home)
        return
    share = Shard.read(shard) if shard else WHOLE
    if (share != WHOLE or ray) and processes > 1 or (share != WHOLE and ray):
        raise RecipeError("Choose one of --processes, --shard and --ray.")
    folder = out or _folder(chosen, home)
    elsewhere = None
    if ray:
        from siamese.jobs.ray import RayCluster, RayShard

        cluster = RayCluster(ray)  # before the deal: nobody there is said at once

        def elsewhere(begun: SetFolder) -> list[RayShard]:
            words = [words_of(begun.root, Shard(k, shards), device, home.root) for k in range(1, shards + 1)]
            return [cluster.shard([*one, "--minded", "far"], gpus, python) for one in words]

    request = SynthesizeRequest(
        chosen, folder, home.root, device, processes, share, bool(minded), elsewhere, gate
    )
    run, complete = run_of(folder), True
    whole = share == WHOLE and run is not None
    found: Iterator[events.Event] = work(request)
    if whole:
        from siamese.tasks.record import recorded

        found = recorded(found, run)
    with StopSignal() as stop, Bar() as bar, ExitStack() as held:
        held.enter_context(closing(found))
        for event in found:
            bar.show(event)
            if whole and note(run):
                held.enter_context(lockfile.take(run) or ExitStack())  # this run cannot be deleted
                if held.enter_context(lane.joined(run)):
                    bar.show(events.Notice(BESIDE))
            if isinstance(event, events.Done):
                complete = event.complete
            if stop.asked:
                complete = False
                break
    if not complete:
        bar.show(
            events.Notice("Stopped as asked; what is finished is kept. The same command goes on from here.")
        )
        raise typer.Exit(130)


def _chosen(plan: Path, out: Path | None) -> tuple[Plan, Path | None]:
    """The plan, and the set's folder where it is known."""
    if not plan.is_dir():
        return plans.read(plan), out
    if out is not None and out.resolve() != plan.resolve():
        raise AugmentError(f"{plan} is the folder of a set; leave --out out to go on with it.")
    return SetFolder(plan).head().plan, plan


def _folder(plan: Plan, home: Workspace) -> Path:
    """The newest set of this plan that is not finished, else a new one."""
    name = re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-") or "set"
    for run in sorted(home.runs.glob(f"*_synthesize_{name}"), reverse=True):
        folder = SetFolder(run / "set")
        if folder.begun and (head := folder.head()).plan == plan and len(folder.finished()) < head.units:
            return folder.root
    return home.runs / f"{time.strftime('%Y%m%d-%H%M%S')}_synthesize_{name}" / "set"


def _say(plan: Plan, home: Workspace) -> None:
    """Print what the set would be, and what was looked for."""
    from siamese.augment import deal
    from siamese.tasks.begin import dealt

    with Bar() as bar:
        work = dealt(plan, home.root)
        while True:
            try:
                bar.show(next(work))
            except StopIteration as end:
                head, _ = end.value
                break
    for sentence in (*deal.summary(head), *head.leaks):
        print(sentence)


def _end_with_parent() -> None:
    """The parent holds our standard input open as long as it lives, however it ends."""
    while os.read(0, 1):  # not sys.stdin, whose lock a thread may not hold when the interpreter ends
        pass
    os._exit(1)
