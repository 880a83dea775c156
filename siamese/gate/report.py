"""What the gate found, for people and for the dataset card: gate.json and report.md of a set. No torch here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from siamese.atomic import read_capped, write_atomically
from siamese.augment.folder import GATE, SetFolder
from siamese.counted import counted
from siamese.errors import AugmentError
from siamese.gate import rules as rule
from siamese.gate.closeness import Closeness, Figure
from siamese.gate.cost import Cost, cost
from siamese.gate.rules import Rules, Standing

REPORT = "report.md"
LISTED = 500  # flagged pictures that the report lists


class Copies(BaseModel):
    """What the copy check compared and found.

    Args:
        sentences: what was compared with what, the thresholds, what was found, how many planted copies were caught.
        limits: space → threshold; held_out: real pictures that they were calibrated on.
        caught, planted: how many of the planted copies were flagged, of how many; by_kind: kind → (flagged, planted).
        flagged: pictures of the set above the threshold.
    """

    model_config = ConfigDict(frozen=True)

    sentences: tuple[str, ...] = ()
    limits: dict[str, float] = {}
    held_out: int = 0
    caught: int = 0
    planted: int = 0
    by_kind: dict[str, tuple[int, int]] = {}
    flagged: int = 0


class Outcome(BaseModel):
    """What `gate.json` holds.

    Args:
        pictures: looked at. changed: ids of those whose file is not the one that was made.
        segmenter, segmenter_sha256: the judge. size: side at which everything was measured, pixels.
        proposed: the rules that follow from the real pictures. rests: what each rests on, in words.
        rules: those in force. losses: what they cost, in words.
        copies: None: nothing was at hand to compare with.
        closeness: None: too few pictures. net_kid: KID of the set and its floor in a feature net.
        notes: sentences on what was not done.
    """

    model_config = ConfigDict(frozen=True)  # unknown keys are left out, so that a newer file can be read

    pictures: int
    segmenter: str
    segmenter_sha256: str
    size: int
    proposed: Rules
    rules: Rules
    rests: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    copies: Copies | None = None
    closeness: Closeness | None = None
    net_kid: tuple[Figure, Figure] | None = None
    notes: tuple[str, ...] = ()


def read(set: SetFolder) -> Outcome | None:
    """What the gate found; None before it has run.

    Raises:
        AugmentError: gate.json is damaged.
    """
    path = set.root / GATE
    if not path.is_file():
        return None
    try:
        return Outcome.model_validate(json.loads(read_capped(path)))
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise AugmentError(f"{path} is damaged ({reason}); run `python -m siamese gate` again.") from None


def write(set: SetFolder, outcome: Outcome) -> Outcome:
    """Write gate.json and report.md under the rules in force; returns what was written."""
    rules, scores = rule.read(set), set.scores()
    costs = cost(list(scores.values()), set.items(), rules)
    outcome = outcome.model_copy(update={"rules": rules, "losses": costs.sentences()})
    write_atomically(set.root / GATE, (outcome.model_dump_json(indent=1) + "\n").encode())
    standing = rule.standing(set, rules)
    text = in_words(outcome, costs, standing, set.head().plan.name)
    write_atomically(set.root / REPORT, text.encode())
    return outcome


def enforce(set: SetFolder, rules: Rules) -> None:
    """Put rules in force and write the report anew, where the gate has run."""
    rule.write(set, rules)
    refresh(set)


def refresh(set: SetFolder) -> None:
    """Write gate.json and report.md anew after decisions or new rules, where the gate has run."""
    outcome = read(set)
    if outcome is not None:
        write(set, outcome)


def in_words(outcome: Outcome, costs: Cost, standing: Mapping[str, Standing], name: str) -> str:
    """The report as Markdown."""
    states = Counter(one.state for one in standing.values())
    decided = sum(one.decision is not None for one in standing.values())
    blocked = sum(one.copy and one.state == "flagged" for one in standing.values())
    lines = [
        f"# Gate of {name}",
        "",
        f"{counted(outcome.pictures, 'picture')} looked at: {states['accepted']} accepted, {states['flagged']} flagged "
        f"and waiting for a person, {states['rejected']} rejected; {decided} decided by a person. Every picture is "
        "synthetic.",
    ]
    if outcome.changed:
        lines += ["", f"Not the pictures that were made, rejected: {', '.join(outcome.changed)}."]
    if blocked:
        lines += [
            "",
            f"{counted(blocked, 'picture')} flagged as copies block the export until somebody decides.",
        ]
    lines += ["", "## Copies", ""]
    if outcome.copies is None:
        lines.append("Nothing was at hand to compare with: **whether there are copies is not known.**")
    else:
        lines += [f"- {sentence}" for sentence in outcome.copies.sentences]
        if outcome.copies.by_kind:
            lines += ["", "| planted copies | flagged | planted |", "|---|---|---|"]
            lines += [f"| {kind} | {n} | {of} |" for kind, (n, of) in outcome.copies.by_kind.items()]
    lines += ["", "## What the rules cost", "", *_costs(costs), ""]
    lines += [f"- {sentence}" for sentence in (*outcome.losses, *outcome.rests)]
    lines += ["", "## How diverse, how close to real", "", *_closeness(outcome)]
    lines += ["", *[f"- {note}" for note in outcome.notes]] if outcome.notes else []
    lines += _flagged(standing)
    return "\n".join(lines) + "\n"


def _costs(costs: Cost) -> list[str]:
    titles = [group.title for group in costs.groups]
    lines = [
        "| rule | flags | rejects | " + " | ".join(titles) + " |",
        "|---|---|---|" + "---|" * len(titles),
    ]
    for one in costs.histograms:
        side = "below" if one.below else "above"
        limits = [f"{side} {limit:.3g}" if limit is not None else "never" for limit in (one.flag, one.reject)]
        cells = [f"{group.flagged + group.rejected} of {group.n}" for group in one.groups]
        lines.append(f"| {one.title} | " + " | ".join([*limits, *cells]) + " |")
    cells = [f"{group.flagged + group.rejected} of {group.n}" for group in costs.groups]
    return [*lines, "| all rules together | | | " + " | ".join(cells) + " |"]


def _closeness(outcome: Outcome) -> list[str]:
    found = outcome.closeness
    if found is None:
        return ["Too few pictures to say."]
    rows: Sequence[tuple[str, Figure | None, Figure | None]] = (
        ("SD between pictures at 32 px, grey levels", found.pixels, found.real_pixels),
        (f"mean distance between two pictures ({outcome.segmenter})", found.spread, found.real_spread),
        (f"KID against real pictures ({outcome.segmenter})", found.kid, found.floor),
        ("KID against real pictures (feature net)", *(outcome.net_kid or (None, None))),
    )
    lines = ["| | this set | real training pictures (floor) |", "|---|---|---|"]
    lines += [
        f"| {title} | {own.words()} | {real.words() if real else 'not at hand'} |"
        for title, own, real in rows
        if own is not None
    ]
    return [*lines, "", "KID: unbiased, features of norm 1, random halves; intervals: 95 %."]


def _flagged(standing: Mapping[str, Standing]) -> list[str]:
    shown = [(id, one) for id, one in sorted(standing.items()) if one.reasons or one.decision]
    if not shown:
        return []
    lines = [
        "",
        "## Flagged, rejected or decided",
        "",
        "| picture | state | why | decided |",
        "|---|---|---|---|",
    ]
    for id, one in shown[:LISTED]:
        word = f"{one.decision.word} {one.decision.reason} ({one.decision.by})" if one.decision else ""
        lines.append(f"| {id} | {one.state} | {'; '.join(one.reasons)} | {_cell(word)} |")
    if len(shown) > LISTED:
        lines.append(f"| and {len(shown) - LISTED} more | | | |")
    return lines


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
