"""Digests of training pictures: what counts as the same picture, and files that hold them or do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from siamese.data import seen
from siamese.data.seen import Print, Seen
from siamese.errors import CheckpointError

WORDS = np.random.default_rng(0).integers(0, 2**63, 40, dtype=np.uint64)


def known(*hashes: int, first: int = 0) -> Seen:
    """Pictures with these hashes; their sha256 are 32 times `first`, `first` + 1, …"""
    sha256 = np.repeat(np.arange(first, first + len(hashes), dtype=np.uint8)[:, None], 32, axis=1)
    return Seen(sha256, np.array(hashes, np.uint64).view(np.uint8).reshape(-1, 8))


def printed(orientation: int, word: int, sha256: bytes = b"?" * 32) -> Print:
    """A picture with the hash `word` in one orientation and hashes far from any in the others."""
    hashes = WORDS[20:28].copy()
    hashes[orientation] = word
    return Print(sha256, hashes)


@pytest.mark.parametrize(
    ("orientation", "bits", "same"),
    [(0, 0b0, True), (0, 0b11, True), (0, 0b111, False), (3, 0b0, True), (3, 0b1, True), (6, 0b11, False)],
)
def test_two_bits_upright_and_one_turned_are_the_same_picture(orientation: int, bits: int, same: bool) -> None:
    some = known(*WORDS[:5].tolist())
    found = some.match(printed(orientation, int(WORDS[3]) ^ bits))
    assert (found is not None) == same
    if same:
        assert (found.row, found.orientation, found.exact) == (3, orientation, False)


def test_equal_pixels_are_the_same_whatever_the_hash() -> None:
    found = known(*WORDS[:5].tolist()).match(printed(0, int(WORDS[30]), bytes([2] * 32)))
    assert found is not None and found.exact and found.row == 2
    assert Seen().match(printed(0, 0)) is None


def test_the_orientations_are_eight_and_a_turned_picture_is_recognised() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (9, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    own = seen.printed(picture)
    some = Seen(np.frombuffer(own.sha256, np.uint8)[None], own.dhash[:1].view(np.uint8)[None])
    turned = list(seen.orientations(picture))
    assert len({one.tobytes() for one in turned}) == 8 and (turned[0] == picture).all()
    assert all(some.has(one) for one in turned)
    assert not some.has(255 - picture)


def test_together_each_picture_counts_once_and_rows_stay_pairs() -> None:
    one, other = known(*WORDS[:4].tolist()), known(*WORDS[2:8].tolist(), first=2)
    both = Seen(one.sha256, one.dhash, ("a",)) | Seen(other.sha256, other.dhash, ("b", "a"))
    assert both.unknown == ("a", "b")
    assert both.sha256[:, 0].tolist() == list(range(8))
    assert (both.dhash.view(np.uint64)[:, 0] == WORDS[:8]).all()
    assert len(Seen() | Seen()) == 0


def test_files_without_digests_are_unknown_and_damaged_ones_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model" / "model.safetensors"
    path.parent.mkdir()
    save_file({"weights": np.zeros(2, np.float32), seen.EXACT: np.zeros((3, 32), np.uint8)}, path)
    assert seen.read(path.parent).unknown == ("model",)
    good, hashes = np.zeros((3, 32), np.uint8), np.zeros((3, 8), np.uint8)
    save_file({seen.EXACT: good, seen.PERCEPTUAL: hashes}, path, seen.facts(Seen(unknown=("ä b",))))
    assert seen.read(path.parent).unknown == ("ä b",)
    for tensors, metadata in (
        ({seen.EXACT: good, seen.PERCEPTUAL: hashes[:2]}, {}),
        ({seen.EXACT: good[:, :31].copy(), seen.PERCEPTUAL: hashes}, {}),
        ({seen.EXACT: good, seen.PERCEPTUAL: hashes}, {seen.UNKNOWN: "[1]"}),
        ({seen.EXACT: good, seen.PERCEPTUAL: hashes}, {seen.UNKNOWN: "{"}),
    ):
        save_file(tensors, path, metadata)
        with pytest.raises(CheckpointError, match="damaged"):
            seen.read(path.parent)
