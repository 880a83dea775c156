"""How a job stands: computed from its folder each time, never stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from siamese import lockfile
from siamese.jobs import lane, request
from siamese.jobs.request import Request, read_json

State = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
STATES: tuple[State, ...] = get_args(State)
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Status:
    """How a job stands.

    Args:
        state: one of STATES. ahead: jobs before it, while it is queued.
        reason: why it is no longer at work; empty where there is nothing to say.
        cure: settings (`key=value`) to resume with after it ran out of memory.
    """

    state: State
    ahead: int = 0
    reason: str = ""
    cure: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        """Waiting or at work."""
        return self.state in ("queued", "running")

    @property
    def resumable(self) -> bool:
        """Would the same request go on from here?"""
        return self.state in ("stopped", "failed", "interrupted")


def compute(folder: Path, asked: Request | None) -> Status:
    """How the job of a folder stands; `asked` None: no request is known of it."""
    working = lockfile.held(folder, lockfile.NAME)
    ended = read_json(folder / request.ENDED)
    if ended and not working:
        return _ended(ended)
    if lockfile.held(folder, lockfile.RUNNER):
        if asked is None or (folder / request.PROCESS).exists():
            return Status("running")
        return Status("queued", lane.ahead(folder, asked))
    if working:
        return Status("running")
    if lost(folder):
        return Status(
            "interrupted", reason="The computer was restarted before its turn came; resume queues it again."
        )
    if trained(folder):
        return Status("finished")
    if (folder / request.CANCEL).exists():
        return Status("stopped")
    step = newest(folder)
    rest = f"goes on from step {step[1]} of stage {step[0]}" if step else "begins anew"
    return Status(
        "interrupted", reason=f"Ended without a word (killed, or the computer went off); resume {rest}."
    )


def lost(folder: Path) -> bool:
    """Was this job queued, and has it no runner any more?"""
    begun = (request.PROCESS, request.ENDED, request.CANCEL, "recipe.json")
    found = None if any((folder / name).exists() for name in begun) else request.read(folder)
    return found is not None and bool(found.arguments) and not found.shell and not lockfile.held(folder)


def trained(folder: Path) -> bool:
    """Has the run of this folder trained its last stage to the end?"""
    recipe = read_json(folder / "recipe.json")
    stages = recipe.get("stages")
    stage = str(stages[-1]) if isinstance(stages, list) and stages else ""
    settings = recipe.get(f"train_{stage}")
    steps = settings.get("steps") if isinstance(settings, dict) else None
    return isinstance(steps, int) and any(name == stage and step >= steps for name, step in _points(folder))


def newest(folder: Path) -> tuple[str, int] | None:
    """Stage and step of the last save of a training run; None when it never saved."""
    stages = read_json(folder / "recipe.json").get("stages")
    order = [str(stage) for stage in stages] if isinstance(stages, list) else []
    points = [(order.index(name), step) for name, step in _points(folder) if name in order]
    return (order[max(points)[0]], max(points)[1]) if points else None


def _points(folder: Path) -> list[tuple[str, int]]:
    found = [
        re.fullmatch(r"(\w+)-(\d{7})", path.parent.name) for path in folder.glob(f"checkpoints/*/{WEIGHTS}")
    ]
    return [(match[1], int(match[2])) for match in found if match]


def _ended(ended: dict[str, object]) -> Status:
    cure = ended.get("cure")
    words = tuple(str(word) for word in cure) if isinstance(cure, list) else ()
    state = ended.get("state")
    return Status(state if state in STATES else "interrupted", 0, str(ended.get("reason") or ""), words)
