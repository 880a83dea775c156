"""The protocol sheet: all that was decided before the first vote, for an ethics committee and for a registration."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from siamese.counted import counted
from siamese.study import power
from siamese.study.cues import MEASURES, Verdict
from siamese.study.design import Arm, Design
from siamese.study.report.version import code_sha256, version
from siamese.study.sheet_page import Part, pages
from siamese.study.spreads import Spreads
from siamese.study.truth import Item

KINDS = {
    "real": "patients'",
    "synthetic": "synthetic",
    "control": "control: real ones through the autoencoder",
}
TASK = {
    "P1": "One picture at a time: real or synthetic, with a confidence of 1 to 10.",
    "P2": "{k} pictures side by side, put in order, the best first; rank {k} is the best.",
    "P3": "One picture at a time, on scales of five worded levels, 5 the best; the real pictures are a hidden "
    "reference.",
    "P4": "Two pictures side by side, one of them a patient's: which one?",
}
BLINDING = (
    "Every picture of every arm took one preparation: burnt-in text is filled in, the longer side cut to at most "
    "1.25 times the shorter, the field of view cut so that it fills one common outline ({outline}), black outside, "
    "a corner in which any picture has a box covered in all, one resampling to {size} × {size} pixels, {jpeg}.",
    "Files have one size in pixels and bytes, no metadata, random names and one time; they are sent under one-time "
    "addresses.",
    "Where a picture comes from lies in a database of its own that the rating pages cannot read. It is opened "
    "once, by an act that is recorded, after the votes.",
    "Raters see no count of arms, no running result and no right answer; there is no going back but for ten seconds.",
    "The order of every rater was written down at lock, from a secret and the rater's number.",
)
BELOW = "The information sheet and the questions, as frozen; buttons and hints are part of the hashed design:"
PROTECTION = (
    "Raters are numbers. No name, e-mail or network address is asked for or stored, and no access log is kept; "
    "role and years of experience are asked in bands, and bands with fewer than three raters are merged in exports.",
    "A rater may withdraw at any time: the votes leave every figure and export, and their contents can be erased.",
    "Votes are append-only and chained by hashes: what was changed afterwards shows.",
)


@dataclass(frozen=True)
class Facts:
    """What the sheet is made of; `relaxed` says which rules of the orders could not be kept."""

    study: str
    id: str
    design: Design
    items: Sequence[Item]
    verdict: Verdict
    relaxed: Sequence[str]
    hashes: dict[str, str]
    by: str
    at: int


def sheet(facts: Facts) -> bytes:
    """The sheet as PDF; the same facts give the same bytes."""
    day = time.strftime("%d %B %Y, %H:%M UTC", time.gmtime(facts.at / 1e6))
    head = f"Study {facts.study}, frozen {day} by {facts.by}, Siamese Studio {version()}"
    foot = f"design sha256 {facts.hashes['design'][:16]}"
    return pages(facts.design.title, head, tuple(parts(facts)), foot)


def parts(facts: Facts) -> Iterator[Part]:
    """The sections, in order."""
    design = facts.design
    yield Part("Question", (question(design), *_primary(design)))
    yield Part("Design", tuple(_design(facts)))
    yield Part("Arms", tuple(_selection(design)), _arms(facts))
    yield Part("Size and power", tuple(_power(design)))
    yield Part("Raters", tuple(_raters(facts)))
    yield Part("Blinding", tuple(_blinding(design)))
    yield Part("Cue check", tuple(_cues(facts)), _cue_table(facts))
    yield Part("Exclusions, unfinished raters, missing votes", tuple(exclusions(design)))
    yield Part("Data protection", PROTECTION)
    told = design.told or "Nothing is said about the proportion of real pictures."
    yield Part(
        "What raters are told",
        (f"About the proportion: {told}", BELOW),
        _texts(design),
    )
    marks = {"Study": facts.id, **{f"sha256 of {name}": value for name, value in facts.hashes.items()}}
    marks |= {"Siamese Studio": version(), "sha256 of the analysis": code_sha256()}
    yield Part("Fingerprints", (), tuple(marks.items()))


def question(design: Design) -> str:
    """The primary question in a sentence."""
    primary = design.primary
    first, second = primary.first, primary.second
    return {
        "equivalence": f"Can raters tell “{first}” from “{second}” no better than chance, within a margin?",
        "difference": f"Do raters score “{first}” and “{second}” differently?",
        "preference": f"How often is “{first}” taken for the patient's picture beside the patient's own?",
        "description": f"How do raters score “{first}”?",
    }[primary.kind]


def _primary(design: Design) -> Iterator[str]:
    primary, margin = design.primary, f"{design.primary.margin:g}"
    level = 100 * (1 - primary.alpha)
    yield {
        "equivalence": "Primary endpoint: area under the curve (AUC) of signed confidence, mean over raters. "
        f"Equivalence is shown when its {100 * (1 - 2 * primary.alpha):g} % interval lies within 0.5 ± {margin} "
        f"(two one-sided tests at {primary.alpha:g}). A missing difference is not taken for equivalence.",
        "difference": "Primary endpoint: difference of the mean scores, paired within mask groups, with its "
        f"{level:g} % interval; a difference of {margin} is taken for relevant.",
        "preference": f"Primary endpoint: share of pairs in which “{primary.first}” is taken for the patient's, "
        f"with its {level:g} % interval; within 0.5 ± {margin} it counts as not told apart.",
        "description": f"Primary endpoint: mean score of “{primary.first}” with its {level:g} % interval.",
    }[primary.kind]
    yield (
        "Inference is to these raters alone: other clinicians may see it otherwise."
        if primary.inference == "these"
        else "Inference is to clinicians at large: raters are a sample, as pictures are."
    )
    yield "Everything else that is computed is exploratory and will be marked so."


def _design(facts: Facts) -> Iterator[str]:
    design, texts = facts.design, facts.design.texts
    asked = {"P1": texts.question_p1, "P2": texts.question_p2, "P4": texts.question_p4}.get(
        design.protocol, ""
    )
    yield TASK[design.protocol].replace("{k}", str(design.together)) + (
        f" The question: “{asked}”" if asked else ""
    )
    if design.protocol == "P1":
        yield "The mean opinion score (MOS) of an arm is the share of its votes that said real."
    shown = _shown(design, facts.items)
    what = "picture" if design.together == 1 else "group"
    words = f"Each rater sees {counted(shown, what)} once"
    again = (
        power.minutes(design, shown).presentations
        - power.minutes(design.model_copy(update={"repeats": 0.0}), shown).presentations
    )
    if again:
        words += (
            f", and {counted(again, 'presentation')} a second time in another block, hidden; repeats never enter a "
            "score"
        )
    yield (
        f"{words}. {counted(_shown(design, facts.items, practice=True), f'practice {what}')}, which are not among "
        "these, come first and never count."
    )
    yield (
        f"Orders: blocks of at most {design.block} presentations with equal numbers of every arm; pictures of one "
        f"mask stand in different blocks where there are enough, and at least {design.apart} presentations apart"
        + ("; left and right are balanced by Williams squares." if design.together > 1 else ".")
    )
    if facts.relaxed:
        yield "What this study was too small for: " + " ".join(facts.relaxed)
    grouping = {
        "mask": "the same mask",
        "name": "the same name",
        "none": "nothing: they are put together by the seed",
    }
    yield f"Pictures of different arms belong together by {grouping[design.grouping]}."
    yield (
        f"Pictures are {design.width_cm:g} cm wide on every screen, set against a bank card; a screen check comes "
        "first."
    )


def _selection(design: Design) -> Iterator[str]:
    for arm in design.arms:
        text = f"{arm.name}: {selection(arm)}"
        if arm.left_out:
            text += f" Of the pool: {'; '.join(words.partition(': ')[0] for words in arm.left_out)}."
        if arm.checkpoint:
            text += f" Made by {arm.checkpoint}."
        yield text


def selection(arm: Arm) -> str:
    """How an arm's pictures were chosen, a sentence."""
    pool = arm.pool.strip().rstrip(".") or "no pool is described"
    if arm.choice == "curated":
        return (
            f"curated by {arm.curated_by}, out of {arm.curated_of} ({pool}); drawn by seed from these "
            f"{arm.pool_size}."
        )
    return f"drawn by seed from {counted(arm.pool_size, 'picture')} ({pool})."


