"""Where a training computes: what a form may say, what this machine has, and what becomes of it in a run."""

from __future__ import annotations

import json
import os

import pytest

from siamese import recipe
from tests.conftest import TINY, write_dataset
from tests.ui.doors import FORM, here
from tests.ui.training import end_all, write_run
from ui.training_machine import MOST_PROCESSES, Where, offered

CORES = os.cpu_count() or 1


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {"device": ""},
        {"precision": "fp8"},
        {"processes": 0},
        {"processes": "2"},
        {"processes": True},
    ]
    + [{"processes": MOST_PROCESSES + 1}, {"device": None, "precision": None, "processes": None}],
)
def test_what_no_form_of_ours_says_is_left_to_the_machine(given):
    assert Where.of(given) == Where() and Where.of(given).words() == []


def test_what_is_offered_has_no_problems_and_the_rest_is_said_before_it_runs():
    settings = recipe.read(TINY, ["train_siamese.batch=6"])
    for row in offered()["devices"]:
        assert Where(row["value"]).problems(settings) == {}
    assert "no cuda:63" in Where("cuda:63").problems(settings)["device"]
    assert "needs a GPU" in Where("cpu", "fp16").problems(settings)["precision"]
    assert f"{CORES} can be used" in Where("cpu", processes=CORES + 1).problems(settings)["processes"]
    odd = recipe.read(TINY, [f"train_siamese.batch={max(CORES, 2) * 2 - 1}"])
    if CORES > 1:
        assert "cannot be shared by" in Where("cpu", processes=2).problems(odd)["processes"]


def test_a_start_passes_it_on_and_another_machines_choice_is_not_taken_over(tmp_path):
    doors = here(tmp_path)
    folder = write_dataset(doors.services.workspace.datasets / "drawn", 4)
    token = doors.token()
    form = FORM | {"data": ["drawn"], "where": {"device": "cpu", "precision": "bf16", "processes": 1}}
    gone = form | {"where": {"device": "cuda:63"}}
    for door in (doors.start, doors.estimate):
        assert "no cuda:63" in door({"token": token, "form": gone})["error"]
    run = doors.start({"token": token, "form": form})["run"]
    asked = json.loads((doors.services.workspace.runs / run / "request.json").read_text())
    end_all(doors.services.workspace.root)
    assert "--device cpu --precision bf16" in " ".join(asked["arguments"]) and asked["processes"] == 1
    again = doors.again({"token": token, "run": run})
    assert again["form"]["where"] == form["where"] and again["sentence"] == ""

    shell = write_run(doors.services.workspace, "monday")
    words = ["train", "x", "--data", str(folder), "--device", "cuda:63", "--precision", "bf16"]
    request = {"verb": "train", "arguments": words, "name": "Monday", "processes": 2, "cwd": str(shell)}
    (shell / "request.json").write_text(json.dumps(request))
    told = doors.again({"token": token, "run": "monday"})
    assert told["form"]["where"] == {"device": "auto", "precision": "bf16", "processes": 2}
    assert "no cuda:63" in told["sentence"]
