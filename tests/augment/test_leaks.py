"""Leaks: what a checkpoint saw, which masks are held out, and that honest plans pass."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from siamese.augment import heldout, leaks, sources
from siamese.augment import plan as plans
from siamese.augment.item import Item, Source
from siamese.augment.plan import Plan
from siamese.data import seen
from siamese.data.neardup import difference_hash
from siamese.errors import AugmentError, DatasetError
from siamese.masks.mask import Mask
from tests.conftest import draw_case, write_dataset
from tests.shell import siamese

KVASIR = Path(__file__).parents[3] / "shared" / "data" / "kvasir-seg"


def written(root: Path, numbers: range, size: int = 96) -> Path:
    """A dataset of drawn cases with these numbers; the last two are val and test."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for k in numbers:
        picture, mask = draw_case(k, size)
        cv2.imwrite(str(root / "images" / f"case{k:03d}.png"), picture[..., ::-1])
        cv2.imwrite(str(root / "masks" / f"case{k:03d}.png"), mask)
    stems = [f"case{k:03d}" for k in numbers]
    for name, some in (("train", stems[:-2]), ("val", stems[-2:-1]), ("test", stems[-1:])):
        (root / f"{name}.txt").write_text("\n".join(some))
    return root


def trained(folder: Path, pictures: list[np.ndarray], digests: bool = True, **facts: str) -> Path:
    """A checkpoint's file with digests of these pictures alone."""
    folder.mkdir(parents=True)
    tensors = {"weights": np.zeros(1, np.float32)}
    if digests:
        sha = [np.frombuffer(hashlib.sha256(p).digest(), np.uint8) for p in pictures]
        tensors |= {seen.EXACT: np.stack(sha), seen.PERCEPTUAL: np.stack([difference_hash(p) for p in pictures])}
    save_file(tensors, folder / "model.safetensors", facts)
    return folder


def pictures(*numbers: int) -> list[np.ndarray]:
    return [draw_case(k)[0] for k in numbers]


def plan_of(root: Path, **more: object) -> Plan:
    return plans.parse({"masks": {"where": [str(root)]}, **more})


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """Cases 0 to 7: 0 to 5 train, 6 val, 7 test."""
    return written(tmp_path / "ward", range(8))


def checked(plan: Plan, checkpoint: Path, *registered: Path) -> leaks.Leaks:
    return leaks.check(plan, [checkpoint], sources.read(plan, None), registered)


def test_an_honest_plan_passes_and_says_what_was_looked_at_without_names(ward: Path, tmp_path: Path) -> None:
    found = checked(plan_of(ward), trained(tmp_path / "honest", pictures(0, 1, 2, 3, 4, 5)))
    assert not found.problems
    found.refuse()
    said = " ".join(found.looked_at)
    assert "2 val or test pictures of ward compared with the digests of 6 training pictures of honest" in said
    assert "6 source masks compared with 2 val or test masks of ward" in said and said.count("none found") == 2
    assert "case" not in said


@pytest.mark.parametrize(
    "changed",
    [
        lambda p: p,
        lambda p: np.ascontiguousarray(np.rot90(p)[:, ::-1]),
        lambda p: cv2.imdecode(cv2.imencode(".png", cv2.resize(p, (192, 192)))[1], 1),
    ],
    ids=["as it is", "turned and mirrored", "saved at another size"],
)
def test_a_test_picture_that_was_trained_on_is_refused_by_name(ward: Path, tmp_path: Path, changed) -> None:
    leaky = trained(tmp_path / "leaky", [*pictures(0, 1), changed(draw_case(7)[0])])
    found = checked(plan_of(ward), leaky)
    assert len(found.problems) == 1
    assert "leaky was trained on 1 picture of test.txt of ward: case007. Choose" in found.problems[0]
    assert "1 found" in found.looked_at[0]
    with pytest.raises(AugmentError, match=r"(?s)1 problem found.*case007"):
        found.refuse()


def test_a_look_alike_is_cleared_when_the_training_picture_is_at_hand(ward: Path, tmp_path: Path) -> None:
    """Another picture with the hash of the test picture: refused by the hash alone, cleared by its pixels."""
    checkpoint = trained(tmp_path / "chance", pictures(0))
    tensors = {
        seen.EXACT: np.frombuffer(hashlib.sha256(draw_case(0)[0]).digest(), np.uint8)[None],
        seen.PERCEPTUAL: difference_hash(draw_case(7)[0])[None],
    }
    save_file(tensors, checkpoint / "model.safetensors")
    assert not checked(plan_of(ward), checkpoint).problems
    elsewhere = plan_of(written(tmp_path / "other", range(5, 8)))
    assert "case007" in checked(elsewhere, checkpoint).problems[0]


