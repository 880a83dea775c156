"""Workspace: private folders, drafts that never go back or come apart, backgrounds, cases."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from siamese.errors import MachineError, MaskError
from siamese.masks.mask import Mask
from siamese.workspace import Workspace, write_atomically

PNG = Mask.from_array(np.eye(16, dtype=bool)).png()
OTHER = Mask.from_array(np.ones((16, 16), bool)).png()


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "new" / "Siamese Studio")


def test_folders_appear_when_asked_for_and_are_private(workspace):
    assert list(workspace.root.iterdir()) == []
    folders = [workspace.drafts, workspace.datasets, workspace.runs, workspace.cache]
    assert [f.name for f in folders] == ["drafts", "datasets", "runs", "cache"]
    if os.name == "posix":
        workspace.save_draft("anna", PNG, 1)
        workspace.save_case("anna", OTHER, PNG, "first")
        workspace.gallery("anna").add(OTHER, PNG, {}, "", 0)
        workspace.library("anna").add(Mask.from_png(PNG), "")
        made = [workspace.root, *(p for p in workspace.root.rglob("*") if p.is_dir())]
        assert len(made) == 15
        for folder in made:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_a_folder_that_exists_keeps_its_content_and_mode(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "report.txt").write_text("mine")
    Workspace(tmp_path)
    assert (tmp_path / "report.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["report.txt"]
    if os.name == "posix":
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_relative_root_does_not_follow_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace = Workspace("here")
    monkeypatch.chdir("/")
    workspace.save_draft("anna", PNG, 1)
    assert (tmp_path / "here" / "drafts").is_dir()


def test_default_is_named_by_the_environment_else_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("SIAMESE_WORKSPACE", str(tmp_path / "elsewhere"))
    assert Workspace.default().root == tmp_path / "elsewhere"
    monkeypatch.setenv("SIAMESE_WORKSPACE", "~/below home")
    assert Workspace.default().root == tmp_path / "below home"
    monkeypatch.setenv("SIAMESE_WORKSPACE", "")
    assert Workspace.default().root == tmp_path / "SiameseStudio"


def test_a_root_that_cannot_be_used_is_named_with_a_cure(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(MachineError) as caught:
            Workspace(root)
        assert str(root) in str(caught.value)
        assert "a file is in its way" in str(caught.value) and "--workspace" in str(caught.value)
    if sys.platform == "linux":  # nobody, not even root, makes folders there
        with pytest.raises(MachineError, match="--workspace"):
            Workspace("/proc/siamese")


def test_drafts_come_back_in_a_new_process(workspace):
    assert workspace.load_draft("anna") is None
    assert workspace.save_draft("anna", PNG, 3) == 3
    assert workspace.load_draft("anna") == (PNG, 3)
    assert Workspace(workspace.root).load_draft("anna") == (PNG, 3)
    assert workspace.load_draft("ben") is None


def test_a_late_revision_is_ignored(workspace):
    workspace.save_draft("anna", PNG, 9)
    assert workspace.save_draft("anna", OTHER, 9) == 9
    assert workspace.save_draft("anna", OTHER, 8) == 9
    assert workspace.load_draft("anna") == (PNG, 9)
    assert workspace.save_draft("anna", OTHER, 10) == 10  # by number, not by name: "10" < "9"
    assert workspace.load_draft("anna") == (OTHER, 10)


def test_old_drafts_are_not_collected(workspace):
    for revision in range(1, 6):
        workspace.save_draft("anna", PNG, revision)
    files = [p for p in workspace.drafts.rglob("*") if p.is_file()]
    assert len(files) == 1
    assert Mask.read(files[0]).labels.shape == (16, 16)  # an ordinary picture, to be found by hand


@pytest.mark.parametrize("revision", [-1, 2**53, 1.5, "7", None, True, float("nan")])
def test_a_revision_that_is_no_number_is_refused(workspace, revision):
    with pytest.raises(MaskError, match="Reload the page"):
        workspace.save_draft("anna", PNG, revision)
    assert workspace.load_draft("anna") is None


OWNERS = ["../../x", "/etc/passwd", "..", "", ".", "a/b", "a\\b", "C:\\x", "nul", "a\0b", "Ä é 漢字",
          "\ud800", "x" * 5000, "Anna", "anna", "anna ", "an-na", "an na"]  # fmt: skip


def test_owner_names_are_never_paths_and_never_meet(workspace):
    for i, owner in enumerate(OWNERS):
        workspace.save_draft(owner, PNG + bytes([i]), i)
    assert [workspace.load_draft(owner) for owner in OWNERS] == [
        (PNG + bytes([i]), i) for i in range(len(OWNERS))
    ]
    folders = list(workspace.drafts.iterdir())
    assert len(folders) == len(OWNERS)
    assert all(len(f.name) < 60 and f.name.isascii() and not f.name.startswith(".") for f in folders)
    assert [p.name for p in workspace.root.iterdir()] == ["drafts"]
    assert [p.name for p in workspace.root.parent.iterdir()] == [workspace.root.name]


def test_a_crash_between_writing_and_removing_leaves_the_newer_draft(workspace):
    workspace.save_draft("anna", PNG, 1)
    folder = next(workspace.drafts.iterdir())
    (folder / "2.png").write_bytes(OTHER)
    (folder / ".writing-abc").write_bytes(b"half")
    assert workspace.load_draft("anna") == (OTHER, 2)
    assert workspace.save_draft("anna", PNG, 3) == 3
    assert sorted(p.name for p in folder.glob("*.png")) == ["3.png"]


def test_hands_drawing_at_once_leave_the_newest(workspace):
    def draw(first: int) -> None:
        for revision in range(first, 201, 4):
            workspace.save_draft("anna", PNG + str(revision).encode(), revision)
            stored = workspace.load_draft("anna")
            assert stored is not None and stored[1] >= revision and stored[0] == PNG + str(stored[1]).encode()

    failures = []
    previous, threading.excepthook = threading.excepthook, lambda failed: failures.append(failed.exc_value)
    try:
        hands = [threading.Thread(target=draw, args=(first,)) for first in range(1, 5)]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
    finally:
        threading.excepthook = previous
    assert failures == []
    assert workspace.load_draft("anna") == (PNG + b"200", 200)


@pytest.mark.parametrize("kills", [10, pytest.param(300, marks=pytest.mark.soak)])
def test_a_killed_writer_leaves_a_whole_draft(workspace, kills):
    """kill -9 in the middle of writing, again and again: what is stored is whole, never older than reported."""
    large = np.random.default_rng(0).integers(0, 256, 2_000_000, dtype=np.uint8).tobytes()
    script = (
        "import sys\nfrom siamese.workspace import Workspace\nimport hashlib\n"
        "workspace = Workspace(sys.argv[1]); large = open(sys.argv[2], 'rb').read()\n"
        "revision = (workspace.load_draft('anna') or (b'', 0))[1]\n"
        "while True:\n"
        "    revision += 1\n"
        "    body = str(revision).encode() + b':' + large\n"
        "    workspace.save_draft('anna', hashlib.sha256(body).digest() + body, revision)\n"
        "    print(revision, flush=True)\n"
    )
    source = workspace.root / "large"
    source.write_bytes(large)
    last = 0
    for count in range(kills):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(workspace.root), str(source)],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        for _ in range(1 + count % 10):
            reported = int(writer.stdout.readline())
        writer.kill()
        reported = max([reported, *(int(line) for line in writer.stdout if line.strip())])
        writer.stdout.close()
        writer.wait()
        data, revision = workspace.load_draft("anna")
        assert hashlib.sha256(data[32:]).digest() == data[:32]
        assert revision >= reported > last
        last = revision


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "mask.png"
    write_atomically(path, PNG)
    if sys.platform == "linux":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the nearest thing to a full disk
        try:
            with pytest.raises(MachineError, match="cannot be written"):
                write_atomically(path, bytes(5000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)
    assert path.read_bytes() == PNG
    assert [p.name for p in tmp_path.iterdir()] == ["mask.png"]


def test_a_background_comes_back_under_its_digest(workspace):
    assert workspace.load_background("anna") is None
    name = workspace.save_background("anna", PNG)
    assert name == hashlib.sha256(PNG).hexdigest()
    assert workspace.load_background("anna") == (PNG, name) and workspace.load_background("ben") is None
    other = workspace.save_background("anna", OTHER)
    assert Workspace(workspace.root).load_background("anna") == (OTHER, other) and other != name
    assert workspace.load_draft("anna") is None  # a background is no drawing
    workspace.save_draft("anna", PNG, 1)
    workspace.save_draft("anna", OTHER, 2)
    assert workspace.load_background("anna") == (OTHER, other)
    workspace.remove_background("anna")
    workspace.remove_background("anna")
    assert workspace.load_background("anna") is None and workspace.load_draft("anna") == (OTHER, 2)


def test_a_background_that_is_no_png_is_refused_and_the_old_one_stays(workspace, monkeypatch):
    workspace.save_background("anna", PNG)
    with pytest.raises(MaskError, match="is not a PNG"):
        workspace.save_background("anna", b"\xff\xd8\xff")
    monkeypatch.setattr("siamese.workspace.LARGEST_BACKGROUND", 10)
    with pytest.raises(MaskError, match="at most 64 MB"):
        workspace.save_background("anna", OTHER)
    assert workspace.load_background("anna")[0] == PNG


STEMS = [
    "Case of Tuesday",
    "case-of-tuesday",
    "../../x",
    "/etc/passwd",
    "",
    "漢字",
    "x" * 500,
    "a\0b",
    ".hidden",
]


def test_cases_have_safe_names_and_never_meet(workspace):
    images = [workspace.save_case("anna", OTHER, PNG + bytes([i]), stem) for i, stem in enumerate(STEMS)]
    assert len(set(images)) == len(STEMS)
    assert [p.stem for p in images[:3]] == ["case-of-tuesday", "case-of-tuesday-2", "x"]
    root = images[0].parents[1]
    assert root.parent == workspace.datasets and root.name.startswith("anna-") and root.name.endswith("-own")
    for i, image in enumerate(images):
        assert image.parent == root / "images" and image.read_bytes() == OTHER
        assert (root / "masks" / image.name).read_bytes() == PNG + bytes([i])
        assert len(image.name) < 80 and image.name.isascii() and not image.name.startswith(".")
    assert workspace.save_case("Anna", OTHER, PNG, "x").parents[1] != root


def test_a_case_that_cannot_be_saved_leaves_no_half(workspace, monkeypatch):
    root = workspace.save_case("anna", OTHER, PNG, "first").parents[1]
    write = write_atomically

    def full(path, data):
        if path.parent.name == "images":
            raise MachineError("The disk is full.")
        write(path, data)

    with monkeypatch.context() as failing:
        failing.setattr("siamese.workspace.write_atomically", full)
        with pytest.raises(MachineError):
            workspace.save_case("anna", OTHER, PNG, "second")
    assert [p.name for p in (root / "masks").iterdir()] == ["first.png"]
    (root / "masks" / "third.png").write_bytes(b"left by a crash")
    third = workspace.save_case("anna", OTHER, PNG, "third")
    assert third.name == "third.png" and (root / "masks" / "third.png").read_bytes() == PNG


def test_the_doors_lead_to_one_gallery_and_one_library_for_each_person(workspace):
    assert workspace.gallery("anna") is workspace.gallery("anna")
    assert workspace.library("anna") is workspace.library("anna")
    folders = {workspace.gallery(o).folder for o in OWNERS} | {workspace.library(o).folder for o in OWNERS}
    assert len(folders) == 2 * len(OWNERS)
    assert {f.parent for f in folders} == {workspace.root / "pictures", workspace.root / "masks"}
    assert list(workspace.root.iterdir()) == []
