"""Masks become items: every case lends its mask equally often, by seed, in units with one checkpoint each."""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np

from siamese.augment import sources as lenders
from siamese.augment.folder import Checkpoint, Head
from siamese.augment.item import Item
from siamese.augment.plan import Plan
from siamese.augment.sources import SourceMask, Sources
from siamese.counted import counted
from siamese.errors import AugmentError
from siamese.events import Progress
from siamese.masks import redraw
from siamese.masks.mask import Mask
from siamese.masks.morph import Blend, Edit

SEEDS = 2**32
PARTNERS = 8  # cases looked at
LENT_NONE = "case lent none"
PIXEL = 1.9  # bytes a pixel of a synthesized picture as PNG: measured 1.5 to 1.7 with polyp-compact at 384
BESIDE = 12_000  # bytes of a mask as PNG, lines of facts and what disks round up


class Dealt(Sequence[tuple[Item, Mask]]):
    """Items with their masks, the masks packed: ten thousand fit in memory."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Item, bytes]] = []

    def append(self, item: Item, labels: np.ndarray) -> None:
        """Add an item with its labels (H,W) uint8."""
        self._pairs.append((item, zlib.compress(labels.tobytes(), 1)))

    @property
    def items(self) -> list[Item]:
        """The items alone."""
        return [item for item, _ in self._pairs]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, k):  # noqa: ANN001, ANN204 - int or slice, as every Sequence
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        item, packed = self._pairs[k]
        labels = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(item.height, item.width)
        return item, Mask(labels)


def deal(plan: Plan, sources: Sources, checkpoints: Sequence[Checkpoint]) -> tuple[Head, Dealt]:
    """All items of a plan with their masks; the same plan and sources, the same deal.

    Raises:
        AugmentError: no case lends a mask that looks like the set's.
    """
    return _last(dealing(plan, sources, checkpoints))


def dealing(
    plan: Plan, sources: Sources, checkpoints: Sequence[Checkpoint], count: int | None = None
) -> Generator[Progress, None, tuple[Head, Dealt]]:
    """`deal` that says how far it is, for `head, dealt = yield from dealing(...)`; the first `count` items, or all."""
    begun = time.monotonic()
    masks, batch = sources.masks, plan.pictures.batch
    total = size_of_set(plan, len(masks))
    wanted = total if count is None else min(count, total)
    dealt, redrawn = Dealt(), Counter[str]()
    for number, case in zip(range(wanted), _turns(plan, len(masks)), strict=False):
        item, mask = _item(plan, sources, max(1, len(checkpoints)), case, number, redrawn)
        dealt.append(item, mask.labels)
        if len(dealt) % 25 == 0 or len(dealt) == wanted:
            rate = len(dealt) / max(time.monotonic() - begun, 1e-6)
            yield Progress("deal", len(dealt), wanted, rate, (wanted - len(dealt)) / rate)
    head = Head(
        plan=plan,
        checkpoints=tuple(checkpoints),
        items=total,
        units=-(-total // batch),
        masks=len(masks),
        redrawn=dict(redrawn),
        notes=sources.notes,
        classes=sources.classes,
    )
    return head, dealt


def preview(
    plan: Plan, workspace_root: Path | None, count: int = 12, sources: Sources | None = None
) -> tuple[Head, Dealt]:
    """The first `count` items as they would be dealt, without a checkpoint; the head counts the whole set.

    Args:
        sources: what `sources.read` gave for this plan's masks; None: read now. Keep it while only ranges change.

    Raises:
        AugmentError: as `sources.read` and `deal`.
    """
    return _last(dealing(plan, sources or lenders.read(plan, workspace_root), (), count))


def size_of_set(plan: Plan, masks: int) -> int:
    """How many pictures a plan makes of so many masks."""
    return max(1, int(plan.fold * masks + 0.5))


def bytes_needed(plan: Plan, count: int, size: int) -> int:
    """Bytes on the disk of a set of `count` pictures of `size` × `size` pixels, masks and facts included; generous."""
    return count * (int(PIXEL * size * size) + BESIDE)


def summary(head: Head, seconds: float | None = None, looked_at: int | None = None) -> tuple[str, ...]:
    """Sentences for a person who is about to begin a set.

    Args:
        head: of `deal` or `preview`. seconds: measured for one picture, gate included; None: not known.
        looked_at: items that `head.redrawn` is about; None: all of them.
    """
    random = head.plan.masks.mode == "random"
    size = max((one.size for one in head.checkpoints), default=384)
    megabytes = bytes_needed(head.plan, head.items, size) / 1e6
    masks, pictures = counted(head.masks, "mask"), counted(head.items, "picture")
    said = [
        f"{masks} → {pictures}, on {'random' if random else 'real'} masks, in {counted(head.units, 'unit')}."
    ]
    if random:
        of = "" if looked_at is None else f" of the first {looked_at}"
        why = ", ".join(f"{reason} {n:,}×" for reason, n in sorted(head.redrawn.items(), key=lambda p: -p[1]))
        said.append(
            f"Masks drawn again{of}, because: {why}." if why else f"No mask{of} had to be drawn again."
        )
    said.append(f"About {megabytes:,.0f} MB on the disk.")
    if seconds is not None:
        said.append(f"About {_duration(head.items * seconds)} at {seconds:.2g} s a picture.")
    return (*said, *head.notes)


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return counted(max(1, round(seconds / 60)), "minute")
    return f"{seconds / 3600:.1f} hours"


def _last(work: Generator[Progress, None, tuple[Head, Dealt]]) -> tuple[Head, Dealt]:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def _item(
    plan: Plan, sources: Sources, checkpoints: int, case: int, number: int, redrawn: Counter[str]
) -> tuple[Item, Mask]:
    lender, drawn = _lend(plan, sources, case, number, redrawn)
    mask = drawn.mask
    assert mask is not None
    blended = any(isinstance(edit, Blend) for edit in drawn.edits)
    partner = _partner(plan, sources, number).source.stem if blended else ""
    unit = number // plan.pictures.batch
    item = Item(
        id=f"s{number + 1:06d}",
        unit=unit,
        checkpoint=unit % checkpoints,
        seed=(plan.pictures.seed + number) % SEEDS,
        mask_sha256=mask.digest,
        height=mask.labels.shape[0],
        width=mask.labels.shape[1],
        source=dataclasses.replace(lender.source, partner=partner),
        edits=tuple(_plain(edit) for edit in drawn.edits),
        redraws=sum(drawn.redraws.values()),
    )
    return item, mask


def _turns(plan: Plan, masks: int) -> Iterator[int]:
    """Whose turn it is: round after round through all cases, each in an order of its own."""
    round_number = 0
    while True:
        order = np.random.default_rng([plan.pictures.seed, round_number, masks]).permutation(masks)
        yield from order.tolist()
        round_number += 1


def _lend(
    plan: Plan, sources: Sources, case: int, number: int, redrawn: Counter[str]
) -> tuple[SourceMask, redraw.Drawn]:
    """The mask of an item, of this case or, where that lends none, of the next that does; drops are counted."""
    masks = sources.masks
    if plan.masks.mode == "real":
        return masks[case], redraw.Drawn(Mask(masks[case].labels), (), {})
    partner = _partner(plan, sources, number).labels if plan.masks.random.morph else None
    for step in range(len(masks)):
        rng = np.random.default_rng([plan.pictures.seed, number, step, 1])
        lender = masks[(case + step) % len(masks)]
        drawn = redraw.draw(lender.labels, partner, plan.masks.random, sources.limits, rng)
        redrawn.update(drawn.redraws)
        if drawn.mask is not None:
            return lender, drawn
        redrawn[LENT_NONE] += 1
    why = ", ".join(f"{reason} {n:,}×" for reason, n in redrawn.most_common(3))
    raise AugmentError(
        f"No mask within masks.random looks like the set's ({why}); narrow scale, move or elastic, or raise redraws."
    )


def _partner(plan: Plan, sources: Sources, number: int) -> SourceMask:
    """The case that an item's mask may be blended with: one that touches no border, where a few tries find one."""
    rng = np.random.default_rng([plan.pictures.seed, number, 0, 2])
    for case in rng.integers(len(sources.masks), size=PARTNERS).tolist():
        found = sources.masks[case]
        if redraw.is_whole(found.labels):
            break
    return found


def _plain(edit: Edit) -> dict[str, object]:
    return edit.model_dump(mode="json", exclude={"other"})
