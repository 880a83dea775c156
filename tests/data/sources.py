"""Foreign datasets drawn here, one writer a layout."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from siamese.data.importing import bring_in
from siamese.data.inspect import inspect
from siamese.data.report import Report
from tests.conftest import draw_case

SIDE = 96


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn case with a texture of its own, so that no two count as near-duplicates."""
    picture, mask = draw_case(seed, SIDE)
    draw = np.random.default_rng(seed + 1000)
    blobs = cv2.resize(
        draw.uniform(-70, 70, (7, 7)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(picture + blobs[..., None], 0, 255).astype(np.uint8), mask


def put(path: Path, pixels: np.ndarray) -> None:
    """Write RGB or grey pixels under the name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def pair(image: Path, mask: Path, seed: int) -> None:
    """Write one drawn case."""
    picture, outline = scene(seed)
    put(image, picture)
    put(mask, outline)


def kvasir(root: Path, count: int = 10) -> Path:
    """images/ and masks/, both JPEG."""
    for k in range(count):
        pair(root / "images" / f"anna{k:03d}.jpg", root / "masks" / f"anna{k:03d}.jpg", k)
    (root / "kavsir_bboxes.json").write_text("{}")
    return root


def pranet(root: Path) -> Path:
    """TrainDataset/{image,mask} and TestDataset/<set>/{images,masks}, with equal names in two sets."""
    for k in range(6):
        pair(root / f"TrainDataset/image/{k}.png", root / f"TrainDataset/mask/{k}.png", k)
    for s, name in enumerate(("CVC-300", "ETIS")):
        for k in range(2):
            folder = root / "TestDataset" / name
            pair(folder / f"images/{k}.png", folder / f"masks/{k}.png", 20 + 2 * s + k)
    return root


def isic(root: Path) -> Path:
    """2018's folders: pictures and masks apart, masks with a suffix."""
    for k in range(3):
        for part, seed in (("Training", k), ("Test", 10 + k)):
            stem = f"ISIC_{seed:07d}"
            image = root / f"ISIC2018_Task1-2_{part}_Input" / f"{stem}.jpg"
            pair(image, root / f"ISIC2018_Task1_{part}_GroundTruth" / f"{stem}_segmentation.png", seed)
    return root


def prompts(root: Path) -> Path:
    """The release's prompt.json, with paths from a working directory above."""
    lines = []
    for k in range(6):
        pair(root / f"images/anna{k}.png", root / f"masks/anna{k}.png", k)
        text = "A photo of a polyp." if k < 4 else "A photo of a polyp in blue light."
        lines.append(
            {"source": f"./data/masks/anna{k}.png", "target": f"./data/images/anna{k}.png", "prompt": text}
        )
    (root / "prompt.json").write_text("\n".join(map(json.dumps, lines)))
    return root


def labels_of(seed: int) -> np.ndarray:
    """A label picture with 0, 1 and 2."""
    labels = (scene(seed)[1] > 0).astype(np.uint8)
    labels[5:20, 5:30] = 2
    return labels


def nnunet(root: Path) -> Path:
    """Dataset001 with two classes and two folds."""
    top = root / "Dataset001_Anna"
    for k in range(6):
        put(top / f"imagesTr/anna_{k:03d}_0000.png", scene(k)[0])
        put(top / f"labelsTr/anna_{k:03d}.png", labels_of(k))
    stems = [f"anna_{k:03d}" for k in range(6)]
    about = {
        "labels": {"background": 0, "polyp": 1, "tool": 2},
        "channel_names": {"0": "R"},
        "file_ending": ".png",
    }
    (top / "dataset.json").write_text(json.dumps(about))
    folds = [{"train": stems[:4], "val": stems[4:]}, {"train": stems[2:], "val": stems[:2]}]
    (top / "splits_final.json").write_text(json.dumps(folds))
    return root


def packed(folder: Path, archive: Path) -> Path:
    """A zip of a folder."""
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, f"somewhere/{path.relative_to(folder)}")
    return archive


def look(source: Path, cache: Path, **settings: str) -> Report:
    """The report of an inspection."""
    cache.mkdir(exist_ok=True)
    return last(inspect(source, cache, **settings))


def last(events: Iterable):
    """The last event."""
    found = None
    for event in events:
        found = event
    return found


def bring(report: Report, target: Path, choices) -> Path:
    """Import, and the new folder."""
    last(bring_in(report, target, choices))
    return target / choices.name


def kinds(report: Report) -> dict[str, tuple[str, ...]]:
    """Kind of problem → stems."""
    return {problem.kind: problem.stems for problem in report.problems}
