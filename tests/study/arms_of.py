"""Folders of drawn pictures for arms, and studies made of them: what the tests of preparation and lock begin with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from siamese.study.design import Arm, Design
from siamese.study.prepare import prepare
from siamese.study.studies import Studies, Study
from siamese.study.truth import Prepared
from siamese.workspace import Workspace
from tests.conftest import draw_case

SIZE = 96


def write_arm(
    root: Path, names: Sequence[str], seed: int = 0, size: int = SIZE, mask_size: int = 0, masks: bool = True
) -> Path:
    """`images/` and `masks/` of drawn cases; the mask of a name is the same in every arm, the picture another one.

    Args:
        root: of the arm.
        names: without their endings.
        seed: of the pictures.
        size: their side.
        mask_size: side of the masks; 0: as the pictures.
        masks: False: pictures alone, in `root` itself.
    """
    images = root / "images" if masks else root
    images.mkdir(parents=True)
    if masks:
        (root / "masks").mkdir()
    for k, name in enumerate(names):
        _, mask = draw_case(_number(name), 480)
        picture, _ = draw_case(1000 * (seed + 1) + k, size)
        inside = cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST) > 0
        picture[inside] = (picture[inside] * 1.15 + 15).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(images / f"{name}.png"), picture[..., ::-1])
        if masks:
            side = mask_size or size
            mask = cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(root / "masks" / f"{name}.png"), mask)
    return root


def names(count: int, first: int = 0) -> list[str]:
    """case000, case001, …"""
    return [f"case{k:03d}" for k in range(first, first + count)]


def two_arms(root: Path, real: int, synthetic: int = 0) -> tuple[Arm, Arm]:
    """A real arm, and a synthetic one of the same masks."""
    arms = (
        write_arm(root / "patients", names(real)),
        write_arm(root / "made", names(synthetic or real), seed=1),
    )
    return (
        Arm(name="patients", kind="real", source=str(arms[0]), pool="drawn, and new to the generator"),
        Arm(name="ours", kind="synthetic", source=str(arms[1]), pool="drawn another way"),
    )


def design_of(arms: tuple[Arm, ...], **settings: object) -> Design:
    """A small design with all that lock asks for."""
    texts = {"contact": "ask@example.org"}
    base = {
        "arms": arms,
        "per_arm": 4,
        "practice": 2,
        "raters": 2,
        "size": 64,
        "organiser": "O.",
        "texts": texts,
    }
    return Design.model_validate(base | {"raters_who_know": "none"} | settings)


def prepared_study(
    workspace: Path, design: Design, name: str = "drawn", place: str = ""
) -> tuple[Study, Prepared]:
    """A study with prepared pictures."""
    study = Studies(Workspace(workspace)).new(name, design, place)
    last = list(prepare(study))[-1]
    assert isinstance(last, Prepared)
    return study, last


def excused(design: Design) -> Design:
    """The design with a reason for every cue: drawn arms differ in many."""
    from siamese.study.cues import MEASURES

    return design.model_copy(update={"cue_reasons": dict.fromkeys(MEASURES, "drawn pictures")})


def _number(name: str) -> int:
    return int("".join(c for c in name if c.isdigit())[:3] or 0)
