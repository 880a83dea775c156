"""A real Ray cluster on this computer, begun and ended by its own process group: train, stop, go on, bring home."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from siamese import recipe
from siamese.errors import MachineError, SiameseError
from siamese.jobs.back import bring_back
from siamese.jobs.cluster import Pack, pack
from siamese.jobs.ray import LARGEST
from siamese.jobs.status import newest
from siamese.workspace import Workspace
from tests.conftest import TINY
from tests.jobs.test_ray_size import write_zip

MISSING = importlib.util.find_spec("ray") is None
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(MISSING, reason="`make soak` installs requirements-soak.txt"),
]
TOKEN = secrets.token_hex(32)  # one for all heads: Ray's client keeps the first it has read
PATIENCE = 120  # seconds for a head to answer
START = "import sys; from ray.scripts.scripts import main; sys.exit(main())"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a head with a token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from siamese.jobs.ray import RayCluster  # Ray reads the token's variables when it is imported first

    port, dashboard = free_port(), free_port()
    words = ["start", "--head", "--block", "--num-cpus=2", "--include-dashboard=true", f"--port={port}"]
    words += [
        "--node-ip-address=127.0.0.1",
        f"--dashboard-port={dashboard}",
        "--object-store-memory=100000000",
    ]
    with (tmp_path / "head.txt").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", START, *words], stdout=said, stderr=said, start_new_session=True
        )
        try:
            address, end = f"http://127.0.0.1:{dashboard}", time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, (tmp_path / "head.txt").read_text()
                assert time.monotonic() < end, "the head does not answer us"
                try:
                    RayCluster(address).status("nobody")
                except MachineError as error:
                    if "nobody" in str(error):  # somebody answers
                        break
                    time.sleep(0.5)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)  # it drains for 30 s first
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_train_stop_and_go_on(
    head: str, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from siamese.jobs.ray import RayCluster

    cluster, run = RayCluster(head), tmp_path / "shared" / "run"
    long = recipe.read(TINY, ['stages=["autoencoder"]', "train_autoencoder.steps=1000000"])
    packed = pack(Pack(long, (small_dataset,)), tmp_path / "long.zip")
    job = cluster.submit(packed, run, gpus=0, python=sys.executable)
    while newest(run) is None:
        assert cluster.status(job).active, cluster.log(job)[0]
        time.sleep(0.2)
    assert cluster.status(job).state == "running"
    cluster.stop(job)
    while cluster.status(job).active:
        time.sleep(0.2)
    assert cluster.status(job).state == "stopped"
    step = newest(run)[1]
    assert (run / "checkpoints" / f"autoencoder-{step:07d}" / "state.safetensors").is_file()
    short = recipe.read(TINY, ['stages=["autoencoder"]', f"train_autoencoder.steps={step + 5}"])
    with zipfile.ZipFile(pack(Pack(short, (small_dataset,)), tmp_path / "short.zip")) as archive:
        archive.extractall(tmp_path / "shared" / "short run")  # as one too large to be sent
    again = cluster.submit(tmp_path / "shared" / "short run", run, 0, sys.executable)
    while cluster.status(again).active:
        time.sleep(0.2)
    text, offset = cluster.log(again)
    assert cluster.status(again).state == "finished", text
    assert f"Resumed autoencoder at step {step}." in text
    assert cluster.log(again, offset) == ("", offset)
    assert bring_back(run, Workspace(tmp_path / "workspace")).status().state == "finished"
    with pytest.raises(MachineError, match="refuses"):
        cluster.status("nobody")
    taken, refused = tmp_path / "taken.zip", tmp_path / "refused.zip"
    write_zip(taken, LARGEST)
    write_zip(refused, LARGEST + 1)
    assert cluster.submit(taken, run, 0, sys.executable)
    with pytest.raises(SiameseError, match="takes at most"):
        cluster.submit(refused, run, 0, sys.executable)
    with pytest.raises(
        RuntimeError, match=f"Maximum request body size {LARGEST} exceeded"
    ):  # what we refuse, Ray would
        cluster._client.submit_job(entrypoint="true", runtime_env={"working_dir": str(refused)})
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    code = f"from siamese.jobs.ray import RayCluster; RayCluster({head!r}).status({again!r})"
    stranger = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert stranger.returncode and "MachineError" in stranger.stderr and "RAY_AUTH_TOKEN" in stranger.stderr


def test_nobody_at_the_address() -> None:
    from siamese.jobs.ray import RayCluster

    with pytest.raises(MachineError, match="check its address"):
        RayCluster(f"http://127.0.0.1:{free_port()}").status("x")
