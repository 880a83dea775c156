"""The verb `gate`: score every picture of a set, apply the rules, report. A generator of events; the same call resumes.

Writes scores.jsonl, gate.json, report.md and flagged.png (synthetic pictures only); rules.json where there is none yet.
copies.png holds real pictures beside those that may be copies of them: it stays on this computer.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamese.augment.folder import RULES, SCORES, Head, SetFolder
from siamese.augment.item import Item, Made, Scores
from siamese.data import seen
from siamese.data.seen import Seen
from siamese.errors import AugmentError, CheckpointError, MaskError
from siamese.events import Done, Event, Notice, Progress, Saved
from siamese.gate import closeness, comparison, net, ratings, real, report, rules
from siamese.gate.closeness import Figure
from siamese.gate.comparison import Comparison
from siamese.gate.parts import Part, Parts
from siamese.gate.scores import look, shape
from siamese.metrics import fidelity
from siamese.picture import decode
from siamese.segmentation import judge as judges
from siamese.segmentation.judge import Judge
from siamese.tasks import gate_sheets
from siamese.workspace import Workspace

TOGETHER = 32  # pictures a part
NET_MOST = 500  # pictures that go through a feature net
LONE = 2.0  # distance of a picture that has no other beside it: the largest between features of norm 1


@dataclass(frozen=True)
class _Kit:
    """What every picture is measured with."""

    judge: Judge
    size: int
    comparison: Comparison


def gate(
    set: SetFolder,
    workspace: Path | None = None,
    fresh_rules: bool = False,
    feature_net: Path | None = None,
) -> Iterator[Event]:
    """Score the pictures that are made so far, and say which the rules accept, flag and reject.

    Args:
        workspace: where datasets that the plan names, and studies that showed its pictures, are looked for.
        fresh_rules: replace rules.json by what follows from the real pictures; else it stays where it is.
        feature_net: SqueezeNet 1.1 weights for a KID in its features too; None leaves it out.

    Raises:
        AugmentError: no set, or no picture is made yet. CheckpointError: the plan's segmenter, the feature net.
        MachineError: disk full or folder not writable; what was scored before is kept.
    """
    head, dealt, made = set.head(), set.items(), set.made()
    if not made:
        raise AugmentError(f"{set.root} holds no pictures yet; `python -m siamese synthesize` makes them.")
    judge, size = judges.load(head.plan.segmenter), head.checkpoints[0].size
    yield Notice("Reading the real pictures.")
    found = real.read(head.plan, workspace, judge, size)
    for note in found.notes:
        yield Notice(note)
    yield Notice("Calibrating the copy check and planting copies for it to find.")
    kit = _Kit(judge, size, comparison.prepare(judge, found, _seen(head), head.plan.pictures.seed))
    proposed, rests = real.proposed(found, judge)
    items = [one for one in dealt if one.id in made]
    parts = Parts(set.root, f"{judge.sha256} {size} {kit.comparison.identity}")
    whole = yield from _measured(set, kit, parts, items, made)
    rated = ratings.taken_for_real(Workspace(workspace)) if workspace else {}
    scores = _related(whole, made, rated)
    set.write_scores(scores)
    yield Saved(set.root / SCORES)
    parts.clear()
    if fresh_rules or not (set.root / RULES).is_file():
        rules.write(set, proposed)
    usable = np.array([not one.changed for one in scores], bool)
    outcome = report.Outcome(
        pictures=len(scores),
        segmenter=head.plan.segmenter,
        segmenter_sha256=judge.sha256,
        size=size,
        proposed=proposed,
        rules=proposed,
        rests=rests,
        changed=tuple(one.id for one in scores if one.changed),
        copies=kit.comparison.told(scores),
        closeness=_closeness(whole, usable, found, judge),
        net_kid=_net_kid(set, scores, found, feature_net, size) if feature_net else None,
        notes=(*found.notes, *kit.comparison.named),
    )
    outcome = report.write(set, outcome)
    yield Saved(set.root / report.REPORT)
    yield from gate_sheets.flagged(set)
    yield from gate_sheets.copies(set, found.training)
    for sentence in (*outcome.losses, *(outcome.copies.sentences if outcome.copies else ())):
        yield Notice(sentence)
    yield Done("gate", len(scores))


def _seen(head: Head) -> Seen:
    """What the set's checkpoints were trained on; one that is no longer there is unknown."""
    found = Seen()
    for one in head.checkpoints:
        try:
            found |= seen.read(one.where)
        except CheckpointError:
            found |= Seen(unknown=(one.name,))
    return found


