"""Agreement beside published figures, other packages' figures and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa

from siamese.study.analysis import coefficients as c
from siamese.study.analysis.agreement import agreement, ratings
from siamese.study.analysis.repeats import pairs, repeats, steadiness
from siamese.study.analysis.tables import Votes
from tests.study.analysis.made import EMPTY, OURS, REAL, p1, simulated, table

N = math.nan
# Ten items by three raters, with what irrCAC 0.4.4 and krippendorff 0.9.0 give for it.
RATED = np.array(
    [
        [1, 1, N],
        [2, 2, 3],
        [3, 3, 3],
        [3, 3, 3],
        [2, 2, 2],
        [1, 2, 3],
        [4, 4, 4],
        [1, 1, 2],
        [2, 2, 2],
        [N, 5, 5],
    ]
)
# Krippendorff 2011: twelve units by four observers; nominal 0.743, ordinal 0.815. Gwet 2014: AC1 and kappa of the same.
OBSERVED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
).T  # fmt: skip
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)


def once(matrix: np.ndarray) -> tuple[c.Sums, np.ndarray]:
    return c.sums(matrix), np.ones((1, len(matrix)))


def test_the_fixtures_of_other_packages() -> None:
    s = once(RATED)
    assert c.gwet(*s)[0] == pytest.approx(0.71213, abs=5e-6)
    assert c.fleiss(*s)[0] == pytest.approx(0.69208, abs=5e-6)
    assert c.krippendorff(*s)[0] == pytest.approx(0.6752577319587629, abs=1e-12)
    assert c.krippendorff(*s, "ordinal")[0] == pytest.approx(0.8048605240912934, abs=1e-12)


def test_published_figures() -> None:
    s = once(OBSERVED)
    assert c.krippendorff(*s)[0] == pytest.approx(0.743, abs=5e-4)
    assert c.krippendorff(*s, "ordinal")[0] == pytest.approx(0.815, abs=5e-4)
    assert c.gwet(*s)[0] == pytest.approx(0.77544, abs=1e-5)
    assert c.fleiss(*s)[0] == pytest.approx(0.76117, abs=1e-5)


def test_icc_of_shrout_and_fleiss() -> None:
    """Values of pingouin 0.7.0; intervals as R's psych prints them."""
    found = c.icc(SHROUT_FLEISS)
    assert found.single == pytest.approx(0.28976377952755916, abs=1e-12)
    assert found.mean == pytest.approx(0.6200505475989893, abs=1e-12)
    assert found.single_interval == pytest.approx((0.019, 0.76), abs=0.0015)
    assert found.mean_interval == pytest.approx((0.071, 0.93), abs=0.003)
    gaps = np.vstack([SHROUT_FLEISS, [5, 5, N, 5]])
    assert c.icc(gaps) == found  # a picture that somebody left out does not count


@pytest.mark.parametrize("seed", range(3))
def test_fleiss_is_that_of_statsmodels_without_gaps(seed: int) -> None:
    matrix = np.random.default_rng(seed).integers(0, 3, (20, 4))
    assert c.fleiss(*once(matrix))[0] == pytest.approx(fleiss_kappa(aggregate_raters(matrix)[0]))


def test_ac1_of_two_raters_by_hand_where_kappa_fails() -> None:
    """118 of 125 both say real, 5 and 2 differ: agreement 0.944, kappa below 0, AC1 0.94 (the kappa paradox)."""
    matrix = np.array([[1, 1]] * 118 + [[1, 0]] * 5 + [[0, 1]] * 2)
    s = once(matrix)
    share = (118 + 118 + 7) / 250
    chance = 2 * share * (1 - share)
    assert c.raw(*s)[0] == pytest.approx(118 / 125)
    assert c.gwet(*s)[0] == pytest.approx((118 / 125 - chance) / (1 - chance)) and c.gwet(*s)[0] > 0.93
    assert c.fleiss(*s)[0] < 0


def test_near_misses_count_in_part_by_hand() -> None:
    """Levels 1..3: weights 1, 2/3, 0 of C(distance + 1, 2) / C(3, 2)."""
    s = c.sums(np.array([[1, 2], [3, 3], [1, 3]]), (1, 2, 3)), np.ones((1, 3))
    observed = (2 / 3 + 1 + 0) / 3
    shares = np.array([2 / 6, 1 / 6, 3 / 6])
    chance = (3 + 4 * 2 / 3) / 6 * (shares * (1 - shares)).sum()
    assert c.raw(*s, "ordinal")[0] == pytest.approx(observed)
    assert c.gwet(*s, "ordinal")[0] == pytest.approx((observed - chance) / (1 - chance))


def test_weights_are_copies_of_items() -> None:
    weights = np.array([2, 0, 1, 3, 1, 1, 0, 2, 1, 1])
    copies = np.repeat(RATED, weights, axis=0)
    for compute in (c.raw, c.gwet, c.fleiss, c.krippendorff):
        s = c.sums(RATED, (1, 2, 3, 4, 5)), weights[None].astype(float)
        assert compute(*s)[0] == pytest.approx(
            compute(c.sums(copies, (1, 2, 3, 4, 5)), np.ones((1, len(copies))))[0]
        )


def test_the_order_of_raters_and_of_items_does_not_matter() -> None:
    draw = np.random.default_rng(0)
    turned = OBSERVED[draw.permutation(12)][:, draw.permutation(4)]
    for compute in (c.raw, c.gwet, c.fleiss, c.krippendorff):
        assert compute(*once(turned))[0] == pytest.approx(compute(*once(OBSERVED))[0])


