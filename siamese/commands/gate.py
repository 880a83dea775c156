"""`python -m siamese gate SET`, `gate decide`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.core import TyperGroup

from siamese.augment.folder import SetFolder
from siamese.augment.item import Reason
from siamese.commands.studies import Where, workspace_of
from siamese.counted import counted
from siamese.errors import AugmentError
from siamese.gate import report, rules
from siamese.gate.decide import decide as store
from siamese.terminal import Bar, StopSignal, console
from siamese.workspace import NOBODY

LISTED = 40  # flagged pictures that are printed
RUN = "run"


class _SetFirst(TyperGroup):
    """`gate SET` means `gate run SET`."""

    def parse_args(self, ctx, args):  # noqa: ANN001, ANN201  typer's own signature
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_SetFirst, no_args_is_help=True, help="Score the pictures of a set and decide of the flagged ones."
)
Set = Annotated[Path, typer.Argument(metavar="SET", help="folder of a set, or of the run that made it")]


@app.command(RUN)
def run(
    folder: Set,
    changes: Annotated[
        list[str],
        typer.Option("--set", help="a threshold, e.g. rules.mask_fit.flag=0.4 or rules.blurred.reject=10"),
    ] = [],  # noqa: B006
    fresh_rules: Annotated[
        bool,
        typer.Option("--fresh-rules", help="forget changed thresholds: those of the real pictures again"),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="score again though all pictures have scores")
    ] = False,
    features: Annotated[
        Path | None, typer.Option(help="SqueezeNet 1.1 weights (.safetensors) for another KID")
    ] = None,
    workspace: Where = None,
) -> None:
    """Score what has no scores yet, apply the rules, say what they cost, what is flagged and what blocks the export."""
    found = find(folder)
    changed = rules.changed(rules.read(found), changes) if changes and not fresh_rules else None
    if again or fresh_rules or features or not _scored(found):
        from siamese.tasks.gate import gate

        work = gate(found, workspace_of(workspace).root, fresh_rules=fresh_rules, feature_net=features)
        with closing(work) as events, StopSignal() as stop, Bar() as bar:
            for event in events:
                bar.show(event)
                if stop.asked:
                    console.print(
                        "Stopped as asked; what was scored is kept. The same command goes on from here."
                    )
                    raise typer.Exit(130)
    if changes:
        report.enforce(found, rules.changed(rules.read(found), changes) if changed is None else changed)
    _show(found)


@app.command()
def decide(
    folder: Set,
    ids: Annotated[str, typer.Argument(metavar="ID", help="id of a picture, or several with commas")],
    word: Annotated[Literal["accept", "reject", "undo"], typer.Argument(help="undo takes a decision back")],
    reason: Annotated[
        Reason,
        typer.Option(help="why it is rejected"),
    ] = "",
    by: Annotated[str, typer.Option(help="who decides; stored beside the decision")] = NOBODY,
) -> None:
    """Accept or reject pictures; it stands in the set and in every export's manifest."""
    found = find(folder)
    chosen = [id for id in (part.strip() for part in ids.split(",")) if id]
    taken = store(found, chosen, None if word == "undo" else word, reason, by)
    report.refresh(found)
    blocked = rules.blocked(found)
    done = "taken back" if word == "undo" else f"{word}ed"
    print(f"{counted(len(taken), 'picture')} {done}. {_blocks(blocked)}")


def find(folder: Path) -> SetFolder:
    """The set of a folder: the folder itself, or `set` in the folder of a run.

    Raises:
        AugmentError: there is none.
    """
    for root in (folder, folder / "set"):
        if SetFolder(root).begun:
            return SetFolder(root)
    SetFolder(folder).head()  # says what was expected
    raise AssertionError


def _scored(found: SetFolder) -> bool:
    """Has the gate seen every picture that is made, and can its report be read?"""
    try:
        return report.read(found) is not None and not rules.unscored(found)
    except AugmentError:
        return False


def _show(found: SetFolder) -> None:
    outcome, standing = report.read(found), rules.standing(found)
    assert outcome is not None
    for sentence in (*outcome.losses, *(outcome.copies.sentences if outcome.copies else ())):
        print(sentence)
    waiting = {id: one for id, one in standing.items() if one.state == "flagged"}
    for id, one in list(waiting.items())[:LISTED]:
        print(f"{id}: {'; '.join(one.reasons)}")
    if len(waiting) > LISTED:
        print(f"and {len(waiting) - LISTED} more; all of them stand in {found.root / report.REPORT}.")
    print(
        f"{counted(len(waiting), 'picture waits', 'pictures wait')} for a decision. {_blocks(rules.blocked(found))}"
    )
    print(found.root / report.REPORT)


def _blocks(ids: tuple[str, ...]) -> str:
    if not ids:
        return "Nothing blocks the export."
    more = ", …" if len(ids) > 5 else ""
    what = counted(len(ids), "possible copy", "possible copies")
    return f"The export waits for a decision on {what}: {', '.join(ids[:5])}{more}."
