"""The headless browser that the blinding audit and the tests drive."""

from __future__ import annotations

import os
import shutil

FLAGS = ["--no-sandbox", "--disable-gpu"]
SHELL = "chromium-headless-shell"  # the same engine without windows and menus: half the work for a page
WHOLE = ("chromium", "chromium-browser")


def found(whole: bool = False) -> str | None:
    """Path of the one named by CHROMIUM, else of the first on the path; None: Playwright's own.

    Args:
        whole: with settings and a profile, as a person has it.
    """
    names = WHOLE if whole else (SHELL, *WHOLE)
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
