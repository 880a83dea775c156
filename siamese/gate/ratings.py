"""How raters of a blind study took the pictures of a set: only of studies that are open, by the file's sha256."""

from __future__ import annotations

from collections import defaultdict

from siamese.errors import StudyError
from siamese.study.report.gather import gather
from siamese.study.studies import Studies
from siamese.study.truth import truth_of
from siamese.workspace import Workspace

PROTOCOLS = ("P1", "P4")  # one picture, real or synthetic; which one is the patient's


def taken_for_real(workspace: Workspace) -> dict[str, float]:
    """sha256 of a picture's file → share of its counted votes that said real; hidden repeats are left out.

    Studies that are blind, damaged or ask something else say nothing.
    """
    votes: dict[str, list[bool]] = defaultdict(list)
    for study in Studies(workspace).list():
        try:
            found = truth_of(study)
            if found.design.protocol not in PROTOCOLS:
                continue
            table = gather(study, found).table.main()
        except StudyError:
            continue
        for item, value in zip(table.item, table.score, strict=True):
            votes[found.items[item].source_sha256].append(bool(value > 0))
    return {digest: sum(own) / len(own) for digest, own in votes.items()}
