"""Rankings beside scipy, published tables and the fixture of the project's reference."""

from __future__ import annotations

import math

import choix
import numpy as np
import pytest
from scipy import stats

from siamese.study.analysis.ranks import (
    blocks,
    friedman,
    friedman_test,
    nemenyi,
    positions,
    rank_counts,
    strengths,
)
from siamese.study.analysis.tables import Votes
from tests.study.analysis.made import EMPTY, OTHER, OURS, REAL, chosen, ranked, table

FIXTURE = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3], [1, 2, 3]]  # χ² 6.4, W 0.64


def rankings(seed: int, groups: int = 30, raters: int = 2) -> Votes:
    """Plackett-Luce rankings of three arms with worths 4, 2, 1."""
    draw = np.random.default_rng(seed)
    worth = np.log([4.0, 2.0, 1.0])
    names = np.array([REAL, OURS, OTHER])
    return ranked(
        [
            (rater, f"g{g:03}", tuple(names[np.argsort(-(worth + draw.gumbel(size=3)))].tolist()))
            for rater in range(1, raters + 1)
            for g in range(groups)
        ]
    )


def test_friedman_and_kendall_of_the_fixture() -> None:
    chi2, w, p = friedman_test(np.array(FIXTURE))
    assert (chi2, w) == pytest.approx((6.4, 0.64)) and p == pytest.approx(stats.chi2.sf(6.4, 2))


@pytest.mark.parametrize("seed", range(3))
def test_friedman_is_that_of_scipy_with_ties_too(seed: int) -> None:
    scores = np.random.default_rng(seed).integers(1, 4, (20, 4))
    chi2, _, p = friedman_test(scores)
    assert (chi2, p) == pytest.approx(tuple(stats.friedmanchisquare(*scores.T)))


def test_friedman_of_votes_takes_a_group_once() -> None:
    one = ranked(
        [
            (1, f"g{i}", tuple(np.array([OURS, OTHER, REAL])[np.argsort(row)][::-1]))
            for i, row in enumerate(FIXTURE)
        ]
    )
    found = friedman(one)
    assert (found.w.value, found.chi2, found.w.n.groups) == (pytest.approx(0.64), pytest.approx(6.4), 5)
    rows = [
        (r, f"g{i}", tuple(np.array([OURS, OTHER, REAL])[np.argsort(row)][::-1]))
        for r in (1, 2, 3)
        for i, row in enumerate(FIXTURE)
    ]
    copied = friedman(ranked(rows))
    assert copied.p == pytest.approx(found.p) and copied.mean_ranks == pytest.approx(found.mean_ranks)
    assert dict(zip(found.arms, found.mean_ranks, strict=True))[REAL] == pytest.approx(2.8)


def test_groups_with_an_arm_missing_are_no_block() -> None:
    votes = ranked(
        [
            (1, "a", (REAL, OURS, OTHER)),
            (1, "b", (REAL, OURS)),
            (2, "b", (OURS, OTHER)),
            (1, "c", (OURS, REAL, OTHER)),
        ]
    )
    arms, found = blocks(votes)
    assert arms == [REAL, OTHER, OURS] and found.tolist() == [[3, 1, 2], [2, 1, 3]]


def test_nothing_to_rank_is_said() -> None:
    for votes in (Votes(**EMPTY), ranked([(1, "a", (REAL, OURS))])):
        found = friedman(votes)
        assert "needs two mask groups" in found.w.means and "nan" not in found.w.means and math.isnan(found.p)
    tied = table(
        [
            {"arm": a, "group": g, "item": f"{a}{g}", "value": 1.0, "place": i, "presentation": i}
            for i, g in enumerate("ab")
            for a in (REAL, OURS)
        ]
    )
    assert "every arm got the same rank" in friedman(tied).w.means
    assert strengths(Votes(**EMPTY)) == {}
    assert "not known" in positions(Votes(**EMPTY)).means


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_nemenyi_has_the_published_quantiles(k: int, q: float) -> None:
    """Demšar 2006, table 5a."""
    found = nemenyi({f"arm {i}": (k + 1) / 2 for i in range(k)}, 25)
    assert found.critical / math.sqrt(k * (k + 1) / 150) == pytest.approx(q, abs=0.001)