def _arms(facts: Facts) -> tuple[tuple[str, ...], ...]:
    counts = Counter((item.arm, item.practice) for item in facts.items)
    rows = [
        (arm.name, KINDS[arm.kind], str(counts[arm.name, False]), str(counts[arm.name, True]))
        for arm in facts.design.arms
    ]
    return (("Arm", "Pictures", "Shown", "Practice"), *rows)


def _power(design: Design) -> Iterator[str]:
    found = power.power(design)
    yield from found.sentences(design.raters)
    spreads = Spreads()
    yield (
        f"By simulation ({found.simulations} studies for each effect) under assumed spreads on the logit scale: "
        f"pictures {spreads.item}, raters {spreads.rater}, raters' views of an arm {spreads.rater_arm}; level "
        f"{design.primary.alpha:g}."
    )


def _raters(facts: Facts) -> Iterator[str]:
    design = facts.design
    time_taken = power.minutes(
        design, _shown(design, facts.items), _shown(design, facts.items, practice=True)
    )
    yield (
        f"{counted(design.raters, 'rater')}, each with a personal link ({', '.join(design.rater_roles)}). About "
        f"{time_taken.total:.0f} minutes in {counted(design.sittings, 'sitting')}, breaks between blocks."
    )
    yield (
        f"Organiser: {design.organiser}. Organisers or pickers of pictures among the raters: "
        f"{design.raters_who_know}."
    )
    yield "The organiser may rehearse as rater 0, who is never counted."


