"""The verb `synthesize`: a plan becomes a set of pictures on masks. A generator of events; the same call goes on.

A set is dealt once, checked for leaks and frozen (`siamese.augment`). Then unit after unit is computed, each of the
same pictures in the same company whoever computes it and when, and written whole; what a kill left half is computed
again. Shards share the units of a set among processes and computers. The gate comes last.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamese.augment.folder import GATE, HEAD, Checkpoint, Head, SetFolder
from siamese.augment.item import Item, Made
from siamese.augment.plan import Plan
from siamese.counted import counted
from siamese.diffusion import checkpoint
from siamese.diffusion.checkpoint import Loaded
from siamese.diffusion.device import PRECISIONS, choose_device
from siamese.errors import AugmentError, MachineError
from siamese.events import Done, Event, Notice, Progress, Saved
from siamese.shipped import find
from siamese.tasks import png
from siamese.tasks.begin import begin, changed
from siamese.tasks.sample import SampleRequest, sample_many
from siamese.tasks.share import WHOLE, Shard, Worker, at_work, children, fitting, threads, watched

STAGE, CANCEL = "synthesize", "cancel"
OFTEN = 2.0  # seconds between two events while others work: whoever reads them may wish to stop


@dataclass(frozen=True)
class SynthesizeRequest:
    """A set to be made, or to go on with.

    Args:
        plan: what to make. out: the folder of the set.
        workspace: where datasets and outlines that the plan names are looked for; None: folders only.
        device: auto, cpu, cuda, cuda:1, mps.
        processes: of this computer that share the work; 0: as many as are soonest done.
        shard: compute this share of the units and nothing else, neither others' nor the gate.
        minded: by a process that holds the set for all its shards.
        elsewhere: starts other computers' processes for a set that is begun; they share the work, and this one waits.
        gate: score the pictures when all are made.
    """

    plan: Plan
    out: Path
    workspace: Path | None = None
    device: str = "auto"
    processes: int = 0
    shard: Shard = WHOLE
    minded: bool = False
    elsewhere: Callable[[SetFolder], Sequence[Worker]] | None = None
    gate: bool = True


def synthesize(request: SynthesizeRequest) -> Iterator[Event]:
    """Deal a set if there is none, compute what is missing, then let the gate run.

    Yields: Notices of what was dealt and of the disk it needs; Progress in pictures after each unit; the gate's
        events; Done, `complete` False when a file `cancel` in the set's folder, or in its run's, asked to stop.
        Closing the generator stops after the unit at hand; nothing that is finished is lost.

    Raises:
        AugmentError: no masks, a leak, a folder with other files or with a set of another plan, a checkpoint that
            changed, or another process at work here. Nothing was overwritten.
        CheckpointError, RecipeError: a checkpoint that is missing or damaged, or knows no such style.
        MachineError: disk full or folder not writable; what was finished is kept.
    """
    folder = SetFolder(request.out)
    if request.shard == WHOLE:
        for word in _stops(folder):
            word.unlink(missing_ok=True)
    head = yield from begin(request.plan, folder, request.workspace, request.device)
    with at_work(folder.root, request.shard, request.minded):
        if request.shard == WHOLE:  # nobody else writes here: what a kill left half written can go
            for half in folder.root.glob("*/.writing-*"):
                half.unlink(missing_ok=True)
        left = _left(folder, head)
        processes = min(request.processes, left)
        if request.processes == 0 and request.shard == WHOLE:
            processes = fitting(left, request.device, any(map(_threaded, head.checkpoints)))
        if request.elsewhere and left:
            yield from shared(folder, head, request.elsewhere(folder))
        elif processes > 1 and request.shard == WHOLE:
            yield from shared(
                folder, head, children(folder.root, processes, request.device, request.workspace)
            )
        else:
            yield from _units(request, folder, head)
        complete = len(folder.finished()) == head.units
        if request.shard == WHOLE and complete and request.gate and not _gated(folder, head):
            from siamese.tasks.gate import gate  # needs the judge, which a shard does not

            yield from gate(folder, request.workspace)
        own = _own(folder.items(), request.shard)
        step = sum(len(own[k]) for k in folder.finished() & own.keys())
        yield Done(STAGE, step, complete=step == sum(map(len, own.values())))


def run_of(out: Path) -> Path | None:
    """The run folder of a workspace that a set lies in, as jobs have one; None for a set that lies elsewhere."""
    out = out.absolute()
    return out.parent if out.name == "set" and out.parent.parent.name == "runs" else None


def shared(folder: SetFolder, head: Head, workers: Sequence[Worker]) -> Iterator[Event]:
    """Progress of a set that `workers` compute, until all have ended.

    Raises:
        AugmentError: one of them ended with an error; the others were asked to stop.
    """
    sizes = {k: len(items) for k, items in _own(folder.items(), WHOLE).items()}

    def count() -> int:
        return sum(sizes[k] for k in folder.finished() & sizes.keys())

    clock = _Clock(head.items, count())
    yield clock.progress()
    said = time.monotonic()
    for _ in watched(workers):
        if (done := count()) != clock.done or time.monotonic() - said > OFTEN:
            clock.done, said = done, time.monotonic()
            yield clock.progress()


class _Clock:
    """Rate and time left, from what was done since this call began."""

    def __init__(self, total: int, done: int):
        self.total, self.done, self._first, self._begun = total, done, done, time.monotonic()

    def progress(self) -> Progress:
        rate = (self.done - self._first) / max(1e-9, time.monotonic() - self._begun)
        left = (self.total - self.done) / rate if rate else None
        return Progress(STAGE, self.done, self.total, rate or None, left)


def _stops(folder: SetFolder) -> list[Path]:
    """Files that ask to stop: in the set's folder, and in that of the job that makes it."""
    run = run_of(folder.root)
    return [folder.root / CANCEL, *([run / CANCEL] if run else [])]


