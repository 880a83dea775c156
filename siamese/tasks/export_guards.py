"""What an export is refused for: an unfinished or unscored set, copies nobody decided on, changed files, leaks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from siamese.atomic import read_capped
from siamese.augment import leaks
from siamese.augment.folder import Head, SetFolder
from siamese.augment.sources import dataset_root
from siamese.counted import counted
from siamese.errors import AugmentError, CheckpointError
from siamese.events import Progress
from siamese.gate import rules
from siamese.gate.rules import Standing
from siamese.shipped import find

SHOWN = 8


def check(set: SetFolder, head: Head) -> Iterator[Progress]:
    """Look at a set before it is exported.

    Raises:
        AugmentError: the first thing that forbids it, every case named that it holds for.
    """
    missing = head.units - len(set.finished())
    if missing:
        raise AugmentError(
            f"{set.root} is not finished: {missing} of {head.units} batches are missing. Finish it with "
            "`python -m siamese synthesize`."
        )
    unscored = rules.unscored(set)
    if unscored:
        raise AugmentError(
            f"The gate has not seen {counted(len(unscored), 'picture')} of {set.root}; run "
            f"`python -m siamese gate {set.root}` first."
        )
    blocked = rules.blocked(set)
    if blocked:
        raise AugmentError(
            f"{counted(len(blocked), 'picture')} of {set.root} may be a copy of a training picture, and nobody has "
            f"decided: {_named(blocked)}. Look at them and accept or reject each, on the page or with "
            "`python -m siamese gate decide`."
        )
    yield from _unchanged(set)


def folder_of(path: Path) -> SetFolder:
    """The set in a folder, or in that of the job that made it."""
    return next((s for s in (SetFolder(path), SetFolder(path / "set")) if s.begun), SetFolder(path))


def standing(set: SetFolder) -> dict[str, Standing]:
    """Id → how it stands under the rules in force."""
    return rules.standing(set)


def chosen(standing: Mapping[str, Standing], flagged: bool) -> list[str]:
    """Ids that leave: the accepted ones; flagged ones too where that is asked for."""
    wanted = ("accepted", "flagged") if flagged else ("accepted",)
    return sorted(id for id, one in standing.items() if one.state in wanted)


def _unchanged(set: SetFolder) -> Iterator[Progress]:
    made, changed = set.made(), []
    for done, (id, one) in enumerate(sorted(made.items()), 1):
        try:
            same = hashlib.sha256(read_capped(set.image_path(id))).hexdigest() == one.sha256
        except (OSError, ValueError):
            same = False
        if not same:
            changed.append(id)
        if done % 100 == 0 or done == len(made):
            yield Progress("look at the set", done, len(made))
    if changed:
        raise AugmentError(
            f"{counted(len(changed), 'picture was', 'pictures were')} changed after they were made, or are gone: "
            f"{_named(changed)}. Delete the file of that batch in {set.root / 'units'} and synthesize again."
        )


def real_roots(head: Head, workspace: Path | None) -> dict[str, Path]:
    """Name → folder of the real datasets of a set: those its plan names, else those that lent masks.

    Raises:
        AugmentError: one that is gone, or two of the same name.
    """
    roots = list(dict.fromkeys(dataset_root(name, workspace) for name in head.plan.beside))
    twice = [name for name, times in Counter(root.name for root in roots).items() if times > 1]
    if twice:
        raise AugmentError(f"Two real datasets are called {twice[0]}; rename the folder of one of them.")
    return {root.name: root for root in roots}


def no_leak(set: SetFolder, head: Head, workspace: Path | None, ids: Sequence[str]) -> tuple[str, ...]:
    """Look again for validation and test pictures that a checkpoint has seen, and for their masks under pictures.

    Args:
        ids: pictures that are to leave.

    Returns:
        What was looked at, in words.

    Raises:
        AugmentError: all leaks at once; a dataset that the plan names is gone.
    """
    checkpoints, gone = [], []
    for one in head.checkpoints:
        try:
            checkpoints.append(find(one.where))
        except CheckpointError:
            gone.append(f"{one.name} was no longer there at the export; what it has seen was looked at before.")
    wanted = frozenset(ids)
    dealt = ((item, set.mask(item)) for item in set.items() if item.id in wanted)
    real, registered = tuple(real_roots(head, workspace).values()), leaks.registered(workspace)
    found = leaks.check_pictures(head.plan, checkpoints, real, registered)
    masks = head.plan.masks
    lenders = [dataset_root(name, workspace) for name in masks.where] if masks.source == "dataset" else []
    found += leaks.check_dealt(dealt, leaks.held_out_of(real, lenders, registered))
    if found.problems:
        raise AugmentError("\n  - ".join(["The export would leak. Nothing was written.", *found.problems]))
    return tuple(dict.fromkeys((*head.leaks, *gone, *found.looked_at)))


def _named(ids: list[str] | tuple[str, ...]) -> str:
    rest = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + rest
