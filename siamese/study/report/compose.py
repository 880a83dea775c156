"""A whole report from a study that was unblinded, and the files it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from siamese.atomic import private_folder, write_atomically
from siamese.counted import counted
from siamese.errors import writing
from siamese.study.report.conduct import conduct
from siamese.study.report.document import document
from siamese.study.report.findings import exploratory
from siamese.study.report.front import primary
from siamese.study.report.gather import Gathered, gather
from siamese.study.report.methods import clock, methods, protocol_in_words
from siamese.study.report.page import page
from siamese.study.report.sections import Report
from siamese.study.report.version import code_sha256, version
from siamese.study.studies import Study
from siamese.study.truth import truth_of


def gathered_of(study: Study) -> Gathered:
    """The votes of a study with their truth.

    Raises:
        Blind: it was not unblinded; nothing of the arms is in the message.
    """
    return gather(study, truth_of(study))


def compose(gathered: Gathered) -> Report:
    """The report; the same log gives the same."""
    design, truth = gathered.design, gathered.truth
    return Report(
        title=design.title,
        about=f"Protocol {design.protocol}: {protocol_in_words(design)}. Study “{gathered.study.name}”, locked "
        f"{clock(gathered.study.locked_at)}, unblinded {clock(truth.at)} by {truth.by}.",
        warnings=_warnings(gathered),
        primary=primary(gathered.table, design),
        exploratory=tuple(exploratory(gathered.table, design)),
        appendix=tuple(conduct(gathered)),
        methods=methods(gathered),
        marks=(
            ("Chain head", gathered.head),
            ("Records in the chain", f"{gathered.records:,}"),
            ("Design sha256", gathered.study.design_sha256),
            ("Siamese Studio", version()),
            ("Analysis code sha256", code_sha256()),
        ),
    )


def report_files(report: Report) -> Mapping[str, bytes]:
    """Name → content: the page, the PDF, the methods, every figure as SVG and PNG."""
    files = {
        "report.html": page(report),
        "report.pdf": document(report),
        "methods.txt": (report.methods + "\n").encode(),
    }
    for drawing in report.drawings:
        files[f"figures/{drawing.name}.svg"] = drawing.svg
        files[f"figures/{drawing.name}.png"] = drawing.png
    return files


def write_report(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a report.

    Raises:
        MachineError: disk full or folder not writable.
    """
    for name, content in files.items():
        with writing(folder):
            private_folder((folder / name).parent)
        write_atomically(folder / name, content)


def _warnings(gathered: Gathered) -> tuple[str, ...]:
    said = []
    if gathered.broken:
        said.append(
            f"The log was changed after it was written: {gathered.broken} Nothing below can be trusted; restore a "
            "backup from before, and compare its head with the one on an earlier report."
        )
    unfinished = sum(not rater.finished for rater in gathered.raters)
    if unfinished or gathered.silent:
        said.append(
            f"Unblinded before everybody had finished: of {gathered.invited} raters {unfinished} had begun without "
            f"finishing and {gathered.silent} had not begun."
        )
    if gathered.left_out:
        each = "; ".join(f"rater {rater.number}: {rater.left_out}" for rater in gathered.left_out)
        said.append(
            f"The rules that were frozen before the first vote leave out {len(gathered.left_out)} of "
            f"{counted(len(gathered.raters), 'rater')} ({each})."
        )
    return tuple(said)
