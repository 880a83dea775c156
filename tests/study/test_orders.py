"""Orders of raters: properties that hold for every seed and shape, and what is relaxed where they cannot."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict

import numpy as np
import pytest

from siamese.study.blocks import Unit, into_blocks
from siamese.study.design import Arm, Design
from siamese.study.orders import REPEAT_LAG, Assignment, Order, order, orders, presentations, williams
from siamese.study.texts import SCALES, Texts
from siamese.study.truth import Item

KEY = bytes(range(32))


def arms(count: int) -> tuple[Arm, ...]:
    return tuple(Arm(name=f"a{k}", kind="real" if k == 0 else "synthetic", source="x") for k in range(count))


def items_of(design: Design, groups: int, alone: float = 0.0, practice: int = 3, seed: int = 0) -> list[Item]:
    """One picture of each arm for each group; a share of them `alone`, in groups of their own."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(groups):
        for arm in design.arms:
            group = f"{arm.name}{n}" if rng.random() < alone else f"g{n}"
            found.append(item(arm.name, group, False))
    for n in range(practice):
        chosen = design.arms if design.together > 1 else design.arms[:1]
        found += [item(arm.name, f"p{n}", True) for arm in chosen]
    return found


def item(arm: str, group: str, practice: bool) -> Item:
    return Item(secrets.token_hex(16), arm, group, "", "", practice, {})


SHAPES = [  # protocol, arms, beside, groups, block, repeats, alone
    ("P1", 2, 2, 50, 50, 0.1, 0.0),
    ("P1", 2, 2, 50, 50, 0.1, 0.5),
    ("P1", 3, 2, 24, 25, 0.1, 0.2),
    ("P1", 4, 2, 25, 30, 0.2, 0.0),
    ("P1", 5, 2, 20, 20, 0.0, 0.3),
    ("P1", 2, 2, 37, 20, 0.15, 0.0),
    ("P2", 3, 3, 50, 25, 0.1, 0.0),
    ("P2", 4, 3, 24, 30, 0.1, 0.0),
    ("P2", 4, 4, 24, 12, 0.1, 0.0),
    ("P4", 2, 2, 50, 25, 0.1, 0.0),
    ("P4", 3, 2, 40, 20, 0.1, 0.0),
    ("P3", 2, 2, 20, 60, 0.1, 0.0),
]


@pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda s: f"{s[0]}-{s[1]}arms-{s[3]}groups-block{s[4]}-alone{s[6]}"
)
def test_every_order_keeps_every_rule(shape):
    protocol, count, beside, groups, block, repeats, alone = shape
    design = Design(protocol=protocol, arms=arms(count), beside=beside, block=block, repeats=repeats)
    for seed in range(6):
        items = items_of(design, groups, alone, seed=seed)
        found = order(design, items, secrets.token_bytes(32), seed)
        assert found.relaxed == ()
        check(design, items, found)


@pytest.mark.soak
def test_random_shapes_keep_every_rule_or_say_which_not():
    rng = np.random.default_rng(0)
    for _ in range(1500):
        protocol = str(rng.choice(["P1", "P2", "P3", "P4"]))
        count = int(rng.integers(2, 6))
        design = Design(
            protocol=protocol,
            arms=arms(count),
            beside=int(min(count, rng.integers(2, 5))),
            block=int(rng.integers(5, 80)),
            repeats=float(rng.choice([0, 0.05, 0.1, 0.3, 0.5])),
            apart=int(rng.choice([0, 5, 10, 30])),
        )
        alone = float(rng.choice([0, 0.3, 1])) if design.together == 1 else 0.0
        items = items_of(design, int(rng.integers(2, 45)), alone, seed=int(rng.integers(99)))
        check(design, items, order(design, items, secrets.token_bytes(32), int(rng.integers(5))))


