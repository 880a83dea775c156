"""The headless browser that the blinding audit and the tests drive."""

from __future__ import annotations

import os
import shutil

FLAGS = ["--no-sandbox", "--disable-gpu"]
NAMES = ("chromium", "chromium-browser")


def found() -> str | None:
    """Path of the one named by CHROMIUM, else of the first on the path; None: Playwright's own."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