def _blinding(design: Design) -> Iterator[str]:
    jpeg = f"one JPEG round trip at quality {design.jpeg}" if design.jpeg else "no JPEG round trip"
    for line in BLINDING:
        yield line.format(outline=design.outline, size=design.size, jpeg=jpeg)
    if design.boxes == "leave out":
        yield "Pictures with a box in the corner were left out instead of covered."


def _cues(facts: Facts) -> Iterator[str]:
    yield (
        "How well each simple cue alone tells an arm from the real pictures: AUC, 0.5 is nothing. Below 0.3 and "
        "above 0.7 a written reason was asked for."
    )
    for cue, reason in facts.design.cue_reasons.items():
        yield f"{MEASURES.get(cue, cue)}: {reason}"


def _cue_table(facts: Facts) -> tuple[tuple[str, ...], ...]:
    strongest = facts.verdict.cues[:8]
    rows = [
        (MEASURES[c.cue], c.arm, f"{c.auc:.2f} ({c.low:.2f} to {c.high:.2f})", f"{c.real} and {c.other}")
        for c in strongest
    ]
    return (("Cue", "Arm", "AUC (95 % interval)", "Pictures"), *rows) if rows else ()


def exclusions(design: Design) -> Iterator[str]:
    """The rules set beforehand, in words."""
    rules = design.exclusions
    yield (
        f"Votes quicker than {rules.fastest:g} s are flagged; a rater with more than {100 * rules.most_quick:g} % of "
        "them is left out."
    )
    if rules.least_repeat:
        yield f"A rater whose hidden repeats agree in fewer than {100 * rules.least_repeat:g} % is left out."
    yield {
        "keep": "Raters who do not finish: what they rated is kept.",
        "leave": "Raters who do not finish are left out.",
    }[rules.unfinished]
    yield "Missing votes are not filled in; their number stands in the report. Nobody is left out by any other rule."


def _texts(design: Design) -> tuple[tuple[str, ...], ...]:
    texts = design.texts
    asked = {
        "P1": ("question_p1", "real", "synthetic", "confidence"),
        "P2": ("question_p2",),
        "P4": ("question_p4",),
    }
    names = ("information", "storage", "retention", "rights", "contact", "consent", "version")
    rows = [
        (type(texts).model_fields[n].description or n, _filled(design, getattr(texts, n)))
        for n in (*names, *asked.get(design.protocol, ()))
    ]
    if design.protocol == "P3":
        for scale in texts.scales:
            levels = "; ".join(
                f"{5 - k} {level}: {anchor}"
                for k, (level, anchor) in enumerate(zip(scale.levels, scale.anchors, strict=True))
            )
            rows.append((scale.name, f"{scale.question} {levels}"))
    rows += [
        (type(texts).model_fields[n].description or n, _filled(design, getattr(texts, n)))
        for n in ("cues", "seen_before", "comment")
    ]
    return (("Where", "Text"), *rows)


def _filled(design: Design, text: str) -> str:
    """A text as raters read it."""
    known = {"title": design.title, "organiser": design.organiser, "contact": design.texts.contact}
    for name, value in (known | {"minutes": f"{power.minutes(design).total:.0f}"}).items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _shown(design: Design, items: Sequence[Item], practice: bool = False) -> int:
    own = [item for item in items if item.practice == practice]
    return len(own) if design.together == 1 else len({item.group for item in own})
