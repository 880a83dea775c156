"""Where each picture comes from: written at preparation and lock, closed from then on, opened by `unblind` alone."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from siamese.errors import StudyError
from siamese.store import records, tables
from siamese.store.engine import NotPrepared, open_truth, reading, writing
from siamese.study.design import Design, Kind
from siamese.study.studies import Study


class Blind(StudyError):
    """The study is not unblinded."""


@dataclass(frozen=True)
class Item:
    """One prepared picture.

    Args:
        id: its name in `pictures/`, 32 random hexadecimal characters.
        arm: name.
        group: pictures of one mask share it.
        source: the file it was prepared from.
        source_sha256: of that file.
        practice: shown before, never counted.
        facts: what the preparation did, and `cues`.
    """

    id: str
    arm: str
    group: str
    source: str
    source_sha256: str
    practice: bool
    facts: dict


@dataclass(frozen=True)
class Prepared:
    """A study before lock: the design as it was prepared (pools counted), and its pictures."""

    design: Design
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Truth:
    """The truth of an unblinded study: the whole frozen design, its pictures by id, and the first unblinding."""

    design: Design
    items: dict[str, Item]
    at: int
    by: str
    reason: str

    @property
    def kinds(self) -> dict[str, Kind]:
        """Arm → real, synthetic or control."""
        return {arm.name: arm.kind for arm in self.design.arms}


def write_items(study: Study, design: Design, items: Sequence[Item]) -> None:
    """Write the truth of a preparation, in place of an earlier one.

    Raises:
        StudyError: locked already.
    """
    _before_lock(study)
    with writing(open_truth(study.place, write=True)) as connection:
        for table in (tables.truth_item, tables.truth_arm):
            connection.execute(sa.delete(table).where(table.c.study == study.id))
        _insert_arms(connection, study, design)
        rows = [
            {
                "study": study.id,
                "item": item.id,
                "arm": item.arm,
                "mask_group": item.group,
                "source": item.source,
                "source_sha256": item.source_sha256,
                "practice": item.practice,
                "facts": json.dumps(item.facts, sort_keys=True),
            }
            for item in sorted(items, key=lambda item: item.id)
        ]
        if rows:
            connection.execute(sa.insert(tables.truth_item), rows)


def digest(design: Design, items: Iterable[Item]) -> str:
    """What the lock's record holds of the truth; keyed with the design's secret, or arms could be tried out on it."""
    lines = sorted(
        json.dumps([one.id, one.arm, one.group, one.source, one.source_sha256, one.practice]) for one in items
    )
    return hmac.new(bytes.fromhex(design.secret), "\n".join(lines).encode(), "sha256").hexdigest()


def freeze(study: Study, design: Design) -> None:
    """Write the design as it is frozen; the pictures stay.

    Raises:
        StudyError: locked already.
    """
    _before_lock(study)
    with writing(open_truth(study.place, write=True)) as connection:
        connection.execute(sa.delete(tables.truth_arm).where(tables.truth_arm.c.study == study.id))
        _insert_arms(connection, study, design)


def prepared(study: Study) -> Prepared | None:
    """What was prepared; None before the first preparation.

    Raises:
        Blind: locked; from then on `unblind` alone opens it.
    """
    if study.locked:
        raise Blind(
            f"{study.name} is locked; `study unblind {study.name}` opens its truth, and that is recorded."
        )
    try:
        found = _read(study)
    except NotPrepared:
        return None
    return Prepared(found[0], tuple(found[1].values())) if found else None


def unblind(study: Study, by: str, reason: str) -> Truth:
    """Open the truth; the record of it is on disk before.

    Args:
        study: locked.
        by: who.
        reason: why now.

    Raises:
        StudyError: not locked, or nobody and nothing is named.
    """
    if not study.locked:
        raise StudyError(
            f"{study.name} is not locked; nobody was blind yet. `study lock {study.name}` comes first."
        )
    if not by.strip() or not reason.strip():
        raise StudyError("Say who opens the truth and why; both are recorded.")
    content = {"what": "unblind", "by": by.strip(), "reason": reason.strip()}
    with writing(study.votes) as connection:
        records.append(connection, study.id, "audit", None, None, content, f"unblind-{secrets.token_hex(8)}")
    return truth_of(study)


def truth_of(study: Study) -> Truth:
    """The truth of a study that was unblinded.

    Raises:
        Blind: it was not.
    """
    opened = _audit(study, "unblind") if study.locked else None
    if opened is None or opened.content is None:
        raise Blind(
            f"{study.name} is blind: where its pictures come from is opened by `study unblind {study.name}`, and "
            "that is recorded."
        )
    found = _read(study)
    if found is None:
        raise StudyError(f"The truth of {study.name} is not there; restore a backup.")
    design, items = found
    if design.sha256 != study.design_sha256:
        raise StudyError(
            f"The truth of {study.name} belongs to another design than its votes; restore a backup of both."
        )
    locked = _audit(study, "lock")
    if locked and locked.content and digest(design, items.values()) != locked.content.get("truth_sha256"):
        raise StudyError(
            f"The truth of {study.name} was changed after the lock, so it answers nothing; restore a backup from "
            "before."
        )
    return Truth(design, items, opened.at, opened.content["by"], opened.content["reason"])


def _audit(study: Study, what: str) -> records.Record | None:
    """The first act of that kind."""
    with reading(study.votes) as connection:
        audits = records.records(connection, study.id, kinds=("audit",))
    return next((audit for audit in audits if audit.content and audit.content.get("what") == what), None)


def _before_lock(study: Study) -> None:
    if study.locked:
        raise StudyError(f"{study.name} is locked; its truth can no longer be changed.")


def _insert_arms(connection: sa.Connection, study: Study, design: Design) -> None:
    rows = [
        {"study": study.id, "name": arm.name, "kind": arm.kind, "design": design.json()}
        for arm in design.arms
    ]
    connection.execute(sa.insert(tables.truth_arm), rows)


def _read(study: Study) -> tuple[Design, dict[str, Item]] | None:
    arm, item = tables.truth_arm, tables.truth_item
    with reading(open_truth(study.place)) as connection:
        texts = set(connection.scalars(sa.select(arm.c.design).where(arm.c.study == study.id)))
        rows = connection.execute(sa.select(item).where(item.c.study == study.id).order_by(item.c.item)).all()
    if not texts:
        return None
    if len(texts) > 1:
        raise StudyError(
            f"The truth of {study.name} is damaged: its arms name different designs; restore a backup."
        )
    items = (
        Item(r.item, r.arm, r.mask_group, r.source, r.source_sha256, bool(r.practice), json.loads(r.facts))
        for r in rows
    )
    return Design.model_validate_json(texts.pop()), {one.id: one for one in items}
