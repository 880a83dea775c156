"""The verb `gate` on drawn sets: every picture scored once, bad ones found, tampering told, a broken run resumed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamese.augment.folder import SetFolder
from siamese.augment.item import Decision
from siamese.errors import AugmentError, MachineError
from siamese.events import Done, Event, Notice, Progress, Saved
from siamese.gate import comparison, report, rules
from siamese.gate import real as measured
from siamese.tasks import gate as verb
from siamese.tasks import gate_sheets
from siamese.tasks.gate import gate
from tests.conftest import draw_case
from tests.gate.sets import SIZE, make, pairs, png, real_dataset, write_set

COUNT = 8


TRAIN, VAL = 9, 6


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(real_dataset(tmp_path_factory.mktemp("real") / "ward", TRAIN, VAL))


@pytest.fixture(scope="module", autouse=True)
def _few_are_enough() -> Iterator[None]:
    """Percentiles of a few real pictures, a few planted copies, short parts: a picture costs a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "FEWEST", VAL)
        patch.setattr(comparison, "PLANTED", 4)
        patch.setattr(verb, "TOGETHER", 3)
        yield


@pytest.fixture(scope="module")
def gated(ward: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[SetFolder, list[Event]]:
    """A set of drawn pictures, gated once beside `ward`."""
    found = write_set(tmp_path_factory.mktemp("gated") / "set", pairs(COUNT), [ward])
    return found, list(gate(found))


def said(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Notice))


def test_every_picture_gets_its_scores_and_a_report(gated: tuple[SetFolder, list[Event]]) -> None:
    found, events = gated
    scores = found.scores()
    assert list(scores) == [f"s{k:06d}" for k in range(1, COUNT + 1)]
    for one in scores.values():
        assert not one.changed and one.mask_fit is not None and 0 <= one.mask_fit <= 1
        assert (
            one.lesions == 1
            and 0.01 < one.area < 0.4
            and one.nearest_id in scores
            and one.nearest_id != one.id
        )
    assert np.median([one.mask_fit for one in scores.values()]) > 0.3
    assert isinstance(events[-1], Done) and events[-1].step == COUNT
    assert {event.path.name for event in events if isinstance(event, Saved)} >= {"scores.jsonl", "report.md"}
    assert [event.step for event in events if isinstance(event, Progress)][-1] == COUNT
    outcome = report.read(found)
    assert outcome is not None and outcome.pictures == COUNT and outcome.changed == ()
    assert outcome.closeness is not None and outcome.closeness.floor is not None
    text = (found.root / "report.md").read_text("utf-8")
    assert "8 pictures looked at" in text and "The smallest quarter of the lesions" in text
    assert "private" not in text.lower()


def test_thresholds_come_from_the_real_pictures_and_stay_when_a_person_moved_them(
    gated: tuple[SetFolder, list[Event]], feature_net: Path
) -> None:
    found, _ = gated
    outcome = report.read(found)
    assert outcome is not None and outcome.proposed == outcome.rules == rules.read(found) != rules.Rules()
    assert "6 held-out real pictures" in " ".join(outcome.rests)
    assert "9 real training pictures" in " ".join(outcome.rests)
    moved = rules.changed(rules.read(found), ["rules.mask_fit.flag=1"])
    report.enforce(found, moved)
    list(gate(found, feature_net=feature_net))
    assert rules.read(found) == moved and {one.state for one in rules.standing(found).values()} == {"flagged"}
    text = (found.root / "report.md").read_text("utf-8")
    assert "below 1 " in text and "KID against real pictures (feature net)" in text
    again = report.read(found)
    assert again is not None and again.net_kid is not None and again.closeness == outcome.closeness


def test_the_report_says_what_the_copy_check_compared_and_what_it_would_miss(
    gated: tuple[SetFolder, list[Event]],
) -> None:
    outcome = report.read(gated[0])
    assert outcome is not None and outcome.copies is not None
    found, text = outcome.copies, " ".join(outcome.copies.sentences)
    assert found.planted == sum(of for _, of in found.by_kind.values()) > 0
    assert found.caught == sum(n for n, _ in found.by_kind.values())
    assert f"caught {found.caught} of {found.planted} planted copies" in text
    assert "9 training pictures, whole and by their lesions" in text and found.held_out <= VAL
    assert "0 are at hand" in text and "by the segmenter's features alone" in text  # of polyp-compact's own
    assert found.limits and "threshold" in text


