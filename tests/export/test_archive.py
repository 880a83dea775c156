"""The zip is the same for the same files; a zip from somewhere else is read with suspicion."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile

import pytest

from siamese.errors import AugmentError
from siamese.export import archive


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "b" / "out"
    (root / "pranet" / "ü").mkdir(parents=True)
    (root / "pranet" / "ü" / "a.png").write_bytes(os.urandom(3000))
    (root / "z.txt").write_text("last")
    (root / "SHA256SUMS").write_text("first")
    return root


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_files_give_the_same_zip_whenever_and_however_they_were_written(folder, tmp_path):
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    assert [e.step for e in archive.pack(folder, one)] == [3]
    os.utime(folder / "z.txt", (10**9, 10**9))
    (folder / "z.txt").chmod(0o600)
    list(archive.pack(folder, other))
    assert sha(one) == sha(other)
    with zipfile.ZipFile(one) as packed:
        members = packed.infolist()
        assert [m.filename for m in members] == ["SHA256SUMS", "pranet/ü/a.png", "z.txt"]
        assert {m.date_time for m in members} == {(1980, 1, 1, 0, 0, 0)}
        assert {m.external_attr >> 16 for m in members} == {0o100644}
        assert {m.compress_type for m in members} == {zipfile.ZIP_STORED} and packed.testzip() is None
    with archive.opened(one) as packed, archive.opened(folder) as plain:
        assert packed.sizes == plain.sizes and packed.problems == plain.problems == []
        assert packed.read("pranet/ü/a.png") == plain.read("pranet/ü/a.png")
    with pytest.raises(AugmentError, match="is there already"):
        list(archive.pack(folder, one))


def test_a_pack_that_is_stopped_leaves_nothing(folder, tmp_path):
    for k in range(60):
        (folder / f"{k}.txt").write_text("x")
    work = archive.pack(folder, tmp_path / "stopped.zip")
    next(work)
    work.close()
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_links_are_no_files(folder, tmp_path):
    (folder / "away").symlink_to("/etc/hostname")
    with archive.opened(folder) as files:
        assert "away" not in files.sizes and "link" in files.problems[0]
    with pytest.raises(AugmentError, match="link"):
        list(archive.pack(folder, tmp_path / "x.zip"))


def member(name, mode=stat.S_IFREG | 0o644):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "names, told",
    [
        (["../outside.txt"], "leads out"),
        (["/etc/passwd"], "leads out"),
        (["C:/x.txt"], "leads out"),
        (["a\\..\\b.txt"], "leads out"),
        (["con.txt"], "leads out"),
        (["a.txt", "A.txt"], "twice"),
        (["a.txt", "a.txt"], "twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_no_honest_program_packs(tmp_path, names, told):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            info = member("x")
            info.filename = name
            packed.writestr(info, "x")
    with archive.opened(path) as files:
        assert any(told in text for text in files.problems)


def test_links_bombs_and_passwords(tmp_path):
    link, bomb = tmp_path / "link.zip", tmp_path / "bomb.zip"
    with zipfile.ZipFile(link, "w") as packed:
        packed.writestr(member("link", stat.S_IFLNK | 0o777), "/etc/passwd")
    with archive.opened(link) as files:
        assert "link" in files.problems[0] and files.sizes == {}
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros.png", b"\0" * 10_000_000)
    with pytest.raises(AugmentError, match="as traps do"), archive.opened(bomb):
        pass
    data = bytearray(link.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1  # encrypted, says the directory
    data[at + 38 : at + 42] = (0o100644 << 16).to_bytes(4, "little")
    (tmp_path / "locked.zip").write_bytes(data)
    with archive.opened(tmp_path / "locked.zip") as files:
        assert "encrypted" in files.problems[0]


def test_no_zip_is_said(tmp_path):
    (tmp_path / "x.zip").write_text("no zip")
    for path in (tmp_path / "x.zip", tmp_path / "nothing"):
        with pytest.raises(AugmentError, match="no zip file|nothing at"), archive.opened(path):
            pass
