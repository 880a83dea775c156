"""Where a training computes: device, number format and processes, as this machine has them and the page asks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from siamese.counted import counted
from siamese.recipe import Recipe

AUTO = "auto"
PRECISIONS = {  # as `train --precision` takes them, and what to know of each
    AUTO: "Automatic, by a short trial",
    "fp32": "fp32, the most exact",
    "bf16": "bf16, often quicker",
    "fp16": "fp16, for older GPUs",
}
MOST_PROCESSES = 64  # of one training


@dataclass(frozen=True)
class Where:
    """What the page asks for.

    Args:
        device: "auto", or a name that `siamese.diffusion.device.choose_device` takes.
        precision: a key of PRECISIONS. processes: more than one: under torchrun, sharing each step's pictures.
    """

    device: str = AUTO
    precision: str = AUTO
    processes: int = 1

    @classmethod
    def of(cls, given: object) -> Where:
        """What a form says; what it does not say, or what no form of ours says, is left to the machine."""
        said = given if isinstance(given, dict) else {}
        precision, processes = said.get("precision"), said.get("processes")
        whole = isinstance(processes, int) and not isinstance(processes, bool)
        return cls(
            str(said.get("device") or AUTO)[:20],
            precision if precision in PRECISIONS else AUTO,
            processes if whole and 1 <= processes <= MOST_PROCESSES else 1,
        )

    @classmethod
    def of_words(cls, words: Sequence[str], processes: int) -> Where:
        """What a command line says."""
        said = dict(zip(words, words[1:], strict=False))
        where = {"device": said.get("--device"), "precision": said.get("--precision"), "processes": processes}
        return cls.of(where)

    def words(self) -> list[str]:
        """For the command line `train`; the number of processes is none of its options."""
        device = [] if self.device == AUTO else ["--device", self.device]
        return device + ([] if self.precision == AUTO else ["--precision", self.precision])

    def here(self) -> tuple[Where, str]:
        """The same as far as this machine has it, and a sentence about what it has not."""
        if self.device == AUTO or self.device in _devices():
            return self, ""
        return replace(self, device=AUTO), f"This machine has no {self.device}; it is chosen anew."

    def problems(self, recipe: Recipe) -> dict[str, str]:
        """device, precision, processes → what is wrong with it here; empty where all is well."""
        if self == Where():
            return {}
        devices, found = _devices(), {}
        if self.device not in devices:
            return {"device": f"this machine has no {self.device}; choose another one."}
        gpu = self.device not in (AUTO, "cpu") or (self.device == AUTO and len(devices) > 2)
        if self.precision == "fp16" and not gpu:
            found["precision"] = "fp16 needs a GPU; choose bf16 or fp32."
        most = _most_processes(self.device, devices)
        batches = [recipe.stage(stage).batch for stage in recipe.stages]
        if self.processes > most:
            what = "processor cores" if not gpu else "GPUs"
            found["processes"] = (
                f"{counted(self.processes, 'process', 'processes')} need as many {what}, and {most} can be used "
                "like this; choose fewer."
            )
        elif odd := [batch for batch in batches if batch % self.processes]:
            found["processes"] = (
                f"a step of {counted(odd[0], 'picture')} cannot be shared by {self.processes}; choose another "
                "number here, or of pictures a step."
            )
        return found


def offered() -> dict[str, Any]:
    """What there is to choose from: {devices, precisions, processes}, each [{value, words}]; loads torch."""
    devices = _devices()
    gpu = len(devices) > 2
    most = max(_most_processes(device, devices) for device in (AUTO, "cpu"))
    precisions = {name: words for name, words in PRECISIONS.items() if gpu or name != "fp16"}
    return {
        "devices": _rows(devices),
        "precisions": _rows(precisions),
        "processes": [{"value": n, "words": str(n)} for n in range(1, most + 1)],
    }


def _devices() -> dict[str, str]:
    """Name → words, "auto" first."""
    from siamese.diffusion.device import devices

    found = devices()
    return {AUTO: f"Automatic: {next(iter(found.values()))}"} | found


def _most_processes(device: str, devices: dict[str, str]) -> int:
    """Processes of a training: one for each NVIDIA GPU, or for each processor core."""
    gpus = sum(name.startswith("cuda") for name in devices)
    if device == "cpu" or (device == AUTO and len(devices) == 2):
        return min(os.cpu_count() or 1, MOST_PROCESSES)
    return min(max(gpus, 1), MOST_PROCESSES) if device == AUTO else 1


def _rows(found: dict[str, str]) -> list[dict[str, str]]:
    return [{"value": value, "words": words} for value, words in found.items()]
