"""Sets through the library and the command line: the same bytes whoever computes them, faults told, nothing lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from siamese.augment import plan as plans
from siamese.augment.folder import SetFolder
from siamese.augment.plan import Plan
from siamese.errors import AugmentError, MachineError, RecipeError
from siamese.events import Done, Event, Notice, Progress
from siamese.jobs import request
from siamese.masks.mask import Mask
from siamese.picture import decode
from siamese.tasks import png, share
from siamese.tasks.share import Shard
from siamese.tasks.synthesize import SynthesizeRequest, synthesize
from tests.conftest import ROOT, draw_case
from tests.shell import siamese

PICTURES = 8


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAMESE_PRECISION", "fp32")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the processes that a test starts


def drawn_masks(folder: Path) -> Path:
    """Seven drawn outlines and an empty one, in landscape."""
    folder.mkdir(exist_ok=True)
    for k in range(PICTURES - 1):
        Mask.from_array(draw_case(k, 96)[1][:72]).write(folder / f"Fall Müller {k}.png")
    Mask.from_array(draw_case(0, 96)[1][:72] * 0).write(folder / "normal.png")
    return folder


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_masks(tmp_path_factory.mktemp("masks"))


@pytest.fixture(scope="module")
def plan(masks: Path, tiny_checkpoint: Path) -> Plan:
    pictures = {"checkpoints": [str(tiny_checkpoint)], "steps": 3, "batch": 2, "seed": 11}
    return plans.parse(
        {
            "name": "drawn",
            "masks": {"source": "folder", "where": [str(masks)], "mode": "real"},
            "pictures": pictures,
        }
    )


@pytest.fixture(scope="module")
def unbroken(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """The set as one call makes it, without the gate, and its events."""
    out = tmp_path_factory.mktemp("sets") / "unbroken"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMESE_PRECISION", "fp32")
        return out, list(synthesize(SynthesizeRequest(plan, out, gate=False)))


def steps(events: list[Event]) -> list[int]:
    return [e.step for e in events if isinstance(e, Progress) and e.stage == "synthesize"]


def pictures(out: Path) -> dict[str, str]:
    """Name → sha256 of every picture and mask file of a set."""
    files = [p for part in ("images", "masks") for p in (out / part).iterdir()]
    return {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def copied(out: Path, tmp_path: Path, *units: int) -> Path:
    """The set with these units missing."""
    shutil.copytree(out, tmp_path / "copy")
    for k in units:
        SetFolder(tmp_path / "copy").unit_path(k).unlink()
    return tmp_path / "copy"


def process(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "siamese", "synthesize", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def written(plan: Plan, tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(plan.toml(), "utf-8")
    return tmp_path / "plan.toml"


def test_a_plan_becomes_a_set(plan: Plan, unbroken: tuple[Path, list[Event]]) -> None:
    out, events = unbroken
    folder = SetFolder(out)
    made, items = folder.made(), folder.items()
    assert steps(events) == [0, 2, 4, 6, 8]
    assert events[-1] == Done("synthesize", PICTURES)
    said = [e.text for e in events if isinstance(e, Notice)]
    assert any("MB on the disk" in text for text in said) and any("MB are free" in text for text in said)
    assert list(made) == [one.id for one in items] and len({one.seed for one in items}) == PICTURES
    assert folder.head().plan == plan and folder.head().precision == "fp32"
    for one in items:
        data = folder.image_path(one.id).read_bytes()
        facts = png.read_facts(data)
        assert hashlib.sha256(data).hexdigest() == made[one.id].sha256
        assert hashlib.sha256(decode(data).tobytes()).hexdigest() == made[one.id].pixels
        assert (facts["id"], facts["seed"], facts["mask_sha256"]) == (one.id, str(one.seed), one.mask_sha256)
        assert decode(data).shape == (64, 64, 3) and folder.mask(one).labels.shape == (72, 96)
        assert not any("Müller" in fact for fact in facts.values())
    assert len(set(pictures(out).values())) == 2 * PICTURES


def test_threads_make_no_difference(plan: Plan, unbroken, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        list(synthesize(SynthesizeRequest(plan, tmp_path / "set", processes=1, gate=False)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert pictures(tmp_path / "set") == pictures(unbroken[0])


def test_the_same_call_goes_on_with_the_same_bytes(plan: Plan, unbroken, tmp_path: Path) -> None:
    copy = copied(unbroken[0], tmp_path, 1, 3)
    folder = SetFolder(copy)
    ids = [one.id for one in folder.items()]
    folder.image_path(ids[3]).write_bytes(b"torn")
    folder.image_path(ids[0]).write_bytes(b"")  # of a finished unit, after a power cut
    folder.unit_path(2).write_bytes(b'{"id": "s00')
    (copy / "images" / ".writing-x").write_bytes(b"half")
    events = list(synthesize(SynthesizeRequest(plan, copy, gate=False)))
    assert events[-1] == Done("synthesize", PICTURES)
    assert pictures(copy) == pictures(unbroken[0])
    again = list(synthesize(SynthesizeRequest(plan, copy, gate=False)))
    assert steps(again) == [PICTURES]


@pytest.mark.soak
def test_two_processes_make_what_one_makes(plan: Plan, unbroken, tmp_path: Path) -> None:
    events = list(synthesize(SynthesizeRequest(plan, tmp_path / "set", processes=2, gate=False)))
    assert events[-1] == Done("synthesize", PICTURES)
    assert pictures(tmp_path / "set") == pictures(unbroken[0])
    assert steps(events) == sorted(steps(events)) and steps(events)[-1] == PICTURES


def test_shards_share_and_others_are_refused(
    plan: Plan, unbroken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "ENDING", 0.1)  # nobody is about to end here
    out = tmp_path / "set"
    one = synthesize(SynthesizeRequest(plan, out, shard=Shard(1, 2), gate=False))
    while not isinstance(event := next(one), Progress) or event.stage == "deal":
        pass
    for other in (Shard(1, 2), Shard(1, 3), Shard(1, 1)):
        with pytest.raises(AugmentError, match="at work on"):
            list(synthesize(SynthesizeRequest(plan, out, shard=other, gate=False)))
    assert list(synthesize(SynthesizeRequest(plan, out, shard=Shard(2, 2))))[-1] == Done("synthesize", 4)
    assert SetFolder(out).finished() == {1, 3}
    assert list(one)[-1] == Done("synthesize", 4)
    assert pictures(out) == pictures(unbroken[0])


def test_the_file_cancel_stops_after_the_unit_at_hand(plan: Plan, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "job" / "set"
    events = []
    for event in synthesize(SynthesizeRequest(plan, out, gate=False)):
        events.append(event)
        if steps([event]) == [4]:
            (out.parent / "cancel").touch()
    assert events[-1] == Done("synthesize", 4, complete=False)
    assert SetFolder(out).finished() == {0, 1}


def test_two_processes_end_with_their_parent_and_what_is_missing_is_made(plan: Plan, tmp_path: Path) -> None:
    """Kill -9 of the parent while both work: nothing is missing then, and all of it is as one process makes it."""
    long = plan.model_copy(update={"fold": 4.0})
    list(synthesize(SynthesizeRequest(long, tmp_path / "one", processes=1, gate=False)))
    parent = process(written(long, tmp_path), "--out", tmp_path / "set", "--processes", 2, "--no-gate")
    folder = SetFolder(tmp_path / "set")
    while {k % 2 for k in folder.finished()} != {0, 1}:
        assert parent.poll() is None, parent.communicate()[1]
        time.sleep(0.002)
    parent.kill()
    parent.communicate()
    events = list(synthesize(SynthesizeRequest(long, folder.root, processes=1, gate=False)))
    assert steps(events)[0] < 4 * PICTURES, "killed too late to show anything"
    assert events[-1] == Done("synthesize", 4 * PICTURES)  # refused while a child holds its shard
    assert pictures(folder.root) == pictures(tmp_path / "one")
    assert not list(folder.root.glob("*/.writing-*"))


@pytest.mark.soak
@pytest.mark.parametrize(("processes", "kills"), [(1, 10), (2, 6)])
def test_killed_many_times_and_resumed_equals_unbroken(
    processes: int, kills: int, plan: Plan, tmp_path: Path
) -> None:
    long, out = plan.model_copy(update={"fold": 8.0}), tmp_path / "set"
    list(synthesize(SynthesizeRequest(long, tmp_path / "one", processes=1, gate=False)))
    words, before = (written(long, tmp_path), "--out", out, "--processes", processes, "--no-gate"), []
    for kill in range(kills):
        before.append(len(SetFolder(out).finished()))
        child = process(*words)
        while len(SetFolder(out).finished()) == before[-1] and child.poll() is None:
            time.sleep(0.002)
        time.sleep(0.003 * kill)  # another place in a unit each time
        child.kill()
        child.communicate()
    last = process(*words)
    assert last.wait() == 0, last.communicate()[1]
    assert len(set(before)) > kills / 2
    assert pictures(out) == pictures(tmp_path / "one")


def test_sigterm_stops_after_the_unit_at_hand(plan: Plan, tmp_path: Path) -> None:
    long = plan.model_copy(update={"fold": 10.0})
    folder = SetFolder(tmp_path / "set")

    def ask() -> None:
        while not folder.finished():
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    done = siamese("synthesize", written(long, tmp_path), "--out", folder.root, "--processes", 1, "--no-gate")
    asking.join()
    assert done.returncode == 130 and "The same command goes on" in done.stderr, done.stderr
    assert 0 < len(folder.made()) < 10 * PICTURES


def test_a_set_of_another_plan_and_a_changed_checkpoint_are_left_alone(
    plan: Plan, unbroken, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    copy = copied(unbroken[0], tmp_path, 1)
    other = plan.model_copy(update={"pictures": plan.pictures.model_copy(update={"steps": 4})})
    with pytest.raises(AugmentError, match=r"another plan \(it differs in pictures.steps\)"):
        list(synthesize(SynthesizeRequest(other, copy, gate=False)))
    own = tmp_path / "own"
    shutil.copytree(tiny_checkpoint, own)
    mine = plan.model_copy(update={"pictures": plan.pictures.model_copy(update={"checkpoints": (str(own),)})})
    list(synthesize(SynthesizeRequest(mine, tmp_path / "set", gate=False)))
    assert {k: v for k, v in pictures(tmp_path / "set").items() if k.startswith("masks")} == {
        k: v for k, v in pictures(copy).items() if k.startswith("masks")
    }
    SetFolder(tmp_path / "set").unit_path(0).unlink()
    before = pictures(tmp_path / "set")
    from siamese.diffusion import checkpoint

    loaded = checkpoint.load(own)
    checkpoint.save(loaded.model, own, loaded.digests, stage="siamese", step=41)
    with pytest.raises(AugmentError, match="is not the one that this set was begun with"):
        list(synthesize(SynthesizeRequest(mine, tmp_path / "set", gate=False)))
    assert pictures(tmp_path / "set") == before and SetFolder(tmp_path / "set").finished() == {1, 2, 3}


def test_faults_are_one_sentence(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(AugmentError, match="other files"):
        list(synthesize(SynthesizeRequest(plan, tmp_path / "thesis")))
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    mars = plan.model_copy(update={"pictures": plan.pictures.model_copy(update={"style": "mars"})})
    with pytest.raises(RecipeError, match="knows no style 'mars'"):
        list(synthesize(SynthesizeRequest(mars, tmp_path / "set")))
    assert not (tmp_path / "set").exists()
    with pytest.raises(AugmentError, match="no share"):
        Shard.read("3/2")


def test_a_full_disk_loses_nothing(plan: Plan, unbroken, tmp_path: Path) -> None:
    import resource

    copy = copied(unbroken[0], tmp_path, 1, 2)
    work = synthesize(SynthesizeRequest(plan, copy, gate=False))
    while not isinstance(event := next(work), Progress) or event.stage == "deal":
        pass
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal_before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the nearest thing to a full disk
    try:
        with pytest.raises(MachineError, match="cannot be written"):
            list(work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, signal_before)
    assert SetFolder(copy).finished() == {0, 3}
    list(synthesize(SynthesizeRequest(plan, copy, gate=False)))
    assert pictures(copy) == pictures(unbroken[0])


def test_a_run_of_the_workspace_by_command(plan: Plan, unbroken, tmp_path: Path) -> None:
    file, home = written(plan, tmp_path), tmp_path / "home"
    said = siamese("synthesize", file, "--workspace", home, "--dry-run")
    assert said.returncode == 0 and "8 masks → 8 pictures" in said.stdout
    assert not (home / "runs").exists() or not list((home / "runs").iterdir())
    done = siamese("synthesize", file, "--workspace", home, "--no-gate")
    assert done.returncode == 0, done.stderr
    [run] = [p for p in (home / "runs").iterdir() if p.is_dir()]
    assert run.name.endswith("_synthesize_drawn")
    assert pictures(run / "set") == pictures(unbroken[0])
    assert '"event": "Done", ' in (run / "events.jsonl").read_text()
    asked = request.read(run)
    assert asked is not None and asked.argv(run)[-2:] == [
        "--out",
        str(run / "set"),
    ]  # as a job would go on with it
    SetFolder(run / "set").unit_path(0).unlink()
    assert (
        siamese("synthesize", file, "--workspace", home, "--no-gate").returncode == 0
    )  # goes on with that one
    assert siamese("synthesize", run / "set", "--workspace", home, "--no-gate").returncode == 0
    assert len([p for p in (home / "runs").iterdir() if p.is_dir()]) == 1
    assert len(SetFolder(run / "set").made()) == PICTURES