def test_full_agreement_and_none() -> None:
    same = np.array([[1, 1], [0, 0], [1, 1]])
    for compute in (c.gwet, c.fleiss, c.krippendorff):
        assert compute(*once(same))[0] == pytest.approx(1)
    all_real = c.sums(np.ones((5, 3)), (0, 1)), np.ones((1, 5))
    assert (
        c.gwet(*all_real)[0] == 1
        and math.isnan(c.fleiss(*all_real)[0])
        and math.isnan(c.krippendorff(*all_real)[0])
    )
    assert math.isnan(c.icc(np.ones((5, 3))).single) and math.isnan(c.icc(np.zeros((1, 3))).single)
    perfect = c.icc(np.array([[1, 1], [2, 2], [3, 3]]))
    assert perfect.single == pytest.approx(1) and math.isnan(perfect.single_interval[0])


def test_votes_become_a_matrix_and_every_figure_an_estimate() -> None:
    votes = simulated(3, groups=30, raters=4, item_sd=3)
    matrix, groups = ratings(votes, votes.score)
    assert matrix.shape == (60, 4) and len(set(groups)) == 30
    (found,) = agreement(votes, "P1")
    assert found.ac.value == pytest.approx(c.gwet(c.sums(matrix, (0, 1)), np.ones((1, 60)))[0])
    for one in (found.raw, found.ac, found.icc_single, found.icc_mean, found.fleiss, found.alpha):
        assert one.low < one.value < one.high and one.means.endswith(".") and one.does_not_show.endswith(".")
    assert found.icc_single.value < found.icc_mean.value and "they are right" in found.ac.does_not_show


def test_degenerate_votes_get_a_sentence() -> None:
    assert agreement(Votes(**EMPTY), "P1") == ()
    (lone,) = agreement(simulated(1, groups=4, raters=1), "P1")
    assert lone.ac.means == "No agreement: no picture was rated by two raters." and not lone.icc_single.known
    (alike,) = agreement(p1({(r, OURS, f"g{g}"): 3 for r in (1, 2) for g in range(5)}), "P1")
    assert alike.ac.value == 1 and "all ratings are the same" in alike.fleiss.means
    for one in (alike.raw, alike.ac, alike.icc_single, alike.fleiss, alike.alpha):
        assert "nan" not in one.means + one.words()
    (levels,) = agreement(
        table([{"rater": r, "item": "x", "value": 3.0 + r, "place": 0} for r in (1, 2)]), "P3"
    )
    assert "near misses" in levels.ac.means and not levels.icc_single.known


def repeated(answers: dict[int, list[tuple[float, float]]], **more: object) -> Votes:
    """P1 or other votes from {rater: [(first value, value of the repeat)]}."""
    rows = []
    for rater, both in answers.items():
        for place, (one, again) in enumerate(both):
            for phase, value, at in (("main", one, place), ("repeat", again, 100 + place)):
                plain = {
                    "rater": rater,
                    "item": f"i{place}",
                    "group": f"g{place}",
                    "phase": phase,
                    "place": at,
                    "value": value,
                }
                rows.append(
                    {**plain, "real": float(value > 0), "repeats": place if phase == "repeat" else -1, **more}
                )
    return table(rows)


def test_repeats_by_hand_and_by_statsmodels() -> None:
    both = [(5, 4), (3, -2), (-7, -7), (-1, -3), (9, 10), (2, 1), (-6, 2), (-5, -5)]
    votes = repeated({1: both})
    pooled, one = repeats(votes, "P1")
    assert pooled.rater is None and one.rater == 1 and one.raw.value == 6 / 8
    answers = np.array([[3, 1], [1, 3]])  # real or synthetic, first time in rows
    assert one.kappa.value == pytest.approx(cohens_kappa(answers).kappa)
    before, after = np.array(both, float).T
    penalties = (before[:, None] - after[None, :]) ** 2
    assert one.weighted.value == pytest.approx(1 - ((before - after) ** 2).mean() / penalties.mean())
    assert one.icc.value == pytest.approx(c.icc(np.array(both)).single)
    assert one.raw.n.votes == 8 and one.kappa.low < one.kappa.value < one.kappa.high
    assert steadiness(votes) == {1: 0.75}


def test_repeats_are_matched_by_rater_place_and_picture() -> None:
    votes = repeated({1: [(1, 1), (2, -2)], 2: [(-3, -3)]})
    shuffled = votes.where(np.random.default_rng(1).permutation(len(votes)))
    assert len(pairs(shuffled)[0]) == 3 and steadiness(shuffled) == {1: 0.5, 2: 1.0}
    orphan = votes.where(~((votes.rater == 2) & (votes.phase == "main")))  # its first vote is missing
    assert len(pairs(orphan)[0]) == 2 and math.isnan(steadiness(orphan)[2])


def test_repeats_all_alike_or_none_get_a_sentence() -> None:
    alike = repeats(repeated({1: [(3, 3), (3, 3)]}), "P1")[1]
    assert alike.raw.value == 1 and "all answers on the repeats are the same" in alike.kappa.means
    nothing = repeats(p1({(1, REAL, "a"): 3}), "P1")
    assert [r.raw.means for r in nothing] == ["No hidden repeat was answered."] * 2
    steady = repeats(repeated({1: [(3, 3), (-3, -3)]}), "P1")[1]
    assert steady.kappa.value == 1 and "no interval" in steady.kappa.words()
    pair = repeats(repeated({1: [(1, 1), (0, 1)]}, real=N), "P4")[1]
    assert pair.raw.value == 0.5 and "no grades" in pair.icc.means
    for one in (*alike.__dict__.values(), *steady.__dict__.values()):
        assert "nan" not in getattr(one, "means", "")
