"""Look at somebody's pictures before they are imported: every problem at once, nothing is changed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic

import numpy as np

from siamese.counted import counted
from siamese.data import lists
from siamese.data import view as views
from siamese.data.archive import unpack
from siamese.data.coco import coco
from siamese.data.layouts import Listing, beside, folders, prompt_lines
from siamese.data.neardup import small_grey
from siamese.data.nnunet import nnunet
from siamese.data.pixels import carried, facts_of, mask_values
from siamese.data.report import Problem, Report, SourceCase
from siamese.data.tree import Tree
from siamese.data.verdict import Seen, judged
from siamese.errors import DatasetError, MaskError
from siamese.events import Progress
from siamese.masks.mask import file_bytes
from siamese.picture import decode

LOOKED_FOR = (
    "nothing of a known layout was found. Looked for: images/ beside masks/ (Kvasir-SEG, PraNet TrainDataset and "
    "TestDataset, CVC), ISIC_x.jpg with ISIC_x_segmentation.png, prompt.json of the Siamese-Diffusion release, nnU-Net "
    "raw (imagesTr, labelsTr, dataset.json), COCO JSON, or a zip of any of them."
)


def inspect(source: Path, cache: Path, *, group: str = "") -> Iterator[Progress | Report]:
    """Recognise the layout of a folder or zip and check every case; the last event is the Report.

    Args:
        source: folder or zip; never altered.
        cache: folder in which a zip is unpacked; `Report.close` deletes that.
        group: a column of a CSV file beside the pictures, or a regular expression on the names, that tells patients
            apart; "" looks for one.

    Raises:
        DatasetError: an unknown layout, a zip that is damaged or a trap, a bad `group`.
    """
    with ExitStack() as undo:
        root, temporary = source, None
        if source.is_file():
            if source.suffix.lower() != ".zip":
                raise DatasetError(source, ["a folder or a .zip file was expected; choose one of them."])
            temporary = Path(tempfile.mkdtemp(prefix=".adding-", dir=cache))
            report = Report(source, "", (), (), temporary=temporary)
            undo.callback(report.close)
            yield from unpack(source, temporary)
            root = temporary
        tree = Tree(root)
        listing = _listing(tree)
        given, names = lists.class_table(tree)
        lists.add_splits(tree, listing)
        lists.one_split_is_none(listing)
        if not lists.add_columns(tree, listing, group) and group:
            lists.add_pattern(listing, group)
        lists.guess_groups(listing)
        seen: list[Seen] = []
        yield from _look_at_all(listing.cases, seen)
        report = judged(source, listing, seen, given, names or listing.classes)
        report.temporary = temporary
        if tree.links:
            links = counted(tree.links, "link is", "links are")
            text = f"{links} not followed; put the files themselves there."
            report.problems = (*report.problems, Problem("links", "note", text))
        undo.pop_all()
    yield report


def _listing(tree: Tree) -> Listing:
    for read in (nnunet, coco, prompt_lines, folders, beside):
        listing = read(tree)
        if listing is not None and (listing.cases or listing.problems):
            return listing
    raise DatasetError(tree.root, [LOOKED_FOR])


def _look_at_all(cases: list[SourceCase], seen: list[Seen]) -> Iterator[Progress]:
    """Look at every case on a few threads; `seen` is filled in their order."""
    begun = monotonic()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(_look, case) for case in cases]
        try:
            for done, future in enumerate(waiting, 1):
                seen.append(future.result())
                if done % 10 == 0 or done == len(cases):
                    rate = done / max(monotonic() - begun, 1e-6)
                    yield Progress("look", done, len(cases), rate, (len(cases) - done) / rate)
        finally:
            for future in waiting:
                future.cancel()


def _look(case: SourceCase) -> Seen:
    try:
        data = file_bytes(case.image)
        picture = decode(data)
    except MaskError:
        return Seen(replace(case, broken=True), wrong="unreadable picture")
    stripped, turned, deep = carried(data)
    height, width = picture.shape[:2]
    try:
        values, lossy = mask_values(case, height, width)
        if values.shape != (height, width) and turned >= 5 and values.shape == (width, height):
            picture = decode(data, turned=False)  # somebody outlined the picture as it is stored
            case = replace(case, as_stored=True)
    except MaskError:
        return Seen(replace(case, broken=True), wrong="unreadable mask")
    del data
    if values.shape != picture.shape[:2]:
        return Seen(replace(case, broken=True, height=height, width=width), wrong="size")
    text = views.burnt_in_text(picture)
    box = None
    if text.any():
        rows, columns = (np.flatnonzero(text.any(axis=axis)) for axis in (1, 0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    case = replace(
        case,
        height=picture.shape[0],
        width=picture.shape[1],
        stripped=stripped,
        turned=turned,
        text_box=box,
        digest=hashlib.sha256(np.ascontiguousarray(picture)).digest(),
        small=small_grey(picture),
    )
    return Seen(
        case, facts_of(values, lossy), deep=deep, mask_digest=hashlib.sha256(values.tobytes()).digest()
    )
