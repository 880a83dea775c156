"""The order of every rater, made once at lock and written down; the same secret and rater give the same order again.

Blocks hold equally many pictures of every arm. Pictures of one mask stand in different blocks, or far apart. Hidden
repeats come in a later block. Left and right are balanced. What a study is too small for is relaxed, in this order: the
distance of a repeat, the distance between pictures of one mask, their blocks, the length and the equality of blocks; a
sentence says so.
"""

from __future__ import annotations

import hmac
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from siamese.study.blocks import Unit, into_blocks
from siamese.study.design import Design
from siamese.study.truth import Item

REPEAT_LAG = 20  # presentations at least between a picture and its hidden repeat
TRIES = 30  # orders of one block that are tried before a rule is relaxed
SOON = f"A repeat comes sooner than {REPEAT_LAG} presentations after its first showing."
SAME = "A repeat stands in the block of its first showing."
NEAR = "Pictures of one mask stand nearer to each other than was asked for."


@dataclass(frozen=True)
class Assignment:
    """One presentation of a rater, as the table `assignment` holds it."""

    place: int
    phase: str
    block: int
    question: str
    items: tuple[str, ...]
    repeats: int | None = None


@dataclass(frozen=True)
class Order:
    """All presentations of one rater, and what had to be relaxed."""

    places: tuple[Assignment, ...]
    relaxed: tuple[str, ...] = ()


