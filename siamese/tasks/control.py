"""The control arm of a rating study: real pictures through the autoencoder of a checkpoint.

It tells what the autoencoder alone gives away from what the diffusion adds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from siamese.atomic import write_atomically
from siamese.data import batches, view
from siamese.errors import DatasetError, MaskError, writing
from siamese.events import Event, Progress, Saved
from siamese.masks.mask import Mask
from siamese.study.arms import pool
from siamese.study.design import Arm
from siamese.study.frame import lettering
from siamese.tasks.sample import load


@torch.no_grad()
def control(checkpoint: str, data: Path, split: str, out: Path, device: str = "auto") -> Iterator[Event]:
    """Write `images/`, `masks/` and `manifest.jsonl` of real pictures that were encoded and decoded.

    Pictures are taken whole, without burnt-in text, at the checkpoint's size and with its detail; masks are copied as
    they are. The study's own preparation cuts them as every other arm's.

    Args:
        checkpoint: a shipped name or a folder.
        data: folder of pictures, as an arm takes it.
        split: a list beside them; empty: all.
        out: folder to write to.
        device: auto, cpu, cuda, mps.

    Raises:
        StudyError, CheckpointError: before anything is written. DatasetError: a damaged picture.
        MachineError: disk full or folder not writable.
    """
    pictures = pool(Arm(name="control", kind="real", source=str(data), split=split))
    loaded = load(checkpoint, device)
    with writing(out):
        for folder in ("images", "masks"):
            (out / folder).mkdir(parents=True, exist_ok=True)
    about = {
        "checkpoint": loaded.name,
        "checkpoint_sha256": loaded.sha256,
        "control": "through the autoencoder",
    }
    lines, begun = [], time.monotonic()
    for step, picture in enumerate(pictures, 1):
        model, size = loaded.model, loaded.model.recipe.size
        x = batches.to_x([_cleaned(picture.path, size)]).to(model.device, model.dtype)
        hint = None
        if picture.mask:
            outline = Mask.read(picture.mask).resized(size).hint(size)
            hint = torch.from_numpy(outline)[None].to(x)
        image = batches.to_images(model.decode(model.autoencoder.encode(x), hint, [step]))[0]
        done, png = cv2.imencode(".png", image[..., ::-1])
        assert done
        line = {"image": f"images/{picture.name}.png"} | about
        write_atomically(out / line["image"], png.tobytes(), durable=False)
        if picture.mask:
            line["mask"] = f"masks/{picture.name}{picture.mask.suffix}"
            write_atomically(out / line["mask"], picture.mask.read_bytes(), durable=False)
        lines.append(json.dumps(line) + "\n")
        rate = step / (time.monotonic() - begun)
        yield Progress("control", step, len(pictures), rate, (len(pictures) - step) / rate)
    write_atomically(out / "manifest.jsonl", "".join(lines).encode())
    yield Saved(out)


def _cleaned(path: Path, size: int) -> np.ndarray:
    """A picture without burnt-in text, (S,S,3) uint8 RGB."""
    try:
        picture = batches.read_picture(path)
    except MaskError as error:
        raise DatasetError(path.parent, [f"{path.name} {error}"]) from error
    text = lettering(picture)
    clean = view.inpaint(picture, text) if text.any() else picture
    how = cv2.INTER_AREA if min(picture.shape[:2]) > size else cv2.INTER_LINEAR
    return cv2.resize(clean, (size, size), interpolation=how)
