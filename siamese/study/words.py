"""The short words of the rating pages: buttons, hints and messages. Editable in any language like every other text."""

from __future__ import annotations

from pydantic import Field

from siamese.sections import Settings
from siamese.study.kit_words import KitWords


class Words(Settings):
    """`{…}` is filled in by the page."""

    opening: str = Field("Opening…", description="until the first answer of the server")
    unreachable: str = Field(
        "The server cannot be reached. Trying again; leave this page open.", description="status"
    )
    link_title: str = Field("This link does not open", description="page for unknown and revoked links")
    link_missing: str = Field(
        "Open the whole personal link you were sent.", description="an address without its secret"
    )
    saving: str = Field("Saving…", description="status")
    saved: str = Field("Saved", description="status, with the answer behind it")
    not_saved: str = Field("Not saved yet. Trying again; leave this page open.", description="status")
    elsewhere: str = Field(
        "Answered before, in another tab or on another device. That answer stands", description="status"
    )
    undo: str = Field("Undo (Z), {seconds} s", description="button")
    undone: str = Field("Taken back. Please answer again.", description="status")
    progress: str = Field("{done} of {total}", description="at the top")
    minutes_left: str = Field("about {minutes} min left", description="at the top")
    run_by: str = Field("Run by", description="information sheet")
    contact: str = Field("Contact", description="information sheet")
    told: str = Field("About the proportion", description="information sheet: before what raters are told")
    sheet_version: str = Field("Version {version} of this sheet", description="information sheet")
    role: str = Field("Your role", description="information sheet")
    years: str = Field("Your years in this work", description="information sheet")
    year_bands: tuple[str, ...] = Field(
        ("0 to 4", "5 to 9", "10 to 19", "20 or more"), min_length=1, description="years"
    )
    no_answer: str = Field("No answer", description="last choice of role and years")
    choose_first: str = Field(
        "Please choose in each list first.", description="beside a button that needs choices"
    )
    screen_title: str = Field("Your screen, step {step} of {steps}", description="screen check")
    screen_before: str = Field(
        "Dim the room, avoid reflections, set the zoom of the browser to 100 % (Ctrl and 0).",
        description="screen check",
    )
    screen_dark: str = Field(
        "How many squares do you see in this dark field?", description="screen check: dark greys"
    )
    screen_light: str = Field(
        "How many squares do you see in this light field?", description="screen check: light greys"
    )
    screen_red: str = Field(
        "How many squares do you see in this red field?", description="screen check: reds"
    )
    screen_keys: str = Field("Press the number, or click it.", description="screen check")
    screen_card: str = Field(
        "Hold a bank card against the screen and make this frame exactly as large: arrow keys, the slider, or the "
        "buttons.",
        description="screen check",
    )
    smaller: str = Field("Smaller", description="screen check")
    larger: str = Field("Larger", description="screen check")
    card_fits: str = Field("It fits (Enter)", description="screen check")
    pinched: str = Field(
        "The page is zoomed in by {percent} %. Set it back first.", description="screen check"
    )
    too_small: str = Field(
        "Pictures are {wanted} cm wide in this study; {fits} cm fit into this window. Enlarge it (F11), or take a "
        "larger screen.",
        description="screen check",
    )
    screen_again: str = Field("Check the screen again", description="at the foot")
    screen_changed: str = Field("Zoom or screen changed since the check.", description="above the pictures")
    keys_p1: str = Field("Keys: R or S, then 1 to 9, 0 for 10", description="P1")
    keys_p2: str = Field(
        "Keys: 1 to {count}. Again, or Backspace: take back. The last one saves.", description="P2"
    )
    keys_p3: str = Field("Keys: 5 to 1", description="P3")
    keys_p4: str = Field("Keys: 1 or 2, or ← and →", description="P4")
    outline: str = Field("Outline on or off (O)", description="P3, scales with an outline")
    picture: str = Field("Picture {number}", description="for screen readers; nothing of what is in it")
    picture_lost: str = Field("The picture did not arrive. Trying again.", description="status")
    go_on: str = Field("Go on (Enter)", description="button")
    finish_title: str = Field("Last page", description="title")
    seen_choices: tuple[str, str, str] = Field(
        ("Yes", "No", "Not sure"), description="answers to `seen_before`"
    )
    no_names: str = Field("No names, please.", description="beside the texts of the last page")
    send: str = Field("Send", description="button of the last page")
    result_title: str = Field("Your result", description="after unblinding")
    withdraw: str = Field("Withdraw", description="at the foot")
    withdraw_ask: str = Field(
        "Withdraw from this study? All your answers leave every figure and every export. This cannot be undone.",
        description="question",
    )
    withdraw_yes: str = Field("Yes, withdraw", description="button")
    withdraw_no: str = Field("No, stay", description="button")
    withdrawn: str = Field(
        "You have withdrawn. Your answers are in no figure and no export; you may close this page.",
        description="page",
    )
    kit: KitWords = KitWords()


def filled(text: str, **values: str) -> str:
    """A text with each `{name}` replaced; braces of other names stay as the organiser wrote them."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text