def _left(folder: SetFolder, head: Head) -> int:
    """Pictures that are still to be made, about."""
    return (head.units - len(folder.finished())) * head.plan.pictures.batch


def _threaded(one: Checkpoint) -> bool:
    """Does a checkpoint compute in all threads of the processor, and not in one?

    In fp32 the number of threads changes the last bit of a sum, so a small model computes in one: as many processes
    as there are cores are faster than threads, and make the same bytes. A large one would not fit several times.
    """
    return checkpoint.read_recipe(find(one.where))[0].family != "compact"


def _gated(folder: SetFolder, head: Head) -> bool:
    return (folder.root / GATE).is_file() and len(folder.scores()) == head.items


def _own(items: list[Item], shard: Shard) -> dict[int, list[Item]]:
    """The units of a shard, with their items in order."""
    units: dict[int, list[Item]] = {}
    for one in items:
        if one.unit % shard.count == shard.index - 1:
            units.setdefault(one.unit, []).append(one)
    return units


def _units(request: SynthesizeRequest, folder: SetFolder, head: Head) -> Iterator[Event]:
    """Compute the missing units of a shard, one checkpoint after another: one model in memory."""
    units = _own(folder.items(), request.shard)
    missing = [k for k in units if not _whole(folder, k, units[k])]
    total = sum(map(len, units.values()))
    clock = _Clock(total, total - sum(len(units[k]) for k in missing))
    if clock.done and missing:
        yield Notice(f"Resumed: {clock.done:,} of {counted(clock.total, 'picture')} are made.")
    yield clock.progress()
    mark = hashlib.sha256((folder.root / HEAD).read_bytes()).hexdigest()[:16]
    which, loaded = -1, None
    for k in sorted(missing, key=lambda k: (units[k][0].checkpoint, k)):
        if any(word.exists() for word in _stops(folder)):
            return
        if units[k][0].checkpoint != which or loaded is None:
            loaded = None  # the memory of the one before goes first
            which = units[k][0].checkpoint
            loaded = _load(head, which, request.device)
            clock = _Clock(clock.total, clock.done)  # loading is no part of the rate
        with threads(0 if _threaded(head.checkpoints[which]) else 1):
            made, files = _computed(loaded, head.plan, folder, units[k], mark)
        folder.write_unit(k, made, files)
        clock.done += len(made)
        yield clock.progress()
    yield Saved(folder.root)


def _computed(
    loaded: Loaded, plan: Plan, folder: SetFolder, items: list[Item], mark: str
) -> tuple[list[Made], list[bytes]]:
    pictures = plan.pictures
    request = SampleRequest(
        seeds=tuple(one.seed for one in items),
        guidance=pictures.guidance,
        steps=pictures.steps,
        sampler=pictures.sampler,
        style=pictures.style,
    )
    results = sample_many(loaded, [folder.mask(one) for one in items], request)
    made, files = [], []
    for one, result in zip(items, results, strict=True):
        facts = {"set": mark, "id": one.id, **result.facts}
        data = png.encode(result.image, facts)
        pixels = hashlib.sha256(result.image.tobytes()).hexdigest()
        made.append(Made(one.id, hashlib.sha256(data).hexdigest(), pixels, round(result.seconds, 3), facts))
        files.append(data)
    return made, files


def _whole(folder: SetFolder, unit: int, items: list[Item]) -> bool:
    """Is a unit finished, and are its files there? A power cut may leave empty ones."""
    try:
        made = folder.made_of(unit)
        sizes = [folder.image_path(one.id).stat().st_size for one in items]
    except (AugmentError, OSError):
        return False
    return [one.id for one in made] == [one.id for one in items] and all(sizes)


def _load(head: Head, which: int, device: str) -> Loaded:
    """A checkpoint of the set in the set's precision.

    Raises:
        AugmentError: it is no longer the one that the set was begun with.
        MachineError: this device does not compute in that precision.
    """
    wanted, chosen = head.checkpoints[which], choose_device(device)
    if chosen.type == "cpu" and head.precision == "fp16":
        raise MachineError(
            "This set was begun on a GPU in fp16, which the processor does not compute in; go on there, or begin "
            "another set here."
        )
    loaded = checkpoint.load(wanted.where, chosen, PRECISIONS[head.precision])
    if loaded.sha256 != wanted.sha256:
        raise changed(wanted)
    return loaded
