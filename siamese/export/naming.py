"""How the files of an export are called: neutral ids, or the source's stem made safe for every system and trainer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 120  # characters of a name; layouts add their own endings
LONGEST_STEM, LONGEST_SET = 60, 30  # of its parts
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file's name on Windows
NUMBERED = re.compile(r"(ISIC_)?\d+")
WARNING = (
    "Files keep the names of their sources: make sure that none of them tells who somebody is. Trainers read meaning "
    "from names: SANet takes a name of digits alone for CVC-ClinicDB and everything else for Kvasir-SEG, and draws "
    "its colours from these two groups; so a picture made from mask 12 is called 12000001, others name_s000001."
)
NEUTRAL = (
    "Files have neutral names (r… real, s… synthetic). SANet takes a name of digits alone for CVC-ClinicDB and "
    "everything else for Kvasir-SEG, and draws its colours from these two groups: for SANet keep the sources' names."
)


def names(rows: Sequence[tuple[str, str, str, bool]], keep_stems: bool) -> dict[str, str]:
    """Id → name without an ending, unique in whatever case.

    Args:
        rows: (id, stem, dataset, is it synthetic) of each pair, in order.
        keep_stems: False answers the ids.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for id, stem, dataset, synthetic in rows:
        name = id
        if keep_stems:
            kept = safe(stem)[:LONGEST_STEM].rstrip(".") or id
            more = (id[1:] if NUMBERED.fullmatch(kept) else f"_{id}") if synthetic else ""
            name = kept + more
            if name.casefold() in taken:
                name = f"{safe(dataset)[:LONGEST_SET] or 'set'}_{name}"
            while name.casefold() in taken:
                name = f"{name}_{id}"
        taken.add(name.casefold())
        found[id] = name
    return found


def safe(name: str) -> str:
    """A name as every file system takes it, without spaces; letters of all alphabets stay. "" where nothing is left."""
    name = unicodedata.normalize("NFC", name)
    name = "".join("_" if c in '<>:"/\\|?*%#' or not c.isprintable() or c.isspace() else c for c in name)
    name = name.lstrip(".-").rstrip(".")[:LONGEST].rstrip(".")
    return f"_{name}" if RESERVED.fullmatch(name) else name
