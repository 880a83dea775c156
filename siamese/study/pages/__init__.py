"""The pages that raters see, served or in a kit: scripts, style sheet, and what they know of a study."""

from __future__ import annotations

from pathlib import Path

from siamese.study.shown import Shown
from siamese.study.words import filled

FOLDER = Path(__file__).parent
STYLE = FOLDER / "rating.css"
SCRIPTS = tuple(
    FOLDER / f"{name}.js"
    for name in (
        *("base", "door", "album", "information", "fields", "screen"),
        *("answers", "levels", "item", "ends", "desk"),
    )
)


def sheet(shown: Shown, minutes: int) -> dict[str, object]:
    """All that stays the same through a study: texts in the organiser's words, sizes, choices.

    Args:
        shown: the study as its pages know it.
        minutes: that it takes, as the information sheet says them.
    """
    texts = shown.texts
    said = {
        "minutes": str(minutes),
        "organiser": shown.organiser,
        "title": shown.title,
        "contact": texts.contact,
    }
    plain = texts.model_dump(exclude={"words", "scales"})
    return {
        "title": shown.title,
        "protocol": shown.protocol,
        "size": shown.size,
        "width_cm": shown.width_cm,
        "together": shown.together,
        "told": filled(shown.told, **said),
        "organiser": shown.organiser,
        "roles": list(shown.rater_roles),
        "texts": {name: filled(text, **said) for name, text in plain.items()},
        "scales": [scale.model_dump(mode="json") for scale in texts.scales] if shown.protocol == "P3" else [],
    }
