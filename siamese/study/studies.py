"""Studies of a workspace: each a private folder with its draft, and from preparation on a database of votes."""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from siamese.atomic import private_folder, write_atomically
from siamese.errors import StudyError, writing
from siamese.store import records, tables
from siamese.store.engine import DATABASE, NotPrepared, Place, open_votes, reading
from siamese.study.design import Design
from siamese.study.draft import draft_text, read_draft
from siamese.study.shown import Shown
from siamese.workspace import Workspace

DRAFT, ID = "design.toml", "id"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
HEX = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Study:
    """One study.

    Args:
        folder: where; its name is the study's.
        place: where its votes and its truth lie.
        id: 32 random hexadecimal characters, in every row of the database.
    """

    folder: Path
    place: Place
    id: str

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """The study of a folder.

        Raises:
            StudyError: no study lies there, or its `database.toml` cannot be used.
        """
        folder = Path(folder).absolute()
        try:
            found = (folder / ID).read_text("ascii").strip()
        except (OSError, ValueError):
            found = ""
        if not HEX.fullmatch(found):
            raise StudyError(
                f"{folder} is no study (its file `{ID}` is missing or damaged); `study new` makes one."
            )
        return cls(folder, Place.of(folder), found)

    @property
    def name(self) -> str:
        """What the organiser calls it."""
        return self.folder.name

    @property
    def pictures(self) -> Path:
        """Folder of the prepared pictures, `<item>.png`."""
        return self.folder / "pictures"

    @property
    def masks(self) -> Path:
        """Folder of the masks of scales with an outline (P3), `<item>.png`."""
        return self.folder / "masks"

    @property
    def locked(self) -> bool:
        """Its design is frozen; raters may begin."""
        return self._row is not None

    @property
    def design(self) -> Design:
        """The draft.

        Raises:
            StudyError: locked already (`shown` has what may be known then), or the file has problems.
        """
        if self.locked:
            raise StudyError(f"{self.name} is locked: its whole design is opened by `study unblind`.")
        return read_draft(self.folder / DRAFT)

    def write_draft(self, design: Design) -> None:
        """Replace the draft.

        Raises:
            StudyError: locked already. MachineError: the folder cannot be written.
        """
        if self.locked:
            raise StudyError(f"{self.name} is locked; make a new study to change the design.")
        write_atomically(self.folder / DRAFT, draft_text(design).encode())

    @cached_property
    def shown(self) -> Shown:
        """The frozen design as rating pages know it.

        Raises:
            StudyError: not locked.
        """
        if self._row is None:
            raise StudyError(
                f"{self.name} is not locked yet; `study lock {self.name}` freezes it and makes the links."
            )
        return Shown.model_validate_json(self._row.design)

    @property
    def design_sha256(self) -> str:
        """Of the whole frozen design; empty before lock."""
        return self._row.design_sha256 if self._row else ""

    @property
    def locked_at(self) -> int:
        """Microseconds since 1970; 0 before lock."""
        return self._row.locked_at if self._row else 0

    @cached_property
    def votes(self) -> sa.Engine:
        """The votes half, for writing.

        Raises:
            StudyError: not prepared yet, or it cannot be opened.
        """
        return open_votes(self.place, write=True)

    @property
    def _row(self) -> sa.Row | None:
        """What was frozen; kept once known, for what is locked stays locked."""
        if "_frozen" not in self.__dict__:
            try:
                with reading(self.votes) as connection:
                    asked = sa.select(tables.study).where(tables.study.c.id == self.id)
                    found = connection.execute(asked).one_or_none()
            except NotPrepared:
                return None
            if found is None:
                return None
            self.__dict__["_frozen"] = found
        return self.__dict__["_frozen"]


