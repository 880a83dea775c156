"""Rehearsal: the organiser takes the draft as a rater would, in a copy of the study; it tells how long it takes."""

from __future__ import annotations

import shutil
import statistics

from siamese.atomic import remove_whole
from siamese.errors import StudyError, writing
from siamese.store import records
from siamese.store.engine import NotPrepared, reading
from siamese.store.migrations import migrate
from siamese.study import links, truth
from siamese.study.lock import lock
from siamese.study.studies import Studies, Study

SUFFIX = "-rehearsal"
LEAST = 10  # votes from which a pace is known


def rehearse(studies: Studies, study: Study, base: str = links.BASE) -> tuple[Study, str]:
    """A locked copy of a prepared draft for one rehearsal, in place of an earlier one.

    Args:
        studies: of the workspace.
        study: the draft.
        base: where the rating pages will be.

    Returns:
        The copy, and the link of its rater 0.

    Raises:
        StudyError: locked (its own rater 0 rehearses then), or not prepared.
    """
    prepared = truth.prepared(study)
    if prepared is None:
        raise StudyError(f"{study.name} is not prepared; `study check {study.name}` does it.")
    old = studies.folder / _name(study)
    if old.exists():
        remove_whole(old)
    copy = studies.new(_name(study), study.design)
    with writing(copy.folder):
        for name in ("pictures", "masks"):
            if (study.folder / name).is_dir():
                shutil.copytree(study.folder / name, copy.folder / name)
    migrate(copy.place, copy.id)
    truth.write_items(copy, prepared.design, prepared.items)
    lock(copy, "rehearsal", base, rehearsal=True)
    return copy, links.link(base, links.read_keys(copy)[0])


def measured(studies: Studies, study: Study) -> float | None:
    """Seconds that a presentation took rater 0, the median: in the copy, and in the study itself once locked.

    Returns:
        None below 10 votes.
    """
    found: list[float] = []
    for one in (study, *_copies(studies, study)):
        if not one.locked:
            continue
        try:
            with reading(one.votes) as connection:
                votes = records.records(connection, one.id, 0, ("vote",))
        except NotPrepared:
            continue
        found += [
            vote.content["facts"]["ms"] / 1000
            for vote in votes
            if vote.content and "ms" in vote.content["facts"]
        ]
    return round(statistics.median(found), 1) if len(found) >= LEAST else None


def _name(study: Study) -> str:
    return study.name[: 60 - len(SUFFIX)].rstrip("-") + SUFFIX


def _copies(studies: Studies, study: Study) -> list[Study]:
    folder = studies.folder / _name(study)
    return [Study.open(folder)] if folder.is_dir() else []
