"""What the tests of the screen "Train" do again and again."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from siamese.jobs.jobs import Jobs
from siamese.workspace import Workspace
from tests.ui.conftest import Server, opened


def screen(context: BrowserContext, server: Server) -> Page:
    """A tab with the screen open and the runs listed."""
    page = opened(context, server)
    page.get_by_role("tab", name="Train").click()
    looked(page)
    page.wait_for_selector("#train-datasets li")
    page.wait_for_selector("#train-knobs input")
    return page


def looked(page: Page) -> None:
    """Wait until the server was asked once more how everything stands."""
    before = page.evaluate("Number(document.querySelector('.tr').dataset.looks || 0)")
    page.wait_for_function("(n) => Number(document.querySelector('.tr').dataset.looks) > n", arg=before)


def choose(page: Page, dataset: str) -> None:
    """Tick a dataset, and wait until its pictures are counted."""
    page.locator("#train-datasets").get_by_label(dataset).check()
    page.wait_for_function("!document.querySelector('#train-go').disabled")


def setting(page: Page, key: str, value: str) -> None:
    """Type a value into the table of all settings."""
    if not page.locator("#train-all").evaluate("e => e.open"):
        page.locator("#train-all > summary").click()
    page.get_by_label(key, exact=True).fill(value)


def zipped(folder: Path, path: Path) -> Path:
    """A zip of a folder, its name on top."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


def end_all(workspace: Path) -> None:
    """End whatever was left at work."""
    for job in Jobs(Workspace(workspace)).list():
        job.cancel(force=True)
        while job.status().active:
            time.sleep(0.02)


def write_run(workspace: Workspace, name: str, steps: int = 50, fall: float = 1.0) -> Path:
    """A run as somebody's shell left it: curves, three previews, two saved models without weights of ours."""
    import cv2
    import numpy as np

    root = workspace.runs / name
    for folder in ("previews", "checkpoints/siamese-0000040", "checkpoints/siamese-0000050"):
        (root / folder).mkdir(parents=True)
    for point in (root / "checkpoints").iterdir():
        (point / "model.safetensors").write_bytes(b"no weights")
    recipe = {
        "stages": ["siamese"],
        "train_siamese": {"steps": steps},
        "watch": {"limit": 0.1},
        "styles": ["a"],
    }
    (root / "recipe.json").write_text(json.dumps(recipe))
    lines: list[dict] = [{"event": "Begun", "time": 1.8e9, "pid": 1}]
    for step in range(1, steps + 1):
        values = {"L_m": fall / step, "L_c": 0.001 * step}
        if step % 10 == 0:
            values |= {"watch.copies": step / 400, "watch.held_out": 0.3}
            file = f"{step:07d}.png"
            shade = np.full((16, 64, 3), 4 * step, np.uint8)
            cv2.imwrite(str(root / "previews" / file), shade)
        lines.append(
            {"event": "Scalars", "time": 1.8e9 + step, "stage": "siamese", "step": step, "values": values}
        )
        if step % 10 == 0:
            preview = {
                "event": "Preview",
                "time": 1.8e9,
                "step": step,
                "total": steps,
                "file": f"previews/{file}",
            }
            lines.append(preview)
    verdict = {"best_step": 40, "warned_at": 50, "sentence": "Pictures begin to look like training pictures."}
    (root / "watch.json").write_text(json.dumps({"verdict": verdict}))
    lines.append(
        {
            "event": "Progress",
            "time": 1.8e9,
            "stage": "siamese",
            "step": steps,
            "total": steps,
            "rate": 2.0,
            "seconds_left": 0.0,
            "memory": 5_000_000_000,
        }
    )
    (root / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root
