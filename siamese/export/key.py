"""The key: which original a neutral id stands for. It lies beside the export, on this computer, and never in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from siamese.atomic import read_capped, write_atomically
from siamese.errors import AugmentError

ENDING = ".key.csv"


@dataclass(frozen=True)
class Origin:
    """One line: id and name in the export; `original` is the stem of a real picture, or that of a mask's case."""

    id: str
    name: str
    dataset: str
    original: str
    partner: str
    group: str


def path_for(export: Path) -> Path:
    """Where the key of an export's folder or zip lies."""
    stem = export.name.removesuffix(".zip") if export.is_file() else export.name
    return export.absolute().with_name(stem + ENDING)


def content(origins: Iterable[Origin]) -> bytes:
    """The file's bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f.name for f in fields(Origin)])
    writer.writerows(astuple(one) for one in origins)
    return text.getvalue().encode()


def write(export: Path, data: bytes) -> Path:
    """Put the key beside the export's folder, readable by its owner alone.

    Raises:
        AugmentError: another key is there; it may be the only one of an export that left.
        MachineError: disk full or folder not writable.
    """
    path = path_for(export)
    if path.exists() and path.read_bytes() != data:
        raise AugmentError(f"{path} is the key of another export; choose another folder, or move that file away.")
    write_atomically(path, data)
    return path


def read(export: Path) -> list[Origin] | None:
    """The key beside an export; None where there is none.

    Raises:
        AugmentError: damaged.
    """
    path = path_for(export)
    if not path.is_file():
        return None
    try:
        rows = csv.DictReader(read_capped(path).decode("utf-8").splitlines())
        return [Origin(**{f.name: row[f.name] for f in fields(Origin)}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise AugmentError(f"{path} is damaged ({error}); without it no name can be looked for.") from None
