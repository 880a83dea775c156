"""How a set begins, and begins again: masks are dealt, leaks looked for, and all of it is frozen in `set.json`."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Generator
from pathlib import Path

from siamese import lockfile
from siamese.augment import deal, leaks, sources
from siamese.augment.deal import Dealt
from siamese.augment.folder import Checkpoint, Head, SetFolder
from siamese.augment.plan import Plan
from siamese.counted import counted
from siamese.diffusion import checkpoint
from siamese.diffusion.device import choose_precision, precision_name
from siamese.errors import AugmentError, MachineError, RecipeError, writing
from siamese.events import Event, Notice
from siamese.sections import Settings
from siamese.shipped import FILE, find

DEALING = ".deal.lock"


def begin(plan: Plan, folder: SetFolder, workspace: Path | None, device: str) -> Generator[Event, None, Head]:
    """Deal and freeze the set of `folder`, or see that it is still the one that was begun there.

    Two processes that begin the same set at once deal the same, and one of them writes it.

    Yields: a Notice for everything that the user should know before the work begins.

    Raises:
        AugmentError: no masks, a leak, other files in the folder, another plan, a checkpoint that changed.
        CheckpointError, RecipeError, DatasetError: as they are read.
        MachineError: disk full or too small, folder not writable.
    """
    if not folder.begun:
        folder.check_free()
        head, pairs = yield from dealt(plan, workspace)
        for sentence in (*deal.summary(head), *head.leaks):
            yield Notice(sentence)
        yield Notice(f"{_room(folder.root, head, head.items) / 1e6:,.0f} MB are free on that disk.")
        head = dataclasses.replace(head, precision=precision_name(choose_precision(device)[1]))
        with writing(folder.root):
            folder.root.mkdir(parents=True, exist_ok=True)
        while (lock := lockfile.take(folder.root, DEALING)) is None:
            time.sleep(0.1)
        with lock:
            if not folder.begun:
                folder.begin(head, pairs)
    head = folder.head()
    _check_plan(head.plan, plan, folder)
    for one in head.checkpoints:
        if checkpoint.sha256(find(one.where) / FILE) != one.sha256:
            raise changed(one)
    _room(folder.root, head, head.items - len(folder.finished()) * head.plan.pictures.batch)
    return head


def dealt(plan: Plan, workspace: Path | None) -> Generator[Event, None, tuple[Head, Dealt]]:
    """What a plan deals, after every check; nothing is written.

    Yields: Progress of the deal.

    Raises:
        AugmentError, CheckpointError, RecipeError, DatasetError: as `begin`.
    """
    folders = [find(where) for where in plan.pictures.checkpoints]
    checkpoints = tuple(
        _looked_at(where, folder, plan)
        for where, folder in zip(plan.pictures.checkpoints, folders, strict=True)
    )
    lenders, known = sources.read(plan, workspace), leaks.registered(workspace)
    real = leaks.real_of(plan, lenders, known)
    held_out = leaks.held_out_of(real, lenders.roots, known)
    found = leaks.check_pictures(plan, folders, real, known) + leaks.check_sources(lenders, held_out)
    found.refuse()
    head, pairs = yield from deal.dealing(plan, lenders, checkpoints)
    found += leaks.check_dealt(pairs, held_out)
    found.refuse()
    return dataclasses.replace(head, leaks=found.looked_at), pairs


def changed(one: Checkpoint) -> AugmentError:
    """The error for a checkpoint whose weights are no longer those of the set."""
    return AugmentError(
        f"The checkpoint {one.name} ({one.where}) is not the one that this set was begun with; put the old one back, "
        "or begin another set with --out. Nothing was overwritten."
    )


def _looked_at(where: str, folder: Path, plan: Plan) -> Checkpoint:
    recipe, _ = checkpoint.read_recipe(folder)
    style = plan.pictures.style
    if style is not None and style not in recipe.styles:
        raise RecipeError(
            f"{where} knows no style {style!r} (pictures.style); choose one of {', '.join(recipe.styles)}."
        )
    return Checkpoint(where, recipe.name, checkpoint.sha256(folder / FILE), recipe.size)


def _check_plan(begun: Plan, plan: Plan, folder: SetFolder) -> None:
    other = list(_differences(begun, plan))
    if other:
        raise AugmentError(
            f"{folder.root} holds a set of another plan (it differs in {', '.join(other)}); use that plan again, or "
            "choose another folder with --out. Nothing was changed."
        )


def _differences(one: Settings, other: Settings, prefix: str = "") -> Generator[str]:
    for name in type(one).model_fields:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, Settings) and isinstance(b, Settings):
            yield from _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            yield f"{prefix}{name}"


def _room(root: Path, head: Head, pictures: int) -> int:
    """Bytes that are free on the disk of a set, of which so many pictures are still to be made.

    Raises:
        MachineError: it is not there.
    """
    need = deal.bytes_needed(head.plan, pictures, max(one.size for one in head.checkpoints))
    free = shutil.disk_usage(next(p for p in (root.absolute(), *root.absolute().parents) if p.is_dir())).free
    if need > free:
        raise MachineError(
            f"{counted(pictures, 'picture needs', 'pictures need')} about {need / 1e6:,.0f} MB, and the disk of {root} "
            f"has {free / 1e6:,.0f} MB free; free some space, choose another folder with --out, or a smaller fold."
        )
    return free
