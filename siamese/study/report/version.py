"""Which program computed a report: its version, and a fingerprint of the code that computes."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from pathlib import Path

STUDY = Path(__file__).resolve().parents[1]  # siamese/study
PROJECT = STUDY.parents[1] / "pyproject.toml"
COMPUTES = ("analysis/*.py", "report/gather.py")


@cache
def version() -> str:
    """Of the program, e.g. 0.1.0."""
    return str(tomllib.loads(PROJECT.read_text("utf-8"))["project"]["version"])


@cache
def code_sha256() -> str:
    """sha256 over every file that gathers votes and computes statistics, 64 hexadecimal characters."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in COMPUTES for path in STUDY.glob(pattern)):
        digest.update(f"{path.parent.name}/{path.name}\n{path.read_text('utf-8')}\0".encode())
    return digest.hexdigest()
