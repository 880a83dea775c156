"""The paper's own counts, or anybody's: MOS with intervals, who can be told apart, from a small CSV file.

Three kinds of file, known by their columns: `method,voted_real` (one row a vote, 0 or 1); `method,voted_real,votes`
(counts); `method,mean_rank,groups` (k is best). Source of the protocols: Siamese-Diffusion (CVPR 2025), appendix 9.1.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from siamese.errors import StudyError
from siamese.study.analysis.differences import holm
from siamese.study.analysis.estimate import Estimate, interval_words, number, p_words
from siamese.study.analysis.proportion import newcombe, wilson, z_test
from siamese.study.analysis.ranks import Nemenyi, nemenyi
from siamese.study.analysis.tables import Counts

VOTES, COUNTS, RANKS = (
    {"method", "voted_real"},
    {"method", "voted_real", "votes"},
    {"method", "mean_rank", "groups"},
)
MEANS = "{}: MOS {}, the share of its votes that said real."
NOT_SHOWN = (
    "The file does not say which rater or picture a vote is of; votes are counted as if all were independent."
)


@dataclass(frozen=True)
class Pair:
    """Two methods, the one with the higher MOS first. `p` two-sided (pooled z), `p_holm` corrected for all pairs."""

    first: str
    second: str
    difference: float
    low: float
    high: float
    z: float
    p: float
    p_holm: float

    @property
    def separable(self) -> bool:
        """Told apart at 5 % after Holm's correction."""
        return self.p_holm < 0.05

    def words(self) -> str:
        """E.g. “Ours − ControlNet: +0.10 (95 % interval −0.01 to +0.21; p = 0.08 after Holm): not told apart”."""
        told = "told apart" if self.separable else "not told apart"
        shown = interval_words(self.low, self.high, 0.95, sign=True)
        apart = number(self.difference, sign=True)
        return f"{self.first} − {self.second}: {apart} ({shown}; {p_words(self.p_holm)} after Holm): {told}"


@dataclass(frozen=True)
class Paper:
    """MOS of every method in the file's order, all pairs, and one sentence on the two best synthesizers."""

    mos: dict[str, Estimate]
    pairs: tuple[Pair, ...]
    sentence: str


def describe(path: Path, real: str = "real") -> str:
    """What `study paper FILE` prints.

    Args:
        real: the name of the method that is no synthesizer, upper or lower case.

    Raises:
        StudyError: the file cannot be read as any of the three kinds.
    """
    rows, columns = _rows(path)
    if columns >= RANKS:
        ranks = _ranks(rows, path)
        names = "\n".join(f"  {arm}: mean rank {number(rank)}" for arm, rank in ranks.mean_ranks.items())
        return f"{names}\n{ranks.means}\n{two_best(ranks, real)}\n{ranks.does_not_show}"
    paper = analyse(_counts(rows, columns, path), real)
    arms = [f"  {name}: MOS {mos.words(3)}, {_fraction(mos)} voted real" for name, mos in paper.mos.items()]
    pairs = [f"  {pair.words()}" for pair in paper.pairs]
    return "\n".join(
        ["MOS, the share of votes that said real:", *arms, "Pairs:", *pairs, paper.sentence, NOT_SHOWN]
    )


def analyse(counts: dict[str, tuple[int, int]], real: str = "real") -> Paper:
    """MOS and pairs from (voted real, votes) of each method."""
    mos = {}
    for name, (voted, of) in counts.items():
        share = voted / of
        n = Counts(votes=of)
        mos[name] = Estimate(share, *wilson(voted, of), n, MEANS.format(name, number(share, 3)), NOT_SHOWN)
    order = sorted(counts, key=lambda name: -mos[name].value)
    tests = [(a, b, *z_test(counts[a], counts[b])) for a, b in combinations(order, 2)]
    corrected = holm([p for *_, p in tests])
    pairs = tuple(
        Pair(a, b, mos[a].value - mos[b].value, *newcombe(counts[a], counts[b]), z, p, p_holm)
        for (a, b, z, p), p_holm in zip(tests, corrected, strict=True)
    )
    synthesizers = [name for name in order if name.casefold() != real.casefold()]
    if len(synthesizers) < 2:
        return Paper(mos, pairs, "There are no two synthesizers to compare.")
    a, b = synthesizers[:2]
    pair = next(pair for pair in pairs if (pair.first, pair.second) == (a, b))
    verdict = "are separable" if pair.separable else "are not separable at this size"
    raw = "" if pair.separable or pair.p >= 0.05 else f" ({p_words(pair.p)} before correction)"
    sentence = (
        f"The two best synthesizers, {a} ({_fraction(mos[a])}) and {b} ({_fraction(mos[b])}), "
        f"{verdict}: {p_words(pair.p_holm)} after Holm's correction for {len(pairs)} pairs{raw}."
    )
    return Paper(mos, pairs, sentence)


