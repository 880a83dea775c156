"""Modules whose weights come from elsewhere."""

from torch.overrides import TorchFunctionMode


class Unset(TorchFunctionMode):
    """While it is entered, new modules leave their weights as the memory is: nothing is drawn, no generator moves.

    Memory that nobody writes to is not taken. The meta device would do as much, but there PyTorch imports its compiler
    and sympy, for three seconds.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 - as PyTorch has it
        drawn = getattr(func, "__module__", "") == "torch.nn.init"
        return None if drawn else func(*args, **(kwargs or {}))
