"""The layouts an export can be written in, one module each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from siamese.export.layouts import coco, huggingface, isic, kvasir, nnunet, pranet, prompt, yolo
from siamese.export.pairs import Options, Pair, Written


@dataclass(frozen=True)
class Layout:
    """A layout: what it is called, who reads it, and the function that writes pairs below a folder."""

    title: str
    readers: str
    write: Callable[[Iterable[Pair], Path, Options], Written]


LAYOUTS: dict[str, Layout] = {
    "pranet": Layout("PraNet", "PraNet, Polyp-PVT and most polyp trainers (images, masks)", pranet.write),
    "pranet-image": Layout(
        "PraNet, singular", "polyp trainers that want image and mask", pranet.write_singular
    ),
    "kvasir": Layout("Kvasir-SEG", "what reads Kvasir-SEG; JPEG", kvasir.write),
    "isic": Layout("ISIC", "what reads ISIC 2018, task 1", isic.write),
    "nnunet": Layout("nnU-Net v2", "nnU-Net v2, raw folder", nnunet.write),
    "coco": Layout("COCO", "Detectron2, MMDetection; run lengths, exact", coco.write),
    "coco-polygons": Layout("COCO, polygons", "what wants polygons; holes are filled", coco.write_polygons),
    "yolo": Layout("YOLO", "YOLO segmentation; holes are filled", yolo.write),
    "imagefolder": Layout("Hugging Face folder", "datasets, as imagefolder", huggingface.write_imagefolder),
    "parquet": Layout("Hugging Face Parquet", "datasets, pandas; needs pyarrow", huggingface.write_parquet),
    "prompt": Layout("prompt.json", "the original release of Siamese-Diffusion", prompt.write),
}
DEFAULT = "pranet"