def two_best(ranks: Nemenyi, real: str = "real") -> str:
    """The same sentence from mean ranks."""
    synthesizers = [arm for arm in ranks.mean_ranks if arm.casefold() != real.casefold()]
    order = sorted(synthesizers, key=lambda arm: -ranks.mean_ranks[arm])
    if len(order) < 2:
        return "There are no two synthesizers to compare."
    pair = next(pair for pair in ranks.pairs if (pair.higher, pair.lower) == tuple(order[:2]))
    verdict = "are separable" if pair.separable else "are not separable at this size"
    return (
        f"The two best synthesizers, {pair.higher} and {pair.lower}, {verdict}: their mean ranks lie "
        f"{number(pair.gap)} apart, and {number(ranks.critical)} is needed (Nemenyi, {ranks.blocks} groups)."
    )


def _fraction(mos: Estimate) -> str:
    return f"{round(mos.value * mos.n.votes)} of {mos.n.votes}"


def _rows(path: Path) -> tuple[list[dict[str, str]], set[str]]:
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig")))
        columns = {(name or "").strip() for name in reader.fieldnames or ()}
        rows = [
            {(k or "").strip(): (v or "").strip() for k, v in row.items() if isinstance(v, str)}
            for row in reader
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{path} cannot be read ({error}); a CSV file in UTF-8 was expected.") from error
    if not (columns >= VOTES or columns >= RANKS):
        wanted = (
            "method,voted_real (0 or 1 a vote), method,voted_real,votes (counts) or method,mean_rank,groups"
        )
        raise StudyError(
            f"{path} has the columns {', '.join(sorted(columns)) or 'none'}; {wanted} were expected."
        )
    if not rows:
        raise StudyError(f"{path} has no row below its header; one a vote or a method was expected.")
    return rows, columns


def _counts(rows: list[dict[str, str]], columns: set[str], path: Path) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for line, row in enumerate(rows, 2):
        name = row.get("method", "")
        voted, of = _whole(row, "voted_real"), _whole(row, "votes") if columns >= COUNTS else 1
        if not name or voted is None or not of or voted > of:
            expected = "voted_real of votes, whole numbers," if columns >= COUNTS else "voted_real 0 or 1"
            raise StudyError(
                f"{path}, line {line}: {', '.join(row.values())} found; a method and {expected} expected."
            )
        before = found.get(name, (0, 0))
        found[name] = before[0] + voted, before[1] + of
    return found


def _ranks(rows: list[dict[str, str]], path: Path) -> Nemenyi:
    means, groups = {}, set()
    for line, row in enumerate(rows, 2):
        name, count = row.get("method", ""), _whole(row, "groups")
        try:
            rank = float(row.get("mean_rank", ""))
        except ValueError:
            rank = 0.0
        if not name or name in means or not count or not 1 <= rank <= len(rows):
            expected = f"a method once, a mean rank from 1 to {len(rows)} (best) and the number of groups"
            raise StudyError(f"{path}, line {line}: {', '.join(row.values())} found; {expected} expected.")
        means[name] = rank
        groups.add(count)
    k = len(means)
    if len(groups) > 1 or k < 2 or abs(sum(means.values()) - k * (k + 1) / 2) > 0.005 * k + 1e-9:
        raise StudyError(
            f"{path}: mean ranks with the sum {number(sum(means.values()))} over "
            f"{' and '.join(str(g) for g in sorted(groups))} groups found; those of all methods over the same groups "
            f"were expected, with the sum {k * (k + 1) / 2:g}."
        )
    return nemenyi(means, groups.pop())


def _whole(row: dict[str, str], column: str) -> int | None:
    text = row.get(column, "")
    return int(text) if text.isascii() and text.isdigit() else None
