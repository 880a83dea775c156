"""`dataset_card.md`: what a person must know before training on an export; where nothing is known it says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from siamese.counted import counted

FILE = "dataset_card.md"
USE = "For training only, never for test or prevalence; not for diagnosis."
UNKNOWN = "not stated"


@dataclass(frozen=True)
class Generator:
    """A checkpoint of the set: name, sha256 of its weights, pictures it was trained on (None: unknown), and what its
    card says of its data and of what does not hold ("" where it has none)."""

    name: str
    sha256: str
    trained_on: int | None
    data: str = ""
    limits: str = ""


@dataclass(frozen=True)
class About:
    """Everything the card says.

    Args:
        counts: split → (real, synthetic). sources: dataset → (pictures, its licence as stated, "" if unknown).
        masks: sentences on where masks come from and what was done to them.
        gate: sentences: verdicts, losses by rule and among small and hard lesions. copies: the copy check's result and
            its sensitivity. closeness: how diverse and how close to real. rating: "" where none was rated.
        leaks: what was looked for and not found. layouts: layout → notes. lists: sentence on lists/, "" without.
    """

    title: str
    counts: Mapping[str, tuple[int, int]]
    sources: Mapping[str, tuple[int, str]]
    generators: Sequence[Generator]
    masks: Sequence[str]
    gate: Sequence[str]
    copies: Sequence[str]
    closeness: Sequence[str]
    rating: str
    leaks: Sequence[str]
    layouts: Mapping[str, Sequence[str]]
    lists: str
    licence: str = ""
    consent: str = ""
    contact: str = ""
    version: str = ""


def render(about: About) -> bytes:
    """The card as Markdown."""
    real, synthetic = (sum(pair[k] for pair in about.counts.values()) for k in (0, 1))
    lines = [
        f"# {about.title}",
        "",
        f"**{USE}**",
        "",
        f"{counted(synthetic, 'synthetic picture')} with masks"
        + (f", beside {counted(real, 'real picture')}" if real else ", no real ones")
        + ". A synthetic picture shows no patient; what it shows was invented by the generator below, which learned "
        "from patients' pictures. Nobody has checked that it is medically right.",
        "",
        "| split | real | synthetic |",
        "|---|---|---|",
        *(f"| {split} | {one[0]:,} | {one[1]:,} |" for split, one in about.counts.items()),
        "",
        "Shares of findings here follow the masks that were chosen and say nothing about how often something occurs.",
        "",
        "## Licence, consent, contact",
        "",
        f"- Licence of this set: {about.licence or UNKNOWN}",
        f"- Basis of consent: {about.consent or UNKNOWN}",
        f"- Contact: {about.contact or UNKNOWN}",
        "",
        "## Sources",
        "",
        *(
            f"- {name}: {counted(count, 'picture or mask', 'pictures or masks')} used; licence: {licence or UNKNOWN}"
            for name, (count, licence) in about.sources.items()
        ),
        "",
        "## Masks",
        "",
        *_listed(about.masks),
        "",
        "## Generator",
        "",
    ]
    for one in about.generators:
        trained = (
            f"trained on {counted(one.trained_on, 'picture')}, whose digests it carries"
            if one.trained_on is not None
            else f"its training pictures: {UNKNOWN}"
        )
        lines += [f"- {one.name}, sha256 of its weights {one.sha256}; {trained}."]
    for one in about.generators:
        lines += ["", f"Data and licences of {one.name}, as its card says:", "", _quoted(one.data or UNKNOWN)]
    lines += ["", "## Copies", "", *_listed(about.copies)]
    lines += ["", "## Leaks", "", *_listed(about.leaks)]
    lines += ["", "## Gate", "", *_listed(about.gate)]
    lines += ["", "## How diverse, how close to real", "", *_listed(about.closeness)]
    lines += ["", "## Rating by people", "", about.rating or "not rated"]
    lines += ["", "## Known failures", ""]
    for one in about.generators:
        lines += [f"{one.name}, as its card says:", "", _quoted(one.limits or UNKNOWN), ""]
    lines += ["## Layouts", ""]
    for name, notes in about.layouts.items():
        lines += [f"- `{name}/`" + (": " + " ".join(notes) if notes else "")]
    lines += [
        "",
        *([about.lists, ""] if about.lists else []),
        "`manifest.jsonl` says of each pair where it comes from, its scores and what people decided; `SHA256SUMS` "
        "holds the sum of every file; `croissant.json` says the same to machines. Each synthetic picture's file is "
        "marked (XMP, DigitalSourceType trainedAlgorithmicMedia). Ids are neutral; what they stand for is known where "
        "this set was exported. To check all of it: `python -m siamese export verify FOLDER`.",
        "",
        f"Written by Siamese Studio {about.version}.",
    ]
    return ("\n".join(lines) + "\n").encode()


def section(text: str, *titles: str) -> str:
    """The bodies of the sections of a Markdown card with one of these titles, "" without."""
    found, wanted = [], False
    for line in text.splitlines():
        if line.startswith("#"):
            wanted = line.lstrip("# ").strip() in titles
        elif wanted:
            found.append(line)
    return "\n".join(found).strip()


def _listed(sentences: Sequence[str]) -> list[str]:
    return [f"- {one}" for one in sentences] or [UNKNOWN]


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
