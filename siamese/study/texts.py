"""Every text a rater reads: editable in any language, frozen at lock. The defaults are English."""

from __future__ import annotations

from pydantic import Field

from siamese.sections import Settings
from siamese.study.words import Words


class Scale(Settings):
    """A named scale of P3 with five worded levels, best first, each with an anchor."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,38}$", description="in files")
    name: str = Field(description="shown")
    question: str = Field(description="shown above the levels")
    levels: tuple[str, str, str, str, str] = Field(
        ("Excellent", "Good", "Fair", "Poor", "Bad"), description="5 to 1; ITU-T P.910"
    )
    anchors: tuple[str, str, str, str, str] = Field(("",) * 5, description="what each level means, 5 to 1")
    with_mask: bool = Field(
        False, description="shown with the outline; such scales come last, in a block of their own"
    )


SCALES = (
    Scale(
        key="realism",
        name="Realism",
        question="How much does this look like a picture from a real examination?",
        anchors=(
            "As in my daily work; nothing catches the eye.",
            "Something small is unusual, as it happens in real pictures.",
            "Odd in places; I would look twice.",
            "Clearly odd; hardly from an examination.",
            "Impossible in a patient.",
        ),
    ),
    Scale(
        key="anatomy",
        name="Anatomy",
        question="How plausible are lesion, folds and vessels?",
        anchors=(
            "Lesion, folds and vessels as in a patient.",
            "Plausible, with a small oddity.",
            "Partly plausible.",
            "Several structures that do not occur so.",
            "Structures that cannot exist.",
        ),
    ),
    Scale(
        key="mask_fit",
        name="Fit to the outline",
        question="How well does the lesion fill the outline?",
        with_mask=True,
        anchors=(
            "The border of the lesion is the outline.",
            "Small parts differ.",
            "About three quarters agree.",
            "About half agrees.",
            "The lesion lies elsewhere, or there is none.",
        ),
    ),
)


class Texts(Settings):
    """All texts of the rating pages. `{minutes}`, `{organiser}`, `{title}` and `{contact}` are filled in."""

    language: str = Field(
        "en", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="of the pages (BCP 47)"
    )
    information: str = Field(
        "You will see pictures from colonoscopy, some taken from patients and some made by a computer, and say "
        "what you think of each. It takes about {minutes} minutes; you may stop at any time and go on later with the same link.",
        description="information sheet: purpose and minutes",
    )
    storage: str = Field(
        "We store your answers, how long each took, the size of your screen, your role and your years in bands. We "
        "store no name, no e-mail address and no network address. Your link is personal: keep it until the study has ended.",
        description="information sheet: what is stored",
    )
    retention: str = Field(
        "The answers are kept for ten years, as good scientific practice asks, and published without any personal "
        "detail.",
        description="information sheet: where and how long",
    )
    rights: str = Field(
        "You may withdraw at any time, without a reason, at the foot of each page: your answers then leave every figure "
        "and every export, and their contents are erased on request.",
        description="information sheet: withdrawing",
    )
    contact: str = Field("", description="information sheet: whom to ask")
    consent: str = Field("I have read this and take part.", description="the button")
    version: str = Field("1", description="of the information sheet; stored with every consent")
    question_p1: str = Field(
        "Is this a picture of a patient, or was it made by a computer?", description="P1"
    )
    real: str = Field("Real", description="P1, key R")
    synthetic: str = Field("Synthetic", description="P1, key S")
    confidence: str = Field("How sure are you? 1 guessed, 10 certain", description="P1, keys 1 to 9, 0 = 10")
    question_p2: str = Field("Which looks most real? Click the best first, then the next.", description="P2")
    question_p4: str = Field("Which one is the patient's?", description="P4")
    scales: tuple[Scale, ...] = Field(SCALES, min_length=1, description="P3")
    practice: str = Field("Practice: these do not count.", description="above practice presentations")
    pause: str = Field("Time for a short break. Everything is saved.", description="between blocks")
    cues: str = Field("What made you decide? Name what gave pictures away.", description="last page")
    seen_before: str = Field("Had you seen any of these pictures before?", description="last page")
    comment: str = Field("Anything else?", description="last page")
    thanks: str = Field(
        "Thank you. All your answers are saved; you may close this page.", description="last page"
    )
    words: Words = Words()
