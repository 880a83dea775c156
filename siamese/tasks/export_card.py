"""What card and Croissant head of an export say, gathered from the set, the gate's report and the checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from siamese.atomic import read_capped
from siamese.augment.folder import Head, SetFolder
from siamese.counted import counted
from siamese.data import seen
from siamese.errors import CheckpointError
from siamese.export import card, croissant
from siamese.export.manifest import Row
from siamese.export.pairs import Written
from siamese.gate import report
from siamese.gate.cost import cost
from siamese.gate.report import Outcome
from siamese.gate.rules import Standing
from siamese.gate.rules import read as read_rules
from siamese.shipped import find
from siamese.study.report.version import version

if TYPE_CHECKING:
    from siamese.tasks.export import ExportRequest

CARD = "card.md"
NOT_COMPARED = "Not compared: whether there are copies of training pictures in this set is not known."


def about(
    request: ExportRequest,
    title: str,
    set: SetFolder,
    head: Head,
    rows: Sequence[Row],
    written: Mapping[str, Written],
    standing: Mapping[str, Standing],
    notes: Sequence[str],
    leaks: Sequence[str],
) -> card.About:
    """Everything that the card says."""
    outcome = report.read(set)
    return card.About(
        title=title,
        counts={
            split: tuple(sum(r.split == split and r.synthetic == kind for r in rows) for kind in (False, True))
            for split in ("train", "val", "test")
        },
        sources=_sources(rows, dict(request.licences)),
        generators=[_generator(one.where, one.name, one.sha256) for one in head.checkpoints],
        masks=_masks(head, rows),
        gate=_losses(set, standing, rows),
        copies=_copies(outcome),
        closeness=_closeness(outcome),
        rating=_rating(rows),
        leaks=leaks,
        layouts={name: one.notes for name, one in written.items()},
        lists=" ".join(notes),
        licence=request.licence,
        consent=request.consent,
        contact=request.contact,
        version=version(),
    )


def compared(set: SetFolder) -> bool:
    """Has the gate looked for copies of training pictures?"""
    outcome = report.read(set)
    return outcome is not None and outcome.copies is not None


def head_of(about: card.About, published: str) -> croissant.About:
    """The Croissant head of the same facts."""
    synthetic = sum(one[1] for one in about.counts.values())
    unknown = card.UNKNOWN
    rai = {
        "dataCollection": [
            "Synthetic pictures were sampled by a diffusion model on masks, by "
            + ", ".join(f"{one.name} (sha256 {one.sha256})" for one in about.generators)
            + "; real pictures, where there are any, come from: "
            + (", ".join(about.sources) or "none")
            + "."
        ],
        "dataCollectionType": ["Software Collection", "Others"],
        "dataUseCases": [card.USE],
        "dataLimitations": [
            "Shares of findings follow the chosen masks, not how often something occurs.",
            *(f"{one.name}: {' '.join(one.limits.split()) or unknown}" for one in about.generators),
        ],
        "dataBiases": [f"Those of the training pictures of {one.name}." for one in about.generators],
        "dataPreprocessingProtocol": list(about.masks),
        "dataAnnotationProtocol": [
            "A synthetic picture's mask was there first, and the picture was made on it; the masks of real pictures "
            "are those of their datasets."
        ],
        "personalSensitiveInformation": [
            "Real pictures show patients." if any(one[0] for one in about.counts.values()) else "No real picture.",
            f"Basis of consent: {about.consent or unknown}.",
            *about.copies,
        ],
    }
    text = f"{counted(synthetic, 'synthetic picture')} with masks for segmentation. {card.USE}"
    licence = about.licence or unknown
    return croissant.About(about.title, text, licence, rai, about.version, about.contact, published)


def _sources(rows: Sequence[Row], licences: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    counts = Counter(row.dataset or str(row.mask.get("kind", "")) for row in rows)
    return {name or "own": (count, licences.get(name, "")) for name, count in sorted(counts.items())}


def _generator(where: str, name: str, sha256: str) -> card.Generator:
    try:
        folder = find(where)
        trained = seen.read(folder)
    except CheckpointError:
        return card.Generator(name, sha256, None)
    try:
        text = read_capped(folder / CARD).decode("utf-8", "replace")
    except (OSError, ValueError):
        text = ""
    data = card.section(text, "Data and licences", "Data")
    limits = card.section(text, "What does not hold", "Limits")
    return card.Generator(name, sha256, None if trained.unknown else len(trained), data, limits)


def _masks(head: Head, rows: Sequence[Row]) -> list[str]:
    masks = head.plan.masks
    from_ = {
        "dataset": f"the training split of {', '.join(sorted({row.dataset for row in rows if row.synthetic}))}",
        "library": "outlines saved in the studio",
        "folder": "a folder of masks",
        "examples": "the example outlines of Siamese Studio",
    }[masks.source]
    said = [f"{counted(head.masks, 'mask')} from {from_}; {counted(head.items, 'picture')} were made on them."]
    if masks.mode == "random":
        ranges = masks.random
        said.append(
            f"Transformed: scaled by {ranges.scale[0]:g} to {ranges.scale[1]:g}, moved by up to {ranges.move:g} of the "
            f"side, turned by up to {ranges.rotate:g}°, {'half of them mirrored, ' if ranges.flip else ''}warped by up "
            f"to {ranges.elastic:g} of the side; {ranges.morph:.0%} went part of the way to another case's mask first."
        )
    else:
        said.append("Used as they are.")
    if head.redrawn:
        drawn = ", ".join(f"{why}: {count}" for why, count in sorted(head.redrawn.items()))
        said.append(f"Drawn again because they no longer looked like the set's: {drawn}.")
    empty = sum(row.synthetic and not row.area for row in rows)
    if empty:
        said.append(f"{counted(empty, 'mask is', 'masks are')} empty: no lesion.")
    return [*said, *head.notes]


def _losses(set: SetFolder, standing: Mapping[str, Standing], rows: Sequence[Row]) -> list[str]:
    states = Counter(one.state for one in standing.values())
    decided = Counter(one.decision.word for one in standing.values() if one.decision)
    left = sum(row.synthetic for row in rows)
    said = [
        f"Of {counted(len(standing), 'picture')} made, {left} stand here; {states['rejected']} were rejected, "
        f"{states['flagged']} were flagged and nobody decided on them.",
        f"People accepted {decided['accept']} and rejected {decided['reject']} flagged ones.",
    ]
    scores = set.scores()
    rules = read_rules(set)
    said += cost(list(scores.values()), set.items(), rules).sentences()
    words = [one.decision for one in standing.values() if one.decision and one.decision.word == "reject"]
    reasons = sorted(Counter(word.reason for word in words if word.reason).items())
    if reasons:
        said.append("Why people rejected: " + ", ".join(f"{why}: {n}" for why, n in reasons) + ".")
    copies = sum(one.copy and one.state == "accepted" for one in standing.values())
    if copies:
        said.append(f"{counted(copies, 'possible copy stands', 'possible copies stand')} here, accepted by a person.")
    return said


def _rating(rows: Sequence[Row]) -> str:
    shares = [row.gate["scores"].get("rating") for row in rows if row.synthetic]
    rated = [share for share in shares if share is not None]
    if not rated:
        return ""
    mean = sum(rated) / len(rated)
    return f"{len(rated)} of {len(shares)} synthetic pictures were rated; on average {mean:.0%} took one for real."


def _copies(outcome: Outcome | None) -> list[str]:
    if outcome is None or outcome.copies is None:
        return [NOT_COMPARED]
    found = outcome.copies
    kinds = ", ".join(f"{kind}: {caught} of {planted}" for kind, (caught, planted) in found.by_kind.items())
    return [*found.sentences, *([f"Planted copies caught, by kind: {kinds}."] if kinds else [])]


def _closeness(outcome: Outcome | None) -> list[str]:
    found = outcome.closeness if outcome else None
    if outcome is None or found is None:
        return []
    told = (
        ("SD between pictures at 32 px, grey levels", found.pixels, found.real_pixels),
        (f"Mean distance between two pictures ({outcome.segmenter})", found.spread, found.real_spread),
        (f"KID against real pictures ({outcome.segmenter})", found.kid, found.floor),
    )
    return [
        f"{title}: {own.words()}; real against real: {real.words() if real else 'not at hand'}."
        for title, own, real in told
        if own is not None
    ]
