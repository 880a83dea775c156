"""`python -m siamese study unblind|report|export|paper`: open the truth, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamese.commands.studies import Name, Where, find
from siamese.counted import counted
from siamese.errors import StudyError

if TYPE_CHECKING:
    from siamese.study.studies import Study


def unblind(
    name: Name,
    by: Annotated[str, typer.Option(help="who opens the truth; stored in the log")],
    reason: Annotated[str, typer.Option(help="why now; stored in the log")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for the study's name")] = False,
    workspace: Where = None,
) -> None:
    """Open where the pictures come from. It stands in the log for ever; votes that come later enter no figure."""
    study = find(name, workspace)
    if not study.locked:
        raise StudyError(
            f"{study.name} is not locked; nobody was blind yet. `study lock {study.name}` comes first."
        )
    print(_open(study))
    if not yes and typer.prompt("Type the study's name to open it") != study.name:
        raise StudyError(f"That is not the name; {study.name} stays as it is.")
    from siamese.study.report.compose import gathered_of
    from siamese.study.report.result import write_results
    from siamese.study.truth import unblind as open_truth

    open_truth(study, by, reason)
    written = write_results(gathered_of(study))
    print(
        f"Unblinded. {counted(written, 'rater sees the own result', 'raters see their own results')} behind the "
        f"personal link. Next: `study report {study.name}`."
    )


def report(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="folder; default: in the study's `reports`, by the chain head")
    ] = None,
    workspace: Where = None,
) -> None:
    """Write the report of an unblinded study: page, PDF, methods, every figure. The same log gives the same bytes."""
    from siamese.study.report.compose import compose, gathered_of, report_files, write_report
    from siamese.study.report.result import write_results

    gathered = gathered_of(find(name, workspace))
    folder = out or gathered.study.folder / "reports" / gathered.head[:12]
    found = compose(gathered)
    write_report(report_files(found), folder)
    write_results(gathered)
    for line in (*found.warnings, found.primary.lines[0], found.primary.limit, found.primary.n):
        print(line)
    print(f"Chain head {gathered.head}\n{folder / 'report.html'}\n{folder / 'report.pdf'}")


def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="folder, or a file that ends in .zip")],
    workspace: Where = None,
) -> None:
    """Write votes and results of an unblinded study for other programs: CSV with codebook, iMRMC, JSON."""
    from siamese.study.report.compose import compose, gathered_of
    from siamese.study.report.export import export as files_of
    from siamese.study.report.export import write_export

    gathered = gathered_of(find(name, workspace))
    written = write_export(files_of(gathered, compose(gathered)), out)
    print(f"{written} (chain head {gathered.head})")


def paper(
    file: Annotated[
        Path | None, typer.Argument(help="CSV: method,voted_real[,votes] or method,mean_rank,groups")
    ] = None,
    given: Annotated[
        list[str], typer.Option("--counts", help="METHOD=VOTED_REAL/VOTES, once for each method")
    ] = [],  # noqa: B006
    real: Annotated[str, typer.Option(help="the method that is no synthesizer")] = "real",
) -> None:
    """MOS and who can be told apart, from a file of votes or from counts alone, e.g. those of a paper."""
    from siamese.study.analysis.paper import NOT_SHOWN, analyse, describe

    if (file is None) == (not given):
        raise StudyError("Name a file, or give --counts METHOD=VOTED_REAL/VOTES for each method.")
    if file:
        print(describe(file, real))
        return
    found = analyse(dict(_counted(one) for one in given), real)
    for name, mos in found.mos.items():
        print(f"  {name}: MOS {mos.words(3)}")
    print(f"{found.sentence}\n{NOT_SHOWN}")


def _counted(given: str) -> tuple[str, tuple[int, int]]:
    """METHOD=VOTED_REAL/VOTES."""
    method, _, votes = given.rpartition("=")
    voted, _, of = votes.partition("/")
    if not (method and voted.isdecimal() and of.isdecimal() and int(voted) <= int(of) and int(of)):
        raise StudyError(
            f"--counts {given} was found; METHOD=VOTED_REAL/VOTES was expected, e.g. ours=88/150."
        )
    return method, (int(voted), int(of))


def _open(study: Study) -> str:
    """Who has not finished yet; counts alone."""
    from siamese.study.studies import status as counts

    raters = [rater for rater in counts(study).raters if rater.number and not rater.withdrawn]
    begun = sum(rater.consented and rater.answered < rater.total for rater in raters)
    silent = sum(not rater.consented for rater in raters)
    if not begun + silent:
        return f"All {counted(len(raters), 'rater')} have finished."
    return (
        f"Of {counted(len(raters), 'rater')} {begun} have begun and not finished, {silent} have not begun; whatever "
        "they rate afterwards enters no figure."
    )
