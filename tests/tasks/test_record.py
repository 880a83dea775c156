"""events.jsonl and TensorBoard files: what a run says about itself while it runs and afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from siamese.errors import MachineError
from siamese.events import Done, Event, Notice, Preview, Progress, Saved, Scalars
from siamese.tasks.record import recorded


def written(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text("utf-8").splitlines()]


def test_events_are_written_as_they_come_and_passed_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    images = np.zeros((2, 8, 8, 3), np.uint8)
    given: list[Event] = [
        Notice("begun – with an umlaut: ü"),
        Progress("siamese", 1, 2, 0.5, 2.0),
        Scalars("siamese", 1, {"L_m": 0.5, "lr": 1e-4}),
        Preview(1, 2, images),
        Progress("siamese", 2, 2, 0.5, 0.0),
        Saved(run / "checkpoints" / "siamese-0000002", 2),
        Done("siamese", 2),
    ]
    passed = []
    for event in recorded(iter(given), run):
        passed.append(event)
        assert written(run)[-1]["event"] in (type(event).__name__, "Progress")
    assert passed == given
    lines = written(run)
    kinds = ["Begun", "Notice", "Progress", "Scalars", "Preview", "Progress", "Saved", "Done"]
    assert [line["event"] for line in lines] == kinds
    assert lines[2]["memory"] > 1e6
    assert lines[3]["values"] == {"L_m": 0.5, "lr": 1e-4}
    assert (run / lines[4]["file"]).read_bytes().startswith(b"\x89PNG")


def test_curves_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event as Line

    for k in range(2):  # a resumed run writes a second file beside the first
        list(recorded(iter([Scalars("base", k + 1, {"L": 0.25})]), tmp_path))
    found = []
    for file in (tmp_path / "tensorboard").iterdir():
        data = file.read_bytes()
        while data:  # TFRecord: length (8), its checksum (4), the line, its checksum (4)
            length = int.from_bytes(data[:8], "little")
            line = Line.FromString(data[12 : 12 + length])
            found += [(value.tag, line.step, value.simple_value) for value in line.summary.value]
            data = data[16 + length :]
    assert sorted(found) == [("base/L", 1, 0.25), ("base/L", 2, 0.25)]


def test_an_error_that_users_can_cure_is_the_last_line(tmp_path: Path) -> None:
    def work():  # noqa: ANN202
        yield Notice("begun")
        raise MachineError("The disk is full; free some space.")

    with pytest.raises(MachineError):
        list(recorded(work(), tmp_path))
    assert written(tmp_path)[-1]["event"] == "Failed"
    assert written(tmp_path)[-1]["text"] == "The disk is full; free some space."


def test_a_refused_request_leaves_no_folder(tmp_path: Path) -> None:
    def work():  # noqa: ANN202
        raise MachineError("No such data.")
        yield

    with pytest.raises(MachineError):
        list(recorded(work(), tmp_path / "run"))
    assert not (tmp_path / "run").exists()
