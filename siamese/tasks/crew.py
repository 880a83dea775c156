"""The processes of one training: alone, or several under torchrun that share each step's batch (data parallel).

Started as `torchrun --nproc_per_node N -m siamese train …` each process takes its part of every batch; gradients and
losses are averaged, so that N processes compute what one would with the same batch. All must see the run folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from siamese.errors import MachineError, RecipeError

BUCKET = 2**25  # numbers averaged together


def rank() -> int:
    """The number of this process under torchrun, 0 without it; needs no torch.distributed."""
    return int(os.environ.get("RANK", 0)) if int(os.environ.get("WORLD_SIZE", 1)) > 1 else 0


class Crew:
    """This process and its like; `main` is the one that writes files.

    Args:
        device: where this process computes; under torchrun on GPUs its own one is `cuda:LOCAL_RANK`.

    Raises:
        MachineError: several processes, and accelerate is not installed.
    """

    def __init__(self, device: torch.device):
        self.count = int(os.environ.get("WORLD_SIZE", 1))
        self.rank = rank()
        self.device = device
        self._accelerator = None
        if self.count > 1:
            try:
                from accelerate import Accelerator
            except ImportError:
                raise MachineError(
                    "Training with several processes needs accelerate: pip install accelerate."
                ) from None
            self._accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
            self.device = self._accelerator.device
            if self._accelerator.num_processes != self.count:
                raise MachineError(
                    f"{self.count} processes were started and {self._accelerator.num_processes} found each other; "
                    "start them with torchrun."
                )

    @property
    def alone(self) -> bool:
        """Is this the only process?"""
        return self.count == 1

    @property
    def main(self) -> bool:
        """Does this process write files?"""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """The places of a step's batch that this process takes.

        Raises:
            RecipeError: the batch does not divide by the number of processes.
        """
        if batch % self.count:
            raise RecipeError(
                f"A batch of {batch} cannot be shared by {self.count} processes; set it to "
                f"{-(-batch // self.count) * self.count}."
            )
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes; one that a process lacks counts as 0 there."""
        if self._accelerator is None:
            return
        here = torch.tensor([float(p.grad is not None) for p in parameters], device=self.device)
        anywhere = self._accelerator.reduce(here, reduction="sum").tolist()
        waiting: list[Tensor] = []
        for parameter, count in zip(parameters, anywhere, strict=True):
            if not count:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            waiting.append(parameter.grad)
            if sum(t.numel() for t in waiting) >= BUCKET:
                self._average(waiting)
                waiting = []
        if waiting:
            self._average(waiting)

    def _average(self, tensors: list[Tensor]) -> None:
        assert self._accelerator is not None
        flat = self._accelerator.reduce(torch.cat([t.flatten().float() for t in tensors]), reduction="mean")
        for tensor, value in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(value.view_as(tensor))

    def mean(self, losses: dict[str, Tensor], sometimes: tuple[str, ...]) -> dict[str, float]:
        """Losses of the whole batch from those of each part; `sometimes` names those that a part may lack."""
        if self._accelerator is None:
            return {name: float(value) for name, value in losses.items()}
        names = list(dict.fromkeys((*sometimes, *losses)))
        rows = [[float(losses.get(name, 0.0)), float(name in losses)] for name in names]
        table = self._accelerator.reduce(torch.tensor(rows, device=self.device), reduction="mean").tolist()
        return {name: row[0] for name, row in zip(names, table, strict=True) if row[1]}

    def any(self, wish: bool) -> bool:
        """Does any process wish it? All get the same answer."""
        if self._accelerator is None:
            return wish
        votes = torch.tensor([float(wish)], device=self.device)
        return bool(self._accelerator.reduce(votes, reduction="sum") > 0)

    def wait(self) -> None:
        """Until every process is here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()
