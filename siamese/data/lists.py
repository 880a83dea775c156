"""What lists beside the pictures say: splits in text files, patients and centres in CSV columns, tables of classes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path, PurePosixPath

from siamese.counted import counted
from siamese.data.layouts import Listing
from siamese.data.pixels import COLOUR
from siamese.data.report import Problem
from siamese.data.tree import Tree, split_of
from siamese.errors import DatasetError

STEMS = (
    "stem",
    "image",
    "image_id",
    "image_name",
    "isic_id",
    "filename",
    "file_name",
    "file",
    "img",
    "name",
    "case",
)
GROUPS = (
    "patient", "patient_id", "patientid", "subject", "subject_id", "video", "video_id", "lesion", "lesion_id",
    "sequence", "sequence_id", "seq", "study", "study_id", "exam", "exam_id", "group",
)  # fmt: skip
CENTRES = ("centre", "center", "site", "style")
SHARE = 0.8  # of the cases that a column must know
KEYWORD = re.compile(
    r"((?:patient|pat|subject|subj|sub|case|video|vid|sequence|seq|clip|lesion|study|exam)[-_ ]?[a-z]?\d+)(?=[-_ .])",
    re.IGNORECASE,
)
LONGEST_PATTERN = 200  # characters


def add_splits(tree: Tree, listing: Listing) -> None:
    """Set the cases' splits from text files such as train.txt, one name a line; cases on no list are noted."""
    lists = [(split_of((f.stem,)), f) for f in tree.ending(".txt")]
    lists = [(split, f) for split, f in lists if split]
    if not lists or not listing.cases:
        return
    by_name = defaultdict(list)
    for k, case in enumerate(listing.cases):
        by_name[case.image.stem].append(k)
    found: dict[int, set[str]] = defaultdict(set)
    unknown = []
    for split, file in lists:
        for line in filter(None, (raw.strip() for raw in tree.text(file).splitlines())):
            for said in dict.fromkeys((line, line.split()[0])):
                name = PurePosixPath(said.replace("\\", "/")).name
                places = by_name.get(name) or by_name.get(PurePosixPath(name).stem)
                if places:
                    break
            for k in places or ():
                found[k].add(split)
            if not places:
                unknown.append(line[:100])
    if not found:
        return
    both = tuple(listing.cases[k].stem for k, splits in sorted(found.items()) if len(splits) > 1)
    if both:
        text = f"{counted(len(both), 'picture is', 'pictures are')} on the lists of two splits; keep each on one."
        listing.problems.append(Problem("in two splits", "cure", text, both))
    if unknown:
        named = counted(len(unknown), "picture that is", "pictures that are")
        text = f"the lists name {named} not there; add what is missing, or its lines go."
        listing.problems.append(Problem("listed, not there", "left out", text, tuple(unknown)))
    unlisted = tuple(c.stem for k, c in enumerate(listing.cases) if k not in found)
    if unlisted:
        pictures = counted(len(unlisted), "picture is", "pictures are")
        text = f"{pictures} on none of the lists of splits and would be left out; add what is missing there."
        listing.problems.append(Problem("unlisted", "left out", text, unlisted))
    listing.cases = [
        replace(case, split=min(found[k]) if k in found else "", broken=case.broken or k not in found)
        for k, case in enumerate(listing.cases)
    ]


def one_split_is_none(listing: Listing) -> None:
    """Forget the source's split where every case is in the same one."""
    if len({case.split for case in listing.cases if not case.broken}) == 1:
        listing.cases = [replace(case, split="") for case in listing.cases]


