"""Take it to my cluster: packed alike each time, trained there with stop and requeue, checked when it comes home."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from siamese import recipe
from siamese.errors import DatasetError, SiameseError
from siamese.jobs.back import bring_back, wrap
from siamese.jobs.cluster import Pack, check_data, pack, toml
from siamese.jobs.jobs import Jobs
from siamese.jobs.status import newest
from siamese.workspace import Workspace
from tests.conftest import TINY

ONE_STAGE = ("--set", 'stages=["autoencoder"]', "--precision", "fp32")


@pytest.mark.parametrize("path", sorted(TINY.parent.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_written_as_it_is_read(path: Path) -> None:
    settings = recipe.read(path, ["diffusion.min_snr=none"])
    assert recipe.parse(tomllib.loads(toml(settings))) == settings


def test_the_same_choice_gives_the_same_bytes(
    small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(small_dataset, tmp_path / "drawn")
    (data / "key.csv").write_text("stem,name\ncase000,Jane Doe\n")
    (data / "train.txt").write_text("case000\ncase001\n")
    (data / "images" / "notes.txt").write_text("Jane Doe")
    made = [
        pack(Pack(recipe.read(TINY), (data,), str(tiny_checkpoint)), tmp_path / name)
        for name in ("a.zip", "b.zip")
    ]
    os.utime(data / "images" / "case000.png", (0, 0))
    assert made[0].read_bytes() == made[1].read_bytes()
    with zipfile.ZipFile(made[0]) as archive:
        names = archive.namelist()
        assert not any("key.csv" in name or "notes" in name or "__pycache__" in name for name in names)
        assert sum(name.startswith("data/drawn/images/") for name in names) == 12
        assert {
            "data/drawn/train.txt",
            "start/siamese-0000040/model.safetensors",
            "siamese/__main__.py",
        } <= set(names)
        needed = archive.read("requirements-train.txt").decode()
        assert "torch==" in needed and "gradio>" not in needed
        assert "--start start/siamese-0000040" in archive.read("run.sh").decode()
        scripts = [archive.read(name).decode() for name in ("run.sh", "train.sbatch", "README.md", "back.sh")]
        assert not re.search("@[A-Z]+@", "".join(scripts))


def test_data_that_stays_is_compared(small_dataset: Path, tmp_path: Path) -> None:
    data = shutil.copytree(small_dataset, tmp_path / "there" / "drawn")
    made = pack(Pack(recipe.read(TINY), (data,), with_data=False), tmp_path / "a.zip")
    with zipfile.ZipFile(made) as archive:
        assert not any(name.startswith("data/") for name in archive.namelist())
        archive.extract("data-digests.json", tmp_path)
        assert 'jobs check-data data-digests.json "$DATA"' in archive.read("run.sh").decode()
    listing = tmp_path / "data-digests.json"
    assert check_data(listing, tmp_path / "there") == 24
    (data / "images" / "case003.png").write_bytes(b"other")
    (data / "masks" / "case004.png").unlink()
    with pytest.raises(DatasetError, match="case003.png is another file.*\n.*case004.png is missing"):
        check_data(listing, tmp_path / "there")
    with pytest.raises(SiameseError, match="different names"):
        pack(Pack(recipe.read(TINY), (small_dataset, small_dataset)), tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.soak
def test_a_rehearsal_of_the_cluster(small_dataset: Path, tmp_path: Path) -> None:
    """Slurm's two commands are stand-ins; its TERM before the time is over goes to the batch script alone."""
    there, tools = tmp_path / "there", tmp_path / "tools"
    with zipfile.ZipFile(pack(Pack(recipe.read(TINY), (small_dataset,)), tmp_path / "a.zip")) as archive:
        archive.extractall(there)
    tools.mkdir()
    for name, line in (("srun", 'exec "$@"'), ("scontrol", f'echo "$@" >> {tmp_path}/asked.txt')):
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    nowhere = "http://127.0.0.1:9"  # no Internet
    env = {
        **os.environ,
        "PYTHON": sys.executable,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "SLURM_JOB_ID": "7",
    }
    env |= {"PATH": f"{tools}:{os.environ['PATH']}"}
    env.pop("PYTHONPATH", None)
    home = Workspace(tmp_path / "workspace")
    run = home.runs / "by hand"  # as begun from a shell: listed here too
    env["RUN"] = str(run)
    words = ["bash", "train.sbatch", *ONE_STAGE, "--set", "train_autoencoder.steps=1000000"]
    with (tmp_path / "said.txt").open("w") as said:
        batch = subprocess.Popen(words, cwd=there, env=env, stdout=said, stderr=said)
        while newest(run) is None:
            assert batch.poll() is None, (tmp_path / "said.txt").read_text()
            time.sleep(0.05)
        shown = Jobs(home).find("by hand")
        assert (shown.status().state, shown.verb, shown.arguments[:2]) == (
            "running",
            "train",
            ("train", "recipe.toml"),
        )
        batch.send_signal(signal.SIGTERM)
        assert batch.wait() == 0, (tmp_path / "said.txt").read_text()
    assert (tmp_path / "asked.txt").read_text() == "requeue 7\n"
    assert shown.status().state == "stopped" and "{run}" in shown.request.arguments
    stopped = newest(run)[1]
    assert (run / "checkpoints" / f"autoencoder-{stopped:07d}" / "state.safetensors").is_file()

    half = bring_back(run, home, "Half of it")
    assert half.status().state == "interrupted" and half.name == "Half of it"
    with pytest.raises(SiameseError, match="not known here"):
        half.resume()
    more = ["--set", f"train_autoencoder.steps={stopped + 2}"]
    subprocess.run(["bash", "run.sh", *ONE_STAGE, *more], cwd=there, env=env, check=True, capture_output=True)
    subprocess.run(["bash", "back.sh"], cwd=there, env=env, check=True, capture_output=True)
    job = bring_back(there / "run.zip", home)
    assert job.status().state == "finished" and job.name == "tiny"
    assert [j.id for j in Jobs(home).list()] == [job.id, half.id, "by hand"]
    made = f"checkpoints/autoencoder-{stopped + 2:07d}/model.safetensors"
    assert (job.folder / made).read_bytes() == (run / made).read_bytes()
    assert not (job.folder / "running.lock").exists() and (job.folder / "events.jsonl").exists()


