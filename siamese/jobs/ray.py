"""The same work on a Ray cluster, through its Jobs API; an optional extra: `pip install "ray[default]"`.

Whoever reaches a Ray cluster's port runs programs on it: private networks only, and with a token. RAY_AUTH_MODE=token
and RAY_AUTH_TOKEN are set for the head and for us alike; Ray's client reads them. The cluster itself is nobody's to end
from here: `ray stop` would end every Ray process of a computer.
"""

from __future__ import annotations

import os
import shlex
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from siamese.errors import MachineError, SiameseError
from siamese.jobs.status import State, Status

STATES: dict[str, State] = {
    "PENDING": "queued",
    "RUNNING": "running",
    "SUCCEEDED": "finished",
    "STOPPED": "stopped",
    "FAILED": "failed",
}
SAVE = "30"  # seconds from TERM to KILL when a job is stopped: time to save
LARGEST = 100 << 20  # bytes that a cluster's dashboard takes at once (Ray's DASHBOARD_CLIENT_MAX_SIZE)
SCRIPT = "run.sh"


def check(packed: Path) -> None:
    """Would a cluster take this zip, or run this folder?

    Raises:
        SiameseError: it is not what `siamese.jobs.cluster.pack` wrote, or too large.
    """
    try:
        if packed.is_dir():
            (packed / SCRIPT).stat()
            return
        with zipfile.ZipFile(packed) as archive:
            archive.getinfo(SCRIPT)
        size = packed.stat().st_size
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise SiameseError(f"{packed} is not what `jobs pack` wrote ({error}).") from error
    if packed.suffix != ".zip":
        raise SiameseError(f"Ray knows a zip by its name; call {packed.name} {packed.stem}.zip.")
    if size > LARGEST:
        raise SiameseError(
            f"{packed} has {size / 1e6:.1f} MB, and a Ray cluster takes at most {LARGEST / 1e6:.1f} MB at once; "
            "unpack it on a disk that this and every computer of the cluster sees, and submit that folder instead."
        )


ASK = 2.0  # seconds between questions how a shard stands
ROOT = Path(__file__).resolve().parents[2]
STOPPED = 130  # exit code of a command that stopped as asked


class RayCluster:
    """A Ray cluster by the address of its dashboard, e.g. "http://head:8265".

    Raises:
        MachineError: Ray is not installed, nobody answers there, or the token is wrong.
    """

    def __init__(self, address: str):
        try:
            from ray.exceptions import RayError
            from ray.job_submission import JobSubmissionClient
        except ImportError:
            raise MachineError(
                'Ray is not installed here; pip install "ray[default]" into this Python.'
            ) from None
        self.address = address
        self._refusals = (RayError, ConnectionError, RuntimeError, OSError)
        with self._asking():
            self._client = JobSubmissionClient(address)

    def submit(self, packed: Path, run: Path, gpus: int = 1, python: str = "python3") -> str:
        """Train there what `siamese.jobs.cluster.pack` wrote, or go on with it.

        Args:
            packed: the zip, or the folder it was unpacked to, on a disk that every computer of the cluster sees.
            run: the run folder, on such a disk.
            gpus: GPUs of one computer, 0: on the CPU. python: the Python there that has the packages.

        Returns:
            The job's id.

        Raises:
            SiameseError: no such zip, or too large. MachineError: the cluster refuses.
        """
        check(packed)
        there = packed.is_dir()
        script = packed.absolute() / SCRIPT if there else SCRIPT
        settings = {"RUN": str(run), "PYTHON": python, "GPUS": str(max(1, gpus))}
        with self._asking():
            return self._client.submit_job(
                entrypoint=f"exec bash {shlex.quote(str(script))}",
                runtime_env={"env_vars": settings} | ({} if there else {"working_dir": str(packed)}),
                entrypoint_num_gpus=gpus or None,
                metadata={"RAY_JOB_STOP_WAIT_TIME_S": os.environ.get("RAY_JOB_STOP_WAIT_TIME_S", SAVE)},
            )

    def shard(self, words: Sequence[str], gpus: int = 0, python: str = "python3") -> RayShard:
        """Run a command of this app there, from this working folder; app, folder and data lie on a disk that all see.

        Args:
            words: what follows `python -m siamese`. gpus: 0: one core of a computer.

        Raises:
            MachineError: the cluster refuses.
        """
        command = shlex.join([python, "-P", "-m", "siamese", *words])
        with self._asking():
            id = self._client.submit_job(
                entrypoint=f"cd {shlex.quote(os.getcwd())} && exec {command}",
                runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}},
                entrypoint_num_gpus=gpus or None,
                entrypoint_num_cpus=None if gpus else 1,
                metadata={"RAY_JOB_STOP_WAIT_TIME_S": os.environ.get("RAY_JOB_STOP_WAIT_TIME_S", SAVE)},
            )
        return RayShard(self, id)

    def status(self, id: str) -> Status:
        """How a job stands.

        Raises:
            MachineError: nobody answers, or there is no such job.
        """
        with self._asking():
            found = self._client.get_job_info(id)
        word = str(getattr(found.status, "value", found.status))
        failed = word == "FAILED"
        return Status(STATES.get(word, "interrupted"), reason=(found.message or "") if failed else "")

    def log(self, id: str, offset: int = 0) -> tuple[str, int]:
        """What a job printed from character `offset` on, and the offset to go on from."""
        with self._asking():
            text = self._client.get_job_logs(id)
        return text[offset:], len(text)

    def stop(self, id: str) -> None:
        """Ask a job to save and stop; returns at once."""
        with self._asking():
            self._client.stop_job(id)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except self._refusals as error:
            said = str(error).strip().splitlines()
            raise MachineError(
                f"The Ray cluster at {self.address} refuses ({said[0][:200] if said else type(error).__name__}); check "
                "its address, and that RAY_AUTH_MODE=token and RAY_AUTH_TOKEN are set here as on its head."
            ) from error


class RayShard:
    """A command on a cluster, as `siamese.tasks.share.watched` minds it."""

    def __init__(self, cluster: RayCluster, id: str):
        self.id, self._cluster, self._asked = id, cluster, 0.0
        self._status = Status("queued")

    def ended(self) -> int | None:
        """Its exit code; None while it waits or works."""
        if self._status.active and time.monotonic() - self._asked > ASK:
            self._asked, self._status = time.monotonic(), self._cluster.status(self.id)
        if self._status.active:
            return None
        stopped = self._status.state == "stopped" or f"exit code {STOPPED}" in self._status.reason
        return 0 if self._status.state == "finished" else STOPPED if stopped else 1

    def stop(self) -> None:
        """Ask it to stop after the unit at hand."""
        if self.ended() is None:
            self._cluster.stop(self.id)

    def said(self) -> str:
        """The last thing it said."""
        lines = self._cluster.log(self.id)[0].strip().splitlines()
        return f"Ray job {self.id} failed: {lines[-1] if lines else self._status.reason}"
