"""Is an export what it says? Every file against its sum, every picture against the manifest, every rule of the splits.

Works on the folder or the zip, with suspicion; needs nothing but the export itself, and its key where that lies beside.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from siamese.errors import AugmentError
from siamese.events import Progress
from siamese.export import archive, card, croissant, key, manifest, pictures, sums
from siamese.export.archive import Files
from siamese.export.findings import Verified
from siamese.export.manifest import Row

LISTS = "lists/"
NESTED = ("real", "real_plus_synthetic_1x", "real_plus_synthetic_2x", "real_plus_synthetic_3x")
DUPLICATED = "real_duplicated"
TEXTS = (".txt", ".json", ".jsonl", ".csv", ".md", ".yaml", ".yml")
WORDS = re.compile(r"[^\s\"',;:/|<>()\[\]{}]+")
SHORTEST = 3  # characters; shorter names stand in any text
def verify(where: Path, use_key: bool = True) -> Iterator[Progress | Verified]:
    """Check the export in a folder or zip; the last event is the Verified.

    Args:
        use_key: look for the original names of the key that lies beside it, if one does.

    Raises:
        AugmentError: nothing there, no zip, or a zip that is a trap.
    """
    found = Verified()
    with archive.opened(where) as files:
        for text in files.problems:
            found.add("unsafe", text)
        rows = _manifest(files, found)
        yield from _sums(files, found)
        _splits(rows, found)
        yield from pictures.check(files, rows, found)
        yield from pictures.check_parquet(files, {row.id: row for row in rows}, found)
        _lists(files, rows, found)
        _papers(files, found)
        _names(files, rows, where if use_key else None, found)
    found.problems = dict(found.problems)
    yield found


def _manifest(files: Files, found: Verified) -> list[Row]:
    try:
        rows = manifest.read(files.read(manifest.FILE))
    except AugmentError as error:
        found.add("manifest", str(error))
        return []
    for id, times in Counter(row.id for row in rows).items():
        if times > 1:
            found.add("manifest", f"{id} stands in {manifest.FILE} {times} times.")
    named = Counter(name for row in rows for name in (*row.images, *row.masks))
    for name, times in named.items():
        if times > 1:
            found.add("manifest", f"{name} belongs to {times} pairs.")
        if name not in files.sizes:
            found.add("missing", f"{name} is named in {manifest.FILE} and is not there.")
    for name in files.sizes:
        if PurePosixPath(name).suffix.lower() in manifest.SUFFIXES and name not in named:
            found.add("stranger", f"{name} is a picture that {manifest.FILE} does not name.")
    found.counts["pairs"] = len(rows)
    found.counts["synthetic pairs"] = sum(row.synthetic for row in rows)
    return rows


def _sums(files: Files, found: Verified) -> Iterator[Progress]:
    try:
        listed = sums.read(files.read(sums.FILE))
    except AugmentError as error:
        found.add("missing", str(error))
        return
    for name in sorted(set(files.sizes) - set(listed) - {sums.FILE}):
        found.add("stranger", f"{name} is not in {sums.FILE}.")
    for done, (name, wanted) in enumerate(sorted(listed.items()), 1):
        if name not in files.sizes:
            found.add("missing", f"{name} is in {sums.FILE} and is not there.")
            continue
        try:
            with files.stream(name) as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                    found.add("sum", f"{name} was changed: its sha256 is not that of {sums.FILE}.")
        except AugmentError as error:
            found.add("sum", str(error))
        if done % 50 == 0 or done == len(listed):
            yield Progress("sums", done, len(listed))
    found.counts["files"] = len(listed)


def _splits(rows: Sequence[Row], found: Verified) -> None:
    held_out = [row for row in rows if row.split in ("val", "test")]
    pictures_held = {row.image_sha256: row for row in held_out}
    masks_held = {row.mask_sha256: row for row in held_out if row.area}
    for row in rows:
        if row.split not in ("train", "val", "test"):
            found.add("split", f"{row.id} is of the split {row.split[:40]!r}; train, val or test was expected.")
        if row.synthetic and row.split != "train":
            found.add("split", f"{row.id} is synthetic and stands in {row.split}; it may stand in train alone.")
        if row.split != "train":
            continue
        if row.image_sha256 in pictures_held:
            other = pictures_held[row.image_sha256]
            found.add("leak", f"{row.id} of train is the same picture as {other.id} of {other.split}.")
        if row.synthetic and row.mask_sha256 in masks_held:
            other = masks_held[row.mask_sha256]
            found.add("leak", f"{row.id} was made on the mask of {other.id} of {other.split}.")


def _lists(files: Files, rows: Sequence[Row], found: Verified) -> None:
    known = {PurePosixPath(name).stem: row for row in rows for name in row.images}
    known |= {stem.rpartition("_")[0]: row for stem, row in known.items() if "_" in stem} | known  # case_0000.png
    known |= {row.id: row for row in rows}
    named: dict[PurePosixPath, list[str]] = {}
    for path in sorted(name for name in files.sizes if name.startswith(LISTS) and name.endswith(".txt")):
        try:
            lines = files.read(path).decode("utf-8").split("\n")
        except (AugmentError, UnicodeDecodeError) as error:
            found.add("list", f"{path} cannot be read ({error}).")
            continue
        names = [line for line in lines if line]
        named[PurePosixPath(path)] = names
        for name in names:
            row = known.get(name) or known.get(PurePosixPath(name).stem)
            if row is None:
                found.add("list", f"{path} names {name[:100]}, which {manifest.FILE} does not know.")
            elif row.split != "train":
                found.add("list", f"{path} names {name[:100]}, which is of the split {row.split}.")
            elif row.synthetic and PurePosixPath(path).stem in ("real", DUPLICATED):
                found.add("list", f"{path} names {name[:100]}, which is synthetic.")
    found.counts["lists"] = len(named)
    for folder in {path.parent for path in named}:
        chain = [folder / f"{name}.txt" for name in NESTED if folder / f"{name}.txt" in named]
        for smaller, larger in zip(chain, chain[1:], strict=False):
            if Counter(named[smaller]) - Counter(named[larger]):
                found.add("list", f"{larger} does not hold all of {smaller}.")
        real, double = folder / "real.txt", folder / f"{DUPLICATED}.txt"
        if real in named and double in named and Counter(named[double]) != Counter(named[real] * 2):
            found.add("list", f"{double} does not hold each line of {real} twice.")


def _papers(files: Files, found: Verified) -> None:
    try:
        if card.USE not in files.read(card.FILE).decode("utf-8", "replace"):
            found.add("card", f"{card.FILE} no longer says “{card.USE}”.")
    except AugmentError as error:
        found.add("card", str(error))
    try:
        values = json.loads(files.read(croissant.FILE))
        said = [one["sha256"] for one in values["distribution"] if one.get("@id") == "manifest"]
        if said != [hashlib.sha256(files.read(manifest.FILE)).hexdigest()]:
            found.add("croissant", f"{croissant.FILE} describes another {manifest.FILE}.")
    except AugmentError as error:
        found.add("croissant", str(error))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found.add("croissant", f"{croissant.FILE} is damaged ({error}).")


def _names(files: Files, rows: Sequence[Row], where: Path | None, found: Verified) -> None:
    """No key inside, and no original name, as far as the key beside the export knows them."""
    for name in sorted(files.sizes):
        if name.endswith(key.ENDING) or PurePosixPath(name).name == "key.csv":
            found.add("name", f"{name} is a key with original names; it may not leave with the export.")
    try:
        origins = key.read(where) if where else None
    except AugmentError as error:
        found.add("name", str(error))
        return
    if origins is None:
        return
    kept = {one.original for one in origins if one.name != one.id}  # asked for: files are named by their sources
    own = {row.id for row in rows} | {PurePosixPath(n).stem for row in rows for n in (*row.images, *row.masks)}
    known = {stem for one in origins for stem in (one.original, one.partner)} - kept - {""}
    found.counts["original names looked for"] = len(known)
    for row in rows:
        mine = {one.original for one in origins if one.id == row.id} & known
        for name in (*row.images, *row.masks):
            if mine & set(PurePosixPath(name).with_suffix("").parts):
                found.add("name", f"{name} is called as its original; export the set again.")
    for name in sorted(files.sizes):
        if PurePosixPath(name).suffix.lower() in TEXTS:
            told = _told(files, name, known - own)
            if told:
                found.add("name", f"{name} holds the original name {told!r}; export the set again.")


def _told(files: Files, name: str, stems: set[str]) -> str | None:
    """An original name that stands in a text as a word of its own."""
    try:
        text = files.read(name).decode("utf-8", "replace")
    except AugmentError:
        return None
    words = {word for word in WORDS.findall(text) if len(word) > SHORTEST}
    words |= {word.rpartition(".")[0] for word in words}
    spaced = (stem for stem in stems if not WORDS.fullmatch(stem) and len(stem) > SHORTEST and stem in text)
    return min(words & stems, default=None) or next(spaced, None)
