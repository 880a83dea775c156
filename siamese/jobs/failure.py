"""Why a job failed, in a sentence that names what to do: the setting to lower, the disk to clear, the log to read."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from siamese.errors import FULL
from siamese.jobs import history
from siamese.jobs.request import LOG, Request, read_json

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
BOX = re.compile(r"^[│╭╰─╮╯| ]+|[│╮╯─| ]+$")
MEMORY = (
    "OutOfMemoryError",
    "CUDA out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
    "can't allocate memory",
    "not enough memory: you tried to allocate",
    "MemoryError",
)
STAGES_WITH_UNET = ("base", "siamese")  # those that `compute_twice` helps
LONGEST = 1500  # characters of a reason


@dataclass(frozen=True)
class Failure:
    """Why, and the settings (`key=value`) that would help, the gentlest first in `cure`; it may be empty."""

    reason: str
    cure: tuple[str, ...] = ()


def explain(folder: Path, request: Request, code: int, said: str) -> Failure:
    """The reason of a child's end.

    Args:
        folder: the job's. request: what it was.
        code: exit code; negative: the signal that ended it.
        said: the end of what this session wrote to the log.
    """
    lines = [line for line in ESCAPES.sub("", said).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    if any(words in "\n".join(lines[-30:]) for words in MEMORY) or code in (-9, 137):
        return _out_of_memory(folder, request, killed=code in (-9, 137))
    if code == 2:
        said = _one_line(lines)[:LONGEST] or "Refused without a word."
        return Failure(_paths_lost(request) + said)
    if request.processes > 1 and (
        told := history.read(folder).failed
    ):  # torchrun has one code for everything
        return Failure(told[:LONGEST])
    if any(words in said for words in FULL):
        return Failure("The disk is full; free some space, then resume. The last save stays.")
    if code < 0:
        return Failure(
            f"Ended by signal {-code} ({_signal(-code)}); see {LOG}. Resume goes on from the last save."
        )
    return Failure(
        f"{last[:LONGEST] or f'Ended with code {code}'} (a fault of the program; more in {folder / LOG})"
    )


def _paths_lost(request: Request) -> str:
    """A sentence where relative paths of the arguments lead nowhere now."""
    if request.begun_from_is_there:
        return ""
    where = f" ({request.cwd})" if request.cwd else ""
    return f"The folder that it was begun from{where} is gone, and relative paths with it; submit it again. "


def _out_of_memory(folder: Path, request: Request, killed: bool) -> Failure:
    how = "Ended by the system, most often because memory ran out." if killed else "Memory ran out."
    if request.verb != "train":
        option = "a smaller --batch" if request.verb == "sample" else "--device cpu"
        return Failure(f"{how} Close other programs that use it, or choose {option}.")
    recipe = read_json(folder / "recipe.json")
    at = history.read(folder).progress
    stages = recipe.get("stages") or ["siamese"]
    stage = at.stage if at is not None and at.stage in stages else str(stages[-1])
    cures = _cures(recipe, stage)
    if not cures:
        return Failure(f"{how} Nothing is known of the run's settings; lower batch or size in its recipe.")
    words = [f"{key}={value} (now {now}{note})" for key, value, now, note in cures]
    change = tuple(f"{key}={value}" for key, value, _, _ in cures[:1] if key != "size")
    return Failure(f"{how} Resume with {', or '.join(words)}. The last save stays.", change)


def _cures(recipe: Mapping[str, object], stage: str) -> list[tuple[str, object, object, str]]:
    """(key, new value, present value, remark) of the settings that need less memory, the gentlest first."""
    settings, compute = recipe.get(f"train_{stage}"), recipe.get("compute")
    found: list[tuple[str, object, object, str]] = []
    if isinstance(settings, dict) and isinstance(batch := settings.get("batch"), int):
        parts = settings.get("accumulate", 1)
        more = [n for n in range(parts + 1, batch + 1) if batch % n == 0] if isinstance(parts, int) else []
        if more:
            remark = f": batch {batch} in smaller parts, same result"
            found.append((f"train_{stage}.accumulate", more[0], parts, remark))
        if (
            stage in STAGES_WITH_UNET
            and isinstance(compute, dict)
            and compute.get("gradient_checkpointing") is False
        ):
            found.append(("compute.gradient_checkpointing", "true", "false", ": about a third slower"))
        if batch > 1:
            found.append((f"train_{stage}.batch", batch // 2, batch, ""))
    if isinstance(size := recipe.get("size"), int) and size > 64 and not found:
        found.append(("size", size // 2, size, "; needs a new run"))
    return found


def _one_line(lines: list[str]) -> str:
    """The last sentence the command line said: with its list of problems, or without the box that typer draws."""
    if not lines:
        return ""
    plain = [BOX.sub("", line) for line in lines]
    boxed = [k for k, line in enumerate(lines) if "─ Error ─" in line or "- Error -" in line]
    if boxed:
        return " ".join(line for line in plain[boxed[-1] + 1 :] if line)
    first = len(lines) - 1
    while first and lines[first].startswith("  - "):
        first -= 1
    return " ".join(line.strip() for line in lines[first:])


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