class Zips:
    """Zips of a run with something wrong."""

    def __init__(self, good: Path, folder: Path):
        self.good, self.folder = good, folder

    def __call__(self, leave: str = "nothing", **more: bytes) -> Path:
        path = self.folder / "bad.zip"
        with zipfile.ZipFile(self.good) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                if leave not in name:
                    new.writestr(name, old.read(name))
            for name, data in more.items():
                new.writestr(name, data)
        return path


def test_what_comes_home_is_checked(tiny_run: tuple[Path, list], tmp_path: Path) -> None:
    home, run, small = Workspace(tmp_path / "workspace"), tiny_run[0], tmp_path / "small"
    shutil.copytree(run / "checkpoints" / "siamese-0000040", small / "checkpoints" / "segmenter-0000020")
    shutil.copy(run / "recipe.json", small)
    zips = Zips(wrap(small, tmp_path / "good.zip"), tmp_path)
    weights = "checkpoints/siamese-0000099/model.safetensors"
    whole = next(tiny_run[0].glob("checkpoints/siamese-*/model.safetensors")).read_bytes()
    bare = json.dumps({"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    for said, leave, name, data in (
        ("path '../evil.py', which no run has", "nothing", "../evil.py", b"x"),
        ("path '/etc/evil', which no run has", "nothing", "/etc/evil", b"x"),
        ("is no run of a training", "recipe.json", "other.txt", b"x"),
        ("foo is unknown", "recipe.json", "recipe.json", b'{"foo": 1}'),
        ("model.safetensors of bad.zip is not complete", "nothing", weights, whole[:-1]),
        ("model.safetensors of bad.zip is no safetensors file", "nothing", weights, b"\x80\x04pickled" * 9),
        ("is no safetensors file", "nothing", weights, (1 << 40).to_bytes(8, "little") + b"{}"),
        ("carries no recipe", "model.safetensors", weights, len(bare).to_bytes(8, "little") + bare + b"x"),
        ("would unfold to", "log.txt", "log.txt", bytes(32 << 20)),
    ):
        with pytest.raises(SiameseError, match=said):
            bring_back(zips(leave, **{name: data}), home)
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(SiameseError, match="cannot be read as a zip"):
        bring_back(tmp_path / "bad.zip", home)
    with pytest.raises(SiameseError, match="There is no"):
        bring_back(tmp_path / "nowhere.zip", home)
    assert Jobs(home).list() == [] and list(home.runs.iterdir()) == []

    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        entry = zipfile.ZipInfo("recipe.json")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    (tmp_path / "link.zip").write_bytes(link.getvalue())
    with pytest.raises(SiameseError, match="which no run has"):
        bring_back(tmp_path / "link.zip", home)

    extra = {
        "checkpoints/siamese-0000040/evil.py": b"x",
        "cache/a.pkl": b"x",
        "previews/x.png": b"MZ",
        "key.csv": b"x",
    }
    extra["request.json"] = json.dumps(
        {"verb": "train", "arguments": ["train", "--run", "/etc"], "name": "x"}
    ).encode()
    job = bring_back(zips(**extra), home)
    there = {p.relative_to(job.folder).as_posix() for p in job.folder.rglob("*") if p.is_file()}
    assert there.isdisjoint(extra.keys() - {"request.json"}) and job.arguments == ()
    assert job.status().state == "finished"


def test_the_program_finds_a_zipped_folder_by_its_recipe(tiny_run: tuple[Path, list], tmp_path: Path) -> None:
    """A run folder zipped by hand lies one folder deeper, beside things that are no part of it."""
    shutil.make_archive(str(tmp_path / "by-hand"), "zip", tiny_run[0].parent, tiny_run[0].name)
    job = bring_back(tmp_path / "by-hand.zip", Workspace(tmp_path / "workspace"))
    assert job.status().state == "finished"
    assert not (job.folder / "cache").exists()
