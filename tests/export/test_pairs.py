"""The pairs of an export: which, at what size, under which names; what is made of their masks; and the lists."""

from __future__ import annotations

import os
import shutil

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_masks

from siamese.augment.folder import SetFolder
from siamese.data import dataset as datasets
from siamese.errors import AugmentError, DatasetError
from siamese.export import lists, naming, pairs
from siamese.export.pairs import Entry
from siamese.export.regions import pieces, run_lengths
from siamese.masks.mask import Mask
from tests.export.drawn import entry
from tests.export.small import SIZE, picture

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation"
)  # pycocotools 2.0.11 under numpy 2.4


def decoded(pair: pairs.Pair) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(pair.picture, np.uint8), cv2.IMREAD_UNCHANGED)[:, :, ::-1]


def test_real_pairs_are_as_they_are_and_synthetic_ones_have_their_sources_aspect(ward, gated):
    found = pairs.of(gated, real={"ward": ward})
    assert [one.id for one in found.entries] == [f"r{k:06d}" for k in range(1, 9)] + [
        f"s{k:06d}" for k in range(1, 13)
    ]
    assert [one.split for one in found.entries] == ["train"] * 4 + ["val"] * 2 + ["test"] * 2 + ["train"] * 12
    assert all(one.name == one.id for one in found.entries)
    cases = {case.stem: case for split in pairs.SPLITS for case in datasets.read(ward, split).cases}
    items = {item.id: item for item in gated.items()}
    for one in found:
        if one.synthetic:
            width = round(SIZE * 56 / 40)
            square = picture(items[one.id].seed, SIZE, SIZE)
            wide = cv2.resize(square, (width, SIZE), interpolation=cv2.INTER_CUBIC)
            assert (decoded(one) == wide).all()
            assert (one.labels == gated.mask(items[one.id]).resized((SIZE, width)).labels).all()
            assert one.stem == items[one.id].source.stem and one.dataset == "ward"
        else:
            case = cases.pop(one.stem)
            assert (decoded(one) == cv2.imread(str(case.image))[:, :, ::-1]).all()
            assert (one.labels == Mask.read(case.mask).labels).all()
    assert cases == {} and len(list(found)) == len(found) == 20  # walked twice


def test_real_ones_are_not_numbered_by_their_names(tmp_path, ward):
    order = [one.stem for one in pairs.of(None, real={"ward": ward}, splits=("train",)).entries]
    assert len(order) == 4 and order != sorted(order)
    again = shutil.copytree(ward, tmp_path / "elsewhere" / "ward")
    assert order == [one.stem for one in pairs.of(None, real={"ward": again}, splits=("train",)).entries]


def test_square_squeezes_all_of_them(ward, gated):
    sizes = {decoded(one).shape for one in pairs.of(gated, real={"ward": ward}, square=32)}
    assert sizes == {(32, 32, 3)}
    (one,) = pairs.of(gated, ["s000002"], square=SIZE)
    assert (decoded(one) == picture(2, SIZE, SIZE)).all()  # as the model made it


def test_pixels_are_read_one_pair_at_a_time(gated):
    walk = iter(pairs.of(gated, ["s000001", "s000002"]))
    (gated.root / "images/s000002.png").unlink()
    assert next(walk).id == "s000001"
    with pytest.raises(AugmentError, match=r"Picture s000002 of .* cannot be read"):
        next(walk)


