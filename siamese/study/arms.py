"""The pictures of each arm: what lies in its folder, which of them belong together, and the draw by seed.

The draw does not depend on the order of a folder: every picture has its own number, a hash of the seed and of its name,
and the lowest numbers come first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from siamese.atomic import read_capped
from siamese.counted import counted
from siamese.data.dataset import SUFFIXES
from siamese.errors import MaskError, StudyError
from siamese.masks.classes import MOST
from siamese.masks.mask import Mask, decoded, file_bytes
from siamese.study.design import Arm, Design

SIDE = 128  # at which masks are compared, pixels
SAME = 0.995  # cosine of two such masks; one mask saved at two sizes has 0.998, two polyps at most 0.99
SEEDED = re.compile(r"_s\d+$")  # what `sample` adds to the name of a mask
SHOWN = 3  # names in a sentence


@dataclass(frozen=True)
class Picture:
    """A picture that may be drawn; `group` is shared by pictures that belong together, else its own."""

    arm: str
    path: Path
    mask: Path | None = None
    group: str = ""

    @property
    def name(self) -> str:
        """Of its file without the ending; of its folder, for a picture of a gallery."""
        return self.path.parent.name if self.path.name == "picture.png" else self.path.stem


@dataclass(frozen=True)
class Chosen:
    """What is shown, and what practice shows; `missing` says what the pools could not give."""

    pictures: tuple[Picture, ...]
    practice: tuple[Picture, ...]
    missing: tuple[str, ...] = ()


def pool(arm: Arm) -> list[Picture]:
    """The pictures of an arm's folder, by name, each a group of its own.

    The folder holds `images/` (and `masks/` with equal stems, and lists such as `test.txt`), or pictures alone, or the
    entries of a gallery of the studio; there `split` is accepted, rejected or new.

    Raises:
        StudyError: no such folder, no pictures, or a list that is missing or names what is not there.
    """
    root = Path(arm.source).expanduser()
    entries = sorted(root.glob("*/picture.png"))
    if entries:
        found = [
            Picture(arm.name, path, _there(path.with_name("mask.png")))
            for path in entries
            if _judged(path, arm.split)
        ]
    else:
        images = _by_stem(root / "images" if (root / "images").is_dir() else root)
        masks = _by_stem(root / "masks") if (root / "images").is_dir() else {}
        found = [
            Picture(arm.name, images[stem], masks.get(stem)) for stem in _listed(root, arm.split, images)
        ]
    if not found:
        raise StudyError(
            f"arm {arm.name}: {root} holds no pictures{f' of {arm.split}' if arm.split else ''}; expected images/ "
            f"and masks/, or pictures alone ({', '.join(SUFFIXES)})."
        )
    lost = sorted(set(arm.without) - {picture.name for picture in found})
    if lost:
        raise StudyError(
            f"arm {arm.name}: `without` names {', '.join(lost[:SHOWN])}, which {root} does not hold; mend it."
        )
    return [replace(picture, group=_digest(arm.name, picture.name)) for picture in found]


def pools(design: Design) -> dict[str, list[Picture]]:
    """The pools of all arms, their pictures grouped as `design.grouping` says.

    Raises:
        StudyError: every arm whose folder cannot be used, and every mask that cannot be read.
    """
    problems, found = [], {}
    for arm in design.arms:
        try:
            found[arm.name] = pool(arm)
        except StudyError as error:
            problems.append(str(error))
    if problems:
        raise StudyError("\n  - ".join(["The arms cannot be read:", *problems]))
    everyone = [picture for pictures in found.values() for picture in pictures]
    if design.grouping == "name":
        everyone = [replace(one, group=_digest(SEEDED.sub("", one.name))) for one in everyone]
    elif design.grouping == "mask":
        everyone = _by_mask(everyone)
    return {arm: [one for one in everyone if one.arm == arm] for arm in found}


def draw(design: Design, found: Mapping[str, Sequence[Picture]], left_out: Mapping[Path, str]) -> Chosen:
    """Draw what is shown, by `design.seed`: groups that every arm has come first.

    Args:
        design: how many, which protocol.
        found: `pools(design)`.
        left_out: pictures that cannot be shown, with the reason; groups are whole without them or not at all.

    Returns:
        For P1 and P3 `per_arm` pictures of each arm; for P2 and P4 `per_arm` groups with one picture of each arm.
    """
    usable = {
        arm: sorted(
            (p for p in some if p.path not in left_out),
            key=lambda one: _digest(str(design.seed), one.arm, one.name),
        )
        for arm, some in found.items()
    }
    if design.together > 1 and design.grouping == "none":
        usable = _sets(usable)
    groups: dict[str, dict[str, Picture]] = defaultdict(dict)
    for arm, some in usable.items():
        for picture in some:
            groups[picture.group].setdefault(arm, picture)
    whole = [group for group in groups.values() if len(group) == len(found)] if len(found) > 1 else []
    shown = [picture for group in whole[: design.per_arm] for picture in group.values()]
    if design.together > 1:
        practice = [
            p for group in whole[design.per_arm : design.per_arm + design.practice] for p in group.values()
        ]
        return Chosen(tuple(shown), tuple(practice), _missing_groups(design, len(whole)))
    missing = []
    for arm, some in usable.items():
        more, got = _fill(design.per_arm, arm, some, shown)
        shown += more
        if got < design.per_arm:
            missing.append(
                f"arm {arm}: {counted(got, 'picture')} can be shown; per_arm asks for {design.per_arm}."
            )
    practice = _practice(design, usable, {picture.group for picture in shown})
    if len(practice) < design.practice:
        words = counted(len(practice), "picture is", "pictures are")
        missing.append(
            f"{words} left for practice; practice asks for {design.practice}. Lower it or per_arm."
        )
    return Chosen(tuple(shown), tuple(practice), tuple(missing))


def said(reasons: Mapping[Path, str]) -> tuple[str, ...]:
    """What was left out, a sentence for each reason: how many, and the first names."""
    by_reason = defaultdict(list)
    for path, reason in sorted(reasons.items()):
        by_reason[reason].append(Picture("", path).name)
    return tuple(
        f"{counted(len(names), 'picture')} {reason}: {', '.join(names[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        for reason, names in sorted(by_reason.items())
    )


def _fill(
    wanted: int, arm: str, some: Sequence[Picture], shown: Sequence[Picture]
) -> tuple[list[Picture], int]:
    """Pictures of an arm beside those chosen, of groups it has not shown first; and how many it then has."""
    own = {p.path for p in shown if p.arm == arm}
    seen = Counter(p.group for p in shown if p.arm == arm)
    more: list[Picture] = []
    for again in (False, True):
        for picture in some:
            fresh = picture.path not in own and (again or not seen[picture.group])
            if fresh and len(own) < wanted:
                own.add(picture.path)
                seen[picture.group] += 1
                more.append(picture)
    return more, len(own)


def _practice(design: Design, usable: Mapping[str, Sequence[Picture]], seen: set[str]) -> list[Picture]:
    """Pictures of groups that are not shown, one of each arm in turn."""
    left = {arm: [p for p in some if p.group not in seen] for arm, some in usable.items()}
    practice: list[Picture] = []
    while len(practice) < design.practice and any(left.values()):
        for arm in left:
            if left[arm] and len(practice) < design.practice:
                practice.append(left[arm][0])
                left = {
                    name: [p for p in some if p.group != practice[-1].group] for name, some in left.items()
                }
    return practice


def _sets(usable: Mapping[str, Sequence[Picture]]) -> dict[str, list[Picture]]:
    """The n-th pictures of all arms as one group each."""
    return {
        arm: [replace(p, group=_digest("set", str(n))) for n, p in enumerate(some)]
        for arm, some in usable.items()
    }


def _missing_groups(design: Design, whole: int) -> tuple[str, ...]:
    wanted = design.per_arm + design.practice
    if whole >= wanted:
        return ()
    same = {"mask": "masks are", "name": "names are", "none": "sets can be made that are"}[design.grouping]
    cure = "" if design.grouping == "none" else ', set grouping = "none" to put any pictures side by side,'
    return (
        f"{whole} {same} in every arm; {design.per_arm} and {design.practice} for practice are asked for. Add "
        f"pictures{cure} or lower per_arm.",
    )


def _by_mask(pictures: Sequence[Picture]) -> list[Picture]:
    """One group for all pictures whose masks are the same at 128 px; empty masks and none are alone."""
    masked = [k for k, picture in enumerate(pictures) if picture.mask]
    with ThreadPoolExecutor() as workers:
        read = list(workers.map(_small_mask, (pictures[k].mask for k in masked)))
    problems = [found for found in read if isinstance(found, str)]
    if problems:
        raise StudyError("\n  - ".join(["Masks cannot be read:", *problems]))
    drawn = [
        (k, mask) for k, mask in zip(masked, read, strict=True) if not isinstance(mask, str) and mask.any()
    ]
    groups = [picture.group for picture in pictures]
    if drawn:
        flat = np.stack([mask for _, mask in drawn])
        for start in range(0, len(flat), 512):
            for i, j in np.argwhere(flat[start : start + 512] @ flat.T >= SAME):
                one, other = groups[drawn[start + i][0]], groups[drawn[j][0]]
                if one != other:  # every picture that bore the later name takes the earlier one
                    low, high = sorted((one, other))
                    groups = [low if group == high else group for group in groups]
    return [replace(picture, group=group) for picture, group in zip(pictures, groups, strict=True)]


def _small_mask(path: Path | None) -> np.ndarray | str:
    """(16384,) float32 of norm 1, all zero for an empty mask; a sentence where it cannot be read."""
    assert path is not None
    try:
        labels = read_mask(path)
    except MaskError as error:
        return str(error)
    small = cv2.resize(labels.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def read_mask(path: Path) -> np.ndarray:
    """Where the lesion is, (H,W) uint8 {0,1}: a mask file, or a label picture of any class.

    Raises:
        MaskError: as `Mask.read`.
    """
    pixels = decoded(file_bytes(path), path.name)
    if pixels.ndim == 2 and pixels.max(initial=0) <= MOST:
        return (pixels > 0).astype(np.uint8)
    return Mask.from_array(pixels).labels


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file()}


def _listed(root: Path, split: str, images: Mapping[str, Path]) -> list[str]:
    if not split:
        return sorted(images)
    try:
        wanted = read_capped(root / f"{split}.txt").decode("utf-8", "replace").split()
    except (OSError, ValueError):
        raise StudyError(
            f"{root / f'{split}.txt'} is missing; write one name a line, or leave `split` empty."
        ) from None
    lost = [stem for stem in wanted if stem not in images]
    if lost:
        names = ", ".join(lost[:SHOWN])
        raise StudyError(
            f"{split}.txt in {root} names {counted(len(lost), 'picture')} not there ({names}); mend the list."
        )
    return sorted(set(wanted))


def _judged(path: Path, state: str) -> bool:
    if not state:
        return True
    try:
        said = json.loads(read_capped(path.with_name("judgement.json")))
        return str(said.get("state", "new")) == state
    except (OSError, ValueError, AttributeError):
        return state == "new"


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