def check(design: Design, items: list[Item], found: Order) -> None:
    """Every rule that the order does not say it relaxed."""
    known = {one.id: one for one in items}
    said = " ".join(found.relaxed)
    places = found.places
    assert [one.place for one in places] == list(range(len(places)))
    phases = [one.phase for one in places]
    assert phases[: phases.count("practice")] == ["practice"] * phases.count("practice")
    assert all(known[name].practice == (one.phase == "practice") for one in places for name in one.items)
    main = [one for one in places if one.phase == "main"]
    again = [one for one in places if one.phase == "repeat"]
    fit = [one for one in places if one.phase == "fit"]
    questions = [s.key for s in design.texts.scales if not s.with_mask] if design.protocol == "P3" else [""]
    shown = Counter((name, one.question) for one in main for name in one.items)
    if design.together == 1:
        wanted = [one.id for one in items if not one.practice]
        assert shown == Counter((name, question) for name in wanted for question in questions)
        size = len(wanted)
    else:
        assert set(shown.values()) == {1}
        groups = Counter(known[one.items[0]].group for one in main)
        assert set(groups.values()) == {1} and len(groups) == len({i.group for i in items if not i.practice})
        assert all(len({known[name].group for name in one.items}) == 1 for one in main)
        assert all(
            len(one.items) == design.together == len({known[n].arm for n in one.items}) for one in main
        )
        size = len(groups)
    assert (
        len(again) == min(-(-round(design.repeats * size * 1000) // 1000), size) * len(questions)
        or len(main) == 0
    )
    trained = phases.count("practice")
    assert len(places) == presentations(design, size, trained)
    blocks = sorted({one.block for one in places if one.phase != "practice"})
    assert blocks == list(range(1, len(blocks) + 1))
    assert [one.block for one in places] == sorted(one.block for one in places)
    _blocks_are_even(design, main, known, said)
    _masks_are_apart(design, places, known, said, len(questions))
    _repeats_are_late(places, again, said, len(questions))
    _seats_are_balanced(design, main, known)
    if fit:
        assert min(one.place for one in fit) > max(one.place for one in [*main, *again])
        assert not {one.block for one in fit} & {one.block for one in main}


def _blocks_are_even(design: Design, main: list[Assignment], known: dict[str, Item], said: str) -> None:
    counts: dict[tuple, Counter] = defaultdict(Counter)
    for one in main:
        arms_of = tuple(sorted(known[name].arm for name in one.items))
        counts[arms_of, one.question][one.block] += 1
    blocks = {one.block for one in main}
    for some in counts.values():
        values = [some[block] for block in blocks]
        assert max(values) - min(values) <= 1 or "different numbers" in said


def _masks_are_apart(
    design: Design, places: tuple[Assignment, ...], known: dict[str, Item], said: str, each: int
) -> None:
    scored = [one for one in places if one.phase in ("main", "repeat")]
    blocks: dict[str, list[int]] = defaultdict(list)
    last: dict[str, int] = {}
    for one in scored:
        group = known[one.items[0]].group
        if one.question != scored[0].question:  # the other scales of a picture follow it at once
            continue
        if one.phase == "main" and design.together == 1:
            blocks[group].append(one.block)
        near = group in last and one.place - last[group] < design.apart
        assert not near or "nearer to each other" in said
        last[group] = one.place
    total = len({one.block for one in scored if one.phase == "main"})
    for some in blocks.values():
        assert len(set(some)) == len(some) or len(some) > total or "share a block" in said


def _repeats_are_late(places: tuple[Assignment, ...], again: list[Assignment], said: str, each: int) -> None:
    assert len({one.repeats for one in again}) == len(again)
    blocks = {one.block for one in places if one.phase == "main"}
    for one in again:
        first = places[one.repeats]
        assert first.phase == "main" and first.question == one.question
        assert sorted(first.items) == sorted(one.items) and first.place < one.place
        assert first.block < one.block or len(blocks) == 1 or "block of its first" in said
        assert one.place - first.place >= REPEAT_LAG or "sooner" in said
        if len(one.items) > 1:
            assert one.items == first.items[::-1]


def _seats_are_balanced(design: Design, main: list[Assignment], known: dict[str, Item]) -> None:
    if design.together == 1:
        return
    seats: dict[tuple, dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for one in main:
        names = [known[name].arm for name in one.items]
        for seat, arm in enumerate(names):
            seats[tuple(sorted(names))][arm][seat] += 1
    for arms_of, found in seats.items():
        for counter in found.values():
            values = [counter[seat] for seat in range(len(arms_of))]
            assert max(values) - min(values) <= (1 if len(arms_of) % 2 == 0 else 2)


def test_an_order_can_be_made_again_and_not_without_the_secret():
    design = Design(arms=arms(2), raters=4)
    items = items_of(design, 50)
    first = orders(design, items, KEY)
    assert sorted(first) == [0, 1, 2, 3, 4] and orders(design, items[::-1], KEY) == first
    shown = [tuple(one.items for one in found.places) for found in first.values()]
    assert len(set(shown)) == 5
    other = orders(design, items, bytes(32))
    assert all(other[rater].places != first[rater].places for rater in first)


def test_orders_of_raters_are_unlike_each_other():
    """No picture has a favourite place: its mean place over many raters is in the middle."""
    design = Design(arms=arms(2), practice=0, repeats=0)
    items = items_of(design, 30, practice=0)
    where = defaultdict(list)
    for rater in range(80):
        for one in order(design, items, KEY, rater).places:
            where[one.items[0]].append(one.place)
    means = np.array([np.mean(some) for some in where.values()])
    assert abs(means - 29.5).max() < 4.5 * 17.3 / 80**0.5
    first = Counter(
        next(i.arm for i in items if i.id == some) for some, places in where.items() for p in places if p < 10
    )
    assert abs(first["a0"] - 400) < 4.5 * (800 * 0.25) ** 0.5


def test_more_arms_than_places_take_turns():
    design = Design(protocol="P4", arms=arms(3))
    items = items_of(design, 40)
    arm = {one.id: one.arm for one in items}
    other = Counter()
    for rater in (1, 2):
        for one in order(design, items, KEY, rater).places:
            if one.phase == "main":
                names = {arm[name] for name in one.items}
                assert "a0" in names
                other[rater, (names - {"a0"}).pop()] += 1
    assert set(other.values()) == {20}


def test_impossible_demands_are_relaxed_with_a_sentence():
    tiny = Design(arms=arms(2), per_arm=3, repeats=0.5)
    found = order(tiny, items_of(tiny, 3), KEY, 1)
    said = " ".join(found.relaxed)
    assert "share a block" in said and "sooner than 20" in said and "nearer to each other" in said
    one_block = Design(arms=arms(3), block=200, repeats=0)
    found = order(one_block, items_of(one_block, 20), KEY, 1)
    assert found.relaxed == ("Pictures of one mask share a block.",)


def test_scales_follow_each_other_and_those_with_the_outline_come_last():
    design = Design(protocol="P3", arms=arms(2), repeats=0.1)
    items = items_of(design, 20)
    places = [one for one in order(design, items, KEY, 1).places if one.phase != "practice"]
    free = [one for one in places if one.phase != "fit"]
    for one, other in zip(free[::2], free[1::2], strict=True):
        assert one.items == other.items and (one.question, other.question) == ("realism", "anatomy")
    assert {one.question for one in places if one.phase == "fit"} == {"mask_fit"}
    only = Design(protocol="P3", arms=arms(2), texts=Texts(scales=SCALES[2:]))
    found = order(only, items_of(only, 10), KEY, 1)
    assert {one.phase for one in found.places} == {"practice", "fit"}
    assert len(found.places) == presentations(only, 20, 3)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_williams_squares_balance_places_and_neighbours(count):
    rows = williams(count)
    assert len(rows) == count * (1 + count % 2)
    for place in range(count):
        assert set(Counter(row[place] for row in rows).values()) == {len(rows) // count}
    after = Counter(pair for row in rows for pair in zip(row, row[1:], strict=False))
    assert len(after) == count * (count - 1) and len(set(after.values())) == 1


def test_blocks_are_exchanged_until_they_are_even():
    """Groups of one to four variants, in random mixtures: never more than one apart, and variants never together."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        units = []
        for group in range(int(rng.integers(8, 30))):
            for arm in rng.permutation(4)[: rng.integers(1, 5)]:
                units.append(Unit((f"{group}-{arm}",), (f"a{arm}",), f"g{group}", len(units)))
        relaxed: list[str] = []
        placed = into_blocks(units, 5, rng, relaxed)
        assert relaxed == [] and sorted(u.key for some in placed for u in some) == list(range(len(units)))
        for arm in range(4):
            counts = [sum(u.arms == (f"a{arm}",) for u in some) for some in placed]
            assert max(counts) - min(counts) <= 1
        assert all(len({u.group for u in some}) == len(some) for some in placed)
