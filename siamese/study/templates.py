"""Designs to begin with, complete with every text but the contact: who runs a study must be written by whoever does."""

from __future__ import annotations

from dataclasses import dataclass

from siamese.errors import StudyError
from siamese.study.design import Arm, Design, Exclusions, Primary
from siamese.study.texts import Texts


@dataclass(frozen=True)
class Template:
    """A design without arms; `about` is what it answers and takes, in a sentence or two."""

    key: str
    about: str
    design: Design

    def fill(self, arms: tuple[Arm, ...], **settings: object) -> Design:
        """The design with arms, and other settings where they are given.

        Raises:
            ValueError: (pydantic) a setting that does not fit.
        """
        beside = max(2, min(len(arms), 4)) if self.design.protocol == "P2" else self.design.beside
        return Design.model_validate(self.design.model_dump() | {"arms": arms, "beside": beside} | settings)


def template(key: str) -> Template:
    """A template by its key.

    Raises:
        StudyError: none of that name; the message has those there are.
    """
    if key not in TEMPLATES:
        raise StudyError(f"There is no template {key!r}; choose one of: {', '.join(TEMPLATES)}.")
    return TEMPLATES[key]


_SAID = "Both kinds occur; nothing is said about how many there are of each."
_ENDOSCOPY = (
    "You will see {{count}} from colonoscopy. {{kinds}} We want to know whether pictures made by a computer can be "
    "told from patients'. It takes about {minutes} minutes, breaks included; you may stop at any time and go on "
    "later with the same link. There is no going back to an earlier picture, and you will not be told whether you "
    "were right before the study has ended."
)


def _information(count: str, kinds: str) -> str:
    return _ENDOSCOPY.replace("{{count}}", count).replace("{{kinds}}", kinds)


BELIEVABLE = Template(
    "believable",
    "Are they believable? 50 real and 50 synthetic pictures, one at a time: real or synthetic, and how sure. Under "
    "20 minutes a rater.",
    Design(
        title="Are they believable?",
        protocol="P1",
        per_arm=50,
        raters=5,
        told=_SAID,
        primary=Primary(kind="equivalence", margin=0.1),
        texts=Texts(
            information=_information(
                "pictures",
                "Some were taken from patients, some were made by a computer; you say which, and how sure you are.",
            )
        ),
    ),
)
WHICH = Template(
    "which",
    "Which of two? 50 pairs of a patient's and a synthetic picture of the same outline: which one is the "
    "patient's? The quickest way to compare two; about 10 minutes a rater.",
    Design(
        title="Which of two?",
        protocol="P4",
        per_arm=50,
        raters=5,
        primary=Primary(kind="preference", margin=0.1),
        texts=Texts(
            information=_information(
                "pairs of pictures",
                "One of each pair was taken from a patient, the other was made by a computer; you say which is the "
                "patient's.",
            )
        ),
    ),
)
PAPER_POLYP = Template(
    "paper-polyp",
    "The paper's first study: 50 masks, each synthesized by every method, and real pictures; 3 raters say real or "
    "synthetic with a confidence of 1 to 10. At this size the best methods cannot be told apart; more raters and "
    "pictures can.",
    Design(
        title="Polyps: real or synthetic?",
        protocol="P1",
        per_arm=50,
        raters=3,
        sittings=2,
        told=_SAID,
        primary=Primary(kind="difference", margin=0.1),
        exclusions=Exclusions(most_quick=1.0),
        texts=Texts(
            information=_information(
                "pictures",
                "Some were taken from patients, some were made by computers in several ways; you say which, and "
                "how sure you are from 1 to 10.",
            )
        ),
    ),
)
PAPER_RANKS = Template(
    "paper-ranks",
    "The paper's second study: pictures of three methods side by side, 50 masks, 3 raters; ranks 1 to 3, 3 is the "
    "best.",
    Design(
        title="Skin lesions: which looks most real?",
        protocol="P2",
        per_arm=50,
        beside=3,
        raters=3,
        outline="square",
        primary=Primary(kind="difference", margin=0.25),
        exclusions=Exclusions(most_quick=1.0),
        texts=Texts(
            information=(
                "You will see pictures of skin lesions, three side by side, made by computers in several ways from "
                "the same outline. You put them in order, the most real first. It takes about {minutes} minutes, "
                "breaks included; you may stop at any time and go on later with the same link. There is no going "
                "back to an earlier presentation."
            )
        ),
    ),
)
TEMPLATES: dict[str, Template] = {one.key: one for one in (BELIEVABLE, WHICH, PAPER_POLYP, PAPER_RANKS)}
