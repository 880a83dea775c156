"""Leak-proof splits: no checkpoint has seen a val or test picture, and no val or test mask lends itself.

Pictures are known by the digests that checkpoints carry (`siamese.data.seen`), masks by their own pixels
(`siamese.augment.heldout`). What is found is listed all at once and refused; what was looked at stands in the card.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np

from siamese.augment import heldout
from siamese.augment.heldout import Case, HeldOut
from siamese.augment.item import Item, Source
from siamese.augment.plan import Plan
from siamese.augment.sources import Sources
from siamese.counted import counted
from siamese.data import dataset, seen
from siamese.data.neardup import CORRELATION, correlation, small_grey
from siamese.data.seen import Print, Seen, orientations
from siamese.errors import AugmentError, DatasetError, MaskError
from siamese.masks.mask import Mask, file_bytes
from siamese.picture import decode
from siamese.shipped import find, takes_prompts


@dataclass(frozen=True)
class Leaks:
    """What was looked for, and found.

    Args:
        problems: sentences for the user, with the cases' names and the cure; none: no leak was found.
        looked_at: sentences without names of cases, for `Head.leaks` and the card.
    """

    problems: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()

    def __add__(self, other: Leaks) -> Leaks:
        return Leaks(self.problems + other.problems, self.looked_at + other.looked_at)

    def refuse(self) -> None:
        """Do nothing where no leak was found.

        Raises:
            AugmentError: every problem at once.
        """
        if self.problems:
            found = counted(len(self.problems), "problem")
            head = f"Training would see what it is tested on ({found} found); nothing was made."
            raise AugmentError("\n  - ".join([head, *self.problems]))


@dataclass(frozen=True)
class _Picture:
    """A val or test picture: what it is recognised by, and what is compared with a training picture at hand."""

    case: Case
    print: Print
    small: np.ndarray = field(repr=False)


def registered(workspace_root: Path | None) -> tuple[Path, ...]:
    """Folders of all datasets of a workspace."""
    shelf = workspace_root / "datasets" if workspace_root is not None else None
    if shelf is None or not shelf.is_dir():
        return ()
    return tuple(p.resolve() for p in sorted(shelf.iterdir()) if p.is_dir() and not p.name.startswith("."))


def check(plan: Plan, checkpoints: Sequence[Path], sources: Sources, registered: Sequence[Path]) -> Leaks:
    """Look for leaks before anything is dealt: pictures of the real datasets, masks of all.

    Args:
        checkpoints: folders or shipped names. sources: of this plan.
        registered: folders of all known datasets (`registered(workspace)`); `plan.real` names them, or gives paths.

    Raises:
        AugmentError: a dataset of `plan.real` is not there.
        DatasetError: a real dataset whose val or test cases cannot be read, all of them at once.
        CheckpointError: missing or damaged.
    """
    registered = [root.resolve() for root in registered]
    real = real_of(plan, sources, registered)
    held_out = held_out_of(real, sources.roots, registered)
    return check_pictures(plan, checkpoints, real, registered) + check_sources(sources, held_out)


def held_out_of(real: Sequence[Path], lenders: Sequence[Path], registered: Sequence[Path]) -> HeldOut:
    """The val and test masks that no mask of a set may equal: of the real datasets, the lenders, and all registered.

    Raises:
        DatasetError: a real dataset or a lender whose val or test cases cannot be read.
    """
    needed = tuple(dict.fromkeys((*real, *lenders)))
    return heldout.read((*needed, *(root.resolve() for root in registered)), needed)


def real_of(plan: Plan, sources: Sources, registered: Sequence[Path]) -> tuple[Path, ...]:
    """Folders of the plan's real datasets; those that lend masks where it names none.

    Raises:
        AugmentError: one of them is not there.
    """
    if not plan.real:
        return sources.roots
    known = {root.name: root for root in registered}
    folders = {name: known.get(name, Path(name).expanduser()) for name in plan.real}
    gone = [name for name, folder in folders.items() if not folder.is_dir()]
    if gone:
        raise AugmentError(
            f"There is no dataset {', '.join(map(repr, gone))} (`real` in the plan); name a folder, or a dataset of "
            f"the workspace ({', '.join(sorted(known)) or 'it holds none'})."
        )
    return tuple(dict.fromkeys(folder.resolve() for folder in folders.values()))


def check_pictures(
    plan: Plan, checkpoints: Sequence[Path | str], real: Sequence[Path], at_hand: Sequence[Path] = ()
) -> Leaks:
    """Has a checkpoint seen a val or test picture of the real datasets?

    Args:
        at_hand: datasets among which training pictures may lie: a picture that only looks like one is compared with it.

    Raises:
        DatasetError: val or test pictures that cannot be read, all of a dataset at once.
        CheckpointError: missing or damaged.
    """
    pictures = [one for root in real for split in heldout.SPLITS for one in _pictures(root, split)]
    if not pictures:
        why = "the real datasets have no val or test list" if real else "the plan names no real dataset"
        return Leaks(looked_at=(f"No val or test picture was looked for: {why}.",))
    about = f"{counted(len(pictures), 'val or test picture')} of {', '.join(root.name for root in real)}"
    problems, looked_at = [], []
    for folder in map(find, checkpoints):
        name, known = seen.called(folder.resolve()), seen.read(folder)
        found = _seen_by(known, pictures, (*real, *at_hand))
        for (of, split), stems in _grouped((case, case.stem) for case in found).items():
            problems.append(
                f"{name} was trained on {counted(len(stems), 'picture')} of {split}.txt of {of}: {', '.join(stems)}. "
                f"Choose a checkpoint that was not, or take them off {split}.txt."
            )
        looked_at.append(
            f"{about} compared with the digests of {counted(len(known), 'training picture')} of {name} (exact, and "
            f"64-bit difference hash in 8 orientations): {len(found) or 'none'} found."
        )
        if takes_prompts(folder):
            looked_at.append(f"What the base of {name}, Stable Diffusion, was trained on cannot be told.")
        if known.unknown:
            said, cure = _not_known(plan, name, known)
            looked_at.append(said)
            problems += cure
    return Leaks(tuple(problems), tuple(looked_at))


def seen_in(known: Seen, root: Path) -> Iterator[tuple[str, list[str], int]]:
    """(split, stems of the pictures that are among those known, how many it has) for each split of a dataset.

    Raises:
        DatasetError: no dataset, or pictures of a split that cannot be read, all at once.
    """
    for split in get_args(dataset.Split):
        pictures = _pictures(root, split)
        if pictures:
            yield split, [case.stem for case in _seen_by(known, pictures, [root])], len(pictures)


def check_sources(sources: Sources, held_out: HeldOut) -> Leaks:
    """Is a mask that lends itself a val or test mask?"""
    masks = sources.masks
    found = list(held_out.twins(one.labels for one in masks))
    named = [(case, f"{_said(masks[k].source)} (there {case.stem})") for k, case in found]
    problems = [
        f"{counted(len(said), 'mask that would lend itself is', 'masks that would lend themselves are')} on "
        f"{split}.txt of {of}: {', '.join(said)}. Leave the cases out (masks.without in the plan), or remove that "
        "dataset if it is the same one split otherwise."
        for (of, split), said in _grouped(named).items()
    ]
    return Leaks(tuple(problems), (_compared(len(masks), "source mask", held_out, len(found)),))


def check_dealt(dealt: Iterable[tuple[Item, Mask]], held_out: HeldOut) -> Leaks:
    """Did a dealt mask come out as a val or test mask? Each mask is read once."""
    items: list[Item] = []

    def labels() -> Iterator[np.ndarray]:
        for item, mask in dealt:
            items.append(item)
            yield mask.labels

    found = [f"{items[k].id} of {_said(items[k].source)} is {case}" for k, case in held_out.twins(labels())]
    cure = "Choose another pictures.seed, or leave the cases out (masks.without in the plan)."
    problems = (f"{counted(len(found), 'dealt mask')} came out as val or test: {'; '.join(found)}. {cure}",)
    return Leaks(problems if found else (), (_compared(len(items), "dealt mask", held_out, len(found)),))


def _pictures(root: Path, split: dataset.Split) -> list[_Picture]:
    cases = [(Case(root.name, split, one.stem), one.image) for one in _cases(root, split)]
    with ThreadPoolExecutor() as pool:
        looked = list(pool.map(lambda work: _picture(*work), cases))
    problems = [one for one in looked if isinstance(one, str)]
    if problems:
        raise DatasetError(root, problems)
    return [one for one in looked if isinstance(one, _Picture)]


def _cases(root: Path, split: dataset.Split) -> tuple[dataset.Case, ...]:
    return dataset.read(root, split).cases


def _picture(case: Case, path: Path) -> _Picture | str:
    try:
        pixels = decode(file_bytes(path))
    except MaskError as error:
        return f"{case.split}.txt: picture {path.name} {error}"
    return _Picture(case, seen.printed(pixels), small_grey(pixels))


def _seen_by(known: Seen, pictures: Sequence[_Picture], at_hand: Sequence[Path]) -> list[Case]:
    """The pictures that are among those known; one that only looks like one is, unless that one at hand differs."""
    matches = [(one, match) for one in pictures if (match := known.match(one.print)) is not None]
    wanted = {known.sha256[match.row].tobytes() for _, match in matches if not match.exact}
    small = _small_of(wanted, at_hand) if wanted else {}
    found = []
    for one, match in matches:
        other = small.get(known.sha256[match.row].tobytes())
        if not match.exact and other is not None:
            turned = list(orientations(one.small))[match.orientation]
            if correlation(turned, other) < CORRELATION:
                continue
        found.append(one.case)
    return found


def _small_of(wanted: set[bytes], roots: Sequence[Path]) -> dict[bytes, np.ndarray]:
    """sha256 of pixels → small grey picture, of the wanted training pictures that lie in the datasets."""
    paths = []
    for root in dict.fromkeys(roots):
        try:
            paths += [one.image for one in _cases(root, "train")]
        except DatasetError:  # it is no part of the plan, or was said before
            continue

    def look(path: Path) -> tuple[bytes, np.ndarray] | None:
        try:
            pixels = np.ascontiguousarray(decode(file_bytes(path)))
        except MaskError:
            return None
        digest = sha256(pixels).digest()
        return (digest, small_grey(pixels)) if digest in wanted else None

    with ThreadPoolExecutor() as pool:
        return dict(found for found in pool.map(look, paths) if found is not None)


def _not_known(plan: Plan, name: str, known: Seen) -> tuple[str, list[str]]:
    """What the card says of a checkpoint with gaps, and the problem where the plan gives no reason."""
    which = ", ".join(known.unknown)
    from_others = "" if known.unknown == (name,) else f" (it comes from {which})"
    gap = f"What {name} was trained on cannot be told{from_others}: no digests of all its training pictures"
    reason = plan.pictures.unseen.strip()
    if reason:
        return f'{gap}. Said by the author of the plan instead: "{reason}"', []
    cure = (
        "Choose a checkpoint trained here, or say in pictures.unseen how you know that it has seen no val or test "
        "picture; your words stand in the dataset card."
    )
    return f"{gap}.", [f"{gap}. {cure}"]


def _grouped(named: Iterable[tuple[Case, str]]) -> dict[tuple[str, str], list[str]]:
    """(dataset, split) → what is said of its cases."""
    found: dict[tuple[str, str], list[str]] = {}
    for case, said in named:
        found.setdefault((case.dataset, case.split), []).append(said)
    return found


def _said(source: Source) -> str:
    both = f"{source.stem} with {source.partner}" if source.partner else source.stem
    return f"{source.dataset}/{both}" if source.dataset else both


def _compared(count: int, what: str, held_out: HeldOut, found: int) -> str:
    of = ", ".join(held_out.datasets) or "any dataset"
    left = f" Could not be read, so not compared: {', '.join(held_out.unread)}." if held_out.unread else ""
    return (
        f"{counted(count, what)} compared with {counted(len(held_out.cases), 'val or test mask')} of {of} (IoU of "
        f"{heldout.IOU} or more at {heldout.SIDE} px, 8 orientations): {found or 'none'} found.{left}"
    )
