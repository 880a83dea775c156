"""Mask: which arrays come in, what is said about them, and what a mask can do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamese.errors import MachineError, MaskError
from siamese.masks.mask import EMPTY, Mask


def disc(size: int = 64) -> np.ndarray:
    """(S,S) bool: a filled circle, radius S/4."""
    y, x = np.mgrid[:size, :size]
    return (y - size // 2) ** 2 + (x - size // 2) ** 2 < (size // 4) ** 2


@pytest.mark.parametrize(
    "array",
    [
        disc(),
        disc().astype(np.uint8),
        disc().astype(np.int64),
        disc().astype(np.uint8) * 255,
        disc().astype(np.uint16) * 65535,
        disc()[:, :, None],
        np.repeat(disc()[:, :, None], 3, axis=2),
        np.repeat(disc()[:, :, None].astype(np.uint8) * 255, 3, axis=2),
        np.repeat(disc()[:, :, None].astype(np.uint8) * 255, 4, axis=2) | np.uint8([0, 0, 0, 255]),
        np.asfortranarray(disc()),
    ],
    ids=[
        "bool",
        "0/1",
        "int64",
        "0/255",
        "16 bit 0/65535",
        "H,W,1",
        "bool RGB",
        "RGB",
        "opaque RGBA",
        "Fortran",
    ],
)
def test_black_and_white_is_taken_without_a_word(array):
    mask = Mask.from_array(array)
    assert mask.notes == ()
    assert (
        mask.labels.dtype == np.uint8 and mask.labels.flags.c_contiguous and not mask.labels.flags.writeable
    )
    assert np.array_equal(mask.labels, disc())


def test_labels_do_not_follow_the_array_they_came_from():
    array = disc().astype(np.uint8)
    mask = Mask.from_array(array)
    array[:] = 0
    assert np.array_equal(mask.labels, disc())


def test_grey_is_thresholded_above_127_and_said():
    mask = Mask.from_array(np.array([[0, 127, 128, 255]], np.uint8))
    assert mask.labels.tolist() == [[0, 0, 1, 1]]
    assert mask.notes == ("grey mask: thresholded at 127",)


def test_class_numbers_in_a_grey_mask_are_called_too_dark():
    mask = Mask.from_array(np.array([[0, 1, 2]], np.uint8))
    assert mask.empty
    assert any("brightest value is only 2" in note for note in mask.notes)
    assert mask.notes[-1] == EMPTY


def test_sixteen_bit_grey_is_scaled_then_thresholded():
    mask = Mask.from_array(np.array([[0, 20000, 32768 + 128, 65535]], np.uint16))
    assert mask.labels.tolist() == [[0, 0, 1, 1]]
    assert any("16-bit" in note for note in mask.notes)


def test_colour_goes_by_brightness_and_is_said():
    mask = Mask.from_array(np.uint8([[[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 255, 0]]]))
    assert mask.labels.tolist() == [[0, 0, 1, 1]]
    assert mask.notes == ("colour mask: thresholded at brightness 127",)


def test_a_red_lesion_on_black_is_a_lesion():
    array = np.zeros((64, 64, 3), np.uint8)
    array[disc()] = (255, 0, 0)
    mask = Mask.from_array(array)
    assert np.array_equal(mask.labels, disc())
    assert "two colours" in mask.notes[0]


def test_transparent_is_background():
    array = np.full((64, 64, 4), 255, np.uint8)
    array[~disc(), 3] = 0
    mask = Mask.from_array(array)
    assert np.array_equal(mask.labels, disc())
    assert mask.notes == ("mask with transparency: transparent parts count as background",)
    ones = array.copy()
    ones[:, :, :3] = 1
    assert np.array_equal(Mask.from_array(ones).labels, disc())


def test_half_transparent_white_is_grey():
    array = np.full((1, 2, 4), 255, np.uint8)
    array[0, :, 3] = 100, 200
    assert Mask.from_array(array).labels.tolist() == [[0, 1]]


@pytest.mark.parametrize("array", [np.zeros((8, 8), bool), np.zeros((8, 8, 4), np.uint8)])
def test_an_empty_mask_is_allowed_and_said(array):
    mask = Mask.from_array(array)
    assert mask.empty and mask.area == 0
    assert mask.notes[-1] == EMPTY


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4), np.float32), "float32"),
        (np.zeros(4, np.uint8), "(4,)"),
        (np.zeros((3, 8, 8), np.uint8), "(3, 8, 8)"),
        (np.zeros((4, 4, 2), np.uint8), "(4, 4, 2)"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.array([[-1, 3]]), "from -1 to 3"),
        (np.array([[0, 70000]]), "from 0 to 70000"),
        (np.array([["a", "b"]]), "true/false or whole numbers"),
        (np.broadcast_to(np.uint8(0), (10000, 10000)), "100 megapixels"),
    ],
)
def test_other_arrays_are_refused_with_what_was_found(array, words):
    with pytest.raises(MaskError) as caught:
        Mask.from_array(array)
    assert words in str(caught.value)


def test_the_constructor_holds_its_promise():
    for labels in (np.zeros((4, 4), bool), np.zeros((4, 4, 1), np.uint8), np.zeros((0, 4), np.uint8), "mask"):
        with pytest.raises(MaskError):
            Mask(labels)
    assert Mask(np.uint8([[0, 2]])).labels.tolist() == [[0, 2]]  # classes are kept


def test_round_trip_through_png_and_disk(tmp_path):
    mask = Mask.from_array(disc(51))
    path = tmp_path / "mask.png"
    mask.write(path)
    written = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert written.ndim == 2 and written.dtype == np.uint8 and set(np.unique(written)) == {0, 255}
    again = Mask.read(path)
    assert np.array_equal(again.labels, mask.labels) and again.digest == mask.digest and again.notes == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mask.png"]


def test_a_failed_write_says_where(tmp_path):
    (tmp_path / "mask.png").mkdir()
    with pytest.raises(MachineError, match=r"mask\.png cannot be written"):
        Mask.from_array(disc()).write(tmp_path / "mask.png")
    with pytest.raises(MachineError, match="cannot be written"):
        Mask.from_array(disc()).write(tmp_path / "missing" / "mask.png")
    assert [p.name for p in tmp_path.iterdir()] == ["mask.png"]  # no temporary file stays behind


def test_digest_is_of_shape_and_labels_only():
    mask = Mask.from_array(disc())
    assert mask.digest == Mask.from_array(disc().astype(np.uint8) * 255).digest
    assert mask.digest == Mask(mask.labels, ("a note",)).digest
    assert len(mask.digest) == 64 and int(mask.digest, 16)
    other = disc()
    other[0, 0] = True
    assert Mask.from_array(other).digest != mask.digest
    flat = np.zeros((2, 8), bool)
    assert Mask.from_array(flat).digest != Mask.from_array(flat.reshape(4, 4)).digest


def test_area_is_a_share():
    array = np.zeros((10, 20), bool)
    array[:5] = True
    assert Mask.from_array(array).area == pytest.approx(0.5)
    assert not Mask.from_array(array).empty


def test_resizing_is_nearest_and_said():
    mask = Mask.from_array(np.kron(disc(32), np.ones((2, 2))).astype(bool))
    small = mask.resized(32)
    assert np.array_equal(small.labels, disc(32))
    assert small.notes == ("resized from 64×64 to 32×32 (nearest)",)
    assert np.array_equal(small.resized((64, 64)).labels, mask.labels)
    assert mask.resized(64) is mask
    wide = Mask.from_array(np.ones((512, 640), bool)).resized(384)
    assert wide.labels.shape == (384, 384) and wide.area == 1
    assert wide.notes[0] == "resized from 512×640 to 384×384 (nearest)" and "proportions" in wide.notes[1]


def test_resizing_is_centred():
    mask = Mask.from_array(disc(385) | disc(385)[::-1] | disc(385)[:, ::-1])
    for size in (96, 128, 384, 770):
        labels = mask.resized(size).labels
        assert (
            abs(int(labels.sum(0)[: size // 2].sum()) - int(labels.sum(0)[-(size // 2) :].sum()))
            <= labels.sum() * 0.02
        )


def test_a_lesion_lost_in_resizing_is_said():
    array = np.zeros((64, 64), bool)
    array[0, 0] = True
    small = Mask.from_array(array).resized(4)
    assert small.empty and small.notes[-1] == EMPTY


def test_resizing_keeps_what_was_said_before():
    mask = Mask.from_array(np.full((8, 8), 200, np.uint8)).resized(4)
    assert mask.notes[0] == "grey mask: thresholded at 127" and "resized" in mask.notes[1]
    empty = Mask.from_array(np.zeros((8, 8), bool)).resized(4)
    assert empty.notes.count(EMPTY) == 1


@pytest.mark.parametrize("size", [0, -3, (0, 4), 10**6])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(MaskError):
        Mask.from_array(disc()).resized(size)


@pytest.mark.parametrize("size", [16, 64, 100])
def test_hint_is_three_planes_of_zeros_and_ones(size):
    mask = Mask(disc().astype(np.uint8))
    hint = mask.hint(size)
    assert hint.shape == (3, size, size) and hint.dtype == np.float32 and hint.flags.c_contiguous
    assert set(np.unique(hint)) == {0.0, 1.0}
    assert np.array_equal(hint[0], hint[2]) and np.array_equal(hint[0], mask.resized(size).labels > 0)
