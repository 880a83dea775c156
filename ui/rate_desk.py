"""What the screen "Rate" does: studies made, drafts kept, pictures prepared, locked, served, opened. No layout."""

from __future__ import annotations

import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamese.atomic import private_folder
from siamese.counted import counted
from siamese.errors import SiameseError, StudyError
from siamese.events import Notice, Progress
from siamese.workspace import owner_folder
from ui import rate_pages, rate_words
from ui.services import Services

if TYPE_CHECKING:
    from siamese.study.design import Design
    from siamese.study.studies import Studies, Study
    from siamese.study.truth import Prepared

FORM = (  # settings that stand on the screen, in its order; all others are in the text of the draft
    "title",
    "organiser",
    "texts.contact",
    "told",
    "raters_who_know",
    "per_arm",
    "raters",
    "sittings",
    "primary.kind",
    "primary.margin",
    "primary.inference",
)
MINE = "my accepted pictures"


class Desk:
    """Everything of one workspace; each call opens the study anew, for others may have changed it."""

    def __init__(self, services: Services):
        self._services = services

    @property
    def studies(self) -> Studies:
        """The studies of the workspace."""
        from siamese.study.studies import Studies

        return Studies(self._services.workspace)

    def names(self) -> list[str]:
        """Of all studies."""
        return [study.name for study in self.studies.list()]

    def sources(self, owner: str) -> list[tuple[str, str]]:
        """(what, folder): what an arm can be taken from without typing a path."""
        workspace = self._services.workspace
        found = [
            (f"dataset {folder.name}", str(folder))
            for folder in sorted(workspace.datasets.iterdir())
            if folder.is_dir()
        ]
        for folder in sorted(workspace.runs.glob("*/set/set.json")):
            found.append((f"set {folder.parents[1].name}", str(folder.parent)))
        mine = workspace.root / "pictures" / owner_folder(owner)
        return [*found, (MINE, str(mine))] if mine.is_dir() else found

    def new(
        self, name: str, template: str, real: str, split: str, synthetic: Sequence[str], counts: tuple
    ) -> Study:
        """Make a study from a template.

        Args:
            name: a-z, 0-9 and hyphens.
            template: its key.
            real: folder of patients' pictures. split: list beside it; empty: all.
            synthetic: folders, one arm each; a gallery of the studio gives its accepted pictures.
            counts: pictures of each arm, raters.
        """
        from siamese.study.design import Arm
        from siamese.study.templates import template as template_of

        if not real or not synthetic:
            raise StudyError("Choose a folder of patients' pictures and at least one of synthetic ones.")
        gallery = str(self._services.workspace.root / "pictures")
        arms = [Arm(name="real", kind="real", source=real, split=split)]
        for k, folder in enumerate(synthetic, 1):
            own = folder.startswith(gallery)
            arms.append(
                Arm(
                    name="synthetic" if len(synthetic) == 1 else f"synthetic {k}",
                    kind="synthetic",
                    source=folder,
                    split="accepted" if own else "",
                )
            )
        given = dict(zip(("per_arm", "raters"), (int(value) for value in counts), strict=True))
        return self.studies.new(name, _valid(lambda: template_of(template).fill(tuple(arms), **given)))

    def save(self, study: Study, form: Sequence[object], pools: str, reasons: str) -> Design:
        """Keep what stands on the screen in the draft; the draft."""
        from siamese.study.design import Design

        draft = study.design
        values = draft.model_dump()
        for key, value in zip(FORM, form, strict=True):
            table, _, name = key.rpartition(".")
            (values[table] if table else values)[name] = value
        said = _lines(pools, [arm.name for arm in draft.arms])
        values["arms"] = [arm | {"pool": said.get(arm["name"], arm["pool"])} for arm in values["arms"]]
        values["cue_reasons"] = values["cue_reasons"] | _lines(reasons)
        made = _valid(lambda: Design.model_validate(values))
        if made != draft:
            study.write_draft(made)
        return made

    def take_text(self, study: Study, text: str) -> None:
        """The draft as TOML, typed."""
        from siamese.study.draft import read_draft
        from siamese.study.studies import DRAFT

        if study.locked:
            raise StudyError(f"{study.name} is locked; make a new study to change the design.")
        room = self._room() / DRAFT
        room.write_text(text, "utf-8")
        try:
            study.write_draft(read_draft(room))
        except StudyError as error:
            raise StudyError(str(error).replace(str(room), "The text")) from None
        finally:
            shutil.rmtree(room.parent, ignore_errors=True)

    def prepare(self, study: Study) -> Iterator[str]:
        """Prepare the pictures; sentences on the way."""
        from siamese.study.prepare import prepare

        with closing(prepare(study)) as events:
            for event in events:
                if isinstance(event, Progress):
                    left = f", {event.seconds_left:.0f} s left" if event.seconds_left else ""
                    yield f"{event.stage} {event.step} of {event.total}{left}"
                elif isinstance(event, Notice):
                    yield event.text

    def pictures(self, study: Study) -> tuple[str, str]:
        """The cue check and contact sheets as HTML; and a line for each cue that needs a reason, with the one given."""
        from siamese.study import cues
        from siamese.study.contact import contact_sheet

        if study.locked:
            return rate_words.told(
                "Locked: which picture is of which arm stays closed until you unblind."
            ), ""
        prepared = self._prepared(study)
        if prepared is None:
            return rate_words.told(
                "Not prepared yet: the pictures are drawn, cleaned and cut alike here."
            ), ""
        verdict = cues.check(prepared.design, prepared.items, study.pictures)
        sheets = {
            arm.name: contact_sheet(own, study.pictures)
            for arm in prepared.design.arms
            if (own := [item for item in prepared.items if item.arm == arm.name])
        }
        shown = Counter(item.arm for item in prepared.items if not item.practice)
        arms = [
            f"{arm.name} ({arm.kind}): {counted(shown[arm.name], 'picture')} of a pool of {arm.pool_size}. "
            + " ".join(arm.left_out)
            for arm in prepared.design.arms
        ]
        head = rate_words.listed("Prepared:", arms, "") + "".join(
            rate_words.told(p, bad=True) for p in verdict.problems
        )
        reasons = {} if study.locked else study.design.cue_reasons
        telling = dict.fromkeys(cue.cue for cue in verdict.cues if cue.tells)
        rows = "\n".join(f"{cue}: {reasons.get(cue, '')}" for cue in telling)
        return head + rate_words.cues(verdict.cues) + rate_words.sheets(sheets), rows

    def missing(self, study: Study) -> list[str]:
        """Everything that keeps a draft from being locked."""
        from siamese.study import cues, ready

        prepared = self._prepared(study)
        verdict = cues.check(prepared.design, prepared.items, study.pictures) if prepared else None
        return list(ready.problems(study, study.design, prepared, verdict))

    def rehearse(self, study: Study) -> str:
        """A copy for the organiser, served at once; where."""
        from siamese.study import rehearse as rehearsal
        from siamese.study.links import read_keys

        old = next((one for one in self.studies.list() if one.name == f"{study.name}-rehearsal"), None)
        if old is not None:
            rate_pages.stop(old)
        copy, _ = rehearsal.rehearse(self.studies, study)
        line = rate_pages.start(copy, ["--port", str(_free_port())])
        return f"{line.split(' at ')[-1].rstrip('/')}/#{read_keys(copy)[0]}"

    def pace(self, study: Study) -> str:
        """Take the pace of the rehearsal into the draft; in words."""
        from siamese.study import rehearse as rehearsal

        pace = rehearsal.measured(self.studies, study)
        if pace is None:
            raise StudyError(f"{rehearsal.LEAST} votes are needed; rehearse first.")
        study.write_draft(study.design.model_copy(update={"pace": pace}))
        return f"A presentation takes {pace:g} seconds (median); the minutes count with it now."

    def lock(self, study: Study, typed: str, by: str, base: str) -> str:
        """Freeze; what was said."""
        from siamese.study import links
        from siamese.study.lock import lock

        if typed.strip() != study.name:
            raise StudyError(f"Type {study.name} to lock it; there is no way back.")
        found = lock(study, by, base.strip() or links.BASE)
        return "\n".join([f"Locked; design sha256 {study.design_sha256}", *found.warnings])

    def kits(self, study: Study, numbers: str) -> list[str]:
        """Write kits of some raters, "1,3" or empty for all; files to hand out."""
        from siamese.study.kit import Kits
        from siamese.study.studies import status

        wanted = _numbers(numbers) or [one.number for one in status(study).raters if one.number]
        return [self.handed(kit.path) for kit in Kits(study, wanted).write()]

    def take(self, study: Study, files: Sequence[str]) -> str:
        """Votes files that came back; what was taken, and every refusal."""
        from siamese.study.kit_import import import_votes

        said = []
        for path in map(Path, files):
            try:
                said.append(f"{path.name}: {import_votes(study, path).words}")
            except SiameseError as error:
                said.append(str(error))
        return "\n".join(said)

    def backup(self, study: Study) -> Path:
        """Save the study while raters vote; the file."""
        from siamese.store import backup

        folder = study.folder / "backups"
        private_folder(folder)
        target = folder / time.strftime(f"%Y%m%d-%H%M%S_{study.name}.zip", time.gmtime())
        backup.backup(study.place, study.id, target)
        backup.verify_file(target)
        return target

    def unblind(self, study: Study, typed: str, by: str, reason: str) -> None:
        """Open the truth; it stands in the log."""
        from siamese.study.report.compose import gathered_of
        from siamese.study.report.result import write_results
        from siamese.study.truth import unblind

        if typed.strip() != study.name:
            raise StudyError(f"Type {study.name} to open it; it stands in the log for ever.")
        unblind(study, by, reason)
        write_results(gathered_of(study))

    def report(self, study: Study) -> tuple[str, list[str], str]:
        """The report as HTML, its files to take away, and the methods paragraph."""
        from siamese.study.report.compose import compose, gathered_of, report_files, write_report
        from siamese.study.report.export import export, write_export

        gathered = gathered_of(study)
        found = compose(gathered)
        files = report_files(found)
        folder = study.folder / "reports" / gathered.head[:12]
        write_report(files, folder)
        room = self._room()
        written = write_export(export(gathered, found), room / f"{study.name}-export.zip")
        pages = [self.handed(folder / name) for name in ("report.html", "report.pdf")]
        return rate_words.report(files["report.html"]), [*pages, str(written)], found.methods

    def handed(self, path: Path) -> str:
        """A copy in the cache that the page may give to a browser."""
        return str(shutil.copy2(path, self._room() / path.name))

    def _room(self) -> Path:
        folder = self._services.workspace.cache / f"study-{secrets.token_hex(8)}"
        private_folder(folder)
        return folder

    def _prepared(self, study: Study) -> Prepared | None:
        """The truth is opened for the organiser only while there is nobody to be blinded."""
        from siamese.study import truth

        return None if study.locked else truth.prepared(study)


def _lines(text: str, known: Sequence[str] = ()) -> dict[str, str]:
    """Name → words, from lines "name: words"; lines without words say nothing.

    Raises:
        StudyError: a line without a name, or with another one than those known.
    """
    found = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, words = (part.strip() for part in line.partition(":"))
        if not colon or (known and name not in known):
            names = ", ".join(known) or "the cue"
            raise StudyError(
                f"{line.strip()[:60]!r} was found; a line like “name: words” was expected, the name one of {names}."
            )
        if words:
            found[name] = words
    return found


def _numbers(text: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not all(word.isdecimal() for word in words):
        raise StudyError(f"{text!r} was found; numbers of raters like 1, 3 were expected.")
    return [int(word) for word in words]


def _valid(make: Any) -> Any:  # noqa: ANN401 - a Design; pydantic's refusals become sentences
    from pydantic import ValidationError

    try:
        return make()
    except ValidationError as error:
        lines = (
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise StudyError("\n".join(line.removeprefix(": ") for line in lines)) from None


def _free_port() -> int:
    import socket

    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]
