"""Lock: the design is frozen and hashed; every rater's order, all links and the protocol sheet are made.

The truth is frozen first, then files, and last the votes half in one transaction with its record: a crash before that
leaves a draft, and the same request begins anew; after it all is there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from siamese import lockfile
from siamese.atomic import remove_whole, write_atomically
from siamese.counted import counted
from siamese.errors import StudyError
from siamese.store import records, tables
from siamese.store.engine import reading, writing
from siamese.study import cues, links, truth
from siamese.study.design import Design
from siamese.study.orders import Order, orders
from siamese.study.ready import CLINICIANS, problems
from siamese.study.report.version import version
from siamese.study.sheet import Facts, sheet
from siamese.study.studies import Study
from siamese.study.truth import Prepared

SHEET, CHECK = "sheet.pdf", "check"  # a file, and the folder of contact sheets
CLIENT = "lock"  # client id of the record: a study is locked once


@dataclass(frozen=True)
class Locked:
    """A locked study: what its record says, and sentences worth reading."""

    record: dict
    warnings: tuple[str, ...] = ()


def lock(study: Study, by: str, base: str = links.BASE, rehearsal: bool = False) -> Locked:
    """Freeze a prepared study; once, however often it is asked for.

    Args:
        study: with a draft and prepared pictures.
        by: who.
        base: where the rating pages will be; `links.move_links` changes it.
        rehearsal: of a copy that no rater sees: texts, declarations and cues are not asked for.

    Raises:
        StudyError: everything that is missing or wrong, at once; or somebody else is locking it.
        MachineError: disk full or folder not writable.
    """
    if not by.strip():
        raise StudyError("Say who locks the study (--by); it is recorded.")
    links.checked_base(base)
    held = lockfile.take(study.folder, "lock.lock")
    if held is None:
        raise StudyError(f"{study.name} is being locked by somebody else; wait for it.")
    with held:
        if study.locked:
            return Locked(_record(study))
        draft, prepared = study.design, truth.prepared(study)
        verdict = None if prepared is None else cues.check(prepared.design, prepared.items, study.pictures)
        found = list(problems(study, draft, prepared, verdict, rehearsal))
        if found:
            head = (
                f"{study.name} cannot be locked yet, {counted(len(found), 'thing is', 'things are')} missing:"
            )
            raise StudyError("\n  - ".join([head, *found]))
        assert prepared is not None and verdict is not None
        locked = _lock(study, by.strip(), base, frozen(draft, prepared), prepared, verdict)
        if (study.folder / CHECK).exists():
            remove_whole(study.folder / CHECK)  # the organiser, too, is blind from here on
        return locked


def frozen(draft: Design, prepared: Prepared) -> Design:
    """The draft with what preparation counted, the arms of the primary question by name, and a fresh secret."""
    arms = tuple(
        arm.model_copy(update={"pool_size": known.pool_size, "left_out": known.left_out})
        for arm, known in zip(draft.arms, prepared.design.arms, strict=True)
    )
    primary = draft.primary.model_copy(update=dict(zip(("first", "second"), compared(draft), strict=True)))
    return draft.model_copy(update={"arms": arms, "primary": primary, "secret": secrets.token_hex(32)})


def compared(design: Design) -> tuple[str, str]:
    """The two arms of the primary question: as named, else the first synthetic and the first real one."""
    primary, kinds = design.primary, {arm.name: arm.kind for arm in design.arms}
    others = [name for name, kind in kinds.items() if kind == "synthetic"] or list(kinds)
    first = primary.first or others[0]
    rest = [name for name, kind in kinds.items() if kind == "real" and name != first]
    rest = rest or [name for name in kinds if name != first] or [first]
    return first, primary.second or rest[0]


def _lock(
    study: Study, by: str, base: str, design: Design, prepared: Prepared, verdict: cues.Verdict
) -> Locked:
    made = orders(design, prepared.items, bytes.fromhex(design.secret))
    relaxed = tuple(dict.fromkeys(line for order in made.values() for line in order.relaxed))
    digests = {item.id: _file_sha256(study.pictures / f"{item.id}.png") for item in prepared.items}
    keys = {rater: links.new_key() for rater in made}
    rows = _assignments(study, made)
    hashes = {
        "design": design.sha256,
        "pictures": _digest(sorted(f"{name} {digest}" for name, digest in digests.items())),
        "orders": _digest([json.dumps(row, sort_keys=True) for row in rows]),
        "truth": truth.digest(design, prepared.items),
    }
    at = records.now()
    page = sheet(Facts(study.name, study.id, design, prepared.items, verdict, relaxed, hashes, by, at))
    truth.freeze(study, design)
    links.write_links(study, keys, base)
    write_atomically(study.folder / SHEET, page)
    content = {
        "what": "lock",
        "by": by,
        "version": version(),
        "raters": design.raters,
        "pictures": len(digests),
        "sheet_sha256": hashlib.sha256(page).hexdigest(),
        **{f"{name}_sha256": digest for name, digest in hashes.items()},
    }
    row = {"id": study.id, "design": design.shown(), "design_sha256": design.sha256, "locked_at": at}
    pictures = [{"study": study.id, "id": name, "sha256": digest} for name, digest in sorted(digests.items())]
    with writing(study.votes) as connection:
        connection.execute(sa.insert(tables.study).values(row))
        connection.execute(sa.insert(tables.item), pictures)
        connection.execute(sa.insert(tables.rater), [{"study": study.id, "number": rater} for rater in made])
        connection.execute(
            sa.insert(tables.link), [links.row_of(study, rater, key) for rater, key in keys.items()]
        )
        connection.execute(sa.insert(tables.assignment), rows)
        records.append(connection, study.id, "audit", None, None, content, CLIENT, at)
    return Locked(content, (*relaxed, *_advice(design)))


def _record(study: Study) -> dict:
    with reading(study.votes) as connection:
        found = records.find(connection, study.id, CLIENT, "audit", None, None)
    return found.content if found and found.content else {}


def _assignments(study: Study, made: Mapping[int, Order]) -> list[dict[str, object]]:
    return [
        {
            "study": study.id,
            "rater": rater,
            "place": one.place,
            "phase": one.phase,
            "block": one.block,
            "question": one.question,
            "items": json.dumps(one.items),
            "repeats": one.repeats,
        }
        for rater, order in made.items()
        for one in order.places
    ]


def _advice(design: Design) -> Iterator[str]:
    if design.raters <= CLINICIANS:
        yield f"What is found holds for these {design.raters} raters; it does not show what other clinicians see."


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
