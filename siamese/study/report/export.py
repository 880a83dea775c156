"""Votes for other programs: tidy CSV with a codebook, iMRMC's layout, JSON. The same bytes for the same log.

No name of a file, no secret of a link; raters who withdrew are not in it. Text that somebody typed cannot become a
formula of a spreadsheet.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from siamese.atomic import beside, private_folder, write_atomically
from siamese.errors import StudyError, writing
from siamese.study.analysis.tables import Votes
from siamese.study.report import codebook
from siamese.study.report.bands import bands
from siamese.study.report.gather import SCREEN, Gathered, value
from siamese.study.report.methods import left_out
from siamese.study.report.sections import Report
from siamese.study.report.version import code_sha256, version

WHEN = (1980, 1, 1, 0, 0, 0)  # of every file of a zip
FORMULA = re.compile(r"""(^|[;,|"\t\n])(\s*)(?=[=+\-@＝＋－＠])""")
OF_ARM = {
    "name",
    "kind",
    "choice",
    "pool",
    "curated_of",
    "curated_by",
    "pool_size",
}  # the rest may name files
SCORED = {"P1": "signed confidence, above 0: called real", "P3": "level, 5 is best"}


def export(gathered: Gathered, report: Report) -> dict[str, bytes]:
    """Name → content of every file, by name."""
    cases = {item: n for n, item in enumerate(sorted(gathered.truth.items), 1)}
    votes, raters, remarks = _votes(gathered, cases), _raters(gathered), _remarks(gathered)
    files = {
        "votes.csv": _csv(codebook.names("votes.csv"), votes),
        "raters.csv": _csv(codebook.names("raters.csv"), raters),
        "remarks.csv": _csv(codebook.names("remarks.csv"), remarks),
        "codebook.csv": _csv(codebook.HEAD, codebook.ROWS),
        "codebook.md": codebook.in_words(report.title, report.about, report.marks).encode(),
        "study.json": _json(gathered, report, votes, raters, remarks),
    }
    if gathered.design.protocol in SCORED:
        counted = gathered.table.main()
        for question in counted.questions:
            name = f"imrmc_{question or 'real_or_synthetic'}.imrmc"
            files[name] = imrmc(counted.asked(question), cases, _about(gathered))
    return dict(sorted(files.items()))


def write_export(files: Mapping[str, bytes], target: str | Path) -> Path:
    """Write files into a folder, or into one zip where `target` ends in .zip; the same files give the same zip.

    Raises:
        StudyError: the folder holds something else. MachineError: it cannot be written.
    """
    target = Path(target)
    if target.suffix.lower() == ".zip":
        with writing(target):
            private_folder(target.absolute().parent)
            with beside(target, ".writing-", durable=True) as file, zipfile.ZipFile(file, "w") as archive:
                for name, content in files.items():
                    member = zipfile.ZipInfo(name, WHEN)
                    member.create_system, member.external_attr = 3, 0o100644 << 16
                    member.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(member, content)
        return target
    foreign = {path.name for path in target.iterdir()} - set(files) if target.is_dir() else set()
    if target.exists() and (foreign or not target.is_dir()):
        raise StudyError(
            f"{target} holds something else already; name a new folder, or a file that ends in .zip."
        )
    with writing(target):
        private_folder(target)
    for name, content in files.items():
        write_atomically(target / name, content)
    return target


def imrmc(votes: Votes, cases: Mapping[str, int], about: str) -> bytes:
    """iMRMC's input file of one question: readerID, caseID, modalityID, score; truth rows have readerID −1.

    A modality is a synthetic or control arm against the real pictures, which are cases of every modality; truth is 1
    for a real picture. Source: DIDSR/iMRMC, `InputFile.java`.

    Args:
        votes: counted ones, one row a picture and rater.
        cases: item → number.
        about: one line at the top.
    """
    arms = [arm for arm in votes.arms if votes.kind_of(arm) != "real"]
    names = {arm: f"{n}-{arm.replace(' ', '_')}" for n, arm in enumerate(arms, 1)}
    truth = {cases[item]: int(kind == "real") for item, kind in zip(votes.item, votes.kind, strict=True)}
    rows = [f"-1,{case},0,{real}" for case, real in sorted(truth.items())]
    scored = sorted(
        zip(votes.rater, (cases[item] for item in votes.item), votes.arm, votes.value, strict=True)
    )
    for arm in arms:
        rows += [f"{r},{c},{names[arm]},{v:g}" for r, c, own, v in scored if own == arm or own not in names]
    real = sum(truth.values())
    head = [about, f"NR: {len(votes.raters)}", f"N0: {len(truth) - real}", f"N1: {real}", f"NM: {len(arms)}"]
    return "\n".join([*head, "", "BEGIN DATA:", *rows, ""]).encode()


def plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula, whichever separator it splits at."""
    return FORMULA.sub(r"\1\2'", text.replace("\r\n", "\n").replace("\r", "\n"))


def _votes(gathered: Gathered, cases: Mapping[str, int]) -> list[list[object]]:
    """One row a vote for P1 and P3; one row for each of its pictures for P2 and P4."""
    groups: dict[str, int] = {}
    shown, first = bands(gathered.raters), {}
    for vote in gathered.votes:
        first[vote.rater] = min(vote.at, first.get(vote.rater, vote.at))
    for item in cases:
        groups.setdefault(gathered.truth.items[item].group, len(groups) + 1)
    rows: list[list[object]] = []
    for vote in gathered.votes:
        css = vote.facts.get("css", [math.nan, math.nan])
        for position, item in enumerate(vote.items):
            known = gathered.truth.items[item]
            got, answer = value(vote, position), vote.answer
            rows.append(
                [
                    f"{vote.rater}-{vote.place}",
                    vote.rater,
                    *shown[vote.rater],
                    int(gathered.counts(vote) and vote.phase != "repeat"),
                    vote.place,
                    vote.block,
                    vote.phase,
                    vote.question,
                    "" if vote.repeats is None else vote.repeats,
                    item,
                    cases[item],
                    f"g{groups[known.group]:04d}",
                    known.arm,
                    gathered.truth.kinds[known.arm],
                    position,
                    got,
                    {True: "real", False: "synthetic"}[answer["real"]] if "real" in answer else "",
                    answer.get("confidence", ""),
                    got if "order" in answer else "",
                    answer.get("level", ""),
                    int(got) if "patient" in answer else "",
                    round(vote.seconds, 3),
                    round(float(vote.facts.get("hidden_ms", math.nan)) / 1000, 3),
                    round((vote.at - first[vote.rater]) / 1e6, 3),
                    css[0],
                    css[1],
                    vote.facts.get("factor", math.nan),
                    vote.facts.get("dpr", math.nan),
                    vote.revision,
                    int(vote.late),
                ]
            )
    return rows


def _raters(gathered: Gathered) -> list[list[object]]:
    shown = bands(gathered.raters)
    return [
        [
            rater.number,
            *shown[rater.number],
            rater.answered,
            rater.expected,
            int(not rater.left_out),
            rater.left_out,
            rater.quick,
            rater.timed,
            round(rater.steady, 4),
            rater.repeated,
            round(rater.width_cm, 2),
            *(rater.screen.get(name, math.nan) for name in SCREEN),
        ]
        for rater in gathered.raters
    ]


def _remarks(gathered: Gathered) -> list[list[object]]:
    return [
        [rater.number, *(rater.last[name] for name in ("cues", "seen_before", "comment"))]
        for rater in gathered.raters
        if any(rater.last.values())
    ]


def _json(gathered: Gathered, report: Report, votes: list, raters: list, remarks: list) -> bytes:
    design = gathered.design.model_dump(mode="json", exclude={"secret", "arms"})
    design["arms"] = [
        arm.model_dump(mode="json", include=OF_ARM)
        | {"left_out": left_out(arm), "without": sorted(arm.without.values())}
        for arm in gathered.design.arms
    ]
    found = {
        "study": gathered.study.name,
        "title": report.title,
        "about": report.about,
        "version": version(),
        "code_sha256": code_sha256(),
        "design_sha256": gathered.study.design_sha256,
        "chain": {"head": gathered.head, "records": gathered.records, "broken": gathered.broken},
        "design": design,
        "raters": {
            "invited": gathered.invited,
            "never began": gathered.silent,
            "withdrawn": gathered.withdrawn,
        },
        "missing votes": gathered.missing,
        "taken back": gathered.undone,
        "after unblinding": gathered.late,
        "results": [
            {
                "primary": section is report.primary,
                "title": section.title,
                "found": list(section.lines),
                "n": section.n,
                "does not show": section.limit,
                "table": [list(section.table.head), *map(list, section.table.rows)] if section.table else [],
            }
            for section in (report.primary, *report.exploratory, *report.appendix)
        ],
        "methods": report.methods,
        "tables": {
            name: [dict(zip(codebook.names(name), map(_number, row), strict=True)) for row in rows]
            for name, rows in (("votes.csv", votes), ("raters.csv", raters), ("remarks.csv", remarks))
        },
    }
    return (json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _about(gathered: Gathered) -> str:
    return (
        f"Siamese Studio {version()}: study {gathered.study.name}; score is {SCORED[gathered.design.protocol]}; "
        f"truth 1 is a real picture; a modality is an arm against the real ones; chain head {gathered.head}"
    )


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(head)
    table.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _cell(cell: object) -> str:
    if isinstance(cell, str):
        return plain(cell)
    if isinstance(cell, float | np.floating):
        return "" if math.isnan(cell) else f"{cell:.10g}"
    return str(cell)


def _number(cell: object) -> object:
    return None if isinstance(cell, float) and math.isnan(cell) else cell
