"""The short words that only kits have, editable in any language like every other text."""

from __future__ import annotations

from pydantic import Field

from siamese.sections import Settings


class KitWords(Settings):
    """`{…}` is filled in by the page."""

    about: str = Field(
        "This page is a file: it works without Internet and sends nothing. Your answers stay in this browser on this "
        "computer until you save them as a file and send that to whoever gave you this one. Leave this file in its "
        "place, and open it in no private window; you can close it at any time and open it again to go on. Where a "
        "link is spoken of, this file is meant.",
        description="information sheet",
    )
    go_on_about: str = Field(
        "Did you begin elsewhere, and save your answers there? Then go on from that file.",
        description="information sheet",
    )
    go_on: str = Field("Choose the file of answers…", description="button")
    refused: str = Field(
        "This browser keeps nothing (a private window, or storage is switched off). You can answer all the same, but "
        "save your answers as a file before you close this page; later go on from that file.",
        description="warning",
    )
    held: str = Field(
        "But in this page only: save your answers as a file before you close it.",
        description="status, behind saved",
    )
    kept: str = Field("Your answers are kept in this browser.", description="at the foot")
    save: str = Field("Save my answers as a file", description="button")
    filed: str = Field(
        "Saved as {name}, where this browser keeps downloads. Send that file to whoever gave you this one.",
        description="status",
    )
    step_title: str = Field("One step is left", description="last page")
    step: str = Field(
        "Your answers are in this browser alone. Save them as a file and send it to whoever gave you this one.",
        description="last page",
    )
    finish: str = Field("Finish", description="button of the last page")
    gone: str = Field(
        "You have withdrawn, and your answers were deleted from this browser. If you have sent a file before, or are "
        "not sure, save this one too and send it: only then are your answers taken out there as well.",
        description="page after withdrawing",
    )
    save_withdrawal: str = Field("Save my withdrawal as a file", description="button")
    not_answers: str = Field(
        "{name} is no file of answers, or was changed on its way; choose the one that you saved.",
        description="status",
    )
    other_kit: str = Field("{name} belongs to another person or another study.", description="status")
    twice: str = Field(
        "This file is open in another tab or window. Go on there, or close it: then it opens here.",
        description="page",
    )
