"""Modules whose weights come from elsewhere."""

from torch import Tensor
from torch.overrides import TorchFunctionMode


class Unset(TorchFunctionMode):
    """While it is entered, new modules leave their weights as the memory is: nothing is drawn into them, no generator
    moves, and nothing is copied, as the control branch would from the U-Net.

    Memory that nobody writes to is not taken. The meta device would do as much, but there PyTorch imports its compiler
    and sympy, for three seconds.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 - as PyTorch has it
        if getattr(func, "__module__", "") == "torch.nn.init":
            return None
        return args[0] if func is Tensor.copy_ else func(*args, **(kwargs or {}))