def test_the_papers_skin_studies() -> None:
    first = nemenyi({"Real": 2.36, "Siamese": 1.96, "ControlNet": 1.68}, 50)
    assert first.critical == pytest.approx(0.47, abs=0.005)
    assert {(p.higher, p.lower): p.separable for p in first.pairs} == {
        ("Real", "Siamese"): False, ("Real", "ControlNet"): True, ("Siamese", "ControlNet"): False,
    }  # fmt: skip
    assert all(p.separable for p in nemenyi({"Real": 2.66, "Siamese": 2.12, "ControlNet": 1.22}, 50).pairs)
    assert "not shown to be alike" in first.does_not_show
    assert math.isnan(nemenyi({"Real": 1.0}, 50).critical)


def test_strengths_of_two_arms_are_shares() -> None:
    votes = ranked([(1, f"g{i:02}", (OURS, OTHER) if i < 30 else (OTHER, OURS)) for i in range(40)])
    found = strengths(votes)
    assert found[OURS].value == pytest.approx(0.75, abs=0.01) and found[OTHER].value == pytest.approx(
        0.25, abs=0.01
    )
    assert 0.5 < found[OURS].low < 0.66 and 0.84 < found[OURS].high < 0.95


@pytest.mark.parametrize("inference", ["these", "all"])
def test_strengths_find_the_worths(inference: str) -> None:
    found = strengths(rankings(1, groups=40), inference, draws=40)
    assert sum(e.value for e in found.values()) == pytest.approx(1)
    for arm, worth in ((REAL, 4 / 7), (OURS, 2 / 7), (OTHER, 1 / 7)):
        assert found[arm].low < worth < found[arm].high


def test_strengths_are_those_of_a_fit_by_newton() -> None:
    votes = rankings(1, groups=40)
    names, order = votes.arms, np.lexsort([-votes.value, votes.presentation, votes.rater]).reshape(-1, 3)
    data = [tuple(names.index(arm) for arm in votes.arm[rows]) for rows in order]
    likely = np.exp(choix.opt_rankings(3, data, alpha=1e-4))
    found = strengths(votes, draws=2)
    assert [found[arm].value for arm in names] == pytest.approx((likely / likely.sum()).tolist(), abs=0.01)


def test_an_arm_that_never_lost_has_a_finite_strength() -> None:
    found = strengths(ranked([(1, f"g{i}", (REAL, OURS)) for i in range(10)]), draws=20)
    assert 0.9 < found[REAL].value < 1 and "nan" not in found[REAL].means + found[REAL].words()


def test_rankings_do_not_depend_on_the_order_of_rows() -> None:
    votes = rankings(2, groups=10)
    shuffled = votes.where(np.random.default_rng(0).permutation(len(votes)))
    before, after = strengths(votes, draws=5), strengths(shuffled, draws=5)
    assert {a: e.value for a, e in after.items()} == pytest.approx({a: e.value for a, e in before.items()})
    assert friedman(shuffled).p == pytest.approx(friedman(votes).p)
    assert rank_counts(shuffled) == rank_counts(votes)


def test_counts_of_ranks_and_of_positions() -> None:
    votes = ranked(
        [(1, "a", (OURS, REAL)), (1, "b", (OURS, REAL)), (1, "c", (REAL, OURS))]
    )  # Ours stands on the left
    assert rank_counts(votes) == {REAL: (2, 1), OURS: (1, 2)}
    assert positions(votes).counts == ((1, 2), (2, 1))
    left = chosen([(1, f"g{i}", OURS, REAL) for i in range(20)])
    found = positions(left)
    assert found.counts == ((0, 20), (20, 0)) and found.p < 0.001 and "100 %, 0 %" in found.means
    assert math.isnan(positions(table([{"value": 1.0}])).p)
