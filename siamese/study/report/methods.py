"""A paragraph for the methods of a paper: the raters there were, what was done and measured; nothing only meant."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence

from siamese.counted import counted
from siamese.study.analysis.bootstrap import DRAWS
from siamese.study.analysis.estimate import how_many, number
from siamese.study.analysis.primary import arms
from siamese.study.design import Arm, Design
from siamese.study.report.bands import HIDDEN, bands
from siamese.study.report.conduct import exclusions_in_words
from siamese.study.report.gather import Gathered
from siamese.study.report.version import code_sha256, version

TASK = {
    "P1": "one picture at a time, to be called real or synthetic, with a confidence of 1 to 10",
    "P2": "{k} pictures side by side, to be put in order, the best first (rank k is best)",
    "P3": "one picture at a time, to be graded on worded scales of five levels",
    "P4": "two pictures side by side, one of them a patient's, which had to be pointed out",
}
STATISTICS = {
    "P1": "MOS is the share of votes that called a picture real; AUC was computed from signed confidence for each "
    "rater and averaged",
    "P2": "MOS is the mean rank; the arms were compared by Friedman's test and Kendall's W over mask groups, and by "
    "Plackett-Luce strengths",
    "P3": "MOS is the mean level",
    "P4": "MOS is the share of pairs in which an arm was taken for the patient's",
}


def methods(gathered: Gathered) -> str:
    """The paragraph, and below it the fingerprints."""
    parts = (
        _task(gathered),
        _raters(gathered),
        *(_arm(gathered, arm) for arm in gathered.design.arms),
        _preparation(gathered),
        _display(gathered),
        _blinding(gathered),
        _repeats(gathered),
        " ".join(exclusions_in_words(gathered)),
        _statistics(gathered.design),
    )
    marks = (
        f"Computed by Siamese Studio {version()} (analysis code sha256 {code_sha256()[:16]}); frozen design sha256 "
        f"{gathered.study.design_sha256}; head of the chain of {counted(gathered.records, 'record')} {gathered.head}."
    )
    return " ".join(part for part in parts if part) + "\n" + marks


def protocol_in_words(design: Design) -> str:
    """What raters were shown and asked."""
    return (
        TASK[design.protocol]
        .replace("{k}", str(design.together))
        .replace("rank k", f"rank {design.together}")
    )


def left_out(arm: Arm) -> tuple[str, ...]:
    """What the preparation left out of a pool and why, without the names of files that follow the colon."""
    return tuple(words.partition(": ")[0] for words in arm.left_out)


def clock(at: int) -> str:
    """A day in UTC, of microseconds since 1970."""
    return time.strftime("%Y-%m-%d", time.gmtime(at / 1e6))


def _task(gathered: Gathered) -> str:
    design = gathered.design
    scales = ""
    if design.protocol == "P3":
        names = ", ".join(scale.name for scale in design.texts.scales)
        outlined = [scale.name for scale in design.texts.scales if scale.with_mask]
        last = f"; {', '.join(outlined)} with the outline, last and in a block of its own" if outlined else ""
        scales = f" ({names}{last})"
    told = (
        f" Raters were told: “{design.told}”."
        if design.told
        else " Raters were told nothing about the proportion."
    )
    return f"In a blind rating study (“{design.title}”) raters saw {protocol_in_words(design)}{scales}.{told}"


def _raters(gathered: Gathered) -> str:
    shown = bands(gathered.raters)
    own = [shown[rater.number] for rater in gathered.included]
    parts = []
    for name, index in (("by role", 0), ("by years", 1)):
        count = Counter(pair[index] for pair in own if pair[index] != HIDDEN)
        if count:
            parts.append(f"{name}: " + ", ".join(f"{band} ({n})" for band, n in sorted(count.items())))
    said = f" ({'; '.join(parts)})" if parts else ""
    knew = gathered.design.raters_who_know.strip()
    declared = (
        f" Organisers or pickers of pictures among the raters, as declared: {knew.rstrip('.')}."
        if knew
        else ""
    )
    return f"{how_many(len(own), 'rater').capitalize()} {'is' if len(own) == 1 else 'are'} analysed{said}.{declared}"


def _arm(gathered: Gathered, arm: Arm) -> str:
    shown = {item for vote in gathered.votes if vote.phase != "practice" for item in vote.items}
    own = [item for item in gathered.truth.items.values() if item.arm == arm.name and not item.practice]
    rated = sum(item.id in shown for item in own)
    kind = {
        "real": "pictures of patients",
        "synthetic": "synthetic pictures",
        "control": "real pictures passed through the autoencoder",
    }[arm.kind]
    pool = f" from {arm.pool.strip().rstrip('.')}" if arm.pool.strip() else ""
    size = f" (pool of {arm.pool_size:,})" if arm.pool_size else ""
    how = f"drawn by seed{pool}{size}"
    if arm.choice == "curated":
        how = f"curated by {arm.curated_by} out of {arm.curated_of:,}{pool}"
    rest = "" if rated == len(own) else f", {rated} of them rated"
    left = f"; of the pool: {'; '.join(left_out(arm))}" if arm.left_out else ""
    never = (
        f"; {counted(len(arm.without), 'picture')} never drawn for reasons written down"
        if arm.without
        else ""
    )
    return f"Arm “{arm.name}”: {len(own)} {kind}{rest}, {how}{left}{never}."


def _preparation(gathered: Gathered) -> str:
    design = gathered.design
    facts = [item.facts for item in gathered.truth.items.values() if "window" in item.facts]
    if not facts:
        return ""
    texts = sum(fact["text"] > 0 for fact in facts)
    boxes = sum(any(fact["box"]) for fact in facts)
    factors = _span(sorted(fact["factor"] for fact in facts), 2)
    jpeg = f"one JPEG round trip at quality {design.jpeg}" if design.jpeg else "no JPEG round trip"
    covered = (
        f"the corner covered in all because {counted(boxes, 'picture')} had a box there, " if boxes else ""
    )
    reasons = "; ".join(
        f"{cue.replace('_', ' ')}: {why.rstrip('.')}" for cue, why in design.cue_reasons.items()
    )
    cues = (
        f" Reasons written before lock for cues that may tell the arms apart: {reasons}." if reasons else ""
    )
    return (
        f"All {len(facts)} pictures, practice included, took one preparation: burnt-in text painted over where it was "
        f"found ({counted(texts, 'picture')}), {covered}cut to one {design.outline} field of view, resized to "
        f"{design.size} × {design.size} pixels (factor {factors}), {jpeg}, and written without metadata at one size "
        f"in bytes.{cues}"
    )


def _display(gathered: Gathered) -> str:
    votes = [vote.facts for vote in gathered.votes if gathered.counts(vote)]
    widths = sorted(r.width_cm for r in gathered.included if not math.isnan(r.width_cm))
    parts = []
    if widths:
        parts.append(
            f"Pictures were {_span(widths, 1)} cm wide on the screen, by a bank card that "
            f"{how_many(len(widths), 'rater')} held against it (planned: {gathered.design.width_cm:g} cm)."
        )
    for name, words in (
        ("factor", "They were resampled once, by the browser, by a factor of {} in CSS pixels."),
        ("dpr", "The screens had {} device pixels for a CSS pixel."),
    ):
        found = sorted({float(facts[name]) for facts in votes if name in facts})
        if found:
            parts.append(words.format(_span(found, 2)))
    return " ".join(parts)


def _span(ascending: Sequence[float], digits: int) -> str:
    """E.g. “1.20” or “1.00 to 2.00”."""
    low, high = number(ascending[0], digits), number(ascending[-1], digits)
    return low if low == high else f"{low} to {high}"


def _blinding(gathered: Gathered) -> str:
    truth, reason = gathered.truth, gathered.truth.reason.rstrip(".")
    return (
        f"Every rater had an own order, fixed in the database at lock on {clock(gathered.study.locked_at)}, in blocks "
        f"of at most {gathered.design.block} presentations; where pictures come from was stored apart from the rating "
        f"pages and opened once all rules were frozen, on {clock(truth.at)} by {truth.by} (“{reason}”)."
    )


def _repeats(gathered: Gathered) -> str:
    repeats = sum(vote.phase == "repeat" for vote in gathered.votes if gathered.counts(vote))
    practice = sum(item.practice for item in gathered.truth.items.values())
    return (
        f"{counted(repeats, 'vote')} on hidden repeats measure agreement with oneself and enter no score; "
        f"{counted(practice, 'picture')} of practice came first and count nowhere."
    )


def _statistics(design: Design) -> str:
    primary = design.primary
    first, second = arms(design)
    question = {
        "equivalence": f"equivalence of {first} and {second} within a margin of {primary.margin:g} (two one-sided "
        f"tests at {primary.alpha:g})",
        "difference": f"the difference of {first} and {second} (margin {primary.margin:g}, level {primary.alpha:g})",
        "preference": f"how often {first} is preferred to {second} (margin {primary.margin:g} around one half)",
        "description": f"the MOS of {first} with its interval",
    }[primary.kind]
    whom = "these raters alone" if primary.inference == "these" else "clinicians at large, raters drawn too"
    return (
        f"The primary question, frozen at lock: {question}; all else is exploratory. {STATISTICS[design.protocol]}. "
        f"Intervals are cluster bootstrap intervals over mask groups ({DRAWS:,} draws, expanded percentiles), for "
        f"{whom}. Pairs of arms: sign test over mask groups, Holm's correction. Agreement: Gwet's AC first."
    )