class Studies:
    """The studies of a workspace, `<workspace>/studies/<name>/`."""

    def __init__(self, workspace: Workspace):
        self.folder = workspace.root / "studies"

    def list(self) -> list[Study]:
        """Every study, by name; folders that are none are left out."""
        found = sorted(self.folder.glob(f"*/{ID}")) if self.folder.is_dir() else []
        return [
            Study.open(path.parent)
            for path in found
            if HEX.fullmatch(path.read_text("utf-8", "replace").strip())
        ]

    def find(self, name: str) -> Study:
        """The study of a name.

        Raises:
            StudyError: there is none; the message has those that are.
        """
        if not NAME.fullmatch(name) or not (self.folder / name / ID).is_file():
            known = ", ".join(study.name for study in self.list()) or "none yet; `study new` makes one"
            raise StudyError(f"There is no study {name!r} in {self.folder}. There is: {known}.")
        return Study.open(self.folder / name)

    def new(self, name: str, design: Design, place: str = "") -> Study:
        """Make a study with a draft.

        Args:
            name: a-z, 0-9 and hyphens.
            design: the draft.
            place: content of a `database.toml`; empty: SQLite in the study's folder.

        Raises:
            StudyError: no such name, or taken. MachineError: the folder cannot be written.
        """
        folder = self._folder(name)
        if folder.exists():
            raise StudyError(f"{folder} is there already; choose another name.")
        with writing(folder):
            private_folder(folder)
        write_atomically(folder / DRAFT, draft_text(design).encode())
        if place:
            write_atomically(folder / DATABASE, place.encode())
        write_atomically(folder / ID, secrets.token_hex(16).encode())  # last: what has it is whole
        return Study.open(folder)

    def place(self, name: str, url: str = "", pages: str = "") -> Place:
        """Where a study that is restored comes to lie; the folder may be new.

        Args:
            name: a-z, 0-9 and hyphens.
            url: of a PostgreSQL database, written to `database.toml`; empty: what is written there, else SQLite.
            pages: the same with the role of the rating pages.

        Raises:
            StudyError: no such name or URL.
        """
        folder = self._folder(name)
        if url:
            with writing(folder):
                private_folder(folder)
            text = "".join(
                f"{key} = {json.dumps(value)}\n" for key, value in (("url", url), ("pages", pages)) if value
            )
            write_atomically(folder / DATABASE, text.encode())
        return Place.of(folder)

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise StudyError(
                f"{name!r} is no name for a study; a-z, 0-9 and hyphens were expected, at most 60."
            )
        return self.folder / name


@dataclass(frozen=True)
class RaterStatus:
    """Counts of one rater; `last` is when the last record was written (µs), 0 for none."""

    number: int
    answered: int
    total: int
    consented: bool
    finished: bool
    withdrawn: bool
    last: int


@dataclass(frozen=True)
class Status:
    """How a study stands: counts only, never by arm. Rater 0 is the organiser's rehearsal.

    `answered` and `total` count presentations that are scored or repeat one: practice is left out.
    """

    name: str
    locked_at: int
    raters: tuple[RaterStatus, ...] = field(default=())
    recorded: int = 0
    head: str = records.START


def status(study: Study) -> Status:
    """Count what is there."""
    if not study.locked:
        return Status(study.name, 0)
    t, a, r = tables.record.c, tables.assignment.c, tables.rater.c
    counts = sa.select(t.rater, t.kind, t.place, sa.func.count().label("n"), sa.func.max(t.at).label("last"))
    scored: dict[int, set[int]] = defaultdict(set)
    own: dict[int | None, list[sa.Row]] = defaultdict(list)
    with reading(study.votes) as connection:
        numbers = connection.scalars(sa.select(r.number).where(r.study == study.id).order_by(r.number)).all()
        places = sa.select(a.rater, a.place).where(a.study == study.id, a.phase != "practice")
        for number, place in connection.execute(places):
            scored[number].add(place)
        for row in connection.execute(counts.where(t.study == study.id).group_by(t.rater, t.kind, t.place)):
            own[row.rater].append(row)
        last = records.head(connection, study.id)
    recorded = sum(row.n for rows in own.values() for row in rows)
    raters = tuple(_rater(number, scored[number], own[number]) for number in numbers)
    return Status(study.name, study.locked_at, raters, recorded, last)


def _rater(number: int, scored: set[int], own: Sequence[sa.Row]) -> RaterStatus:
    kinds, votes = {row.kind for row in own}, Counter()
    for row in own:
        votes[row.place] += {"vote": row.n, "undo": -row.n}.get(row.kind, 0)
    return RaterStatus(
        number,
        answered=sum(votes[place] > 0 for place in scored),
        total=len(scored),
        consented="consent" in kinds,
        finished="finish" in kinds,
        withdrawn="withdraw" in kinds,
        last=max((row.last for row in own), default=0),
    )
