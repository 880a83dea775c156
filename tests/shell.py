"""The command line in this process: the same code as `python -m siamese`, without ten seconds of imports each time."""

from __future__ import annotations

import io
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from siamese.__main__ import main


def siamese(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What `python -m siamese WORDS` would say and answer, its traceback included; the folder stays this one."""
    out, error, code = io.StringIO(), io.StringIO(), 0
    command = ["siamese", *map(str, words)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.setattr(sys, "argv", command)
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:  # noqa: BLE001 - a process would print it and exit with 1
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(command, code, out.getvalue(), error.getvalue())
