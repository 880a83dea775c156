"""Evaluation: every figure for every row, with its interval; errors before anything is synthesized."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamese.errors import CheckpointError, DatasetError, RecipeError
from siamese.events import Progress, Saved
from siamese.segmentation import judge
from siamese.tasks.evaluate import EvaluateRequest, evaluate
from tests.conftest import draw_case, write_dataset
from tests.shell import siamese


@pytest.fixture(scope="module")
def split_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty drawn cases: 20 train, 10 val, 10 test; the first test picture is a training picture, mirrored."""
    root = write_dataset(tmp_path_factory.mktemp("data") / "split", 40)
    stems = [f"case{k:03d}" for k in range(40)]
    for name, part in (("train", stems[:20]), ("val", stems[20:30]), ("test", stems[30:])):
        (root / f"{name}.txt").write_text("\n".join(part), encoding="utf-8")
    cv2.imwrite(str(root / "images" / "case030.png"), draw_case(3)[0][:, ::-1, ::-1])
    return root


@pytest.fixture(scope="module")
def request_(
    tiny_run: tuple[Path, list], split_dataset: Path, feature_net: Path, tmp_path_factory
) -> EvaluateRequest:
    folder = tmp_path_factory.mktemp("evaluate")
    source, quick = tiny_run[0] / "checkpoints" / "siamese-0000040", folder / "quick"
    published = siamese("checkpoint", "publish", source, quick, "--set", "sampling.steps=4")
    assert published.returncode == 0, published.stderr
    judge.publish(tiny_run[0] / "checkpoints" / "segmenter-0000020", folder / "judge")
    return EvaluateRequest(
        checkpoint=str(quick),
        data=(split_dataset,),
        out=folder / "out",
        seeds=(1, 2),
        segmenter=str(folder / "judge"),
        feature_net=feature_net,
        far=6,
        device="cpu",
    )


def test_every_row_has_every_figure_with_its_interval(request_: EvaluateRequest) -> None:
    events = list(evaluate(request_))
    assert any(isinstance(e, Progress) and e.seconds_left is not None for e in events)
    assert isinstance(events[-1], Saved)
    report = json.loads((request_.out / "report.json").read_text("utf-8"))
    assert report["masks"] == 10
    assert report["seeds"] == [1, 2]
    floor, back, made, own = report["rows"]
    assert own["name"] == f"{made['name']}, own seeds"  # the same masks, no seed twice
    assert set(own["figures"]) == set(made["figures"])
    assert own["figures"]["KID"] != made["figures"]["KID"]
    same, other = (
        cv2.imread(str(request_.out / f"sheet_quick_{name}.png")) for name in ("2.5", "2.5_own")
    )
    assert same.shape == other.shape and (same != other).any()
    measured = {"dice", "classifier", "KID", "classifier, same frame", "KID, same frame", "diversity"}
    measured |= {"spectrum, lowest", "spectrum, highest"}
    measured |= {f"copies, {space}" for space in ("grey", "latents", "segmenter")}
    assert set(made["figures"]) == measured
    assert set(back["figures"]) == measured - {"diversity"} | {"PSNR", "PSNR, with detail"}
    assert set(floor["figures"]) == measured - {"diversity"}
    for row in report["rows"]:
        for name, figure in row["figures"].items():
            assert figure["n"] == 10, name
            if not name.startswith("KID"):  # its interval is of half the cases
                assert figure["low"] <= figure["value"] + 1e-9
                assert figure["value"] <= figure["high"] + 1e-9
    assert set(report["far"]) == {"tiny", "huge", "several", "star", "border", "empty"}
    # an untrained painter is seen through; the training picture planted among the real ones is flagged
    assert made["figures"]["classifier"]["value"] > 0.75 > floor["figures"]["classifier"]["value"]
    assert made["figures"]["KID"]["value"] > floor["figures"]["KID"]["value"]
    assert floor["figures"]["copies, grey"]["value"] >= 0.1
    table = (request_.out / "report.md").read_text("utf-8")
    assert "| dice |" in table
    sheets = {p.name: cv2.imread(str(p)) for p in request_.out.glob("*.png")}
    expected = {
        "nearest_grey.png",
        "nearest_latents.png",
        "nearest_segmenter.png",
        "far.png",
        "generated.png",
    }
    assert expected < set(sheets)
    assert sheets["generated.png"].shape == (960, 1280, 3)  # 24 masks and pictures, eight beside each other
    assert all(np.ptp(sheet) > 100 for sheet in sheets.values())


def test_guidance_is_gone_through_on_val_without_copies(
    request_: EvaluateRequest, tmp_path: Path, tiny_run: tuple[Path, list], split_dataset: Path
) -> None:
    out = tmp_path / "curve"
    words = ["--split", "val", "--seeds", "1,2", "--guidance", "1,3", "--only-fit", "--device", "cpu"]
    words += ["--segmenter", request_.segmenter, "--data", str(split_dataset), "--out", str(out)]
    words += ["--features", str(request_.feature_net)]
    done = siamese("evaluate", "checkpoint", request_.checkpoint, *words)
    assert done.returncode == 0, done.stderr
    assert "guidance 3" in done.stdout
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert [row["name"].rpartition(" ")[2] for row in report["rows"][2:]] == ["1", "3"]
    assert not any(name.startswith("copies") for row in report["rows"] for name in row["figures"])
    assert report["far"] == {}


def test_what_cannot_be_measured_is_said_at_once(request_: EvaluateRequest, small_dataset: Path) -> None:
    from dataclasses import replace

    with pytest.raises(DatasetError, match="at least 10 are needed"):
        next(evaluate(replace(request_, data=(small_dataset,))))
    with pytest.raises(RecipeError, match="at least two seeds"):
        next(evaluate(replace(request_, seeds=(1,))))
    with pytest.raises(CheckpointError, match="No checkpoint"):
        next(evaluate(replace(request_, segmenter="nowhere")))