def add_columns(tree: Tree, listing: Listing, wanted: str) -> bool:
    """Set groups and centres from CSV columns beside the pictures; True where `wanted` was a column."""
    named = False
    for file in tree.ending(".csv"):
        rows = tree.rows(file)
        stem = next((c for c in STEMS if rows and c in rows[0]), None)
        if stem is None:
            continue
        by_name = {PurePosixPath(r[stem].replace("\\", "/")).name: r for r in rows if r.get(stem)}
        by_name |= {PurePosixPath(name).stem: r for name, r in by_name.items()}
        matched = [by_name.get(case.image.name) or by_name.get(case.image.stem) for case in listing.cases]
        if sum(row is not None for row in matched) < SHARE * len(matched):
            continue
        columns = (wanted.lower(),) if wanted else GROUPS
        group = next((c for c in columns if c in rows[0] and c != stem), None)
        centre = next((c for c in CENTRES if c in rows[0]), None)
        if group:
            named = True
            listing.group_rule = "by a column of the table beside the pictures"
            listing.cases = [
                replace(case, group=(row or {}).get(group, ""))
                for case, row in zip(listing.cases, matched, strict=True)
            ]
        if centre and len({row[centre] for row in matched if row}) > 1 and not listing.prompts:
            listing.cases = [
                replace(case, style=(row or {}).get(centre, ""))
                for case, row in zip(listing.cases, matched, strict=True)
            ]
    return named and bool(wanted)


def add_pattern(listing: Listing, pattern: str) -> None:
    """Set groups by a regular expression on the stem: its first bracket, or all that it matches.

    Raises:
        DatasetError: not a regular expression, or it fits no stem.
    """
    try:
        if len(pattern) > LONGEST_PATTERN:
            raise re.error(f"longer than {LONGEST_PATTERN} characters")
        rule = re.compile(pattern)
    except re.error as error:
        raise DatasetError(
            Path("the pattern of groups"), [f"{pattern!r} is no column and no regular expression ({error})."]
        ) from None
    found = [rule.search(case.stem) for case in listing.cases]
    if not any(found):
        raise DatasetError(
            Path("the pattern of groups"),
            [f"{pattern!r} is no column of a table beside the pictures and fits no name."],
        )
    listing.group_rule = "by a pattern in the names"
    listing.cases = [
        replace(case, group=(m[1] if m.re.groups else m[0]) or "" if m else "")
        for case, m in zip(listing.cases, found, strict=True)
    ]


def guess_groups(listing: Listing) -> None:
    """Set groups from names such as patient12_frame003, where that makes sense: many groups, none with most cases."""
    if listing.group_rule or not listing.cases:
        return
    found = [KEYWORD.search(case.stem) for case in listing.cases]
    keys = [match[1].lower() if match else "" for match in found]
    sizes = Counter(key for key in keys if key)
    if len(sizes) >= 3 and max(sizes.values()) > 1 and max(sizes.values()) <= 0.6 * len(keys):
        listing.group_rule = f"guessed from names such as {keyword(keys)}"
        listing.cases = [replace(case, group=key) for case, key in zip(listing.cases, keys, strict=True)]


def keyword(keys: list[str]) -> str:
    """A group's name with its number hidden, e.g. “patient…”."""
    return f"“{re.sub(r'[^a-z].*', '', next(filter(None, keys)))}…”"


def class_table(tree: Tree) -> tuple[dict[int, int], tuple[str, ...]]:
    """Stored value → label, and the names of the labels 1.. of classes.csv (name,value or name,r,g,b).

    Raises:
        DatasetError: a table that cannot be understood.
    """
    for file in tree.ending(".csv"):
        if file.name.lower() not in ("classes.csv", "class_dict.csv", "labels.csv"):
            continue
        rows = tree.rows(file)
        try:
            values = [
                int(row["value"])
                if "value" in row
                else COLOUR + (int(row["r"]) << 16 | int(row["g"]) << 8 | int(row["b"]))
                for row in rows
            ]
            names = [row["name"] for row in rows]
        except (KeyError, ValueError):
            raise DatasetError(
                tree.root, [f"{file} was expected to have the columns name,value or name,r,g,b."]
            ) from None
        dark = [k for k, name in enumerate(names) if name.lower() in ("background", "unlabelled", "void")]
        dark = dark or [k for k, value in enumerate(values) if value in (0, COLOUR)]
        lesions = [k for k in range(len(names)) if k not in dark]
        table = {0: 0, COLOUR: 0} | {values[k]: 0 for k in dark}
        table |= {values[k]: label for label, k in enumerate(lesions, 1)}
        grey = [v for v in table if v >= COLOUR and (v & 255) == (v >> 8 & 255) == (v >> 16 & 255)]
        table |= {v & 255: table[v] for v in grey}  # a mask without a colour in it is stored as grey
        return table, tuple(names[k] for k in lesions)
    return {}, ()
