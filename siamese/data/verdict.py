"""What the checks of all cases mean together: how masks are read, what is wrong with which case, what is doubled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from siamese.counted import counted
from siamese.data.layouts import Listing
from siamese.data.neardup import near_duplicates
from siamese.data.pixels import GREY, MaskFacts, decide, to_labels
from siamese.data.report import Duplicate, Problem, Reading, Report, Severity, SourceCase
from siamese.masks.classes import MOST

Say = Callable[[str, Sequence[str]], None]
Words = dict[str, tuple[str, str, str]]  # kind → of one, of many, and what both have in common

_LEFT_OUT: Words = {
    "unreadable picture": (
        "picture",
        "pictures",
        "cannot be read (damaged, cut short, too large or none); export again.",
    ),
    "unreadable mask": ("mask", "masks", "cannot be read (damaged, cut short or no picture); export again."),
    "size": (
        "mask has another size than its picture;",
        "masks have another size than their pictures;",
        "export both at one size.",
    ),
    "grey mask": (
        "mask is",
        "masks are",
        "grey in large parts, which is no outline; save as PNG with 0 and 255.",
    ),
    "16-bit mask": (
        "mask has",
        "masks have",
        "16-bit values that are neither labels nor black and white; save with 8 bit.",
    ),
    "unexpected labels": (
        "mask holds",
        "masks hold",
        "values that stand for no class; correct the values, or add the class to the table.",
    ),
}
_NOTES: Words = {
    "JPEG masks": (
        "mask is a JPEG file",
        "masks are JPEG files",
        "with blurred edges, cut at grey level 127.",
    ),
    "grey edges": ("mask has", "masks have", "grey edges, cut at grey level 127."),
    "empty masks": ("mask is", "masks are", "empty."),
    "16-bit pictures": ("picture has", "pictures have", "16 bit: 8 are kept."),
    "turned": (
        "picture is turned as its EXIF says;",
        "pictures are turned as their EXIF says;",
        "see that the outlines fit.",
    ),
    "turned, mask not": (
        "mask fits its picture",
        "masks fit their pictures",
        "only as stored, not as EXIF turns it: it is taken as stored.",
    ),
    "identical": ("picture is", "pictures are", "pixel for pixel the same as another; such stay together."),
    "identical, masks differ": (
        "of the identical pictures has",
        "of the identical pictures have",
        "another mask; decide for one.",
    ),
    "near-duplicates": ("picture is", "pictures are", "nearly the same as another; such stay in one split."),
}


@dataclass(frozen=True)
class Seen:
    """One case looked at: what is known of it, what its mask holds, and what is wrong."""

    case: SourceCase
    facts: MaskFacts | None = None
    wrong: str = ""
    deep: bool = False
    mask_digest: bytes = b""


def judged(
    source: Path, listing: Listing, seen: list[Seen], given: dict[int, int], names: tuple[str, ...]
) -> Report:
    """Decide how masks are read, then what is wrong with which case."""
    problems = list(listing.problems)

    def say(kind: str, stems: Sequence[str]) -> None:
        if stems:
            severity: Severity = "left out" if kind in _LEFT_OUT else "note"
            one, many, rest = (_LEFT_OUT | _NOTES)[kind]
            problems.append(Problem(kind, severity, f"{counted(len(stems), one, many)} {rest}", tuple(stems)))

    readable = [s for s in seen if s.facts is not None]
    reading, classes, unknown = Reading(), (), ""
    drawn = any(s.case.shapes for s in readable)
    if drawn:
        classes = names if len(names) > 1 else ()
    else:
        reading, classes, unknown = decide([s.facts for s in readable if s.facts], names, given)
    if unknown:
        problems.append(Problem("unknown labels", "cure", unknown, tuple(s.case.stem for s in readable)))
    if len(classes) > MOST:
        text = f"it has {len(classes)} classes; at most {MOST} are told apart. Merge some."
        problems.append(Problem("too many classes", "cure", text))
    ruled = [_with_labels(s, Reading() if drawn else reading, drawn) for s in seen]
    kinds: dict[str, list[str]] = {}
    for one in ruled:
        for kind in filter(None, one.wrong.split("; ")):
            kinds.setdefault(kind, []).append(one.case.stem)
    for kind in _LEFT_OUT:
        say(kind, kinds.get(kind, []))
    fine = [s for s in ruled if not s.case.broken and s.facts is not None]
    say("JPEG masks", [s.case.stem for s in fine if s.facts and s.facts.lossy])
    sharp = [s for s in fine if s.facts and not s.facts.lossy and not reading.table]
    say("grey edges", [s.case.stem for s in sharp if s.facts and len(s.facts.values) > 2])
    say("empty masks", [s.case.stem for s in fine if not s.case.labels])
    say("16-bit pictures", [s.case.stem for s in fine if s.deep])
    turned = [s for s in fine if s.case.turned > 1]
    say("turned", [s.case.stem for s in turned if not s.case.as_stored])
    say("turned, mask not", [s.case.stem for s in turned if s.case.as_stored])
    duplicates = _duplicates(fine, say)
    cases = tuple(s.case for s in ruled)
    return Report(
        source,
        listing.layout,
        cases,
        tuple(problems),
        classes,
        listing.group_rule,
        duplicates,
        listing.prompts,
    )


def _with_labels(seen: Seen, reading: Reading, drawn: bool) -> Seen:
    """The case with its labels as `reading` gives them, or broken where they cannot be."""
    facts, case = seen.facts, seen.case
    if facts is None:
        return seen
    wrong = ""
    if drawn:
        shares = dict(facts.values)
    elif facts.deep and not reading.table:
        wrong, shares = "16-bit mask", {}
    else:
        found, strange = to_labels(np.array(list(facts.values), np.int32)[None], reading, facts.lossy)
        shares = {}
        for label, share in zip(found[0].tolist(), facts.values.values(), strict=True):
            shares[label] = shares.get(label, 0.0) + share
        if strange or (facts.lossy and len(set(reading.table.values())) > 2):
            wrong = "unexpected labels"
        elif not reading.table and facts.grey > GREY:
            wrong = "grey mask"
    labels = tuple(sorted(label for label in shares if label))
    area = float(sum(share for label, share in shares.items() if label))
    case = replace(case, labels=labels, area=area, reading=reading, broken=case.broken or bool(wrong))
    return replace(seen, case=case, wrong=wrong)


def _duplicates(fine: list[Seen], say: Say) -> tuple[Duplicate, ...]:
    """Near-duplicates among the usable cases; identical ones are said."""
    first: dict[bytes, Seen] = {}
    same, differing = [], []
    for one in fine:
        other = first.setdefault(one.case.digest, one)
        if other is not one:
            same += [other.case.stem, one.case.stem]
            if other.mask_digest != one.mask_digest:
                differing += [other.case.stem, one.case.stem]
    say("identical", list(dict.fromkeys(same)))
    say("identical, masks differ", list(dict.fromkeys(differing)))
    small = [s.case.small for s in fine if s.case.small is not None]
    found = near_duplicates(np.stack(small)) if small else []
    pairs = tuple(Duplicate(fine[i].case.stem, fine[j].case.stem, value) for i, j, value in found)
    alike = set(same)
    near = [s for pair in pairs if not {pair.one, pair.other} <= alike for s in (pair.one, pair.other)]
    say("near-duplicates", list(dict.fromkeys(near)))
    return pairs
