"""A studio that nobody uses costs next to nothing, and its start leaves out what only Gradio's developers need."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.ui.conftest import HOUSE, Server

SLEPT = "\nvoluntary_ctxt_switches:"


def test_the_server_rests(shared_server):
    before, begun = slept(shared_server), time.monotonic()
    time.sleep(2)
    assert (slept(shared_server) - before) / (time.monotonic() - begun) < 300  # Gradio's own pace: 800 here


def slept(server: Server) -> int:
    """How often its threads have gone to sleep."""
    told = [one.read_text() for one in Path(f"/proc/{server.process.pid}/task").glob("*/status")]
    return sum(int(one.partition(SLEPT)[2].split()[0]) for one in told)


def test_no_stub_of_a_component_is_read_or_written_at_the_start():
    code = (
        "import gc, inspect, sys\n"
        "opened, getfile = [], inspect.getfile\n"
        "sys.addaudithook(lambda event, of: event == 'open' and opened.append(str(of[0])))\n"
        "from ui.calm import import_gradio\n"
        "import_gradio()\n"
        "assert [one for one in opened if one.endswith('.py') or one.endswith('.pyc')]\n"
        "assert not [one for one in opened if one.endswith('.pyi')]\n"
        "assert inspect.getfile is getfile and gc.isenabled()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=HOUSE)
