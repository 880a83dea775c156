"""Personal links: secrets of 128 bits, of which the database has the hash alone; files for whoever hands them out.

A link is BASE/#SECRET: what comes after # stays in the browser, and no server or proxy on the way writes it down.
"""

from __future__ import annotations

import csv
import hashlib
import io
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import segno
import sqlalchemy as sa

from siamese.atomic import private_folder, remove_whole, write_atomically
from siamese.errors import StudyError, writing
from siamese.store import records, tables
from siamese.store.engine import writing as changing
from siamese.study.studies import Study

FOLDER, FILE = "links", "links.csv"
BASE = "http://127.0.0.1:7870"  # until somebody says where the rating pages are
SCALE = 8  # pixels of one square of a QR code


def new_key() -> str:
    """A fresh secret, 22 characters."""
    return secrets.token_urlsafe(16)


def key_sha256(key: str) -> str:
    """What the database has of a secret."""
    return hashlib.sha256(key.encode()).hexdigest()


def link(base: str, key: str) -> str:
    """The link of a secret.

    Args:
        base: where the rating pages are, with the prefix of a reverse proxy.
    """
    return f"{base.rstrip('/')}/#{key}"


def checked_base(base: str) -> str:
    """The address of the rating pages, as it was given.

    Raises:
        StudyError: no address that a browser could open.
    """
    try:
        parts = urlsplit(base)
        right = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not parts.fragment
            and not parts.query
        )
    except ValueError:
        right = False
    if not right:
        raise StudyError(
            f"{base!r} is no address of the rating pages; expected e.g. https://ratings.example.org/study."
        )
    return base


def write_links(study: Study, keys: Mapping[int, str], base: str) -> Path:
    """Write `links/`: links.csv, and a QR code for each rater as PNG and SVG, all readable by their owner alone.

    Args:
        study: whose.
        keys: rater → secret; 0 is the rehearsal.
        base: where the rating pages are.

    Returns:
        The folder.

    Raises:
        StudyError: no address. MachineError: disk full or folder not writable.
    """
    checked_base(base)
    folder = study.folder / FOLDER
    with writing(folder):
        private_folder(folder)
        folder.chmod(0o700)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("rater", "key", "link"))
    names = set()
    for rater, key in sorted(keys.items()):
        name = f"rater-{rater:03d}" if rater else "rehearsal"
        rows.writerow((rater, key, link(base, key)))
        code = segno.make(link(base, key), error="m", micro=False)
        for kind, settings in (
            ("png", {"scale": SCALE, "border": 4}),
            ("svg", {"scale": SCALE, "border": 4, "xmldecl": False}),
        ):
            data = io.BytesIO()
            code.save(data, kind=kind, **settings)
            write_atomically(folder / f"{name}.{kind}", data.getvalue(), durable=False)  # mode 0600
            names.add(f"{name}.{kind}")
    write_atomically(folder / FILE, text.getvalue().encode())
    for path in folder.glob("*.*"):
        if path.suffix in (".png", ".svg") and path.name not in names:
            remove_whole(path)  # of a rater who has no link any more
    return folder


def read_keys(study: Study) -> dict[int, str]:
    """Rater → secret, from `links/links.csv`.

    Raises:
        StudyError: the file is missing or damaged; `links --again` makes new ones.
    """
    path = study.folder / FOLDER / FILE
    try:
        return {int(row["rater"]): row["key"] for row in csv.DictReader(path.read_text("utf-8").splitlines())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path} cannot be read ({error}). The secrets are nowhere else; `study links {study.name} --again RATER "
            "--by YOU` makes a new one for each rater."
        ) from error


def move_links(study: Study, base: str) -> Path:
    """The same secrets under another address."""
    return write_links(study, read_keys(study), base)


def revoke(study: Study, rater: int, by: str) -> None:
    """End a rater's links at once; what was voted stays.

    Raises:
        StudyError: not locked, no such rater, no open link, or nobody named.
    """
    _named(study, by)
    keys = _known_keys(study)
    with changing(study.votes) as connection:
        _check_rater(connection, study, rater)
        if not _close(connection, study, rater):
            raise StudyError(f"Rater {rater} has no open link; nothing was changed.")
        _note(connection, study, "revoke link", rater, by)
    _rewrite(study, {number: key for number, key in keys.items() if number != rater})


def reissue(study: Study, rater: int, by: str) -> str:
    """A fresh link for a rater, the older ones are closed; the new secret.

    Raises:
        StudyError: not locked, no such rater, or nobody named.
    """
    _named(study, by)
    before, base = _known_keys(study), base_of(study)
    keys = before | {rater: new_key()}
    try:
        with changing(study.votes) as connection:
            _check_rater(connection, study, rater)
            write_links(study, keys, base)  # before it counts: a link that opens must be in the file
            _close(connection, study, rater)
            connection.execute(sa.insert(tables.link).values(row_of(study, rater, keys[rater])))
            _note(connection, study, "new link", rater, by)
    except BaseException:
        if before:
            write_links(study, before, base)
        raise
    return keys[rater]


def row_of(study: Study, rater: int, key: str) -> dict[str, object]:
    """A row of the table `link`."""
    return {"study": study.id, "key_sha256": key_sha256(key), "rater": rater, "issued_at": records.now()}


def base_of(study: Study) -> str:
    """The address in `links.csv`; the local one where there is none."""
    try:
        rows = csv.DictReader((study.folder / FOLDER / FILE).read_text("utf-8").splitlines())
        return next(iter(rows))["link"].rpartition("/#")[0] or BASE
    except (OSError, ValueError, KeyError, StopIteration, TypeError):
        return BASE


def _known_keys(study: Study) -> dict[int, str]:
    try:
        return read_keys(study)
    except StudyError:  # lost: a new one can still be made
        return {}


def _rewrite(study: Study, keys: Mapping[int, str]) -> None:
    write_links(study, keys, base_of(study))


def _named(study: Study, by: str) -> None:
    if not study.locked:
        raise StudyError(f"{study.name} is not locked; links are made by `study lock {study.name}`.")
    if not by.strip():
        raise StudyError("Say who changes the link (--by); it is recorded.")


def _check_rater(connection: sa.Connection, study: Study, rater: int) -> None:
    t = tables.rater.c
    known = connection.scalars(sa.select(t.number).where(t.study == study.id).order_by(t.number)).all()
    if rater not in known:
        raise StudyError(
            f"There is no rater {rater} in {study.name}; it has 0 (rehearsal) to {max(known, default=0)}."
        )


def _close(connection: sa.Connection, study: Study, rater: int) -> int:
    t = tables.link.c
    open_ones = (t.study == study.id, t.rater == rater, t.revoked_at.is_(None))
    return connection.execute(
        sa.update(tables.link).where(*open_ones).values(revoked_at=records.now())
    ).rowcount


def _note(connection: sa.Connection, study: Study, what: str, rater: int, by: str) -> None:
    content = {"what": what, "rater": rater, "by": by.strip()}
    records.append(connection, study.id, "audit", None, None, content, f"link-{secrets.token_hex(8)}")