def test_a_checkpoint_without_digests_needs_a_word_that_stands_in_the_card(ward: Path, tmp_path: Path) -> None:
    foreign = trained(tmp_path / "foreign", [], digests=False)
    found = checked(plan_of(ward), foreign)
    assert len(found.problems) == 1
    assert "foreign was trained on cannot be told" in found.problems[0] and "pictures.unseen" in found.problems[0]
    word = plan_of(ward, pictures={"unseen": "published in 2020, our pictures are of 2024"})
    told = checked(word, foreign)
    assert not told.problems and 'the plan instead: "published in 2020' in " ".join(told.looked_at)


def test_a_checkpoint_that_comes_from_one_without_digests_is_no_better(ward: Path, tmp_path: Path) -> None:
    tuned = trained(tmp_path / "tuned", pictures(0), **{seen.UNKNOWN: '["published"]'})
    found = checked(plan_of(ward), tuned)
    assert "tuned was trained on cannot be told (it comes from published)" in found.problems[0]


def test_the_datasets_named_as_real_are_looked_at_not_the_lenders(ward: Path, tmp_path: Path) -> None:
    real = written(tmp_path / "shelf" / "clinic", range(20, 25))
    leaky = trained(tmp_path / "leaky", pictures(7, 24))
    found = checked(plan_of(ward, real=["clinic"]), leaky, real)
    assert len(found.problems) == 1 and "test.txt of clinic: case024" in found.problems[0]
    with pytest.raises(AugmentError, match="no dataset 'nowhere'.*clinic"):
        checked(plan_of(ward, real=["nowhere"]), leaky, real)


@pytest.mark.parametrize("turns", [0, 1, 6])
def test_a_mask_of_another_datasets_test_list_is_refused_also_turned(ward: Path, tmp_path: Path, turns: int) -> None:
    other = written(tmp_path / "other", range(30, 34))
    lesion = draw_case(2, 300)[1]
    turned = np.rot90(lesion if turns < 4 else lesion[:, ::-1], turns % 4)
    cv2.imwrite(str(other / "masks" / "case033.png"), turned)
    cv2.imwrite(str(other / "images" / "case033.png"), cv2.resize(draw_case(33)[0], (300, 300)))
    cv2.imwrite(str(ward / "masks" / "case002.png"), lesion)
    cv2.imwrite(str(ward / "images" / "case002.png"), cv2.resize(draw_case(2)[0], (300, 300)))
    honest = trained(tmp_path / "honest", pictures(0))
    found = checked(plan_of(ward), honest, other)
    assert len(found.problems) == 1
    assert "on test.txt of other: ward/case002 (there case033). Leave the cases out (masks.without" in found.problems[0]
    assert checked(plan_of(ward), honest).problems == ()


def test_a_lenders_own_test_list_counts_where_another_dataset_is_the_real_one(ward: Path, tmp_path: Path) -> None:
    shutil.copy(ward / "masks" / "case007.png", ward / "masks" / "case004.png")
    real = written(tmp_path / "clinic", range(20, 25))
    found = checked(plan_of(ward, real=[str(real)]), trained(tmp_path / "honest", pictures(0, 7)))
    assert len(found.problems) == 1 and "ward/case004 (there case007)" in found.problems[0]


def test_every_leak_is_listed_at_once(ward: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ward, other)
    (other / "test.txt").write_text("case001\ncase004\n")
    leaky = trained(tmp_path / "leaky", pictures(6, 7))
    with pytest.raises(AugmentError) as error:
        checked(plan_of(ward), leaky, other).refuse()
    assert "3 problems" in str(error.value)
    for said in ("val.txt of ward: case006", "test.txt of ward: case007", "ward/case001 (there case001)", "case004"):
        assert said in str(error.value)


def test_empty_masks_and_unlike_ones_never_match(ward: Path, tmp_path: Path) -> None:
    for k in (3, 7):
        cv2.imwrite(str(ward / "masks" / f"case{k:03d}.png"), np.zeros((96, 96), np.uint8))
    held_out = heldout.read([ward])
    assert [case.stem for case in held_out.cases] == ["case006"]
    mask = draw_case(6, 96)[1]
    moved = np.roll(mask, 6, axis=1)
    assert list(held_out.twins([np.zeros((96, 96), np.uint8), moved])) == []
    assert [(k, case.stem) for k, case in held_out.twins([moved, mask])] == [(1, "case006")]


