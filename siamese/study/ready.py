"""Is a study ready to be locked? Everything that is missing, at once, each with its cure."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterator

from siamese.counted import counted
from siamese.errors import StudyError
from siamese.sections import Settings
from siamese.study import power
from siamese.study.cues import Verdict
from siamese.study.design import Design
from siamese.study.prepare import check_arms
from siamese.study.studies import Study
from siamese.study.texts import Texts
from siamese.study.truth import Prepared

PREPARES = (
    "protocol",
    "beside",
    "per_arm",
    "practice",
    "grouping",
    "size",
    "outline",
    "boxes",
    "jpeg",
    "seed",
)
FILLED = {"minutes", "organiser", "title", "contact"}  # what may stand in braces in every text
FITS = {
    "P1": ("equivalence", "difference", "description"),
    "P2": ("difference", "description"),
    "P3": ("difference", "description"),
    "P4": ("preference", "description"),
}
CLINICIANS = 5  # raters up to which nothing is said about clinicians at large


def problems(
    study: Study,
    draft: Design,
    prepared: Prepared | None,
    verdict: Verdict | None,
    rehearsal: bool = False,
) -> Iterator[str]:
    """Everything that keeps a study from being locked, a sentence each with its cure."""
    try:
        check_arms(draft)
    except StudyError as error:
        yield str(error).replace("\n  - ", " ")
        return
    if prepared is None or verdict is None:
        yield f"its pictures are not prepared; `study check {study.name}` does it."
    elif prepared_otherwise(draft, prepared.design):
        yield (
            f"the design was changed after its pictures were prepared; `study check {study.name}` prepares them "
            "again."
        )
    else:
        yield from _pictures(study, draft, prepared)
        yield from verdict.problems
        if not rehearsal:
            yield from _unexplained(draft, verdict)
    yield from _primary(draft)
    if not rehearsal:
        yield from _declarations(draft)
        yield from _texts(draft)
        if warning := power.minutes(draft).warning:
            yield warning


def prepared_otherwise(draft: Design, prepared: Design) -> bool:
    """Whether pictures were prepared for another design than the draft now is."""
    empty = {"pool_size": 0, "left_out": (), "pool": "", "curated_by": "", "curated_of": 0}
    arms = [[arm.model_copy(update=empty) for arm in design.arms] for design in (draft, prepared)]
    masks = [any(scale.with_mask for scale in design.texts.scales) for design in (draft, prepared)]
    same = all(getattr(draft, name) == getattr(prepared, name) for name in PREPARES)
    return not same or arms[0] != arms[1] or (draft.protocol == "P3" and masks[0] != masks[1])


def _pictures(study: Study, design: Design, prepared: Prepared) -> Iterator[str]:
    lost = [item.id for item in prepared.items if not (study.pictures / f"{item.id}.png").is_file()]
    if lost:
        yield f"{counted(len(lost), 'prepared picture is', 'prepared pictures are')} missing; prepare them again."
    shown = Counter(item.arm for item in prepared.items if not item.practice)
    for arm in design.arms:
        if shown[arm.name] < design.per_arm:
            yield (
                f"arm {arm.name} has {counted(shown[arm.name], 'picture')}; per_arm asks for {design.per_arm}: add "
                "pictures or lower it."
            )
    practice = [item for item in prepared.items if item.practice]
    count = len(practice) if design.together == 1 else len({item.group for item in practice})
    if count < design.practice:
        yield (
            f"{counted(count, 'presentation is', 'presentations are')} there for practice, {design.practice} asked "
            "for: lower `practice`, or `per_arm`."
        )
    if design.protocol == "P3" and any(scale.with_mask for scale in design.texts.scales):
        bare = [item.id for item in prepared.items if not (study.masks / f"{item.id}.png").is_file()]
        if bare:
            yield (
                f"{counted(len(bare), 'picture has', 'pictures have')} no mask for the scale with the outline; add "
                "masks, or remove that scale."
            )


def _unexplained(design: Design, verdict: Verdict) -> Iterator[str]:
    for cue in verdict.unexplained(design.cue_reasons):
        yield (
            f"{cue.sentence()} tells them apart; change the pictures, or write into `cue_reasons` under {cue.cue} "
            "why the study goes on."
        )


def _primary(design: Design) -> Iterator[str]:
    primary, names = design.primary, [arm.name for arm in design.arms]
    for name in filter(None, (primary.first, primary.second)):
        if name not in names:
            yield f"the primary question names {name}, which is no arm; choose one of {', '.join(names)}."
    if primary.first and primary.first == primary.second:
        yield "the primary question compares an arm with itself; name another one."
    if primary.kind not in FITS[design.protocol]:
        yield (
            f"{design.protocol} cannot answer a question of the kind {primary.kind}; choose one of "
            f"{', '.join(FITS[design.protocol])}."
        )
    if primary.kind in ("equivalence", "preference") and primary.margin >= 0.5:
        yield f"a margin of {primary.margin:g} takes everything for equal; choose one below 0.5, e.g. 0.1."
    if primary.inference == "all" and design.raters <= CLINICIANS:
        yield (
            f"{counted(design.raters, 'rater')} cannot stand for clinicians at large; ask more than {CLINICIANS}, or "
            'set inference = "these".'
        )


def _declarations(design: Design) -> Iterator[str]:
    if not design.organiser.strip():
        yield "`organiser` is empty; say who runs the study."
    if not design.raters_who_know.strip():
        yield (
            "`raters_who_know` is empty: declare whether the organiser, or who picked the pictures, is among the "
            "raters; "
            '"none", or who and why.'
        )
    for arm in design.arms:
        if not arm.pool.strip():
            also = ", and that no generator of the study was trained on them" if arm.kind == "real" else ""
            yield f"arm {arm.name}: `pool` is empty; say what its pictures are{also}."


def _texts(design: Design) -> Iterator[str]:
    texts = design.texts
    others = {"question_p1", "real", "synthetic", "confidence", "question_p2", "question_p4", "scales"}
    own = {
        "P1": {"question_p1", "real", "synthetic", "confidence"},
        "P2": {"question_p2"},
        "P3": {"scales"},
        "P4": {"question_p4"},
    }
    skipped = others - own[design.protocol]
    for name, text, usual in _every(texts, Texts(), "texts"):
        first = name.split(".")[1]
        if first in skipped or ".anchors" in name:
            continue
        if not text.strip() and (usual.strip() or first == "contact"):
            yield f"{name} is empty; write it."
        strange = _braces(text) - _braces(usual) - FILLED
        if strange:
            yield f"{name} has {{{sorted(strange)[0]}}}, which nothing fills in; mend it."


def _every(texts: Settings, usual: Settings, path: str) -> Iterator[tuple[str, str, str]]:
    """Name, text and default of every text, however deep."""
    for name in type(texts).model_fields:
        value, other = getattr(texts, name), getattr(usual, name, "")
        inner = f"{path}.{name}"
        if isinstance(value, Settings):
            yield from _every(value, other if isinstance(other, Settings) else value, inner)
        elif isinstance(value, str):
            yield inner, value, other if isinstance(other, str) else ""
        elif isinstance(value, tuple):
            for k, one in enumerate(value):
                if isinstance(one, Settings):
                    yield from ((name, text, "-") for name, text, _ in _every(one, one, f"{inner}[{k}]"))
                elif isinstance(one, str):
                    yield f"{inner}[{k}]", one, "-"


def _braces(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return {text[:20]}
