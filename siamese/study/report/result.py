"""What a rater sees of the own result behind the personal link, once the study is unblinded: own votes alone."""

from __future__ import annotations

import json

from siamese.atomic import private_folder, write_atomically
from siamese.counted import counted
from siamese.errors import writing
from siamese.study.analysis.estimate import number
from siamese.study.analysis.proportion import wilson
from siamese.study.analysis.tables import Votes
from siamese.study.report.cells import scale_name
from siamese.study.report.gather import Gathered

KINDS = {
    "real": "taken from patients",
    "synthetic": "made by a computer",
    "control": "taken from patients and redrawn by a computer",
}
LIMIT = "One rater's result says nothing of how well anybody reads pictures of patients."


def write_results(gathered: Gathered) -> int:
    """Write `results/<rater number>.json` in the study's folder for every rater who has votes; those of raters who have
    withdrawn meanwhile go.

    Returns:
        How many were written.

    Raises:
        MachineError: disk full or folder not writable.
    """
    folder, written = gathered.study.folder / "results", set()
    with writing(folder):
        private_folder(folder)
    for rater in gathered.raters:
        own = gathered.own(rater.number).main()
        if len(own):
            path = folder / f"{rater.number}.json"
            write_atomically(path, json.dumps(result(own, gathered), ensure_ascii=False).encode())
            written.add(path.name)
    for path in folder.glob("*.json"):
        if path.name not in written:
            path.unlink()
    return len(written)


def result(own: Votes, gathered: Gathered) -> dict[str, object]:
    """{"sentence": the own share right, "lines": the own figures by arm}.

    Args:
        own: counted votes of one rater.
        gathered: for the design and the kinds of its arms.
    """
    sentence = {"P1": _p1, "P2": _p2, "P3": _p3, "P4": _p4}[gathered.design.protocol](own)
    lines = [
        f"{_named(question, gathered)}{arm} ({KINDS[own.kind_of(arm)]}): {_line(own.asked(question).of(arm), gathered)}"
        for question in own.questions
        for arm in own.asked(question).arms
    ]
    return {"sentence": sentence, "lines": [*lines, LIMIT]}


def _p1(own: Votes) -> str:
    asked = own.where(own.kind != "control")
    right = int((asked.real == (asked.kind == "real")).sum())
    of = counted(len(asked), "picture")
    return f"You were right about {right} of {of}{_share(right, len(asked))}; guessing gives half."


def _p2(own: Votes) -> str:
    real, best = own.where(own.kind == "real"), own.value.max()
    if not len(real):
        return f"You ranked {counted(own.n.votes, 'group')} of pictures."
    first = int((real.value == best).sum())
    return f"You put the patient's picture first in {first} of {counted(len(real), 'group')}{_share(first, len(real))}."


def _p3(own: Votes) -> str:
    return f"You graded {counted(own.n.pictures, 'picture')}; 5 is the best level."


def _p4(own: Votes) -> str:
    real = own.where(own.kind == "real")
    right = int(real.value.sum())
    of = counted(len(real), "pair")
    return (
        f"You found the patient's picture in {right} of {of}{_share(right, len(real))}; guessing gives half."
    )


def _share(count: int, of: int) -> str:
    if not of:
        return ""
    low, high = wilson(count, of)
    return f" ({100 * count / of:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"


def _line(own: Votes, gathered: Gathered) -> str:
    count, of, mean = int(own.score.sum()), len(own), float(own.score.mean())
    return {
        "P1": f"you called {count} of {of} real.",
        "P2": f"mean rank {number(mean)} of {counted(of, 'group')}; {gathered.design.together} is best.",
        "P3": f"mean level {number(mean)} of {counted(of, 'picture')}.",
        "P4": f"you took it for the patient's in {count} of {counted(of, 'pair')}.",
    }[gathered.design.protocol]


def _named(question: str, gathered: Gathered) -> str:
    name = scale_name(gathered.design, question)
    return f"{name}, " if name else ""
