"""Fixtures: a small dataset drawn here (no real pictures), and a tiny checkpoint trained on it."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two processes on two cores must not spin
os.environ.setdefault("GOMP_SPINCOUNT", "0")

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "assets" / "recipes" / "tiny.toml"
LONGEST = (  # files that take a worker the longest begin first, so that none of them is left alone at the end
    "ui/test_train.py",
    "ui/test_dataset.py",
    "jobs/test_jobs.py",
    "ui/test_app.py",
    "ui/test_drawing.py",
    "tasks/test_faults.py",
    "tasks/test_train.py",
    "tasks/test_crew.py",
    "ui/test_rate.py",
    "study/report/test_report.py",
    "ui/test_workbench.py",
    "ui/test_rating_protocols.py",
    "ui/test_rating_faults.py",
    "ui/test_rating_audit.py",
    "ui/test_train_stop.py",
    "ui/test_sampling.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same tests in another order: `LONGEST`, then the rest as collected."""
    order = {ROOT / "tests" / name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def draw_case(seed: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A pink, shaded field of view with one brighter ellipse: picture (S,S,3) uint8 and mask (S,S) 0/255."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    shade = 0.75 + 0.3 * draw.uniform(-1, 1) * x + 0.3 * draw.uniform(-1, 1) * y
    noise = cv2.GaussianBlur(draw.normal(size=(size, size)), (0, 0), 2) * 0.2
    picture = (np.array([205, 110, 95]) * (shade + noise)[..., None]).clip(0, 255)
    mask = np.zeros((size, size), np.uint8)
    centre = tuple(int(v) for v in draw.integers(size // 3, 2 * size // 3, 2))
    axes = tuple(int(v) for v in draw.integers(size // 10, size // 4, 2))
    cv2.ellipse(mask, centre, axes, float(draw.uniform(0, 180)), 0, 360, 255, -1)
    picture[mask > 0] = (picture[mask > 0] * 1.2 + 20).clip(0, 255)
    picture[x**2 + y**2 > 0.24] = 0
    return picture.astype(np.uint8), mask


def write_dataset(root: Path, count: int = 12, size: int = 96) -> Path:
    """A dataset folder with `count` drawn cases."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for k in range(count):
        picture, mask = draw_case(k, size)
        cv2.imwrite(str(root / "images" / f"case{k:03d}.png"), picture[..., ::-1])
        cv2.imwrite(str(root / "masks" / f"case{k:03d}.png"), mask)
    return root


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn cases."""
    return write_dataset(tmp_path_factory.mktemp("data") / "drawn")


@pytest.fixture(scope="session")
def tiny_run(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """An unbroken run of tiny.toml, and its events; trained by the worker that asks first, copied by each."""
    from siamese import recipe
    from siamese.tasks.train import TrainRequest, train

    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny-run"
    with FileLock(f"{shared}.lock"):
        if not (shared / "events").is_file():
            shutil.rmtree(shared, ignore_errors=True)
            request = TrainRequest(recipe.read(TINY), (small_dataset,), shared / "tiny", precision="fp32")
            events = list(train(request))
            (shared / "events").write_bytes(pickle.dumps(events))
    folder = shutil.copytree(shared / "tiny", tmp_path_factory.mktemp("runs") / "tiny")
    return folder, pickle.loads((shared / "events").read_bytes())


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_run: tuple[Path, list]) -> Path:
    """The folder of the tiny model (64 px), as `--checkpoint` takes it."""
    return tiny_run[0] / "checkpoints" / "siamese-0000040"


@pytest.fixture(scope="session")
def feature_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SqueezeNet 1.1 with weights drawn by seed: random features still tell sets apart."""
    import torch
    from safetensors.torch import save_file

    from siamese.metrics.features import FIRES

    g = torch.Generator().manual_seed(0)
    shapes = {"features.0": (64, 3, 3)}
    inside = 64
    for index, squeeze, expand in FIRES:
        shapes[f"features.{index}.squeeze1x1"] = (squeeze, inside, 1)
        shapes[f"features.{index}.expand1x1"] = (expand, squeeze, 1)
        shapes[f"features.{index}.expand3x3"] = (expand, squeeze, 3)
        inside = 2 * expand
    tensors = {}
    for name, (out, channels, side) in shapes.items():
        tensors[f"{name}.weight"] = (
            torch.randn(out, channels, side, side, generator=g) * (2 / (channels * side**2)) ** 0.5
        )
        tensors[f"{name}.bias"] = torch.zeros(out)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(tensors, path)
    return path
