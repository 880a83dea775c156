"""Export: what the gate let through becomes folders that trainers eat, each picture with the proof of where it is from.

The folder appears whole, by a rename; the key with original names lies beside it. The same request on the same set and
datasets gives the same bytes, the zip's too.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from siamese.atomic import private_folder
from siamese.augment.folder import Head, SetFolder
from siamese.data.dataset import Split
from siamese.errors import AugmentError, writing
from siamese.events import Done, Event, Notice, Progress, Saved
from siamese.export import archive, card, croissant, key, lists, manifest, marks, naming, pairs, sums
from siamese.export.layouts import DEFAULT, LAYOUTS
from siamese.export.pairs import SPLITS, Options, Pair, Pairs, Written
from siamese.gate.rules import Standing
from siamese.tasks import export_card, export_guards, export_rows
from siamese.tasks.export_rows import Pixels

PAUSE = 0.5  # seconds between two looks at how far a layout is


@dataclass(frozen=True)
class ExportRequest:
    """What is to be exported.

    Args:
        set: folder of the set, or of the job that made it.
        out: the new folder; the key is written beside it, as `<out>.key.csv`.
        layouts: names in `siamese.export.layouts.LAYOUTS`, one folder each.
        real: with the real pictures of the plan's datasets, in their splits; False: synthetic pictures alone.
        splits: which splits of the real ones.
        flagged: take flagged pictures too that nobody has decided on, but never one flagged as a copy.
        square: squeeze every picture to the model's square.
        keep_stems: name files by their sources, which may tell who somebody is.
        zip: write `<out>.zip` too.
        workspace: where names of datasets are looked for; its datasets are those that masks may not leak from.
        title: of the set, "" for the plan's name. number: of the dataset in nnU-Net. prompt: of prompt.json.
        licence, consent, contact: for the card; "" is written down as not stated. published: ISO 8601 date.
        licences: (dataset, its licence) for the sources that the card names.
    """

    set: Path
    out: Path
    layouts: tuple[str, ...] = (DEFAULT,)
    real: bool = True
    splits: tuple[Split, ...] = SPLITS
    flagged: bool = False
    square: bool = False
    keep_stems: bool = False
    zip: bool = False
    workspace: Path | None = None
    title: str = ""
    number: int = 501
    prompt: str = "an image of a polyp"
    licence: str = ""
    consent: str = ""
    contact: str = ""
    published: str = ""
    licences: tuple[tuple[str, str], ...] = ()


def export(request: ExportRequest) -> Iterator[Event]:
    """Write the export; closing the generator before the end leaves nothing.

    Raises:
        AugmentError: the folder exists; the set is unfinished or not gated; copies nobody decided on; pictures or masks
            that were changed; a leak into validation or test; a layout that is not known.
        DatasetError: a real dataset with problems. MachineError: disk full or folder not writable.
    """
    _new(request)
    set = export_guards.folder_of(request.set)
    head = set.head()
    roots = export_guards.real_roots(head, request.workspace) if request.real else {}
    yield from export_guards.check(set, head)
    standing = export_guards.standing(set)
    chosen = export_guards.chosen(standing, request.flagged)
    if not chosen:
        raise AugmentError(
            f"No picture of {request.set} is accepted; look at the flagged ones, or move the gate's thresholds."
        )
    leaks = export_guards.no_leak(set, head, request.workspace, chosen)
    if not roots:
        yield Notice("The set is exported alone: no real dataset stands beside it.")
    if not export_card.compared(set):
        yield Notice(export_card.NOT_COMPARED)
    side = head.checkpoints[0].size if request.square else None
    binary = not head.classes
    found = pairs.of(set, chosen, roots, request.splits, request.keep_stems, side, binary)
    with writing(request.out):
        private_folder(request.out.absolute().parent)
        making = Path(tempfile.mkdtemp(prefix=".adding-", dir=request.out.absolute().parent))
    try:
        yield from _fill(making, request, set, head, found, standing, leaks)
        making.chmod(0o755)
        if request.out.exists():  # made meanwhile; a rename would replace an empty folder
            raise AugmentError(f"{request.out} is there already; choose another folder.")
        beside = key.write(request.out, key.content(_origins(found, set)))
        with writing(request.out):
            making.rename(request.out)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    yield Saved(request.out)
    yield Saved(beside)
    if request.zip:
        yield from archive.pack(request.out, zip_path(request.out))
        yield Saved(zip_path(request.out))
    yield Done("export", len(found))


def zip_path(out: Path) -> Path:
    """Where the zip of an export lies."""
    return out.with_name(out.name + ".zip")


def _new(request: ExportRequest) -> None:
    unknown = sorted({name for name in request.layouts if name not in LAYOUTS})
    if unknown or not request.layouts:
        raise AugmentError(
            f"No layout {', '.join(unknown) or 'was chosen'}; choose from: {', '.join(LAYOUTS)}."
        )
    if request.out.resolve().is_relative_to(request.set.resolve()):
        raise AugmentError(f"{request.out} lies inside the set; choose a folder beside it.")
    for path in (request.out, *([zip_path(request.out)] if request.zip else ())):
        if path.exists():
            raise AugmentError(f"{path} is there already; choose another folder. Nothing was changed.")


class _Walk:
    """Pairs as one layout after the other walks them, in a thread; what the manifest says of their pixels is noted."""

    def __init__(self, found: Pairs, layouts: int):
        self._found, self._begun = found, time.monotonic()
        self._total = len(found) * layouts
        self.pixels: dict[str, Pixels] = {}
        self.walked, self.stopped = 0, False

    def __iter__(self) -> Iterator[Pair]:
        for pair in self._found:
            if self.stopped:
                raise _StoppedError
            if pair.id not in self.pixels:
                self.pixels[pair.id] = export_rows.pixels_of(pair)
            yield pair
            self.walked += 1

    def progress(self) -> Progress:
        """How far the walks are."""
        rate = self.walked / max(time.monotonic() - self._begun, 1e-6)
        return Progress("layouts", self.walked, self._total, rate, (self._total - self.walked) / max(rate, 1e-6))


class _StoppedError(Exception):
    """Ends a layout that nobody waits for any more."""


def _write_layouts(
    making: Path, names: Sequence[str], options: Options, walk: _Walk
) -> Generator[Progress, None, dict[str, Written]]:
    """Write each layout below `making`; closing this ends the one at hand."""
    written = {}
    with ThreadPoolExecutor(1) as pool:
        try:
            for name in names:
                work = pool.submit(LAYOUTS[name].write, walk, making / name, options)
                while not wait((work,), PAUSE).done:
                    yield walk.progress()
                written[name] = work.result()
                yield walk.progress()
        finally:
            walk.stopped = True
    return written


def _fill(
    making: Path,
    request: ExportRequest,
    set: SetFolder,
    head: Head,
    found: Pairs,
    standing: dict[str, Standing],
    leaks: Sequence[str],
) -> Iterator[Progress]:
    """Write everything of the export below `making`."""
    title = request.title or head.plan.name
    classes = head.classes or Options.classes
    options = Options(title, classes, request.number, request.prompt, _mark)
    walk = _Walk(found, len(request.layouts))
    written = yield from _write_layouts(making, request.layouts, options, walk)
    listed = lists.write(found.entries, making / "lists")
    plain = {one.id: one.name for one in found.entries}
    for name, one in written.items():
        if one.names != plain:  # this layout has names of its own
            lists.write(found.entries, making / "lists" / name, one.names)
    rows = export_rows.rows(found, walk.pixels, written, set, head, standing, request.keep_stems)
    export_rows.leak_free(rows)
    text = "".join(manifest.line(row) for row in rows).encode()
    naming_note = naming.WARNING if request.keep_stems else naming.NEUTRAL
    about = export_card.about(request, title, set, head, rows, written, standing, (naming_note, *listed), leaks)
    with writing(making):
        (making / manifest.FILE).write_bytes(text)
        (making / card.FILE).write_bytes(card.render(about))
        images = [name for row in rows for name in (*row.images, *row.masks)]
        (making / croissant.FILE).write_bytes(
            croissant.document(export_card.head_of(about, request.published), text, images)
        )
    yield from sums.write(making)


def _mark(data: bytes, pair: Pair) -> bytes:
    return marks.mark(data) if pair.synthetic else data


def _origins(found: Pairs, set: SetFolder) -> Iterator[key.Origin]:
    items = {one.id: one for one in set.items()}
    for one in found.entries:
        partner = items[one.id].source.partner if one.synthetic else ""
        yield key.Origin(one.id, one.name, one.dataset, one.stem, partner, one.group)
