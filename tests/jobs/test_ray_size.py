"""What would not go to a Ray cluster is refused here, in a sentence with a cure; no cluster is needed for that."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from siamese import recipe
from siamese.errors import SiameseError
from siamese.jobs.cluster import Pack, pack
from siamese.jobs.ray import LARGEST, check
from tests.conftest import TINY


def write_zip(path: Path, size: int) -> None:
    """A zip of `size` bytes with a run.sh in it; what comes before it is a hole in the file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("run.sh", "exit 0")
    length = path.stat().st_size
    with path.open("wb") as file:
        file.truncate(size - length)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("run.sh", "exit 0")
    assert path.stat().st_size == size


def test_what_fits_and_what_does_not(small_dataset: Path, tmp_path: Path) -> None:
    check(pack(Pack(recipe.read(TINY), (small_dataset,)), tmp_path / "small.zip"))
    large = tmp_path / "large.zip"
    write_zip(large, LARGEST)
    check(large)
    write_zip(large, LARGEST + 100_000)
    said = r"large.zip has 105.0 MB, and a Ray cluster takes at most 104.9 MB at once; unpack it on a disk"
    with pytest.raises(SiameseError, match=said):
        check(large)


def test_what_pack_did_not_write(tmp_path: Path) -> None:
    with pytest.raises(SiameseError, match="nowhere.zip is not what `jobs pack` wrote"):
        check(tmp_path / "nowhere.zip")
    with pytest.raises(SiameseError, match="is not what `jobs pack` wrote"):
        check(tmp_path)
    (tmp_path / "run.sh").touch()
    check(tmp_path)
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(SiameseError, match="other.zip is not what `jobs pack` wrote"):
        check(other)
    other.write_text("not a zip")
    with pytest.raises(SiameseError, match="not a zip file"):
        check(other)
    write_zip(tmp_path / "mine.pack", 1000)
    with pytest.raises(SiameseError, match="call mine.pack mine.zip"):
        check(tmp_path / "mine.pack")
