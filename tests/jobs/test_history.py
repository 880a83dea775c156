"""What a run wrote down: read on while it grows, whatever else lies in the file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from siamese.jobs import history


def line(event: str, **values: object) -> str:
    return json.dumps({"event": event, "time": 1000.0, **values}) + "\n"


def scalars(step: int, **values: float) -> str:
    return line("Scalars", stage="siamese", step=step, values=values)


def test_a_real_run(tiny_run: tuple[Path, list], tmp_path: Path) -> None:
    from siamese.tasks.record import recorded

    run = tmp_path / "run"
    (run / "checkpoints" / "siamese-0000040").mkdir(parents=True)
    assert len(list(recorded(iter(tiny_run[1]), run))) == len(tiny_run[1])
    found = history.read(run)
    assert list(found.names()) == ["autoencoder", "base", "siamese", "segmenter"]
    assert {"L_m", "L_i", "L_c", "lr"} <= set(found.names()["siamese"])
    assert [step for step, _ in found.series("siamese", "L_m")] == list(range(1, 41))
    assert [(d.stage, d.step, d.complete) for d in found.done][-1] == ("segmenter", 20, True)
    assert (found.progress.stage, found.progress.step, found.progress.total) == ("segmenter", 20, 20)
    assert found.progress.memory > 0 and len(found.sessions) == 1 and found.failed is None
    assert all(path.is_file() for _, path in found.previews) and found.previews
    assert (40, run / "checkpoints" / "siamese-0000040") in found.saved
    assert any("pictures of drawn" in text for text in found.notices)


def test_reading_on(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    empty = history.read(tmp_path)
    assert not empty.refresh() and empty.names() == {} and empty.progress is None
    whole = line("Begun", pid=1) + scalars(1, L_m=0.5) + scalars(2, L_m=0.4) + scalars(3, L_m=0.3)
    file.write_text(whole + scalars(4, L_m=0.2)[:20])
    assert empty.refresh() and not empty.refresh()
    assert empty.series("siamese", "L_m") == [(1, 0.5), (2, 0.4), (3, 0.3)] and empty.offset == len(whole)
    resumed = line("Begun", pid=2) + scalars(3, L_m=0.25, L_i=1.0) + scalars(4, L_m=0.1)
    file.write_text(whole + resumed)
    assert empty.refresh()
    assert empty.series("siamese", "L_m") == [(1, 0.5), (2, 0.4), (3, 0.25), (4, 0.1)]  # the later counts
    assert empty.names() == {"siamese": ("L_m", "L_i")} and len(empty.sessions) == 2
    only_new = history.read(tmp_path, since=len(whole))
    assert only_new.series("siamese", "L_m") == [(3, 0.25), (4, 0.1)]
    file.write_text(scalars(1, L_m=9.0))  # another run in this folder
    assert empty.refresh() and empty.series("siamese", "L_m") == [(1, 9.0)]


def test_a_preview_belongs_to_the_stage_and_not_to_its_watch(tmp_path: Path) -> None:
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "a.png").write_bytes(b"png")
    look = line("Scalars", stage="watch", step=2, values={"copies": 0.0})
    shown = line("Preview", step=2, total=4, file="previews/a.png")
    (tmp_path / "events.jsonl").write_text(scalars(2, L_m=0.5) + look + shown)
    found = history.read(tmp_path)
    assert found.preview_stages == {"a.png": "siamese"}
    assert found.series("watch", "copies") == [(2, 0.0)]


def test_what_is_damaged_or_foreign_is_left_out(tmp_path: Path) -> None:
    text = "no json\n[1]\n{}\n" + "[" * 50_000 + "\n" + '{"event": "Scalars"}\n'
    text += line("Scalars", stage="siamese", step="x", values={"L_m": 1}) + scalars(1, L_m="high")  # type: ignore[arg-type]
    text += line("Preview", step=1, total=2, file="../../etc/passwd") + line(
        "Preview", step=1, total=2, file=".."
    )
    text += line("Saved", step=3, path="C:\\else\\checkpoints\\siamese-0000003") + line(
        "Failed", text="Disk full."
    )
    (tmp_path / "events.jsonl").write_bytes(text.encode() + b"\xff\xfe\n" + scalars(7, L_m=0.7).encode())
    found = history.read(tmp_path)
    assert found.series("siamese", "L_m") == [(7, 0.7)] and found.failed == "Disk full."
    assert found.previews == [(1, tmp_path / "previews" / "passwd")]
    assert found.saved == [(3, tmp_path / "checkpoints" / "siamese-0000003")]


def test_a_plot_of_few_points_keeps_the_extremes() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=100_000)
    values[[777, 55_555]] = 40, -40
    series = [(k, float(v)) for k, v in enumerate(values)]
    series[10] = (10, math.nan)
    few = history.downsample(series, most=600)
    assert len(few) <= 600 and few == sorted(few) and set(few) <= set(series)
    assert few[0] == series[0] and few[-1] == series[-1]
    assert (777, 40.0) in few and (55_555, -40.0) in few
    assert history.downsample(series[:50], most=600) == [p for p in series[:50] if p[0] != 10]
    assert history.downsample([]) == []
