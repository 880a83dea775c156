"""What the generators of a study were trained on: real pictures among it are no fair comparison, and are not shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from siamese.atomic import read_capped
from siamese.data import seen
from siamese.data.seen import Seen
from siamese.errors import CheckpointError
from siamese.study.design import Design

MANIFEST, SET = "manifest.jsonl", "set.json"


def seen_by_generators(design: Design) -> tuple[Seen, tuple[str, ...]]:
    """What the models behind the synthetic and control arms were trained on, and sentences on what is not at hand."""
    known, notes = Seen(), []
    for arm in design.arms:
        if arm.kind == "real":
            continue
        names = [arm.checkpoint] if arm.checkpoint else _made_by(Path(arm.source).expanduser())
        if not names:
            notes.append(
                f"arm {arm.name}: nothing says which model made it, so real pictures that it was trained on cannot "
                "be told; name it (checkpoint), or say in `pool` why the real pictures are new to it."
            )
        for name in names:
            try:
                found = seen.read(name)
            except CheckpointError:
                found = Seen(unknown=(name,))
            notes += [
                f"arm {arm.name}: the training pictures of {one} are not at hand; name its folder (checkpoint), "
                "or say in `pool` why the real pictures are new to it."
                for one in found.unknown
            ]
            known |= found
    return known, tuple(notes)


def _made_by(root: Path) -> list[str]:
    """Names of the models that a set, a manifest beside pictures, or the facts of a gallery, name."""
    try:
        return [str(one["where"]) for one in json.loads(_text(root / SET))["checkpoints"]]
    except (ValueError, KeyError, TypeError):  # no set
        pass
    lines: Sequence[str] = []
    try:
        lines = read_capped(root / MANIFEST).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        lines = [_text(path) for path in sorted(root.glob("*/picture.json"))]
    found = {}
    for line in lines:
        try:
            said = json.loads(line)
            name = said.get("checkpoint") or said.get("facts", {}).get("checkpoint")
        except (ValueError, AttributeError):
            continue
        if isinstance(name, str) and name:
            found[name] = True
    return list(found)


def _text(path: Path) -> str:
    try:
        return read_capped(path).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