def order(design: Design, items: Sequence[Item], secret: bytes, rater: int) -> Order:
    """The order of one rater; rater 0 is the organiser's rehearsal.

    Args:
        design: protocol, block, apart, repeats, arms.
        items: as prepared.
        secret: of the study; lies with the truth.
        rater: number.
    """
    draw = np.random.default_rng(int.from_bytes(hmac.digest(secret, str(rater).encode(), "sha256")))
    relaxed: list[str] = []
    practice = _units(design, [item for item in items if item.practice], rater, draw)
    main = _units(design, [item for item in items if not item.practice], rater, draw)
    main = [replace(unit, key=k) for k, unit in enumerate(main)]
    free, fitted = _questions(design)
    each = max(1, len(free))
    blocks = _blocks_of(design, main, each)
    placed = into_blocks(main, blocks, draw, relaxed)
    apart, lag = (math.ceil(distance / each) for distance in (design.apart, REPEAT_LAG))
    lines = _in_order(placed, apart, draw, relaxed)
    count, most = _repeat_count(design, len(main)), design.block // each
    lines = _with_repeats(lines, count, most, max(1, apart), lag, draw, relaxed)
    lines = _seated(lines, draw)
    places: list[Assignment] = []
    for unit in (practice[k] for k in draw.permutation(len(practice))):
        _add(places, unit, "practice", 0, [(free or fitted)[0]])
    for block, units in enumerate(lines, 1):
        for unit in units:
            _add(places, unit, "repeat" if unit.repeat else "main", block, free)
    if fitted:
        chunks = _chunks(main, max(1, design.block // len(fitted)), draw)
        for block, units in enumerate(chunks, len(lines) + 1):
            for unit in units:
                _add(places, unit, "fit", block, fitted)
    return Order(tuple(places), tuple(dict.fromkeys(relaxed)))


def orders(design: Design, items: Sequence[Item], secret: bytes) -> dict[int, Order]:
    """The orders of rater 0 and of raters 1 to `design.raters`."""
    return {rater: order(design, items, secret, rater) for rater in range(design.raters + 1)}


def presentations(design: Design, shown: int, practice: int) -> int:
    """How many presentations a rater has.

    Args:
        design: protocol, repeats, scales.
        shown: pictures (P1, P3) or groups (P2, P4) that count.
        practice: the same of practice.
    """
    free, fitted = _questions(design)
    return practice + (shown + _repeat_count(design, shown)) * len(free) + shown * len(fitted)


def williams(count: int) -> list[tuple[int, ...]]:
    """Rows of a Williams square of 0..count−1: everyone is equally often at every place and after every other.

    One square where `count` is even, two where it is odd. Source: Williams, Aust J Sci Res 1949.
    """
    first = [0]
    for step in range(1, count):
        first.append((first[-1] + (step if step % 2 else -step)) % count)
    rows = [tuple((one + shift) % count for one in first) for shift in range(count)]
    return rows if count % 2 == 0 else rows + [row[::-1] for row in rows]


def _units(design: Design, items: Sequence[Item], rater: int, draw: np.random.Generator) -> list[Unit]:
    """What is shown at once: pictures alone, or one picture of each arm of a group, in no order yet."""
    if design.together == 1:
        return [Unit((item.id,), (item.arm,), item.group) for item in sorted(items, key=lambda item: item.id)]
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for item in items:
        groups[item.group][item.arm] = item.id
    sets = _sets(design)
    keys = sorted(groups)
    turn = int(draw.integers(len(sets))) + rater
    found = []
    for k, index in enumerate(draw.permutation(len(keys))):
        arms = sets[(turn + k) % len(sets)]
        found.append(Unit(tuple(groups[keys[index]][arm] for arm in arms), arms, keys[index]))
    return found


def _sets(design: Design) -> list[tuple[str, ...]]:
    """Arms that stand side by side: with more arms than places, every set in turn; in P4 always the real one."""
    names = [arm.name for arm in design.arms]
    if design.protocol == "P4":
        real = next(arm.name for arm in design.arms if arm.kind == "real")
        return [(real, name) for name in names if name != real]
    return _combinations(names, design.beside)


def _combinations(names: Sequence[str], count: int) -> list[tuple[str, ...]]:
    if count == 0:
        return [()]
    return [(names[k], *rest) for k in range(len(names)) for rest in _combinations(names[k + 1 :], count - 1)]


def _questions(design: Design) -> tuple[list[str], list[str]]:
    """Scales without and with the outline; one without a name where the protocol has no scales."""
    if design.protocol != "P3":
        return [""], []
    scales = design.texts.scales
    return [one.key for one in scales if not one.with_mask], [one.key for one in scales if one.with_mask]


def _repeat_count(design: Design, shown: int) -> int:
    return math.ceil(design.repeats * shown - 1e-9)


def _blocks_of(design: Design, units: Sequence[Unit], each: int) -> int:
    """The fewest blocks that hold no more than `design.block` presentations each, with equal counts of every arm."""
    counts = Counter(unit.arms for unit in units)
    again = _repeat_count(design, len(units))
    for blocks in range(1, len(units) + 1):
        later = max(1, blocks - 1)  # the first block has no repeats, unless it is the only one
        largest = sum(math.ceil(count / blocks) for count in counts.values()) + math.ceil(again / later)
        if largest * each <= design.block:
            return blocks
    return max(1, len(units))


def _in_order(
    placed: Sequence[Sequence[Unit]], apart: int, draw: np.random.Generator, relaxed: list[str]
) -> list[list[Unit]]:
    """An order within each block in which units of one group are `apart` from each other, over blocks too."""
    lines: list[list[Unit]] = []
    before: list[Unit] = []
    for units in placed:
        best: tuple[list[Unit], int] | None = None
        for attempt in range(TRIES):
            tried = _try(units, before, apart, draw, hardest=attempt >= TRIES // 2)
            if best is None or tried[1] < best[1]:
                best = tried
            if best[1] == 0:
                break
        line, near = best or ([], 0)
        if near:
            relaxed.append(NEAR)
        lines.append(line)
        before += line
    return lines


def _try(
    units: Sequence[Unit], before: Sequence[Unit], apart: int, draw: np.random.Generator, hardest: bool
) -> tuple[list[Unit], int]:
    """One order, and how many units came too near to another of their group."""
    last = {unit.group: place for place, unit in enumerate(before)}
    left, line, near = list(units), [], 0
    while left:
        place = len(before) + len(line)
        waits = [max(0, apart - (place - last.get(unit.group, -apart))) for unit in left]
        free = [k for k, wait in enumerate(waits) if wait == 0]
        if free and hardest:  # those first whose group has most left to place
            most = Counter(unit.group for unit in left)
            free = [k for k in free if most[left[k].group] == max(most[left[j].group] for j in free)]
        if free:
            k = free[int(draw.integers(len(free)))]
        else:
            k = int(np.argmin(waits))
            near += 1
        unit = left.pop(k)
        last[unit.group] = place
        line.append(unit)
    return line, near


def _with_repeats(
    lines: Sequence[Sequence[Unit]],
    wanted: int,
    most: int,
    apart: int,
    lag: int,
    draw: np.random.Generator,
    relaxed: list[str],
) -> list[list[Unit]]:
    """Put units in a second time, in later blocks, arms equally often; nothing that stands comes nearer by it."""
    found = [list(line) for line in lines]
    everyone = [unit for line in lines for unit in line]
    turns: Counter[tuple[str, ...]] = Counter()
    ranked = []
    for unit in (everyone[k] for k in draw.permutation(len(everyone))):
        turns[unit.arms] += 1
        ranked.append((turns[unit.arms], len(ranked), unit))  # the n-th of its arms
    waiting = [unit for _, _, unit in sorted(ranked, key=lambda one: one[:2])]
    used: Counter[tuple[str, ...]] = Counter()
    count, unbounded = 0, wanted + len(everyone)
    levels = (
        (lag, apart, most, False),
        (1, apart, most, False),
        (1, 1, most, False),
        (1, 1, unbounded, True),
    )
    for least, distance, longest, same in levels:
        while count < wanted:
            rest = sorted(waiting, key=lambda unit: used[unit.arms])
            fits = ((unit, _places(found, unit, longest, least, distance, same)) for unit in rest)
            unit, places = next(((unit, places) for unit, places in fits if places), (None, []))
            if unit is None:
                break
            if least < lag:
                places = places[-1:]  # as late as can be
            fewest = min(sum(one.repeat for one in found[block]) for block, _ in places)
            places = [one for one in places if sum(other.repeat for other in found[one[0]]) == fewest]
            block, at = places[int(draw.integers(len(places)))]
            first, group = _standing(found, unit)
            place = sum(map(len, found[:block])) + at
            relaxed += [SOON] * (place - first < lag) + [NEAR] * (_nearest(group, place) < apart)
            relaxed += [SAME] * (first >= sum(map(len, found[:block])) and len(found) > 1)
            found[block].insert(at, replace(unit, repeat=True))
            waiting.remove(unit)
            used[unit.arms] += 1
            count += 1
    return found


def _places(
    lines: Sequence[Sequence[Unit]], unit: Unit, longest: int, lag: int, apart: int, same: bool
) -> list[tuple[int, int]]:
    """Blocks of fewer than `longest` units, and places in them, where a unit may be shown again.

    In a later block than first, or anywhere later where `same`, or where there is one block.
    """
    first, group = _standing(lines, unit)
    found, start = [], 0
    for block, line in enumerate(lines):
        if (start > first or same or len(lines) == 1) and len(line) < longest:
            for at in range(len(line) + 1):
                near = _nearest(group, start + at)
                if start + at - first >= lag and near >= apart:
                    found.append((block, at))
        start += len(line)
    return found


def _standing(lines: Sequence[Sequence[Unit]], unit: Unit) -> tuple[int, list[int]]:
    """The place of a unit, and those of all units of its group, counted over the blocks."""
    flat = [one for line in lines for one in line]
    group = [place for place, one in enumerate(flat) if one.group == unit.group]
    return next(place for place in group if flat[place].key == unit.key), group


def _nearest(group: Sequence[int], place: int) -> int:
    """How far the nearest of a group will be from what is put in at a place."""
    return min(place - other if other < place else other + 1 - place for other in group)


def _seated(lines: Sequence[Sequence[Unit]], draw: np.random.Generator) -> list[list[Unit]]:
    """Left to right by the rows of a Williams square, for each set of arms in turn; repeats mirrored."""
    turn: Counter[tuple[str, ...]] = Counter()
    rows: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    seats: dict[int, tuple[int, ...]] = {}
    found = []
    for line in lines:
        seated = []
        for unit in line:
            count = len(unit.items)
            if unit.repeat:
                row = seats[unit.key][::-1]
            else:
                if turn[unit.arms] % len(rows.get(unit.arms, [()])) == 0:  # a fresh shuffle of the square
                    square = williams(count)
                    rows[unit.arms] = [square[k] for k in draw.permutation(len(square))]
                row = rows[unit.arms][turn[unit.arms] % len(rows[unit.arms])]
                turn[unit.arms] += 1
                seats[unit.key] = row
            seated.append(replace(unit, items=tuple(unit.items[k] for k in row)))
        found.append(seated)
    return found


def _chunks(units: Sequence[Unit], size: int, draw: np.random.Generator) -> list[list[Unit]]:
    """Everything once more, shuffled, in blocks of nearly equal length."""
    shuffled = [units[k] for k in draw.permutation(len(units))]
    count = math.ceil(len(shuffled) / size)
    return [[shuffled[k] for k in part] for part in np.array_split(np.arange(len(shuffled)), count)]


def _add(places: list[Assignment], unit: Unit, phase: str, block: int, questions: Iterable[str]) -> None:
    for question in questions:
        first = None
        if phase == "repeat":
            first = next(
                one.place
                for one in places
                if one.phase == "main" and one.question == question and set(one.items) == set(unit.items)
            )
        places.append(Assignment(len(places), phase, block, question, unit.items, first))
