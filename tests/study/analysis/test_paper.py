"""The paper's own counts and ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamese.errors import StudyError
from siamese.study.analysis.paper import analyse, describe

COUNTS = {"Plain": (35, 150), "ControlNet": (73, 150), "Siamese": (88, 150), "Real": (135, 150)}


def written(folder: Path, text: str) -> Path:
    path = folder / "votes.csv"
    path.write_text(text, "utf-8")
    return path


def test_the_papers_mos_and_the_two_best_synthesizers() -> None:
    found = analyse(COUNTS)
    assert {k: round(v.value, 3) for k, v in found.mos.items()} == {
        "Plain": 0.233, "ControlNet": 0.487, "Siamese": 0.587, "Real": 0.9,
    }  # fmt: skip
    ours = found.mos["Siamese"]
    assert (round(ours.low, 2), round(ours.high, 2)) == (0.51, 0.66)
    pairs = {(p.first, p.second): p for p in found.pairs}
    best = pairs["Siamese", "ControlNet"]
    assert best.z == pytest.approx(1.74, abs=0.005) and best.p == pytest.approx(0.08, abs=0.005)
    assert len(pairs) == 6 and [p for p in found.pairs if not p.separable] == [best]
    assert pairs["Real", "Siamese"].p < 1e-9
    strongest = sorted(found.pairs, key=lambda p: p.p)
    steps = np.maximum.accumulate([p.p * (6 - i) for i, p in enumerate(strongest)])
    assert [p.p_holm for p in strongest] == pytest.approx(steps.tolist())
    assert found.sentence == (
        "The two best synthesizers, Siamese (88 of 150) and ControlNet (73 of 150), are not separable at this size: "
        "p = 0.08 after Holm's correction for 6 pairs."
    )


def test_votes_and_counts_print_the_same(tmp_path: Path) -> None:
    counts = "method,voted_real,votes\n" + "".join(f"{m},{v},{n}\n" for m, (v, n) in COUNTS.items())
    votes = "method,voted_real\n" + "".join(
        f"{m},{int(i < v)}\n" for i in range(150) for m, (v, _) in COUNTS.items()
    )
    said = describe(written(tmp_path, counts))
    assert describe(written(tmp_path, votes)) == said
    for words in (
        "Plain: MOS 0.233 (95 % interval 0.173 to 0.307), 35 of 150",
        "ControlNet: MOS 0.487",
        "Siamese: MOS 0.587",
        "Real: MOS 0.900",
        "Siamese − ControlNet: +0.10 (95 % interval −0.01 to +0.21; p = 0.08 after Holm): not told apart",
        "are not separable at this size",
        "as if all were independent",
    ):
        assert words in said, said
    assert "nan" not in said


def test_more_votes_would_separate_them() -> None:
    assert "are separable" in analyse({m: (4 * v, 4 * n) for m, (v, n) in COUNTS.items()}).sentence
    assert analyse({"Real": (1, 2), "A": (1, 2)}).sentence == "There are no two synthesizers to compare."
    same = analyse({"A": (5, 5), "B": (5, 5)})
    assert same.pairs[0].p_holm == 1 and "not separable" in same.sentence
    other = analyse({"patients": (9, 9), "A": (5, 9), "B": (1, 9)}, real="Patients")
    assert "A (5 of 9) and B (1 of 9)" in other.sentence


def test_the_papers_skin_ranks(tmp_path: Path) -> None:
    first = describe(
        written(tmp_path, "method,mean_rank,groups\nReal,2.36,50\nSiamese,1.96,50\nControlNet,1.68,50\n")
    )
    assert (
        "Siamese and ControlNet, are not separable at this size: their mean ranks lie 0.28 apart, and 0.47 is"
        in first
    )
    second = describe(
        written(tmp_path, "method,mean_rank,groups\nReal,2.66,50\nSiamese,2.12,50\nControlNet,1.22,50\n")
    )
    assert "Siamese and ControlNet, are separable: their mean ranks lie 0.90 apart" in second


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has the columns none"),
        ("name,voted_real\nA,1\n", "has the columns name, voted_real"),
        ("method,voted_real\n", "no row below its header"),
        ("method,voted_real\nA,1\nB,2\n", "line 3: B, 2 found; a method and voted_real 0 or 1 expected"),
        ("method,voted_real\nA,yes\n", "line 2: A, yes found"),
        ("method,voted_real\n,1\n", "line 2"),
        ("method,voted_real,votes\nA,7,5\n", "line 2: A, 7, 5 found"),
        ("method,voted_real,votes\nA,0,0\n", "line 2"),
        ("method,mean_rank,groups\nA,1.5,50\nB,1.2,50\n", "the sum 2.70"),
        ("method,mean_rank,groups\nA,1.5,50\nB,1.5,40\n", "over 40 and 50 groups"),
        ("method,mean_rank,groups\nA,nan,50\nB,1.5,50\n", "line 2: A, nan, 50 found"),
        ("method,mean_rank,groups\nA,1.5,50\nA,1.5,50\n", "line 3: A, 1.5, 50 found; a method once"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_say_where_and_what(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StudyError) as error:
        describe(written(tmp_path, text))
    assert words in str(error.value)


def test_a_file_of_another_program(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read"):
        describe(tmp_path / "missing.csv")
    path = tmp_path / "excel.csv"
    path.write_bytes("\ufeffmethod,voted_real,votes\r\nA, 3,5\r\nB,4 ,5\r\n".encode())
    assert "A: MOS 0.600" in describe(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="UTF-8 was expected"):
        describe(path)
