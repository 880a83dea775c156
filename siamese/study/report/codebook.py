"""What every column of an export means, for programs and in words."""

from __future__ import annotations

from collections.abc import Sequence

HEAD = ("file", "column", "type", "values", "meaning")
ROWS = (
    ("votes.csv", "vote", "text", "rater-place", "one answer; P2 and P4 have one row for each picture of it"),
    ("votes.csv", "rater", "integer", "1, 2, …", "number of the rater; nothing leads from it to a person"),
    ("votes.csv", "role", "text", "a band", "role; roles that fewer than 3 raters share are merged"),
    ("votes.csv", "years", "text", "a band", "years in the work, where at least 3 raters of the role share them"),
    ("votes.csv", "counted", "integer", "0, 1", "1: in the scores; 0: hidden repeat, rater left out, or late"),
    ("votes.csv", "place", "integer", "0, 1, …", "place in the rater's order, practice included"),
    ("votes.csv", "block", "integer", "0, 1, …", "a break stands between blocks"),
    ("votes.csv", "phase", "text", "main, fit, repeat", "fit: scales with an outline; repeat: shown again, hidden"),
    ("votes.csv", "question", "text", "key of a scale", "P3: the scale; else empty"),
    ("votes.csv", "repeats", "integer", "a place", "phase repeat: the place that is repeated; else empty"),
    ("votes.csv", "picture", "text", "32 hexadecimal", "neutral name of the picture, drawn at random"),
    ("votes.csv", "case", "integer", "1, 2, …", "the same as a number, as in the iMRMC files"),
    ("votes.csv", "group", "text", "g0001, …", "pictures that belong together (one mask) share it"),
    ("votes.csv", "arm", "text", "name", "where the picture comes from"),
    ("votes.csv", "kind", "text", "real, synthetic, control", "control: a real picture through the autoencoder"),
    ("votes.csv", "position", "integer", "0, 1, …", "on the screen from left to right"),
    ("votes.csv", "value", "number", "by protocol", "P1 signed confidence, + real; P2 rank; P3 level; P4 0 or 1"),
    ("votes.csv", "voted", "text", "real, synthetic", "P1; else empty"),
    ("votes.csv", "confidence", "integer", "1 to 10", "P1; 1 guessed, 10 certain; else empty"),
    ("votes.csv", "rank", "integer", "1 to k", "P2; k pictures side by side, k is best; else empty"),
    ("votes.csv", "level", "integer", "1 to 5", "P3; 5 is best; else empty"),
    ("votes.csv", "patients", "integer", "0, 1", "P4; 1: taken for the patient's; else empty"),
    ("votes.csv", "seconds", "number", "≥ 0", "from the picture on the screen to the answer, page hidden left out"),
    ("votes.csv", "hidden_seconds", "number", "≥ 0", "how long the page was hidden meanwhile"),
    ("votes.csv", "since_first", "number", "seconds", "from the rater's first answer to this one"),
    ("votes.csv", "css_width", "number", "CSS pixels", "width of the picture on the screen"),
    ("votes.csv", "css_height", "number", "CSS pixels", "height of it"),
    ("votes.csv", "factor", "number", "> 0", "CSS pixels for a pixel of the picture"),
    ("votes.csv", "pixel_ratio", "number", "> 0", "pixels of the screen for a CSS pixel"),
    ("votes.csv", "revision", "integer", "1, 2, …", "above 1: an earlier answer was taken back within ten seconds"),
    ("votes.csv", "late", "integer", "0, 1", "1: stored after unblinding, in no figure"),
    ("raters.csv", "rater", "integer", "1, 2, …", "raters who began and did not withdraw"),
    ("raters.csv", "role", "text", "a band", "as in votes.csv"),
    ("raters.csv", "years", "text", "a band", "as in votes.csv"),
    ("raters.csv", "answered", "integer", "≥ 0", "answers that enter a score"),
    ("raters.csv", "expected", "integer", "≥ 0", "as many were asked for"),
    ("raters.csv", "included", "integer", "0, 1", "0: left out by a rule of the frozen design"),
    ("raters.csv", "left_out", "text", "", "by which rule; else empty"),
    ("raters.csv", "quick", "integer", "≥ 0", "answers faster than the design's limit"),
    ("raters.csv", "timed", "integer", "≥ 0", "answers whose time is known"),
    ("raters.csv", "steady", "number", "0 to 1", "share of pictures that got the same answer on a hidden repeat"),
    ("raters.csv", "repeated", "integer", "≥ 0", "hidden repeats answered"),
    ("raters.csv", "width_cm", "number", "cm", "median width of a picture on the screen; empty: not measured"),
    ("raters.csv", "dark", "integer", "≥ 0", "screen check: squares counted in the dark field"),
    ("raters.csv", "light", "integer", "≥ 0", "screen check: squares counted in the light field"),
    ("raters.csv", "red", "integer", "≥ 0", "screen check: squares counted in the red field"),
    ("raters.csv", "zoom", "number", "1: none", "screen check: zoom of the page by pinching"),
    ("remarks.csv", "rater", "integer", "1, 2, …", "raters who wrote something on the last page"),
    ("remarks.csv", "cues", "text", "", "what made them decide; a ' keeps spreadsheets from computing"),
    ("remarks.csv", "seen_before", "text", "", "whether they had seen any of the pictures before"),
    ("remarks.csv", "comment", "text", "", "anything else"),
)  # fmt: skip


def names(file: str) -> tuple[str, ...]:
    """The columns of a file, in order."""
    return tuple(row[1] for row in ROWS if row[0] == file)


def in_words(title: str, about: str, marks: Sequence[tuple[str, str]]) -> str:
    """The codebook for people, Markdown."""
    lines = [
        f"# {title}: votes",
        "",
        about,
        "",
        "Raters who withdrew are in none of these files; neither is practice, nor the organiser's rehearsal. Arms",
        "have names; pictures have neutral names that lead to no file. An empty cell means: not asked, or not known.",
        "",
        "- `votes.csv`: one row a vote, for P2 and P4 one for each picture of it. Scores use rows with `counted` 1.",
        "- `raters.csv`: one row a rater. `remarks.csv`: what raters wrote. `codebook.csv`: this page for programs.",
        "- `imrmc_*.imrmc` (P1, P3): for iMRMC and RJafroc: reader, case, modality, score. A modality is a synthetic",
        "  or control arm against the real pictures, which are cases of every modality; truth (reader −1) is 1 for a",
        "  real picture. Repeats and what does not count are left out. Ranks and pairs have no score by themselves.",
        "- `study.json`: all of it in one file, with the frozen design (without names of folders) and every result.",
        "",
        *(f"- {name}: `{mark}`" for name, mark in marks),
    ]
    for file in dict.fromkeys(row[0] for row in ROWS):
        lines += ["", f"## {file}", "", "| column | type | values | meaning |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(row[1:])} |" for row in ROWS if row[0] == file]
    return "\n".join(lines) + "\n"
