"""Somebody's pictures become a dataset of the workspace: private by default, whole or not at all, originals untouched.

Written are pixels alone, as PNG, under neutral ids. `key.csv` alone knows original names; it stays where it is,
and no export may take it along.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import cv2
import numpy as np

from siamese.atomic import private_folder, write_atomically
from siamese.counted import counted
from siamese.data import view as views
from siamese.data.dataset import ABOUT
from siamese.data.groups import SPLITS, Choices, Plan, plan
from siamese.data.pixels import labels_of, read_image
from siamese.data.report import Report, SourceCase
from siamese.errors import DatasetError, MaskError, writing
from siamese.events import Done, Progress, Saved

FORMAT = 1
KEY = "key.csv"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
TAKEN = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d|.*-[0-9a-f]{12}-own)"
)  # Windows' own, and a person's own cases
PACKED = 2.2  # bytes a pixel that a picture with its mask may take as PNG


def check_name(name: str) -> str:
    """The name of a dataset, as it is.

    Raises:
        DatasetError: other characters than a-z, 0-9 and hyphens, longer than 40, or reserved.
    """
    if not NAME.fullmatch(name) or TAKEN.fullmatch(name):
        raise DatasetError(
            Path("the new dataset"),
            [f"the name {name[:60]!r} was expected to be of a-z, 0-9 and hyphens, 1 to 40 characters."],
        )
    return name


def bring_in(report: Report, target: Path, choices: Choices) -> Iterator[Progress | Saved | Done]:
    """Write `target`/`choices.name`; closing the generator before the end leaves nothing.

    Args:
        report: of `siamese.data.inspect`, not yet closed.
        target: the folder of datasets.
        choices: what goes, how it is split, what happens to text.

    Raises:
        DatasetError: every refusal at once: the name, problems that were not agreed to, a source that changed since.
        MachineError: disk full or folder not writable; nothing is left.
    """
    refusals = report.refusals(choices.leave_out)
    try:
        folder = target / check_name(choices.name)
        if folder.exists():
            refusals.append(f"there is a dataset {choices.name} already; choose another name.")
    except DatasetError as error:
        refusals += error.problems
    if refusals:
        raise DatasetError(report.source, refusals)
    chosen = plan(report, choices)
    cases = [report.case(stem) for stem in sorted(chosen.splits)]
    order = np.random.default_rng([choices.seed, len(cases)]).permutation(len(cases))
    digits = max(4, len(str(len(cases))))
    ids = {cases[k].stem: f"{choices.name}-{n:0{digits}d}" for n, k in enumerate(order, 1)}
    with writing(target):
        private_folder(target)
    needed = int(sum(case.height * case.width for case in cases) * PACKED)
    if needed > shutil.disk_usage(target).free:
        raise DatasetError(
            report.source, [f"about {needed / 2**30:.1f} GB are needed on the disk; free some space first."]
        )
    with writing(target):
        making = Path(tempfile.mkdtemp(prefix=".adding-", dir=target))  # mode 0700
    try:
        with writing(making):
            (making / "images").mkdir(mode=0o700)
            (making / "masks").mkdir(mode=0o700)
        yield from _write_pictures(report, choices, cases, ids, making)
        _write_lists(report, choices, chosen, cases, ids, making)
        with writing(folder):
            if folder.exists():  # made meanwhile; a rename would replace an empty folder
                raise DatasetError(report.source, [f"there is a dataset {choices.name} already."])
            making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    yield Saved(folder)
    yield Done("import", len(cases))


def _write_pictures(
    report: Report, choices: Choices, cases: Sequence[SourceCase], ids: dict[str, str], making: Path
) -> Iterator[Progress]:
    begun, classes = monotonic(), len(report.classes)

    def work(case: SourceCase) -> bool:
        return _write_pair(case, choices.text_for(case) == "blank", classes, making, ids[case.stem])

    changed = 0
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(work, case) for case in cases]
        try:
            for done, future in enumerate(waiting, 1):
                changed += not future.result()
                if done % 10 == 0 or done == len(cases):
                    rate = done / max(monotonic() - begun, 1e-6)
                    yield Progress("import", done, len(cases), rate, (len(cases) - done) / rate)
        finally:
            for future in waiting:
                future.cancel()
    if changed:
        raise DatasetError(
            report.source, [f"{counted(changed, 'picture')} changed meanwhile; look at the data again."]
        )


def _write_pair(case: SourceCase, blank: bool, classes: int, making: Path, name: str) -> bool:
    """Write picture and mask; False where the source is not what was looked at."""
    try:
        picture, labels = read_image(case.image, case.as_stored), labels_of(case)
    except MaskError:
        return False
    if hashlib.sha256(picture).digest() != case.digest or labels.shape != picture.shape[:2]:
        return False
    if blank:
        picture = views.inpaint(picture, views.burnt_in_text(picture))
    if classes < 2:
        labels = (labels > 0).astype(np.uint8) * 255
    for kind, pixels in (("images", picture[:, :, ::-1]), ("masks", labels)):
        done, data = cv2.imencode(".png", pixels)
        assert done
        with writing(making):
            (making / kind / f"{name}.png").write_bytes(data.tobytes())
    return True


def _write_lists(
    report: Report,
    choices: Choices,
    chosen: Plan,
    cases: Sequence[SourceCase],
    ids: dict[str, str],
    making: Path,
) -> None:
    by_id = sorted(cases, key=lambda case: ids[case.stem])
    for split in SPLITS:
        names = [ids[case.stem] for case in by_id if chosen.splits[case.stem] == split]
        write_atomically(making / f"{split}.txt", "".join(f"{name}\n" for name in names).encode())
    rows = [(ids[case.stem], case.style, case.subset) for case in by_id]
    if any(style or subset for _, style, subset in rows):
        write_atomically(making / "index.csv", _csv(("stem", "centre", "set"), rows))
    about = json.dumps(_about(report, choices, chosen, cases, ids), indent=2, ensure_ascii=False)
    write_atomically(making / ABOUT, about.encode())
    root = report.temporary or report.source
    originals = [
        (ids[case.stem], os.path.relpath(case.image, root).replace(os.sep, "/"), case.group) for case in by_id
    ]
    write_atomically(making / KEY, _csv(("id", "original", "group"), originals))  # mode 0600


def _about(
    report: Report, choices: Choices, chosen: Plan, cases: Sequence[SourceCase], ids: dict[str, str]
) -> dict:
    """What dataset.json says; nothing in it names an original."""
    texts = Counter(filter(None, (choices.text_for(case) for case in report.usable)))
    across = [[ids[p.one], ids[p.other], round(p.correlation, 4)] for p in chosen.across]
    return {
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "layout": report.layout,
        "classes": list(report.classes),
        "prompts": report.prompts,
        "counts": {
            **chosen.counts,
            "empty masks": sum(not case.labels for case in cases),
            "left out": len(report.cases) - len(cases),
        },
        "stripped": dict(Counter(kind for case in cases for kind in sorted(case.stripped))),
        "turned by EXIF": sum(case.turned > 1 and not case.as_stored for case in cases),
        "text": {
            "found": sum(texts.values()),
            "blanked": texts["blank"],
            "left out": texts["leave-out"],
            "kept": texts["keep"],
        },
        "split": {
            "method": chosen.method,
            "seed": choices.seed,
            "shares": list(choices.shares),
            "groups": chosen.groups,
            "groups in two splits": chosen.straddling,
        },
        "near-duplicates": {
            "found": len(report.duplicates),
            "across splits": across,
            "were": "joined in one split" if choices.duplicates == "join" else "kept",
            "moved": [ids[stem] for stem in chosen.moved],
        },
        "notes": {p.kind: len(p.stems) for p in report.problems if p.severity == "note"},
    }


def _csv(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([head, *rows])
    return text.getvalue().encode()
