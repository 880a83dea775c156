"""AdamW of a stage, and its state as tensors of a file: torch's, or bitsandbytes' with states in 8 bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from siamese.errors import MachineError
from siamese.sections import ComputeRecipe, StageRecipe


def adamw(
    parameters: Sequence[nn.Parameter], settings: StageRecipe, compute: ComputeRecipe
) -> torch.optim.Optimizer:
    """The optimiser, its states in 8 bit where the recipe says so (Dettmers et al., ICLR 2022).

    Raises:
        MachineError: bitsandbytes is not installed.
    """
    given = {"lr": settings.lr, "weight_decay": settings.weight_decay, "betas": (0.9, 0.999)}
    if compute.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **given)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise MachineError(
            'compute.optimizer = "adamw8bit" needs bitsandbytes: pip install "bitsandbytes>=0.50", or set it to '
            '"adamw".'
        ) from None
    for (
        parameter
    ) in parameters:  # it takes memory as it lies; it would do this itself, after laying out its state
        parameter.data = parameter.data.contiguous()
    return AdamW8bit(parameters, **given)


def state(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    """What the optimiser keeps of a parameter, by its own names; no two of them share memory."""
    return {
        # the maps of codes are one tensor for all parameters, and steps may be an int
        name: value.clone() if name.startswith("qmap") else torch.as_tensor(value)
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def take_up(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, saved: dict[str, Tensor]) -> bool:
    """Go on from what `state` gave; False, and nothing is taken, where an optimiser of the other kind gave it."""
    torchs = isinstance(optimizer, torch.optim.AdamW)
    if saved and ("exp_avg" in saved) != torchs:
        return False
    if saved:
        found = {name: value.to(parameter.device) for name, value in saved.items()}
        optimizer.state[parameter] = found | {"step": saved["step"] if torchs else int(saved["step"])}
    return True
