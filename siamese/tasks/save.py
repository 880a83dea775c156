"""Sampled pairs as files: `images/`, `masks/` and `manifest.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path

from siamese.errors import MachineError, writing
from siamese.tasks.sample import SampleResult
from siamese.workspace import write_atomically


class PairFolder:
    """An output folder of `sample`: `images/<stem>_s<seed>.png`, `masks/<stem>_s<seed>.png`, one manifest line each.

    A pair that is written again replaces its line.

    Raises:
        MachineError: the folder holds a manifest of another kind, or cannot be written.
    """

    def __init__(self, root: Path):
        self.root = root
        self.manifest = root / "manifest.jsonl"
        with writing(root):
            for name in ("images", "masks"):
                (root / name).mkdir(parents=True, exist_ok=True)
        self.lines: dict[str, str] = {}
        if self.manifest.is_file():
            for number, line in enumerate(
                self.manifest.read_text("utf-8", errors="replace").splitlines(), start=1
            ):
                try:
                    self.lines[str(json.loads(line)["image"])] = line
                except (ValueError, KeyError, TypeError):
                    raise MachineError(
                        f"Line {number} of {self.manifest} is no manifest line of ours; choose another --out folder."
                    ) from None

    def write(self, stem: str, result: SampleResult) -> Path:
        """Write one pair and its manifest line; returns the picture's path."""
        name = f"{stem}_s{result.seed}.png"
        line = {
            "image": f"images/{name}",
            "mask": f"masks/{name}",
            **result.facts,
            "seconds": round(result.seconds, 3),
        }
        write_atomically(self.root / "masks" / name, result.mask.png(), durable=False)
        write_atomically(self.root / "images" / name, result.png(), durable=False)
        text = json.dumps(line, ensure_ascii=False)
        if line["image"] in self.lines:
            self.lines[line["image"]] = text
            write_atomically(
                self.manifest, "".join(f"{t}\n" for t in self.lines.values()).encode(), durable=False
            )
        else:
            self.lines[line["image"]] = text
            with writing(self.manifest), self.manifest.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        return self.root / "images" / name