def test_what_cannot_be_is_told(tmp_path, ward, gated):
    with pytest.raises(AugmentError, match=r"no finished picture s000099; finish the set"):
        pairs.of(gated, ["s000001", "s000099"])
    with pytest.raises(DatasetError):
        pairs.of(None, real={"nowhere": tmp_path / "nowhere"})
    cv2.imwrite(str(ward / "masks" / "Müller-000.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(AugmentError, match="Müller-000.*9×9, its picture 40×56; export both at one size"):
        list(pairs.of(None, real={"ward": ward}))
    assert len(pairs.of(SetFolder(gated.root), [])) == 0


def test_classes_become_one_unless_they_are_wanted(ward):
    (ward / "dataset.json").write_text('{"classes": ["polyp", "tool"]}')
    for file in (ward / "masks").iterdir():
        cv2.imwrite(str(file), np.arange(40 * 56, dtype=np.uint8).reshape(40, 56) % 3)
    assert {int(one.labels.max()) for one in pairs.of(None, real={"ward": ward})} == {1}
    assert {int(one.labels.max()) for one in pairs.of(None, real={"ward": ward}, binary=False)} == {2}


def test_names_keep_their_stem_and_stay_apart():
    rows = [
        ("r000001", "12", "clinic", False),
        ("r000002", "cju0 Polyp", "ward", False),
        ("r000003", "CJU0 polyp", "other ward", False),
        ("r000004", "ISIC_0012345", "skin", False),
        ("s000001", "12", "clinic", True),
        ("s000002", "12", "clinic", True),
        ("s000003", "cju0 Polyp", "ward", True),
        ("s000004", "ISIC_0012345", "skin", True),
        ("s000005", "", "", True),
    ]
    assert list(naming.names(rows, True).values()) == [
        "12",
        "cju0_Polyp",
        "other_ward_CJU0_polyp",
        "ISIC_0012345",
        "12000001",
        "12000002",
        "cju0_Polyp_s000003",
        "ISIC_0012345000004",
        "s000005_s000005",
    ]
    assert set(naming.names(rows, False).values()) == {row[0] for row in rows}
    same = naming.names([(f"r{k:06d}", "twin", "ward", False) for k in range(5)], True)
    assert len(set(same.values())) == 5


@pytest.mark.parametrize(
    ("stem", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("Fall Müller 3", "Fall_Müller_3"),
        ("Mu\u0308ller", "Müller"),
        ("CON", "_CON"),
        ("nul.2", "_nul.2"),
        ("-rf", "rf"),
        (".hidden.", "hidden"),
        ('a:b*c?"d\n\x00e', "a_b_c__d__e"),
        ("胃镜 1", "胃镜_1"),
        ("...", ""),
    ],
)
def test_names_are_files_on_every_system(tmp_path, stem, safe):
    assert naming.safe(stem) == safe == naming.safe(safe)
    if safe:
        (tmp_path / f"{safe}.png").touch()
        assert os.listdir(tmp_path) == [f"{safe}.png"]


def test_a_very_long_stem_fits():
    (name,) = naming.names([("s000001", "ä" * 500, "w", True)], True).values()
    assert name.endswith("_s000001") and naming.safe(name) == name and len(name.encode()) < 200


def test_run_lengths_are_those_of_pycocotools_and_outlines_fill_exactly():
    draw = np.random.default_rng(5)
    for trial in range(60):
        height, width = (int(v) for v in draw.integers(1, 70, 2))
        rough = cv2.GaussianBlur(draw.normal(size=(height, width)), (0, 0), float(draw.uniform(0.3, 4)))
        label = (rough > np.quantile(rough, draw.uniform(0, 1))).astype(np.uint8)
        found = np.zeros_like(label)
        for region in pieces(label):
            whole = np.zeros_like(label)
            box = np.s_[region.top : region.top + region.height, region.left : region.left + region.width]
            whole[box] = region.inside
            found += whole
            theirs = coco_masks.encode(np.asfortranarray(whole))
            assert run_lengths(region, height, width) == theirs["counts"].decode(), trial
            assert [region.left, region.top, region.width, region.height] == coco_masks.toBbox(
                theirs
            ).tolist()
            outline = region.outline()
            assert len(outline) >= 4
            polygon = coco_masks.frPyObjects([outline.ravel().tolist()], height, width)
            contours, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            filled = cv2.drawContours(np.zeros_like(whole), contours, -1, 1, -1)
            assert (coco_masks.decode(polygon)[..., 0] == filled).all(), trial
            assert region.holes() == (filled != whole).any() and region.area == whole.sum()
        assert (found == label).all()


def entries(real: int, synthetic: int, fold_of: int = 3) -> list[Entry]:
    found = [entry(f"r{k:06d}", stem=f"c{k}") for k in range(1, real + 1)]
    found += [entry("r900000", "val"), entry("r900001", "test")]
    return found + [entry(f"s{k:06d}", stem=f"c{(k - 1) // fold_of}") for k in range(1, synthetic + 1)]


def test_lists_are_nested_and_take_every_source_first():
    listed = entries(10, 30)
    found, notes = lists.lists(listed)
    real = [f"r{k:06d}" for k in range(1, 11)]
    assert notes == () and found["real.txt"] == real and found["real_duplicated.txt"] == real * 2
    before, source = real, {one.id: one.stem for one in listed}
    for fold in (1, 2, 3):
        now = found[f"real_plus_synthetic_{fold}x.txt"]
        assert now[: len(before)] == before and len(set(now)) == len(now) == 10 + 10 * fold
        counts = [sum(source[id] == f"c{k}" for id in now if id[0] == "s") for k in range(10)]
        assert counts == [fold] * 10
        before = now
    assert lists.lists(listed) == (found, notes)


def test_lists_that_would_not_be_fair_are_left_out_and_told(tmp_path):
    found, notes = lists.lists(entries(10, 19))
    assert sorted(found) == [
        "real.txt",
        "real_duplicated.txt",
        "real_plus_synthetic_1x.txt",
        "real_plus_synthetic_2x.txt",
    ]
    assert len(found["real_plus_synthetic_2x.txt"]) == 29
    assert (
        "holds 19 synthetic pictures, 20 would be 2×" in notes[0]
        and "3x.txt is missing: it needs 30" in notes[1]
    )
    for real, synthetic, word in ((5, 0, "synthetic"), (0, 5, "real")):
        found, notes = lists.lists(entries(real, synthetic))
        assert found == {} and f"no {word} training pictures" in notes[0]
    lists.write(entries(2, 2), tmp_path / "lists", {one.id: f"x_{one.id}" for one in entries(2, 2)})
    assert (tmp_path / "lists/real_duplicated.txt").read_text() == "x_r000001\nx_r000002\n" * 2
