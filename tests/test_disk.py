"""What lies where, and deleting it: whole, with what hangs on it, never somebody else's, never outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from siamese import atomic, disk, lockfile
from siamese.atomic import clear_leftovers
from siamese.errors import SiameseError
from siamese.masks.mask import Mask
from siamese.provenance import trained_on
from siamese.workspace import Workspace

MASK = Mask.from_array(np.eye(16, dtype=bool))


def png(seed: int) -> bytes:
    picture = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return cv2.imencode(".png", picture)[1].tobytes()


def digest(data: bytes) -> np.ndarray:
    """As data.batches.prepare notes it in every model: of the decoded pixels."""
    import hashlib

    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.frombuffer(hashlib.sha256(picture.tobytes()).digest(), np.uint8)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "Siamese Studio")


def dataset(workspace: Workspace, name: str, seeds: range) -> Path:
    root = workspace.datasets / name
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for seed in seeds:
        (root / "images" / f"{seed:03d}.png").write_bytes(png(seed))
        (root / "masks" / f"{seed:03d}.png").write_bytes(MASK.png())
    return root


def run(workspace: Workspace, name: str, seeds: range, styles: tuple[str, ...] = ("other",)) -> Path:
    root = workspace.runs / name
    model = root / "checkpoints" / "siamese-0000100"
    for folder in (model, root / "cache" / "abc", root / "previews"):
        folder.mkdir(parents=True)
    (root / "recipe.json").write_text(json.dumps({"styles": styles}))
    (root / "cache" / "abc" / "000000.safetensors").write_bytes(bytes(5000))
    (root / "previews" / "1.png").write_bytes(png(1))
    rows = np.stack([digest(png(s)) for s in seeds]) if len(seeds) else np.zeros((0, 32), np.uint8)
    save_file({"w": np.zeros(4, np.float32), "training.sha256": rows}, model / "model.safetensors")
    return root


def draft(workspace: Workspace, name: str) -> Path:
    root = workspace.root / "studies" / name
    (root / "pictures").mkdir(parents=True)
    (root / "pictures" / "a.png").write_bytes(png(5))
    return root


def exported(workspace: Workspace, name: str) -> Path:
    root = workspace.exports / name
    (root / name).mkdir(parents=True)
    (root / name / "manifest.jsonl").write_text("{}")
    (root / f"{name}.zip").write_bytes(bytes(70))
    (root / f"{name}_key.csv").write_text("a,b")
    return root


def only(workspace: Workspace, owner: str, kind: str) -> disk.Entry:
    found = [e for e in disk.entries(workspace, owner) if e.kind == kind]
    assert len(found) == 1, found
    return found[0]


def fill(workspace: Workspace, owner: str) -> None:
    workspace.save_draft(owner, MASK.png(), 3)
    workspace.library(owner).add(MASK, f"mask of {owner}")
    workspace.gallery(owner).add(png(0), MASK.png(), {"seed": 4}, f"picture of {owner}", MASK.area)


def test_an_empty_workspace_has_no_entries_and_makes_no_folders(workspace):
    assert disk.entries(workspace, "anna") == []
    assert [(t.kind, t.count, t.bytes) for t in disk.totals([])] == [(k, 0, 0) for k in disk.KINDS]
    assert not (workspace.root / "pictures").exists() and disk.free(workspace) > 0


def test_sizes_are_those_of_the_files(workspace):
    fill(workspace, "anna")
    dataset(workspace, "ward", range(3))
    run(workspace, "first", range(0))
    draft(workspace, "trial")
    exported(workspace, "augmented")
    (workspace.cache / "x").write_bytes(bytes(1234))
    found = disk.entries(workspace, "anna")
    assert [e.kind for e in found] == list(disk.KINDS)
    for entry in found:
        path = workspace.root / entry.path
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        assert entry.bytes == sum(p.stat().st_size for p in files) > 0
        assert entry.shared == (entry.kind in ("dataset", "run", "study", "export", "cache"))
    assert sum(t.bytes for t in disk.totals(found)) == disk.size_of(workspace.root)
    assert next(e for e in found if e.kind == "dataset").note == "3 pictures"


def test_people_see_and_delete_only_their_own(workspace):
    for owner in ("anna", "ben"):
        fill(workspace, owner)
    mine, theirs = (disk.entries(workspace, owner) for owner in ("anna", "ben"))
    assert [e.title for e in mine if e.kind in ("picture", "saved mask")] == [
        "mask of anna",
        "picture of anna",
    ]
    assert not {e.id for e in mine} & {e.id for e in theirs}
    for entry in theirs:
        for door in (disk.look, disk.delete):
            with pytest.raises(SiameseError, match="no longer there"):
                door(workspace, "anna", entry.id)
    assert disk.entries(workspace, "ben") == theirs


@pytest.mark.parametrize("wrong", ["", "..", "runs/first", "/etc/passwd", "\0", "x" * 9999])
def test_a_path_is_no_id(workspace, wrong):
    root = run(workspace, "first", range(0))
    with pytest.raises(SiameseError, match="no longer there"):
        disk.delete(workspace, "anna", wrong)
    assert root.is_dir()


def test_each_kind_is_deleted_whole(workspace):
    fill(workspace, "anna")
    workspace.save_background("anna", png(9))
    dataset(workspace, "ward", range(2))
    run(workspace, "first", range(0))
    exported(workspace, "augmented")
    (workspace.cache / "x").mkdir()
    for entry in disk.entries(workspace, "anna"):
        assert disk.look(workspace, "anna", entry.id).entry == entry
        assert disk.delete(workspace, "anna", entry.id).entry.title == entry.title
        assert entry.id not in {e.id for e in disk.entries(workspace, "anna")}
    assert [p for p in workspace.root.rglob("*") if p.is_file()] == []
    assert workspace.load_draft("anna") is None and workspace.load_background("anna") is None
    assert workspace.gallery("anna").pictures() == [] and workspace.library("anna").masks() == []
    assert workspace.cache.is_dir()


def test_a_set_says_what_goes_with_it(workspace):
    root = workspace.runs / "20260101-000000_synthesize_polyps"
    (root / "set" / "images").mkdir(parents=True)
    (root / "set" / "set.json").write_text("{}")
    (root / "set" / "images" / "s000001.png").write_bytes(png(1))
    entry = only(workspace, "anna", "run")
    assert entry.note == "set of 1 picture"
    assert "decided" in " ".join(disk.look(workspace, "anna", entry.id).along)


def test_deleting_the_drawing_keeps_the_picture_behind_it(workspace):
    fill(workspace, "anna")
    workspace.save_background("anna", png(9))
    drawing = next(e for e in disk.entries(workspace, "anna") if e.path.endswith("3.png"))
    disk.delete(workspace, "anna", drawing.id)
    assert workspace.load_draft("anna") is None and workspace.load_background("anna")[0] == png(9)


def test_a_dataset_takes_along_what_was_made_from_it_and_names_the_models(workspace):
    dataset(workspace, "ward", range(40))
    seen, unseen = run(workspace, "seen", range(10, 40)), run(workspace, "unseen", range(100, 120))
    named = run(workspace, "named", range(0), ("ward-centre1",))
    mine = workspace.library("anna")
    mine.add(MASK, "copied", "ward")
    mine.add(MASK, "drawn")
    workspace.library("ben").add(MASK, "copied too", "ward")
    entry = only(workspace, "anna", "dataset")
    said = disk.look(workspace, "anna", entry.id)
    assert said.models == ("run named (siamese)", "run seen (siamese)")
    assert said.warning.startswith("Deleting pictures does not make a model forget them: run named")
    assert said.along[0].startswith("training data and previews made from it in 2 runs, 1")
    assert said.along[1] == "2 copies of its outlines among saved masks"
    assert (workspace.datasets / "ward").is_dir() and (seen / "cache").is_dir()  # looking changes nothing
    assert disk.delete(workspace, "anna", entry.id) == said
    assert not (workspace.datasets / "ward").exists()
    for root in (seen, named):
        assert sorted(p.name for p in root.iterdir()) == ["checkpoints", "recipe.json"]
    assert (unseen / "cache").is_dir()
    assert [s.title for s in mine.masks()] == ["drawn"] and workspace.library("ben").masks() == []


def test_a_renamed_dataset_is_known_by_its_pictures(workspace, tmp_path):
    shipped = tmp_path / "shipped"
    model = shipped / "polyp-compact"
    model.mkdir(parents=True)
    rows = np.stack([digest(png(s)) for s in range(5)])
    save_file({"training.sha256": rows}, model / "model.safetensors")
    (shipped / "broken").mkdir()
    (shipped / "broken" / "model.safetensors").write_bytes(b"\x80\x04junk")
    root = dataset(workspace, "another-name", range(3, 9))
    assert [m.name for m in trained_on(root, workspace.runs, shipped)] == [
        "polyp-compact (came with the app)"
    ]
    other = dataset(workspace, "strangers", range(50, 60))
    (other / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert trained_on(other, workspace.runs, shipped) == []


WORKER = (
    "import sys\nfrom pathlib import Path\nfrom siamese.recipe import Recipe\n"
    "from siamese.tasks.run import RunFolder\n"
    "run = RunFolder(Path(sys.argv[1])); run.adopt(Recipe(styles=('ward',)))\n"
    "print('at work', flush=True)\nsys.stdin.read()\n"
)


def test_a_run_at_work_is_not_deleted_nor_its_dataset_until_it_ends(workspace):
    dataset(workspace, "ward", range(3))
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(workspace.runs / "first")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    try:
        assert worker.stdout.readline() == "at work\n"
        for kind in ("run", "dataset"):
            entry = only(workspace, "anna", kind)
            for door in (disk.look, disk.delete):
                with pytest.raises(SiameseError, match="stop it first"):
                    door(workspace, "anna", entry.id)
        assert only(workspace, "anna", "run").note == "at work now"
    finally:
        worker.kill()  # however it ends, the system lets the lock go
        worker.wait()
        worker.stdin.close()
        worker.stdout.close()
    assert not lockfile.held(workspace.runs / "first")
    for kind in ("dataset", "run"):
        disk.delete(workspace, "anna", only(workspace, "anna", kind).id)
    assert disk.entries(workspace, "anna") == []


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_is_deleted_and_what_it_leads_to_stays(workspace, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "images").mkdir(parents=True)
    (elsewhere / "images" / "1.png").write_bytes(png(1))
    (workspace.datasets / "linked").symlink_to(elsewhere)
    entry = only(workspace, "anna", "dataset")
    assert "only the link" in entry.note and entry.bytes < 1000
    disk.delete(workspace, "anna", entry.id)
    assert disk.entries(workspace, "anna") == [] and (elsewhere / "images" / "1.png").read_bytes() == png(1)


def test_damaged_things_are_listed_and_can_be_deleted(workspace):
    fill(workspace, "anna")
    for kind, file in (("picture", "picture.json"), ("saved mask", "mask.json")):
        path = workspace.root / only(workspace, "anna", kind).path
        (path / file).unlink()
        entry = only(workspace, "anna", kind)
        assert entry.note == disk.DAMAGED
        disk.delete(workspace, "anna", entry.id)
        assert not path.exists()


def test_what_a_crash_left_is_not_shown_and_cleared_at_the_next_start(workspace, monkeypatch):
    fill(workspace, "anna")
    run(workspace, "first", range(0))
    with monkeypatch.context() as crashing:
        crashing.setattr(shutil, "rmtree", lambda *_, **__: None)
        for kind in ("run", "picture", "saved mask"):
            disk.delete(workspace, "anna", only(workspace, "anna", kind).id)
    assert {e.kind for e in disk.entries(workspace, "anna")} == {"drawing"}
    fresh = workspace.root / "pictures" / ".adding-now"
    fresh.mkdir()
    old = workspace.root / "masks" / ".adding-old"
    old.mkdir()
    os.utime(old, (0, old.stat().st_mtime - atomic.STALE - 60))
    assert clear_leftovers(workspace.root) == 4
    assert sorted(p.name for p in workspace.root.rglob(".*")) == [".adding-now"]
    assert workspace.load_draft("anna") is not None


def test_a_draft_goes_and_a_study_with_votes_never(workspace):
    root = draft(workspace, "trial")
    (root / "links").mkdir()
    kept = only(workspace, "anna", "study")
    assert kept.note.startswith("locked")
    with pytest.raises(SiameseError, match="votes are never deleted here"):
        disk.delete(workspace, "anna", kept.id)
    assert (root / "pictures" / "a.png").is_file()
    (root / "links").rmdir()
    disk.delete(workspace, "anna", only(workspace, "anna", "study").id)
    assert not root.exists()