def _measured(
    set: SetFolder, kit: _Kit, parts: Parts, items: Sequence[Item], made: Mapping[str, Made]
) -> Generator[Event, None, Part]:
    """Every item, in parts; those stored by an earlier run are read."""
    found: list[Part] = []
    begun, measured = time.monotonic(), 0
    for start in range(0, len(items), TOGETHER):
        some = items[start : start + TOGETHER]
        files = [gate_sheets.content(set.image_path(one.id)) for one in some]
        digests = [(one.id, hashlib.sha256(data).hexdigest()) for one, data in zip(some, files, strict=True)]
        name = parts.name(digests)
        part = parts.read(name)
        if part is None:
            part = _part(set, kit, some, files, [made[id].sha256 == digest for id, digest in digests])
            parts.write(name, part)
            measured += len(some)
        found.append(part)
        done = start + len(some)
        rate = measured / (time.monotonic() - begun) if measured else None
        yield Progress("gate", done, len(items), rate, (len(items) - done) / rate if rate else None)
    return Part(
        tuple(one for part in found for one in part.scores),
        np.concatenate([part.features for part in found]),
        np.concatenate([part.thumbs for part in found]),
    )


def _part(
    set: SetFolder, kit: _Kit, items: Sequence[Item], files: Sequence[bytes], genuine: Sequence[bool]
) -> Part:
    """Measure some pictures; those that are not what was made get scores that say so, and empty features."""
    images = np.zeros((len(items), kit.size, kit.size, 3), np.uint8)
    masks = np.zeros((len(items), kit.size, kit.size), np.uint8)
    shapes = [shape(masks[0])] * len(items)
    good = np.array(genuine, bool)
    for k, one in enumerate(items):
        try:
            labels = set.mask(one).labels if good[k] else masks[k]
            image = decode(files[k]) if good[k] else images[k]
        except (AugmentError, MaskError):
            good[k] = False
            continue
        images[k], masks[k] = gate_sheets.sized(image, kit.size), gate_sheets.square(labels, kit.size)
        shapes[k] = shape(labels)
    features = kit.judge.features(images)
    fit = fidelity.dice(kit.judge.masks(images), masks > 0)
    copied = kit.comparison.score(images, masks)
    lesion = masks.any(axis=(1, 2))
    scores = []
    for k, one in enumerate(items):
        shown, copy = look(images[k]), copied[k] if copied and good[k] else None
        scores.append(
            Scores(
                id=one.id,
                mask_fit=float(fit[k]) if lesion[k] and good[k] else None,
                copy=copy.score if copy else None,
                copy_of=copy.of if copy else "",
                copy_by=copy.by if copy else "",
                nearest=LONE,
                nearest_id="",
                area=shapes[k].area,
                lesions=shapes[k].lesions,
                border=shapes[k].border,
                brightness=shown.brightness,
                clipped=shown.clipped,
                sharpness=shown.sharpness,
                changed=not good[k],
            )
        )
    return Part(tuple(scores), features, closeness.thumbnails(images))


def _related(whole: Part, made: Mapping[str, Made], rated: Mapping[str, float]) -> list[Scores]:
    """The scores with each picture's nearest other one, and what raters said."""
    usable = np.flatnonzero([not one.changed for one in whole.scores])
    scores = list(whole.scores)
    distance, index = closeness.neighbours(whole.features[usable])
    for row, far, near in zip(usable, distance, index, strict=True):
        one = scores[row]
        known = near >= 0
        scores[row] = dataclasses.replace(
            one,
            nearest=float(far) if known else LONE,
            nearest_id=scores[usable[near]].id if known else "",
            rating=rated.get(made[one.id].sha256),
        )
    return scores


def _closeness(whole: Part, usable: np.ndarray, found: real.Real, judge: Judge) -> closeness.Closeness | None:
    features, thumbs = whole.features[usable], whole.thumbs[usable]
    if found.training is not None:
        images = found.training.images
        return closeness.closeness(features, thumbs, judge.features(images), closeness.thumbnails(images))
    return closeness.closeness(features, thumbs, judge.index.features if judge.index else None)


def _net_kid(
    set: SetFolder, scores: Sequence[Scores], found: real.Real, weights: Path, size: int
) -> tuple[Figure, Figure] | None:
    """KID of the set and its floor in a feature net, NET_MOST pictures each at most; None: too few or no real ones."""
    usable = [one.id for one in scores if not one.changed]
    if found.training is None or min(len(usable), len(found.training)) < 4:
        return None
    draw = np.random.default_rng(0)
    ours = [usable[k] for k in draw.permutation(len(usable))[:NET_MOST]]
    theirs = draw.permutation(len(found.training))[:NET_MOST]
    images = (gate_sheets.sized(decode(gate_sheets.content(set.image_path(id))), size) for id in ours)
    own, other = net.features(weights, images), net.features(weights, found.training.images[theirs])
    return closeness.kid(own, other), closeness.floor(other, min(len(own), len(other)) // 2)
