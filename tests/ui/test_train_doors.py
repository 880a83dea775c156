"""The server functions of the screen "Train": who asks, what is refused, what comes and goes as a zip."""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from siamese.jobs.back import wrap
from siamese.workspace import Workspace
from tests.conftest import write_dataset
from tests.data import sources
from tests.ui.conftest import until
from tests.ui.doors import FORM, Doors, here
from tests.ui.training import end_all, write_run, zipped
from ui.resident import Choice, ResidentModel
from ui.services import Services


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    """A studio that this machine alone can reach."""
    return here(tmp_path)


def test_without_a_true_token_no_door_opens(doors):
    for payload in ({}, {"token": "forged.forged"}, {"token": None, "run": "x", "upload": "x", "form": FORM}):
        for function in doors.train.functions:
            answer = getattr(doors, function.__name__)(payload)
            assert answer["ok"] is False and "reload it" in answer["error"], function.__name__


@pytest.mark.parametrize(
    "name", ["../recipe.json", "/etc/passwd", "x.txt", "../../x.png", "", None, "a/b.png", "nothing.png"]
)
def test_previews_come_from_the_run_alone(doors, name):
    write_run(doors.services.workspace, "monday")
    asked = {"token": doors.token(), "run": "monday", "name": name}
    assert doors.preview(asked)["ok"] is False
    assert doors.preview(asked | {"name": "0000010.png"})["ok"]
    for run in ("../runs/monday", "..", "", None, "tuesday"):
        assert doors.preview(asked | {"name": "0000010.png", "run": run})["ok"] is False


def test_paths_can_be_named_on_this_machine_alone(tmp_path):
    folder = sources.kvasir(tmp_path / "anna-k", 4)
    for made, login, word in ((True, False, ""), (False, False, "send a zip"), (True, True, "send a zip")):
        services = Services(Workspace(tmp_path / "w"), "none", login=login, here_only=made)
        doors = Doors(services)
        answer = doors.inspect({"token": doors.token(), "path": str(folder)})
        assert answer["ok"] is (not word) and word in answer.get("error", "")
        form = FORM | {"changes": {"data.feature_net": '"/etc/passwd"'}}
        told = doors.settings({"token": doors.token(), "form": form})
        assert bool(told["problems"]) is bool(word)
        if not word:
            assert doors.done(answer)["result"]["usable"] == 4
    for path in ("", "anna", "/no/such/place", "x\0y", None):
        here = Doors(Services(Workspace(tmp_path / "w"), "none", here_only=True))
        assert here.inspect({"token": here.token(), "path": path})["ok"] is False


def test_uploads_and_reports_belong_to_who_sent_them(doors, tmp_path):
    path = zipped(sources.kvasir(tmp_path / "anna-k", 4), tmp_path / "k.zip")
    sent = doors.send(path)
    assert "not known" in doors.inspect({"token": doors.token("ben"), "upload": sent})["error"]
    report = doors.done(doors.inspect({"token": doors.token(), "upload": sent}))["result"]
    asked = {"report": report["report"], "choices": {}, "name": "k", "stems": ["anna000"]}
    for door in (doors.shown, doors.split, doors.bring, doors.forget):
        assert "not known" in door({"token": doors.token("ben"), **asked})["error"]
    assert doors.shown({"token": doors.token(), **asked})["thumbs"].keys() == {"anna000"}
    assert "a-z" in doors.bring({"token": doors.token(), **asked, "name": "../k"})["error"]
    assert doors.done(doors.bring({"token": doors.token(), **asked}))["result"]["count"] == 4
    again = doors.bring({"token": doors.token(), **asked})
    assert again["ok"] is False and "not known" in again["error"]
    assert not [p for p in doors.services.workspace.cache.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"total": 17 * 10**9}, "16 GB"),
        ({"total": 0}, "1 byte"),
        ({"total": "9"}, "1 byte"),
        ({"name": "x.exe"}, "zip"),
    ]
    + [
        ({"data": "%%"}, "whole"),
        ({"data": ""}, "whole"),
        ({"at": 5}, "not known"),
        ({"at": True}, "not known"),
    ],
)
def test_strange_uploads_are_refused(doors, change, word):
    piece = {"token": doors.token(), "name": "a.zip", "total": 4, "at": 0, "data": "AAAA", "id": None}
    answer = doors.upload(piece | change)
    assert answer["ok"] is False and word in answer["error"]
    assert doors.upload(piece)["ok"]
    assert (
        "in order"
        in doors.upload(piece | {"at": 3, "data": "AAAA", "id": doors.upload(piece)["id"]})["error"]
    )


