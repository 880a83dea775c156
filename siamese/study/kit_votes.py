"""The votes file that a kit saves: read with suspicion, checked as a whole before anything of it is used."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from siamese.atomic import read_capped
from siamese.errors import StudyError
from siamese.sections import Settings
from siamese.store.records import CLIENT_ID
from siamese.study.answers import checked, known_facts
from siamese.study.design import Protocol
from siamese.study.kit_order import Tokens

WHAT = "answers of a rating kit"
FORMAT = 1
LARGEST = 8 * 2**20  # bytes; 1,000 answers have about 400 kB
LONGEST = 3000  # characters of one text in a consent or on the last page
SEAL = re.compile(rb'(.*),"checksum":"([0-9a-f]{8})"\}\s*', re.DOTALL)
AGAIN = "ask the rater to save the answers again and to send that file as it is."


class Entry(Settings):
    """One act of a rater, in the order it was done.

    Args:
        kind: what.
        id: made by the page, once for each act.
        at: microseconds since 1970 by the rater's clock.
        place: of a vote or an undo; −1 for the others.
        pictures: tokens of a vote's pictures, left to right.
        content: of a vote {"answer", "facts"}; of the others what the page asked.
    """

    model_config = ConfigDict(strict=True)

    kind: Literal["consent", "screen", "vote", "undo", "finish", "withdraw"]
    id: str = Field(pattern=CLIENT_ID.pattern, max_length=64)
    at: int = Field(gt=-(2**62), lt=2**62)
    place: int = -1
    pictures: tuple[str, ...] = ()
    content: dict[str, object] = {}


class VotesFile(Settings):
    """The content of a votes file."""

    model_config = ConfigDict(strict=True)

    what: Literal["answers of a rating kit"]
    format: int
    study: str
    design_sha256: str
    rater: int
    kit: str
    saved_at: int
    records: tuple[Entry, ...]
    checksum: str


def read_votes(path: Path) -> VotesFile:
    """The content of a votes file.

    Raises:
        StudyError: it cannot be read, is too large, another kind of file, of a newer version, or was changed.
    """
    try:
        data = read_capped(path, LARGEST)
    except OSError as error:
        raise StudyError(
            f"{path} cannot be read ({error.strerror}); name the file that the rater sent."
        ) from error
    except ValueError as error:
        raise StudyError(
            f"{path.name} has more than {LARGEST // 2**20} MB and is no votes file of a kit; {AGAIN}"
        ) from error
    if WHAT.encode() not in data[:200]:
        raise StudyError(f"{path.name} is no votes file of a kit, or its beginning is missing; {AGAIN}")
    seal = SEAL.fullmatch(data)
    if seal is None or f"{zlib.crc32(seal[1]):08x}".encode() != seal[2]:
        raise StudyError(f"{path.name} was changed or cut short on its way; {AGAIN}")
    try:
        found = json.loads(data)
        if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
            raise StudyError(f"{path.name} was saved by a kit of a newer version; update Siamese Studio.")
        return VotesFile.model_validate_json(data)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path.name} was edited: it is not what a kit writes; {AGAIN}") from error


def follow(file: VotesFile, order: tuple[Tokens, ...], protocol: Protocol) -> None:
    """Go through the acts of a file as the pages would have.

    Raises:
        StudyError: they cannot have happened so; the message begins with which one.
    """
    answered: list[bool] = [False] * len(order)
    seen: set[str] = set()
    kinds: set[str] = set()
    last = -1  # place of the vote that may be taken back
    for n, entry in enumerate(file.records, 1):
        if wrong := _wrong(entry, order, protocol, answered, kinds, last):
            raise StudyError(f"record {n} {wrong}")
        if entry.id in seen:
            raise StudyError(f"record {n} has the id of another one")
        seen.add(entry.id)
        kinds.add(entry.kind)
        if entry.kind == "vote":
            answered[entry.place], last = True, entry.place
        elif entry.kind == "undo":
            answered[entry.place], last = False, -1


def plain(content: Mapping[str, object]) -> dict[str, object]:
    """Texts, numbers and short lists of numbers of a content; the rest is dropped, for it costs no vote."""
    kept: dict[str, object] = {}
    for name, value in list(content.items())[:24]:
        if isinstance(value, str):
            kept[name[:40]] = value[:LONGEST].encode("utf-8", "replace").decode("utf-8")
        elif isinstance(value, bool) or _numbers(value):
            kept[name[:40]] = value
    return kept


def vote_content(entry: Entry, protocol: Protocol, together: int) -> dict[str, object]:
    """What is stored of a vote: the answer, and as facts what the page measured and the rater's clock.

    Raises:
        StudyError: no answer to the question.
    """
    if set(entry.content) != {"answer", "facts"} or not isinstance(entry.content["facts"], dict):
        raise StudyError("has no answer and facts")
    answer = checked(protocol, entry.content["answer"], together)  # type: ignore[arg-type]
    return {"answer": answer, "facts": {**known_facts(entry.content["facts"]), "at": entry.at}}


def _wrong(
    entry: Entry,
    order: tuple[Tokens, ...],
    protocol: Protocol,
    answered: list[bool],
    kinds: set[str],
    last: int,
) -> str:
    """What is wrong with an act after those before it; empty: nothing."""
    if "withdraw" in kinds:
        return "comes after a withdrawal"
    if entry.kind == "withdraw":
        return ""
    if "finish" in kinds:
        return "comes after the end"
    if entry.kind != "consent" and "consent" not in kinds:
        return "comes before consent"
    if entry.kind == "vote":
        return _wrong_vote(entry, order, protocol, answered)
    if entry.kind == "undo" and (entry.place < 0 or entry.place != last):
        return "takes back a vote that is not the last one"
    if entry.kind == "finish" and not all(answered):
        return "is the last page although something is not answered"
    return ""


def _wrong_vote(entry: Entry, order: tuple[Tokens, ...], protocol: Protocol, answered: list[bool]) -> str:
    if entry.place != (answered.index(False) if False in answered else -1):
        return "answers out of turn"
    shows = order[entry.place]
    if entry.pictures != shows.tokens:
        return "answers other pictures than those of its place"
    try:
        vote_content(entry, protocol, len(shows.items))
    except StudyError:
        return "is no answer to the question"
    return ""


def _numbers(value: object) -> bool:
    """A number, or a short list of them."""
    many = value if isinstance(value, list) else [value]
    known = all(isinstance(one, int | float) and not isinstance(one, bool) for one in many)
    return known and len(many) <= 16 and all(abs(one) < 1e18 and math.isfinite(one) for one in many)
