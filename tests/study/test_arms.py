"""What lies in an arm's folder, which pictures belong together, and the draw."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from siamese.errors import StudyError
from siamese.picture import decode
from siamese.study.arms import Picture, draw, pool, pools, said
from siamese.study.design import Arm, Design
from siamese.study.trained import seen_by_generators
from tests.study.arms_of import design_of, names, two_arms, write_arm


def arm(folder: Path, kind: str = "real", **more: object) -> Arm:
    return Arm(name=folder.name, kind=kind, source=str(folder), **more)


def listed(*arms: tuple[str, list[tuple[str, str]]]) -> dict[str, list[Picture]]:
    """Pools without files: arm → (name, group)."""
    return {
        name: [Picture(name, Path(f"/{name}/{one}.png"), None, group) for one, group in some]
        for name, some in arms
    }


def in_arms(count: int, per_arm: int, **settings: object) -> Design:
    arms = tuple(
        Arm(name=f"a{k}", kind="real" if k == 0 else "synthetic", source="none") for k in range(count)
    )
    return Design(arms=arms, per_arm=per_arm, **settings)


def test_a_folder_is_read_whatever_its_layout(tmp_path):
    write_arm(tmp_path / "pairs", names(4))
    write_arm(tmp_path / "alone", names(3), masks=False)
    (tmp_path / "pairs" / "masks" / "case003.png").unlink()
    (tmp_path / "pairs" / "test.txt").write_text("case002\ncase000\n")
    pairs = pool(arm(tmp_path / "pairs"))
    assert [(p.name, p.mask is not None) for p in pairs] == [(n, n != "case003") for n in names(4)]
    assert [p.name for p in pool(arm(tmp_path / "pairs", split="test"))] == ["case000", "case002"]
    assert [(p.name, p.mask) for p in pool(arm(tmp_path / "alone"))] == [(n, None) for n in names(3)]


def test_a_gallery_gives_the_pictures_that_were_accepted(tmp_path):
    for name, state in (("one", "accepted"), ("two", "rejected"), ("three", None)):
        entry = tmp_path / "gallery" / name
        entry.mkdir(parents=True)
        shutil.copy(write_arm(tmp_path / name, names(1)) / "images" / "case000.png", entry / "picture.png")
        if state:
            (entry / "judgement.json").write_text(json.dumps({"state": state}))
    gallery = tmp_path / "gallery"
    assert [p.name for p in pool(arm(gallery, split="accepted"))] == ["one"]
    assert [p.name for p in pool(arm(gallery, split="new"))] == ["three"]
    assert len(pool(arm(gallery))) == 3


def test_every_arm_that_cannot_be_read_is_said_at_once(tmp_path):
    write_arm(tmp_path / "here", names(2))
    (tmp_path / "here" / "val.txt").write_text("case000 nobody\n")
    arms = (
        arm(tmp_path / "nowhere"),
        arm(tmp_path / "here", "synthetic", split="val"),
        Arm(name="b", kind="synthetic", source=str(tmp_path / "here"), split="test"),
        Arm(name="c", kind="synthetic", source=str(tmp_path / "here"), without={"ghost": "burnt-in text"}),
    )
    with pytest.raises(StudyError) as error:
        pools(Design(arms=arms))
    said = str(error.value)
    assert "nowhere holds no pictures" in said and "val.txt" in said and "(nobody)" in said
    assert "test.txt is missing" in said and "`without` names ghost" in said


def test_the_same_mask_at_another_size_makes_a_group(tmp_path):
    real = arm(write_arm(tmp_path / "real", names(5), mask_size=420))
    made = arm(
        write_arm(tmp_path / "made", [f"m{n}_s7" for n in names(5)], seed=1, mask_size=333), "synthetic"
    )
    found = pools(Design(arms=(real, made), grouping="mask"))
    pairs = {
        one.name: other.name for one in found["real"] for other in found["made"] if one.group == other.group
    }
    assert pairs == {n: f"m{n}_s7" for n in names(5)}
    assert len({p.group for p in found["real"]}) == 5
    alone = pools(Design(arms=(real, made), grouping="none"))
    assert len({p.group for some in alone.values() for p in some}) == 10


def test_names_make_groups_when_told_and_empty_masks_never_do(tmp_path):
    real = arm(write_arm(tmp_path / "real", names(3)))
    made = arm(write_arm(tmp_path / "made", [f"{n}_s12" for n in names(3)], seed=1), "synthetic")
    found = pools(Design(arms=(real, made), grouping="name"))
    assert [p.group for p in found["real"]] == [p.group for p in found["made"]]
    for folder in ("real", "made"):
        for path in (tmp_path / folder / "masks").iterdir():
            cv2.imwrite(str(path), np.zeros((96, 96), np.uint8))
    found = pools(Design(arms=(real, made), grouping="mask"))
    assert len({p.group for some in found.values() for p in some}) == 6


def test_a_damaged_mask_is_named(tmp_path):
    arms = two_arms(tmp_path, 2)
    (tmp_path / "made" / "masks" / "case001.png").write_bytes(b"no picture")
    with pytest.raises(StudyError, match="case001.png"):
        pools(design_of(arms))


def test_the_draw_depends_on_the_seed_and_on_nothing_else(tmp_path):
    arms = two_arms(tmp_path, 12)
    design = design_of(arms, per_arm=5)
    first = draw(design, pools(design), {})
    for k, path in enumerate(sorted((tmp_path / "made" / "images").iterdir(), reverse=True)):
        os.utime(path, (k, k))
    write_arm(tmp_path / "unrelated", names(2))
    found = {name: some[::-1] for name, some in pools(design).items()}
    again = draw(design, found, {})
    assert {p.path for p in first.pictures} == {p.path for p in again.pictures}
    assert {p.path for p in first.practice} == {p.path for p in again.practice}
    others = [draw(design.model_copy(update={"seed": seed}), found, {}) for seed in range(1, 9)]
    assert len({frozenset(p.name for p in one.pictures) for one in (first, *others)}) > 5


def test_masks_that_every_arm_has_come_first_and_practice_is_of_others():
    real = [(f"r{k}", f"g{k}") for k in range(20)]
    made = [(f"m{k}", f"g{k}" if k < 6 else f"own{k}") for k in range(20)]
    chosen = draw(in_arms(2, 8, practice=4), listed(("a0", real), ("a1", made)), {})
    shown = Counter(p.arm for p in chosen.pictures)
    groups = Counter(p.group for p in chosen.pictures)
    assert shown == {"a0": 8, "a1": 8} and chosen.missing == ()
    assert sum(count == 2 for count in groups.values()) == 6  # all that both arms have
    assert Counter(p.arm for p in chosen.practice) == {"a0": 2, "a1": 2}
    assert not {p.group for p in chosen.practice} & set(groups)


def test_a_picture_that_cannot_be_shown_takes_its_group_along():
    both = [(f"x{k}", f"g{k}") for k in range(6)]
    found = listed(("a0", both), ("a1", both))
    design = in_arms(2, 4, protocol="P4", practice=0)
    first = draw(design, found, {})
    bad = next(p for p in first.pictures if p.arm == "a1")
    again = draw(design, found, {bad.path: "left out for a test"})
    assert bad.group not in {p.group for p in again.pictures} and len(again.pictures) == 8
    assert said({bad.path: "left out for a test"}) == (f"1 picture left out for a test: {bad.name}",)


def test_side_by_side_needs_the_same_masks_or_none():
    real, made = [(f"r{k}", f"g{k}") for k in range(10)], [(f"m{k}", f"h{k}") for k in range(10)]
    found = listed(("a0", real), ("a1", made))
    design = in_arms(2, 6, protocol="P4", practice=2)
    paired = draw(design, found, {})
    assert (
        paired.pictures == ()
        and "0 masks are in every arm" in paired.missing[0]
        and "grouping" in paired.missing[0]
    )
    free = draw(design.model_copy(update={"grouping": "none"}), found, {})
    sizes = Counter(p.group for p in free.pictures)
    assert free.missing == () and len(sizes) == 6 and set(sizes.values()) == {2} and len(free.practice) == 4
    assert all(Counter(p.arm for p in free.pictures if p.group == g) == {"a0": 1, "a1": 1} for g in sizes)


def test_too_few_pictures_are_said_with_their_number():
    found = listed(("a0", [(f"r{k}", f"g{k}") for k in range(9)]), ("a1", [("m0", "m0")]))
    chosen = draw(in_arms(2, 6, practice=4), found, {})
    assert any("arm a1: 1 picture can be shown" in line for line in chosen.missing)
    assert any("3 pictures are left for practice" in line for line in chosen.missing)


def test_seeds_of_one_mask_are_shown_only_when_other_masks_are_used_up():
    made = [(f"m{k}_s{s}", f"g{k}") for k in range(4) for s in range(3)]
    real = [(f"r{k}", f"g{k}") for k in range(6)]
    six = draw(in_arms(2, 6, practice=0), listed(("a0", real), ("a1", made)), {})
    assert Counter(Counter(p.group for p in six.pictures if p.arm == "a1").values()) == {1: 2, 2: 2}


def test_training_pictures_are_known_by_pixels_and_saved_again(tmp_path):
    arms = two_arms(tmp_path, 3)
    pictures = [decode(path.read_bytes()) for path in sorted((tmp_path / "patients" / "images").iterdir())]
    import hashlib

    from siamese.data.neardup import difference_hash

    model = tmp_path / "model"
    model.mkdir()
    sha = np.frombuffer(hashlib.sha256(pictures[0]).digest(), np.uint8)[None]
    tensors = {"training.sha256": sha, "training.dhash": difference_hash(pictures[0])[None]}
    save_file(tensors, model / "model.safetensors")
    made = arms[1].model_copy(update={"checkpoint": str(model)})
    seen, notes = seen_by_generators(design_of((arms[0], made)))
    jpeg = decode(cv2.imencode(".jpg", pictures[0], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    assert seen.has(pictures[0]) and seen.has(jpeg) and not notes
    assert not seen.has(pictures[1]) and not seen.has(pictures[2])
    (tmp_path / "made" / "manifest.jsonl").write_text(
        json.dumps({"image": "x", "checkpoint": str(model)}) + "\n{\n"
    )
    assert seen_by_generators(design_of(arms))[0].has(pictures[0])
    (tmp_path / "made" / "manifest.jsonl").write_text(json.dumps({"facts": {"checkpoint": "gone"}}))
    assert "training pictures of gone are not at hand" in seen_by_generators(design_of(arms))[1][0]
    (tmp_path / "made" / "manifest.jsonl").unlink()
    assert "nothing says which model made it" in seen_by_generators(design_of(arms))[1][0]
    (tmp_path / "made" / "set.json").write_text(json.dumps({"checkpoints": [{"where": str(model)}]}))
    assert seen_by_generators(design_of(arms))[0].has(pictures[0])
