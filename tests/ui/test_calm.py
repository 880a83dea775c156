"""A studio that nobody uses costs next to nothing."""

from __future__ import annotations

import time
from pathlib import Path

from tests.ui.conftest import Server

SLEPT = "\nvoluntary_ctxt_switches:"


def test_the_server_rests(shared_server):
    before, begun = slept(shared_server), time.monotonic()
    time.sleep(2)
    assert (slept(shared_server) - before) / (time.monotonic() - begun) < 300  # Gradio's own pace: 800 here


def slept(server: Server) -> int:
    """How often its threads have gone to sleep."""
    told = [one.read_text() for one in Path(f"/proc/{server.process.pid}/task").glob("*/status")]
    return sum(int(one.partition(SLEPT)[2].split()[0]) for one in told)
