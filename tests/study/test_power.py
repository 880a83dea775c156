"""Power by simulation: the reference's table, and what must grow with what."""

from __future__ import annotations

import numpy as np
import pytest

from siamese.study.design import Arm, Design, Primary
from siamese.study.power import minutes, power, rejections, simulations
from siamese.study.spreads import Spreads, spreads_of

TABLE = {  # items, raters → share of studies that see 0.487 against 0.587: for these raters, for all (reference, A.5)
    (50, 3): (0.30, 0.01),
    (150, 3): (0.71, 0.06),
    (100, 6): (0.65, 0.35),
    (100, 10): (0.79, 0.56),
}
PRINTED = 0.06  # the table was simulated too, with a number of studies it does not say


@pytest.mark.parametrize("size", TABLE, ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_table_of_the_reference(size):
    found = rejections(0.487, 0.587, *size, count=700)
    for value, wanted in zip(found, TABLE[size], strict=True):
        noise = 3 * (wanted * (1 - wanted) / 700) ** 0.5
        assert abs(value - wanted) < PRINTED + noise


@pytest.mark.soak
@pytest.mark.parametrize("size", TABLE, ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_table_of_the_reference_at_length(size):
    found = rejections(0.487, 0.587, *size, count=20_000, seed=7)
    assert all(abs(value - wanted) < PRINTED for value, wanted in zip(found, TABLE[size], strict=True))


def test_tests_of_equal_arms_keep_their_level():
    for raters in (3, 8):
        these, everyone = rejections(0.5, 0.5, 50, raters, count=1500)
        assert 0.02 < these < 0.08 and everyone < 0.075


@pytest.mark.parametrize("protocol", ["P1", "P2", "P3", "P4"])
def test_more_raters_and_pictures_show_smaller_differences(protocol):
    def found(per_arm: int, raters: int) -> tuple[float, float]:
        shown = power(Design(protocol=protocol, per_arm=per_arm, raters=raters))
        return shown.these.difference, shown.everyone.difference

    small, more_pictures, more_raters = found(30, 6), found(120, 6), found(30, 14)
    assert more_pictures[0] < 0.7 * small[0] and more_raters[0] < 0.9 * small[0]
    assert more_pictures[1] < small[1] and more_raters[1] < small[1]
    assert small[1] > small[0]  # clinicians at large are the harder question


def test_what_it_detects_is_detected_four_times_in_five():
    shown = power(Design(per_arm=60, raters=5))
    logits = np.log(0.5 / 0.5)
    low = 1 / (1 + np.exp(-logits))
    # the difference is of marginal shares; the share of a typical picture and rater lies further out
    tried = [
        (high, rejections(low, high, 60, 5, count=800, seed=3)[0]) for high in np.arange(0.58, 0.76, 0.02)
    ]
    at = np.interp(0.8, [share for _, share in tried], [high for high, _ in tried])
    assert abs((at - low) - shown.these.difference) < 0.03


def test_one_rater_says_nothing_of_others_and_two_next_to_nothing():
    alone = power(Design(raters=1))
    assert alone.these.difference is not None and alone.everyone.difference is None
    assert "one rater shows nothing" in alone.sentences(1)[1]
    pair = power(Design(raters=2, per_arm=10))
    assert pair.everyone.difference is None and "more raters or pictures" in pair.sentences(2)[1]


def test_margins_shrink_with_size_and_belong_to_p1():
    small, large = power(Design(per_arm=20, raters=4)), power(Design(per_arm=150, raters=4))
    assert 0 < large.these.margin < small.these.margin < small.everyone.margin
    split = power(Design(per_arm=60, raters=12), Spreads(rater_arm=1.2))
    assert split.everyone.margin > 1.8 * split.these.margin  # raters who see it differently count among all
    assert power(Design(protocol="P4")).these.margin is None
    assert "0.5 ±" in large.sentences(4)[0] and "4 raters" in large.sentences(4)[0]


def test_a_stricter_level_and_wider_spreads_cost_power():
    usual = power(Design()).these.difference
    assert power(Design(primary=Primary(alpha=0.005))).these.difference > usual
    assert power(Design(), Spreads(rater_arm=0.9)).everyone.difference > power(Design()).everyone.difference
    assert power(Design(), Spreads(item=1.6)).these.difference > usual


def test_the_same_seed_gives_the_same_figure_and_large_designs_fewer_studies():
    assert power(Design()) == power(Design())
    assert simulations(50, 5) == 600 and simulations(1000, 200) == 60


@pytest.mark.parametrize("spreads", [Spreads(0.4, 0.3, 0.2), Spreads(1.0, 0.8, 0.6)], ids=["narrow", "wide"])
def test_a_pilot_gives_its_spreads_back(spreads):
    rng = np.random.default_rng(0)
    raters, items = 30, 150
    columns = {name: [] for name in ("rater", "arm", "item", "value")}
    own, views = rng.normal(0, spreads.rater, raters), rng.normal(0, spreads.rater_arm, (2, raters))
    for arm in range(2):
        picture = rng.normal(0, spreads.item, items)
        logit = picture[:, None] + own + views[arm] + (0.3 if arm else 0)
        votes = rng.random((items, raters)) < 1 / (1 + np.exp(-logit))
        i, r = np.mgrid[:items, :raters]
        for name, some in (
            ("rater", r),
            ("arm", np.full(i.shape, arm)),
            ("item", i + 1000 * arm),
            ("value", votes),
        ):
            columns[name].append(some.ravel())
    found = spreads_of(*(np.concatenate(columns[name]) for name in ("rater", "arm", "item", "value")))
    for name in ("item", "rater", "rater_arm"):
        assert getattr(found, name) == pytest.approx(getattr(spreads, name), rel=0.35)


def test_a_pilot_too_small_keeps_the_guess():
    found = spreads_of(np.zeros(6), np.array([0, 0, 0, 1, 1, 1]), np.arange(6), np.array([1, 0, 1, 0, 1, 0]))
    assert found.rater == Spreads().rater and found.rater_arm == Spreads().rater_arm


def test_minutes_count_everything_a_rater_does():
    arms = tuple(Arm(name=name, kind=kind, source="x") for name, kind in (("a", "real"), ("b", "synthetic")))
    first = minutes(Design(arms=arms))
    assert first.presentations == 4 + 100 + 10 and first.warning == ""
    assert first.total == pytest.approx(2 + 114 * 8 / 60) and first.total < 20  # the default of a first study
    assert minutes(Design(arms=arms, pace=4.0)).total == pytest.approx(2 + 114 * 4 / 60)
    assert minutes(Design(arms=arms, protocol="P4")).presentations == 4 + 50 + 5
    scales = minutes(Design(arms=arms, protocol="P3", per_arm=20))
    assert scales.presentations == 4 + (40 + 4) * 2 + 40
    assert minutes(Design(arms=arms), 60, 0).presentations == 66


def test_more_than_half_an_hour_a_sitting_is_said():
    long = Design(per_arm=150)
    assert "half an hour" in minutes(long).warning
    assert minutes(long.model_copy(update={"sittings": 2})).warning == ""
    assert "half an hour" in minutes(long.model_copy(update={"pace": 30.0, "sittings": 2})).warning