def test_a_real_dataset_that_is_gone_or_too_small_is_told_and_the_shipped_thresholds_stand(
    tmp_path: Path,
) -> None:
    found = write_set(tmp_path / "set", pairs(4), ["ward-7"])
    assert "ward-7 could not be read" in said(list(gate(found, tmp_path)))
    assert rules.read(found) == rules.Rules()
    rules.write(found, rules.changed(rules.Rules(), ["blurred.flag=none"]))
    (tmp_path / "datasets").mkdir(exist_ok=True)
    real_dataset(tmp_path / "datasets" / "ward-7", train=4, val=3)
    assert "could not be read" not in said(list(gate(found, tmp_path, fresh_rules=True)))
    outcome = report.read(found)
    assert outcome is not None and outcome.proposed == rules.read(found) == rules.Rules()
    assert "3 held-out real pictures at hand, 6 needed" in " ".join(outcome.rests)


def test_bad_pictures_are_found(tmp_path: Path, ward: str, gated: tuple[SetFolder, list[Event]]) -> None:
    dealt = pairs(9)
    dealt[1] = dealt[1][0] // 5, dealt[1][1]
    dealt[2] = cv2.GaussianBlur(dealt[2][0], (0, 0), 6), dealt[2][1]
    dealt[5] = dealt[4]
    dealt[7] = np.full_like(dealt[7][0], 255), dealt[7][1]
    dealt[6] = dealt[6][0], np.roll(dealt[6][1], 48, axis=1)
    stolen, mask = draw_case(3, SIZE)  # case003 of the ward's train split, mirrored
    dealt[8] = np.ascontiguousarray(stolen[:, ::-1]), np.ascontiguousarray(mask[:, ::-1] // 255)
    found = write_set(tmp_path / "set", dealt, [ward])
    list(gate(found))
    broken = {id: set(rules.broken(one, rules.read(found))) for id, one in found.scores().items()}
    assert "too_dark" in broken["s000002"]
    assert "blurred" in broken["s000003"]
    assert "near_duplicate" in broken["s000005"] and "near_duplicate" in broken["s000006"]
    assert found.scores()["s000005"].nearest_id == "s000006"
    assert {"too_bright", "clipped"} <= broken["s000008"]
    assert not any(
        {"too_dark", "blurred", "near_duplicate"} & broken[id] for id in ("s000001", "s000004", "s000007")
    )
    fit, before = found.scores()["s000007"].mask_fit, gated[0].scores()["s000007"].mask_fit
    assert fit is not None and before is not None and fit < before - 0.2
    assert "copies" in broken["s000009"] and "s000009" in rules.blocked(found)
    assert found.scores()["s000009"].copy_of == hashlib.sha256(stolen).hexdigest()
    assert cv2.imread(str(found.root / gate_sheets.PAIRS)).shape[0] == 2 * 160
    sheet = cv2.imread(str(found.root / gate_sheets.FLAGGED))
    assert sheet is not None and sheet.shape[0] == 2 * 160
    for id in broken:
        found.decide(Decision(id, "accept", "", "A. Example", "2026-01-01T00:00:00Z"))
    assert rules.blocked(found) == ()
    list(gate_sheets.flagged(found))
    assert not (found.root / gate_sheets.FLAGGED).exists()


def test_an_empty_mask_has_no_fit_and_one_of_another_shape_is_no_matter(tmp_path: Path) -> None:
    (image, mask), (other, wide) = pairs(2)
    wide = cv2.resize(wide, (150, 96), interpolation=cv2.INTER_NEAREST)
    found = write_set(tmp_path / "set", [(image, 0 * mask), (other, wide)])
    list(gate(found))
    empty, second = found.scores().values()
    assert empty.mask_fit is None and (empty.area, empty.lesions) == (0, 0)
    assert second.mask_fit is not None and second.lesions == 1
    alone = write_set(tmp_path / "alone", [(image, mask)])
    list(gate(alone))
    (only,) = alone.scores().values()
    assert only.nearest_id == "" and "near_duplicate" not in rules.broken(only, rules.Rules())


def test_what_is_not_the_picture_that_was_made_is_told_and_rejected_until_it_is_back(tmp_path: Path) -> None:
    dealt = pairs(7)
    found = write_set(tmp_path / "set", dealt)
    whole = found.image_path("s000002").read_bytes()
    found.image_path("s000002").write_bytes(png(dealt[2][0]))  # another picture
    found.image_path("s000003").write_bytes(whole[:100])
    found.image_path("s000004").unlink()
    found.image_path("s000005").write_bytes(found.image_path("s000005").read_bytes() + b"\0")
    found.mask_path("s000006").write_bytes(png(np.zeros((96, 96, 3), np.uint8)))
    list(gate(found))
    lost = ("s000002", "s000003", "s000004", "s000005", "s000006")
    outcome = report.read(found)
    assert outcome is not None and outcome.changed == lost
    standing = rules.standing(found)
    assert all(standing[id].state == "rejected" and standing[id].reasons == (rules.CHANGED,) for id in lost)
    assert all(id in (found.root / "report.md").read_text("utf-8") for id in lost)
    assert not {one.nearest_id for one in found.scores().values()} & set(lost)
    found.image_path("s000002").write_bytes(whole)
    list(gate(found))
    assert rules.standing(found)["s000002"].state != "rejected"


def test_a_broken_run_goes_on_and_gives_what_an_unbroken_one_gives(tmp_path: Path) -> None:
    whole, broken = (write_set(tmp_path / name, pairs(7)) for name in ("whole", "broken"))
    list(gate(whole))
    running = gate(broken)
    for event in running:
        if isinstance(event, Progress) and event.step == 6:
            break
    running.close()
    parts = {path: path.stat().st_mtime_ns for path in (broken.root / ".gate").glob("*.npz")}
    assert len(parts) == 2 and not broken.scores() and rules.unscored(broken) == tuple(broken.made())
    torn = sorted(parts)[0]
    torn.write_bytes(torn.read_bytes()[:-40])  # a disk that lost the end of a file
    list(gate(broken))
    kept = sorted(parts)[1]
    assert kept.stat().st_mtime_ns == parts[kept]
    for name in ("scores.jsonl", "gate.json", "report.md", "rules.json"):
        assert (broken.root / name).read_bytes() == (whole.root / name).read_bytes()
    assert rules.unscored(broken) == ()


def test_a_set_that_grows_keeps_what_is_scored_and_says_what_is_not(tmp_path: Path) -> None:
    dealt = pairs(8)
    found = write_set(tmp_path / "set", dealt, units=1)
    list(gate(found))
    assert len(found.scores()) == 4 and rules.unscored(found) == ()
    make(found, dealt, 1)
    assert rules.unscored(found) == ("s000005", "s000006", "s000007", "s000008")
    list(gate(found))
    assert len(found.scores()) == 8


def test_nothing_made_and_no_set_are_said(tmp_path: Path) -> None:
    with pytest.raises(AugmentError, match="no pictures yet"):
        list(gate(write_set(tmp_path / "set", pairs(4), units=0)))
    with pytest.raises(AugmentError, match="holds no set"):
        list(gate(SetFolder(tmp_path / "none")))


def test_gate_json_of_a_newer_version_can_be_read_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    found = write_set(tmp_path / "set", pairs(4))
    list(gate(found))
    path = found.root / "gate.json"
    before = report.read(found)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tomorrow": 1}))
    assert report.read(found) == before
    path.write_text("{}")
    with pytest.raises(AugmentError, match="damaged"):
        report.read(found)


def test_a_full_disk_is_a_sentence_and_loses_no_scores(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        found = write_set(disk / "set", pairs(4))
        list(gate(found))
        before = (found.root / "scores.jsonl").read_bytes()
        for part in (found.root / ".gate").iterdir():
            part.unlink()
        free = os.statvfs(disk)
        (disk / "ballast").write_bytes(b"\0" * (free.f_bavail * free.f_frsize))
        with pytest.raises(MachineError, match="is full; free some space"):
            list(gate(found))
        assert (found.root / "scores.jsonl").read_bytes() == before and len(rules.standing(found)) == 4
        (disk / "ballast").unlink()
        list(gate(found))
        assert (found.root / "scores.jsonl").read_bytes() == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)
