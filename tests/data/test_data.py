"""Datasets, the field of view and its furniture, augmentation with its label, tensors at the border."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from siamese.data import batches, dataset, view
from siamese.errors import DatasetError
from siamese.sections import AugmentationRecipe, DataRecipe
from tests.conftest import ROOT, draw_case, write_dataset

SHARED = ROOT.parent / "shared" / "data"


def octagon(size: int = 400, cut: float = 0.28) -> np.ndarray:
    """Pink tissue inside a cut square, black outside."""
    picture = np.zeros((size, size, 3), np.uint8)
    c = int(cut * size)
    corners = [(c, 0), (size - c, 0), (size - 1, c), (size - 1, size - c)]
    corners += [(size - c, size - 1), (c, size - 1), (0, size - c), (0, c)]
    cv2.fillConvexPoly(picture, np.array(corners), (200, 110, 100))
    return picture


def test_splits_and_styles(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "set", count=6)
    assert len(dataset.read(root).cases) == 6
    assert dataset.read(root, "val").cases == ()
    (root / "train.txt").write_text("case001\ncase003\n")
    (root / "val.txt").write_text("case000\n")
    assert [c.stem for c in dataset.read(root, "train").cases] == ["case001", "case003"]
    assert [c.stem for c in dataset.read(root, "val").cases] == ["case000"]
    (root / "index.csv").write_text("stem,centre\ncase001,C2\ncase003,C5\n")
    assert dataset.read(root, "train").styles == ("set-C2", "set-C5")


def test_all_problems_of_the_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="images/ is missing.*\n.*masks/ is missing"):
        dataset.read(tmp_path)
    root = write_dataset(tmp_path / "set", count=3)
    (root / "images" / "case000.png").unlink()
    (root / "masks" / "case001.png").unlink()
    (root / "train.txt").write_text("case002\nnobody\n")
    (root / "images" / "case002.jpg").touch()
    with pytest.raises(DatasetError) as caught:
        dataset.read(root, "train")
    assert len(caught.value.problems) == 4
    assert any("case002.jpg and case002.png; keep one" in problem for problem in caught.value.problems)
    assert any("nobody" in problem for problem in caught.value.problems)


def test_field_of_view_of_an_octagon() -> None:
    inside = view.field_of_view(octagon())
    truth = octagon().max(axis=2) > 0
    assert (inside == truth).mean() > 0.98


def test_outline_of_an_octagon() -> None:
    corners = view.outline(octagon().max(axis=2) > 0)
    assert len(corners) == 8
    assert {round(v, 2) for corner in corners for v in corner} == {0.0, 0.28, 0.72, 1.0}
    assert view.outline(np.zeros((8, 8), bool)) == []


def test_a_dark_lumen_at_the_border_is_inside() -> None:
    picture = octagon()
    picture[150:250, :60] = 8
    assert view.field_of_view(picture)[200, 10]


@pytest.mark.parametrize(
    "colour", [(0, 0, 0), (20, 160, 130), (70, 110, 190)], ids=["black", "green", "blue"]
)
def test_corner_box(colour: tuple[int, int, int]) -> None:
    picture = octagon()
    assert not view.corner_box(picture).any()
    picture[270:, :130] = colour
    box = view.corner_box(picture)
    assert box[395, 5]
    truth = np.zeros_like(box)
    truth[270:, :130] = True
    assert (box & truth).sum() / (box | truth).sum() > 0.9


def test_burnt_in_text_is_found_and_filled() -> None:
    plain = cv2.GaussianBlur(octagon(), (0, 0), 3)
    assert not view.burnt_in_text(plain).any()
    picture = plain.copy()
    for row in range(5):
        cv2.putText(
            picture, "12:34:56", (20, 150 + 18 * row), cv2.FONT_HERSHEY_PLAIN, 0.9, (255, 255, 255), 1
        )
    found = view.burnt_in_text(picture)
    written = (picture != plain).any(axis=2)
    assert (found & written).sum() / written.sum() > 0.95
    filled = view.inpaint(picture, found)
    before, after = (np.abs(p[written].astype(int) - plain[written]).mean() for p in (picture, filled))
    assert after < before / 8


def test_text_is_found_at_every_size_and_over_an_edge() -> None:
    for height in (400, 540, 1072):
        plain = cv2.resize(cv2.GaussianBlur(octagon(), (0, 0), 3), (height, height))
        plain[:, : height // 8] //= 2  # a fold's edge under the text
        picture, scale = plain.copy(), height / 400
        for row, text in enumerate(("17/11/2011", "14:02:38", "CVP:2")):
            place = (round(24 * scale), round((150 + 18 * row) * scale))
            weight = max(1, round(scale))
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_PLAIN, 0.9 * scale, (235, 235, 235), weight)
        written = (picture.astype(int) - plain > 40).any(axis=2)
        assert (view.burnt_in_text(picture) & written).sum() / written.sum() > 0.9


def test_highlights_are_no_text() -> None:
    picture = cv2.GaussianBlur(octagon(), (0, 0), 3)
    draw = np.random.default_rng(0)
    for _ in range(12):
        place = tuple(int(v) for v in draw.integers(60, 340, 2))
        axes = tuple(int(v) for v in draw.integers(2, 12, 2))
        cv2.ellipse(picture, place, axes, float(draw.uniform(0, 180)), 0, 360, (255, 250, 245), -1)
    assert not view.burnt_in_text(picture).any()


def prepared(tmp_path: Path) -> batches.Pictures:
    root = write_dataset(tmp_path / "set", count=4)
    return batches.prepare([dataset.read(root, "train")], 64, DataRecipe())


def test_prepare_shapes_and_digests(tmp_path: Path) -> None:
    pictures = prepared(tmp_path)
    assert pictures.images.shape == (4, 64, 64, 3)
    assert set(np.unique(pictures.masks)) == {0, 1}
    assert pictures.sha256.shape == (4, 32)
    assert len(np.unique(pictures.sha256, axis=0)) == 4
    again = batches.difference_hash(cv2.resize(draw_case(0)[0], (200, 200)))
    distance = np.unpackbits(again ^ pictures.dhash[0]).sum()
    assert distance <= 4  # the perceptual digest survives a new size


def test_borders_are_cut_away(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "set", count=1)
    picture, mask = draw_case(0)
    wide = np.zeros((96, 200, 3), np.uint8)
    wide[:, 80:176] = picture
    wide_mask = np.zeros((96, 200), np.uint8)
    wide_mask[:, 80:176] = mask
    cv2.imwrite(str(root / "images" / "case000.png"), wide[..., ::-1])
    cv2.imwrite(str(root / "masks" / "case000.png"), wide_mask)
    cut = batches.prepare([dataset.read(root)], 64, DataRecipe())
    whole = batches.prepare([dataset.read(root)], 64, DataRecipe(crop_to_view=False))
    assert cut.masks.mean() > 1.4 * whole.masks.mean()


def test_augmentation_is_keyed_and_labelled(tmp_path: Path) -> None:
    pictures = prepared(tmp_path)
    recipe = AugmentationRecipe(orientation=1.0, zoom=1.0, brightness=0, hue=0, warp=0)
    seen = set()
    for seed in range(40):
        a, b = (batches.augment(pictures, 0, recipe, seed) for _ in range(2))
        assert np.array_equal(a.image, b.image)
        turns = int(np.argmax(a.label[:3])) + 1 if a.label[:3].any() else 0
        wanted_mask, wanted = np.rot90(pictures.masks[0], turns), np.rot90(pictures.images[0], turns)
        if a.label[3]:
            wanted_mask, wanted = wanted_mask[:, ::-1], wanted[:, ::-1]
        assert np.array_equal(a.mask, wanted_mask)
        assert np.abs(a.image.astype(int) - wanted).max() <= 2
        seen.add((turns, bool(a.label[3])))
    assert len(seen) == 8


def test_zoom_and_shift_move_picture_and_mask_together(tmp_path: Path) -> None:
    pictures = prepared(tmp_path)
    recipe = AugmentationRecipe(orientation=0, zoom=1.3, brightness=0, hue=0, warp=8)
    areas = [batches.augment(pictures, 0, recipe, seed).mask.mean() for seed in range(20)]
    assert max(areas) > 1.15 * pictures.masks[0].mean()
    bright = [
        v.image[v.mask > 0].mean() - v.image[(v.mask == 0) & (v.view == 0)].mean()
        for v in (batches.augment(pictures, 0, recipe, seed) for seed in range(20))
    ]
    assert min(bright) > 5  # the drawn lesion is brighter than its surroundings, wherever it went


def test_a_warp_keeps_fine_texture(tmp_path: Path) -> None:
    """What a variant lost of it, a denoiser would never learn to paint."""
    pictures = prepared(tmp_path)
    noise = np.random.default_rng(0).normal(0, 180, pictures.images[0].shape).astype(np.float32)
    texture = np.clip(128 + cv2.GaussianBlur(noise, (0, 0), 1), 0, 255).astype(np.uint8)
    pictures = replace(pictures, images=np.stack([texture] * len(pictures)))
    recipe = AugmentationRecipe(orientation=0, zoom=1.0, brightness=0, hue=0, warp=8)

    def fineness(image: np.ndarray) -> float:
        return float(np.diff(image.astype(float), axis=1).std())

    for seed in range(5):
        assert fineness(batches.augment(pictures, 0, recipe, seed).image) > 0.95 * fineness(texture)


def test_tensors_at_the_border() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    x = batches.to_x(image)
    assert x.shape == (2, 3, 8, 8)
    assert x.min() >= -1
    assert x.max() <= 1
    assert np.array_equal(batches.to_images(x), image)
    maps = np.zeros((1, 8, 8), np.uint8)
    maps[:, :4] = batches.OUTSIDE
    maps[:, 6:, :2] |= batches.BOX
    frame = batches.to_frame(maps, 4)
    assert torch.equal(frame[0, 0], torch.tensor([[1.0] * 4, [1.0] * 4, [0.0] * 4, [0.0] * 4]))
    assert frame[0, 1, 3, 0] == 1
    assert frame[0, 1].sum() == 1


def test_epochs_see_every_picture_once() -> None:
    seen = np.concatenate([batches.batch_indices(10, 4, step, seed=1) for step in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert list(seen[:10]) != list(seen[10:])


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the shared pictures, which are not part of the project"
)
def test_real_pictures_have_views_and_boxes() -> None:
    """54 % of Kvasir-SEG training pictures have a dark box at the lower left (README of the data: read off)."""
    folder = SHARED / "kvasir-seg"
    stems = (folder / "val.txt").read_text().split()
    pictures = [batches.read_picture(folder / "images" / f"{stem}.jpg") for stem in stems]
    boxed = np.mean([view.corner_box(p).any() for p in pictures])
    assert 0.3 < boxed < 0.8
    inside = [view.field_of_view(p).mean() for p in pictures]
    assert 0.6 < np.median(inside) < 0.98
