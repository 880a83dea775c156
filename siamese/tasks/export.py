"""Export: what the gate let through becomes folders that trainers eat, each picture with the proof of where it is from.

The folder appears whole, by a rename; the key with original names lies beside it. The same request on the same set and
datasets gives the same bytes, the zip's too.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from siamese.atomic import private_folder
from siamese.augment.folder import Head, SetFolder
from siamese.augment.item import Item
from siamese.counted import counted
from siamese.data.dataset import Split
from siamese.errors import AugmentError, writing
from siamese.events import Done, Event, Notice, Progress, Saved
from siamese.export import archive, card, croissant, key, lists, manifest, marks, naming, pairs, sums
from siamese.export.layouts import DEFAULT, LAYOUTS
from siamese.export.pairs import SPLITS, Options, Pair, Pairs, Written
from siamese.gate.rules import Standing
from siamese.masks.mask import Mask
from siamese.tasks import export_card, export_guards


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
        beside = key.write(request.out, key.content(_origins(found, set)))
        making.chmod(0o755)
        with writing(request.out):
            if request.out.exists():  # made meanwhile; a rename would replace an empty folder
                raise AugmentError(f"{request.out} is there already; choose another folder.")
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
    for path in (request.out, *([zip_path(request.out)] if request.zip else ())):
        if path.exists():
            raise AugmentError(f"{path} is there already; choose another folder. Nothing was changed.")


class _Recorded:
    """Pairs as a layout walks them; what the manifest needs to know of their pixels is noted on the first walk."""

    def __init__(self, found: Pairs):
        self._found = found
        self.pixels: dict[str, tuple[int, int, str, str, float]] = {}

    def __iter__(self) -> Iterator[Pair]:
        for pair in self._found:
            if pair.id not in self.pixels:
                picture = cv2.imdecode(np.frombuffer(pair.picture, np.uint8), cv2.IMREAD_COLOR_RGB)
                digest, labels = manifest.pixels_sha256(picture), Mask(pair.labels)
                self.pixels[pair.id] = (*picture.shape[:2], digest, labels.digest, _area(pair.labels))
            yield pair


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
    recorded, written = _Recorded(found), {}
    for done, name in enumerate(request.layouts):
        yield Progress(name, done, len(request.layouts))
        written[name] = LAYOUTS[name].write(recorded, making / name, options)
    yield Progress("layouts", len(request.layouts), len(request.layouts))
    listed = lists.write(found.entries, making / "lists")
    plain = {one.id: one.name for one in found.entries}
    for name, one in written.items():
        if one.names != plain:  # this layout has names of its own
            lists.write(found.entries, making / "lists" / name, one.names)
    rows = _rows(found, recorded.pixels, written, set, head, standing, request.keep_stems)
    _leak_free(rows)
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


def _area(labels: np.ndarray) -> float:
    return round(float((labels > 0).mean()), 6)


def _mark(data: bytes, pair: Pair) -> bytes:
    return marks.mark(data) if pair.synthetic else data


def _rows(
    found: Pairs,
    pixels: dict[str, tuple[int, int, str, str, float]],
    written: dict[str, Written],
    set: SetFolder,
    head: Head,
    standing: dict[str, Standing],
    stems: bool,
) -> list[manifest.Row]:
    items, made, scores = {one.id: one for one in set.items()}, set.made(), set.scores()
    sources = _source_ids(found, items)
    rows = []
    for entry in found.entries:
        files = [(name, *one.files[entry.id]) for name, one in written.items() if entry.id in one.files]
        more = {}
        if entry.synthetic:
            item, stands = items[entry.id], standing[entry.id]
            by = head.checkpoints[item.checkpoint]
            more = {
                "made": manifest.made_of(item, made[entry.id], by.name, by.sha256),
                "mask": manifest.mask_of(item, sources[entry.id], stems),
                "gate": manifest.gate_of(scores[entry.id], stands.verdict, stands.reasons, stands.decision),
            }
        rows.append(
            manifest.Row(
                entry.id,
                entry.synthetic,
                entry.split,
                entry.dataset,
                *pixels[entry.id],
                tuple(f"{name}/{picture}" for name, picture, _ in files if _is_picture(picture)),
                tuple(f"{name}/{mask}" for name, _, mask in files if _is_picture(mask)),
                **more,
            )
        )
    return rows


def _is_picture(name: str) -> bool:
    return name.lower().endswith(manifest.SUFFIXES)  # Parquet holds many in one file


def _source_ids(found: Pairs, items: dict[str, Item]) -> dict[str, str]:
    """Synthetic id → neutral id of its mask's case: that of the real pair where it is exported too, else m000001."""
    real = {(one.dataset, one.stem): one.id for one in found.entries if not one.synthetic}
    sources = {id: items[id].source for id in (one.id for one in found.entries if one.synthetic)}
    others = sorted({one.sha256 for one in sources.values() if (one.dataset, one.stem) not in real})
    numbers = {digest: f"m{number:06d}" for number, digest in enumerate(others, 1)}
    return {id: real.get((one.dataset, one.stem)) or numbers[one.sha256] for id, one in sources.items()}


def _leak_free(rows: Sequence[manifest.Row]) -> None:
    """The last look: no picture of train among those held out, no synthetic mask either."""
    held_out = [row for row in rows if row.split != "train"]
    images, masks = {row.image_sha256 for row in held_out}, {row.mask_sha256 for row in held_out if row.area}
    bad = [row.id for row in rows if row.split == "train" and row.image_sha256 in images]
    bad += [row.id for row in rows if row.synthetic and row.area and row.mask_sha256 in masks]
    if bad:
        raise AugmentError(
            f"{counted(len(bad), 'pair')} of train shares its picture, or its mask when synthetic, with val or test "
            f"({', '.join(bad[:5])}); take it off one of the lists of the dataset."
        )


def _origins(found: Pairs, set: SetFolder) -> Iterator[key.Origin]:
    items = {one.id: one for one in set.items()}
    for one in found.entries:
        partner = items[one.id].source.partner if one.synthetic else ""
        yield key.Origin(one.id, one.name, one.dataset, one.stem, partner, one.group)