def test_a_run_comes_back_and_goes_to_a_cluster_without_names(doors, tiny_run, tmp_path):
    workspace = doors.services.workspace
    back = doors.done(
        doors.bring_back(
            {"token": doors.token(), "upload": doors.send(wrap(tiny_run[0], tmp_path / "run.zip"))}
        )
    )["result"]
    told = doors.watch({"token": doors.token(), "run": back["run"]})["run"]
    assert told["state"] == "finished" and told["best"] == "siamese-0000040" and told["can"]["use"]
    bad = doors.send(zipped(sources.kvasir(tmp_path / "k", 2), tmp_path / "k.zip"))
    refused = doors.done(doors.bring_back({"token": doors.token(), "upload": bad}))
    assert refused["ok"] is False and "went wrong that should not" not in refused["error"]
    assert len(doors.watch({"token": doors.token()})["runs"]) == 1

    folder = write_dataset(workspace.datasets / "drawn", 4)
    (folder / "key.csv").write_text("drawn-0001,anna.png,\n")
    form = FORM | {"data": ["drawn"], "name": "for the cluster", "changes": {"train_base.steps": "0"}}
    assert "train_base.steps" in doors.start({"token": doors.token(), "form": form})["error"]
    assert len(doors.watch({"token": doors.token()})["runs"]) == 1
    (workspace.runs / back["run"] / "request.json").write_text(
        json.dumps({"verb": "train", "arguments": ["train", "x", "--data", str(folder)], "name": "back"})
    )
    for pictures in (True, False):
        asked = {"token": doors.token(), "run": back["run"], "pictures": pictures}
        made = doors.done(doors.pack(asked))["result"]
        assert doors.piece({"token": doors.token("ben"), "id": made["id"], "at": 0})["ok"] is False
        data = base64.b64decode(doors.piece({"token": doors.token(), "id": made["id"], "at": 0})["data"])
        (tmp_path / "out.zip").write_bytes(data)
        with zipfile.ZipFile(tmp_path / "out.zip") as archive:
            names = archive.namelist()
            texts = b"".join(archive.read(n) for n in names if not n.endswith((".png", ".safetensors")))
        assert any(n.endswith("case000.png") for n in names) is pictures
        assert not [n for n in names if "key.csv" in n] and b"anna" not in texts


def test_the_size_is_chosen_by_the_pictures_and_can_be_changed(doors):
    write_dataset(doors.services.workspace.datasets / "drawn", 4)
    form = FORM | {"data": ["drawn"], "file": "", "start": "polyp-compact"}

    def steps(**more: Any) -> str:
        told = doors.settings({"token": doors.token(), "form": form | more})
        assert told["size"] == 100 and told["pictures"] == 4
        return next(row["value"] for row in told["knobs"] if row["key"] == "train_siamese.steps")

    assert int(steps()) < int(steps(size=300)) < int(steps(size=3000))
    assert steps(changes={"train_siamese.steps": "7"}) == "7"
    scratch = doors.settings({"token": doors.token(), "form": form | {"start": ""}})
    assert {"train_autoencoder.steps", "train_base.steps"} < {row["key"] for row in scratch["knobs"]}
    found = doors.done(
        doors.estimate({"token": doors.token(), "form": form | {"file": "tiny.toml", "start": ""}})
    )["result"]
    assert found["lines"][0].startswith("Time: not measured") and found["lines"][1].endswith(
        "B on this machine."
    )