def test_a_dealt_mask_that_came_out_as_a_test_mask_is_named(ward: Path) -> None:
    held_out = heldout.read([ward])
    items = []
    for k in (2, 7):
        mask = Mask.from_array(np.rot90(draw_case(k)[1]))
        source = Source("dataset", "ward", "case001", mask.digest, partner="case003")
        items.append((Item(f"s{k:06d}", 0, 0, k, mask.digest, 96, 96, source), mask))
    found = leaks.check_dealt(items, held_out)
    assert "s000007 of ward/case001 with case003 is case007 of test.txt of ward" in found.problems[0]
    assert "s000002" not in found.problems[0] and "2 dealt masks compared" in found.looked_at[0]
    assert leaks.check_dealt(items[:1], held_out).problems == ()


def test_an_unreadable_dataset_is_an_error_where_it_matters_and_told_elsewhere(ward: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "broken", range(30, 34))
    (other / "masks" / "case033.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    found = checked(plan_of(ward), trained(tmp_path / "honest", pictures(0)), other)
    assert not found.problems and "not compared: broken" in found.looked_at[-1]
    with pytest.raises(DatasetError, match=r"test.txt: .*case033"):
        heldout.read([other], needed=[other])
    (ward / "images" / "case007.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    with pytest.raises(DatasetError, match=r"test.txt: picture case007.png"):
        checked(plan_of(ward), trained(tmp_path / "again", pictures(0)))


def test_without_lists_nothing_is_looked_for_and_that_is_said(tmp_path: Path) -> None:
    plain = write_dataset(tmp_path / "plain", 3)
    found = checked(plan_of(plain), trained(tmp_path / "any", [], digests=False))
    assert not found.problems and "no val or test list" in found.looked_at[0]


def test_a_case_left_out_by_the_plan_lends_no_mask(ward: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ward, other)
    (other / "test.txt").write_text("case001\ncase004\n")
    honest = trained(tmp_path / "honest", pictures(0))
    cured = plan_of(ward, masks={"where": [str(ward)], "without": ["case001", "ward/case004"]})
    assert checked(plan_of(ward), honest, other).problems
    assert not checked(cured, honest, other).problems
    left = sources.read(cured, None)
    assert [m.source.stem for m in left.masks] == ["case000", "case002", "case003", "case005"]
    assert "2 masks left out, as masks.without says." in left.notes


def test_the_shell_says_which_pictures_were_seen(ward: Path, tmp_path: Path) -> None:
    some = trained(tmp_path / "some", pictures(1, 7), **{seen.UNKNOWN: '["published"]'})
    said = siamese("checkpoint", "seen", some, "--data", ward)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines() == [
        "What published was trained on is not known, so a picture may be missing below.",
        "ward, train: 1 of 6 seen: case001",
        "ward, val: 0 of 1 seen",
        "ward, test: 1 of 1 seen",
    ]
    none = siamese("checkpoint", "seen", some, "--data", tmp_path / "nowhere")
    assert none.returncode == 2 and "images/ is missing" in none.stderr


@pytest.mark.soak
def test_kvasirs_val_and_test_pictures_and_masks_pass_against_the_shipped_model() -> None:
    """160 held-out pictures, 1,806 digests, 840 masks: no false alarm, and a picture saved again is found."""
    if not KVASIR.is_dir():
        pytest.skip("needs the shared pictures, which no clone carries")
    plan = plans.parse({"masks": {"where": [str(KVASIR)]}})
    lending = sources.read(plan, None)
    found = leaks.check(plan, [Path("polyp-compact")], lending, [KVASIR.parent / "polypgen"])
    assert found.problems == ()
    assert "160 val or test pictures of kvasir-seg compared with the digests of 1,806" in found.looked_at[0]
    known = seen.read("polyp-compact")
    path = next((KVASIR / "images").glob(f"{lending.masks[5].source.stem}.*"))
    picture = cv2.imread(str(path))[..., ::-1]
    saved = cv2.imdecode(cv2.imencode(".jpg", picture[::-1, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1], 1)[..., ::-1]
    assert known.match(seen.printed(picture)).exact and known.has(saved)
