"""One preparation for the pictures of all arms: drawn, cleaned, cut alike, written so that nothing tells them apart.

Every file has the same size in pixels and bytes, no metadata, a random name and one time; they are written in random
order. What was done to each lies with the truth.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from siamese.atomic import private_folder, remove_whole
from siamese.data.seen import Seen
from siamese.errors import MaskError, StudyError, writing
from siamese.events import Notice, Progress
from siamese.masks.mask import file_bytes
from siamese.picture import decode
from siamese.store.migrations import migrate
from siamese.study import arms, cues, frame, truth
from siamese.study.arms import Chosen, Picture
from siamese.study.design import Design
from siamese.study.frame import Look
from siamese.study.studies import Study
from siamese.study.trained import seen_by_generators
from siamese.study.truth import Item

WHEN = 946_684_800  # seconds since 1970, of every file: the first of January 2000
MOST_HIDDEN = 0.5  # share of a lesion that outline and covered corner may hide
TRAINED = "left out because a generator of this study was trained on it"
HIDDEN = "left out because more than half of the lesion would be hidden"


@dataclass
class _Work:
    """What is known so far: looks by path, and why others cannot be shown."""

    design: Design
    seen: Seen
    looks: dict[Path, Look] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)


def constant_png(image: np.ndarray) -> bytes:
    """(H,W,3) RGB or (H,W) uint8 as a PNG without compression: its length depends on the size alone."""
    pixels = image[..., ::-1] if image.ndim == 3 else image
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert done
    return data.tobytes()


def prepare(study: Study) -> Iterator[Progress | Notice | truth.Prepared]:
    """Draw and prepare the pictures of a draft, in place of an earlier preparation; what it prepared comes last.

    Closing the generator before the end leaves the earlier preparation.

    Raises:
        StudyError: locked, fewer than two arms, or a folder, mask or list that cannot be used.
        MachineError: disk full or folder not writable.
    """
    design = study.design
    check_arms(design)
    trained, notes = seen_by_generators(design)
    work = _Work(design, trained)
    found = arms.pools(design)
    for arm in design.arms:
        named = (picture for picture in found[arm.name] if picture.name in arm.without)
        work.left_out |= {one.path: f"left out by name ({arm.without[one.name]})" for one in named}
    yield from (Notice(note) for note in notes)
    chosen, seen = yield from _choose(work, found)
    yield from (Notice(sentence) for sentence in (*arms.said(work.left_out), *chosen.missing))
    migrate(study.place, study.id)
    with writing(study.folder):
        making = Path(tempfile.mkdtemp(prefix=".adding-", dir=study.folder))  # mode 0700
    try:
        items = yield from _write(work, chosen, seen, making)
        design = _counted(work, found)
        truth.write_items(study, design, items)
        for name in ("pictures", "masks"):
            _swap(making / name, study.folder / name)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    yield truth.Prepared(design, tuple(items))


def check_arms(design: Design) -> None:
    """Raise a StudyError with everything that keeps the arms of a design from being prepared."""
    kinds, problems = [arm.kind for arm in design.arms], []
    if len(design.arms) < 2:
        problems.append("it has fewer than two arms; name a folder of real and one of synthetic pictures.")
    if "real" not in kinds and design.protocol != "P2":
        problems.append("it has no real arm; the comparison is with patients' pictures.")
    if design.protocol == "P4" and kinds.count("real") != 1:
        problems.append("P4 asks which one is the patient's, so exactly one arm is real.")
    if design.protocol == "P2" and len(kinds) < design.beside:
        problems.append(
            f"{design.beside} pictures stand side by side, of {len(kinds)} arms; lower `beside` or add arms."
        )
    if problems:
        raise StudyError("\n  - ".join(["The design cannot be prepared:", *problems]))


def _choose(
    work: _Work, found: dict[str, list[Picture]]
) -> Generator[Progress, None, tuple[Chosen, np.ndarray]]:
    """Draw, look, and draw again without what cannot be shown, until everything drawn can; and what is seen of it."""
    design = work.design
    while True:
        chosen = arms.draw(design, found, work.left_out)
        drawn = [*chosen.pictures, *chosen.practice]
        fresh = [picture for picture in drawn if picture.path not in work.looks]
        yield from _each("looking", fresh, lambda picture: _look(work, picture))
        if any(picture.path in work.left_out for picture in fresh):
            continue
        boxes = [work.looks[picture.path].box for picture in drawn]
        cover = max((rows for rows, _ in boxes), default=0), max((columns for _, columns in boxes), default=0)
        seen = frame.seen_map(design.outline, design.size, cover)
        hidden = [picture.path for picture in drawn if _hides(picture, work.looks[picture.path], seen)]
        if not hidden:
            return chosen, seen
        work.left_out |= dict.fromkeys(hidden, HIDDEN)


def _look(work: _Work, picture: Picture) -> None:
    try:
        pixels = decode(file_bytes(picture.path))
    except MaskError as error:
        work.left_out[picture.path] = f"left out because it {str(error).partition(';')[0]}"
        return
    kind = {arm.name: arm.kind for arm in work.design.arms}[picture.arm]
    if kind != "synthetic" and work.seen.has(pixels):
        work.left_out[picture.path] = TRAINED
        return
    found = frame.look(pixels, work.design.outline, work.design.boxes)
    if isinstance(found, str):
        work.left_out[picture.path] = found
    else:
        work.looks[picture.path] = found


def _hides(picture: Picture, found: Look, seen: np.ndarray) -> bool:
    return (
        picture.mask is not None
        and frame.hidden_share(arms.read_mask(picture.mask), found, seen) > MOST_HIDDEN
    )


def _write(
    work: _Work, chosen: Chosen, seen: np.ndarray, making: Path
) -> Generator[Progress, None, list[Item]]:
    """Write `pictures/` (and `masks/` where a scale shows them) below `making`; returns the items."""
    design, items = work.design, []
    masked = design.protocol == "P3" and any(scale.with_mask for scale in design.texts.scales)
    for name in ("pictures", "masks") if masked else ("pictures",):
        private_folder(making / name)
    practice = {picture.path for picture in chosen.practice}
    drawn = [*chosen.pictures, *chosen.practice]
    order = [drawn[k] for k in np.random.default_rng(secrets.randbits(128)).permutation(len(drawn))]

    def work_on(picture: Picture) -> None:
        data = file_bytes(picture.path)
        found, name = work.looks[picture.path], secrets.token_hex(16)
        image = frame.render(decode(data), found, seen, design.jpeg)
        _put(making / "pictures" / f"{name}.png", constant_png(image))
        if masked and picture.mask:
            mask = frame.render_mask(arms.read_mask(picture.mask), found, seen)
            _put(making / "masks" / f"{name}.png", constant_png(mask))
        facts = _facts(found, picture, design) | {"cues": cues.measure(image, seen)}
        digest = hashlib.sha256(data).hexdigest()
        items.append(
            Item(name, picture.arm, picture.group, str(picture.path), digest, picture.path in practice, facts)
        )

    yield from _each("preparing", order, work_on)
    return items


def _facts(found: Look, picture: Picture, design: Design) -> dict:
    """What was done to a picture, in numbers."""
    top, left, bottom, right = found.window
    rows, columns = bottom - top, right - left
    return {
        "source_size": list(found.size),
        "window": list(found.window),
        "zoom": found.zoom,
        "stretch": round(columns / rows, 3),
        "factor": round(design.size / min(rows, columns), 3),
        "text": round(float(np.unpackbits(found.text).mean()), 4) if found.text.size else 0.0,
        "box": list(found.box),
        "mask": picture.mask is not None,
        "jpeg": design.jpeg,
    }


def _put(path: Path, data: bytes) -> None:
    with writing(path):
        path.write_bytes(data)
        path.chmod(0o600)
        os.utime(path, (WHEN, WHEN))


def _each(stage: str, pictures: Sequence[Picture], work: Callable[[Picture], None]) -> Iterator[Progress]:
    """Do `work` on every picture, on several threads."""
    begun = time.monotonic()
    with ThreadPoolExecutor() as workers:
        waiting = [workers.submit(work, picture) for picture in pictures]
        try:
            for done, future in enumerate(waiting, 1):
                future.result()
                rate = done / max(time.monotonic() - begun, 1e-6)
                yield Progress(stage, done, len(pictures), rate, (len(pictures) - done) / rate)
        finally:
            for future in waiting:
                future.cancel()


def _counted(work: _Work, found: dict[str, list[Picture]]) -> Design:
    """The design with what the draw met: sizes of pools, and what was left out."""
    filled = []
    for arm in work.design.arms:
        own = {picture.path for picture in found[arm.name]}
        reasons = {path: reason for path, reason in work.left_out.items() if path in own}
        filled.append(arm.model_copy(update={"pool_size": len(own), "left_out": arms.said(reasons)}))
    return work.design.model_copy(update={"arms": tuple(filled)})


def _swap(new: Path, old: Path) -> None:
    with writing(old):
        if old.exists():
            remove_whole(old)
        if new.is_dir():
            new.rename(old)
            os.utime(old, (WHEN, WHEN))