@pytest.fixture
def chosen(tiny_run, tmp_path) -> tuple[Workspace, Choice]:
    """A workspace with the tiny run, and its model."""
    workspace = Workspace(tmp_path / "workspace")
    (workspace.runs / "tuesday").symlink_to(tiny_run[0])
    return workspace, Choice("tuesday", "siamese-0000040", "Tuesday")


def test_another_model_is_remembered_and_a_bad_one_changes_nothing(chosen, tiny_checkpoint):
    workspace, choice = chosen
    model = ResidentModel(str(tiny_checkpoint), workspace)
    model.switch(choice)
    assert model.name == "Tuesday, step 40" and model.state == "ready"
    with pytest.raises(Exception, match="no longer there"):
        model.switch(Choice("wednesday", "siamese-0000040"))
    (workspace.runs / "broken" / "checkpoints" / "siamese-0000010").mkdir(parents=True)
    (workspace.runs / "broken" / "checkpoints" / "siamese-0000010" / "model.safetensors").write_bytes(b"no")
    with pytest.raises(Exception, match="siamese-0000010"):
        model.switch(Choice("broken", "siamese-0000010"))
    assert model.choice == choice and model.state == "ready"
    again = ResidentModel(str(tiny_checkpoint), workspace)
    assert again.choice == choice and again.checkpoint.endswith("tuesday/checkpoints/siamese-0000040")
    assert (
        ResidentModel("polyp-compact", workspace).choice is None
    )  # started with another model: that one counts
    again.switch(None)
    assert ResidentModel(str(tiny_checkpoint), workspace).choice is None


def test_a_remembered_model_that_is_gone_leads_home(chosen, tiny_checkpoint):
    workspace, choice = chosen
    ResidentModel(str(tiny_checkpoint), workspace).switch(choice)
    (workspace.runs / "tuesday").unlink()
    model = ResidentModel(str(tiny_checkpoint), workspace)
    model.want()
    model.start()
    until(lambda: model.state != "loading", "the model", 120)
    assert model.state == "ready" and model.choice is None
    assert "went back" in model.notice and "Tuesday, step 40" in model.notice


def test_a_pruned_step_leads_to_the_newest(chosen, tiny_checkpoint):
    workspace, _ = chosen
    model = ResidentModel(str(tiny_checkpoint), workspace)
    model.switch(Choice("tuesday", "siamese-0000020"))
    assert model.checkpoint.endswith("siamese-0000040")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"run": "../x", "point": "siamese-1", "instead_of": "a"}', '{"run": 1}']
)
def test_a_strange_memory_is_no_choice(tmp_path, text):
    workspace = Workspace(tmp_path / "w")
    (workspace.root / "model.json").write_text(text)
    assert ResidentModel("a", workspace).choice is None


def test_out_of_memory_offers_to_go_on_with_less(doors):
    run = write_run(doors.services.workspace, "monday")
    request = {"verb": "train", "arguments": ["train", "x", "--data", "/nowhere"], "name": "Monday"}
    request["cwd"] = str(run)
    (run / "request.json").write_text(json.dumps(request))
    ended = {"state": "failed", "reason": "Out of memory.", "cure": ["train_siamese.accumulate=2"]}
    (run / "ended.json").write_text(json.dumps(ended))
    told = doors.watch({"token": doors.token(), "run": "monday"})["run"]
    assert told["can"]["ease"] and told["can"]["resume"] and told["words"] == "Out of memory."
    seen = {"token": doors.token(), "run": "monday", "seen": told["version"]}
    assert doors.watch(seen)["run"] is None  # nothing new: nothing is sent
    assert doors.resume(seen | {"eased": True})["ok"]
    assert "train_siamese.accumulate=2" in (run / "request.json").read_text()
    end_all(doors.services.workspace.root)
