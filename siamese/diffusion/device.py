"""Which device and which number format the model runs in: measured, not believed.

A processor that lists bf16 may emulate it at a fraction of the speed of fp32, and some drivers return NaN
in fp16. So a block like the model's own is run in each format, and the fastest that computes the same wins.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from siamese.counted import counted
from siamese.diffusion.unset import Unset
from siamese.errors import MachineError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CLEARLY_FASTER = 1.2  # below this, fp32 stays: a noisy clock must not decide the bytes of a picture
LARGEST_ERROR = 0.05  # relative to fp32; bf16 stays near 0.01
HOPELESS = 3.0  # times the quickest: so slow, a format is timed no more after one round
SLOWER = 1.5  # the same after three rounds


@dataclass(frozen=True)
class PrecisionTrial:
    """What a trial found.

    Args:
        device: where it ran.
        chosen: the format to use there.
        milliseconds: of one block in each format, the quickest of all rounds; on one core of a processor.
        errors: |y - y_fp32| / |y_fp32| of each format; infinite where it failed or gave NaN.
    """

    device: torch.device
    chosen: torch.dtype
    milliseconds: dict[str, float]
    errors: dict[str, float]

    def __str__(self) -> str:
        parts = [
            f"{name} {self.milliseconds[name]:.1f} ms" if name in self.milliseconds else f"{name} unusable"
            for name in self.errors
        ]
        where = "on one core" if self.device.type == "cpu" else "on the device"
        return f"{self.device}, {precision_name(self.chosen)} ({', '.join(parts)} a block {where})"


def precision_name(dtype: torch.dtype) -> str:
    """ "fp32", "bf16" or "fp16"."""
    return next(name for name, known in PRECISIONS.items() if known == dtype)


def devices() -> dict[str, str]:
    """What there is to compute on here: name for `choose_device` → words; NVIDIA GPUs, Apple's, the processor last."""
    found = {}
    if torch.cuda.is_available():
        for k in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(k)
            found[f"cuda:{k}"] = f"{facts.name}, {facts.total_memory / 2**30:.0f} GB"
    if torch.backends.mps.is_available():
        found["mps"] = "Apple's GPU"
    return found | {"cpu": f"processor, {counted(os.cpu_count() or 1, 'core')}"}


def choose_device(preference: str | torch.device = "auto") -> torch.device:
    """The device to run on.

    Args:
        preference: "auto" (an NVIDIA GPU, else Apple's, else the processor), or a name: "cpu", "cuda:1".

    Raises:
        MachineError: the named device is unknown or not in this machine.
    """
    if preference == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(preference)
    except RuntimeError as error:
        raise MachineError(
            f"There is no device {preference!r}; use auto, cpu, cuda, cuda:1 or mps."
        ) from error
    here = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 0)
    if (device.index or 0) >= here:
        raise MachineError(
            f"The device {preference} was asked for, and this machine has {here or 'none'} of that kind that "
            "works; use --device auto, or run `python -m siamese doctor`."
        )
    return device


def trial_precision(device: str | torch.device = "auto", seconds: float = 2.0) -> PrecisionTrial:
    """Time a block of the model in fp32, bf16 and (not on the processor) fp16.

    Args:
        device: as `choose_device`.
        seconds: for the timing at most, all formats together; it ends when one format is left (`_racing`), and not
            before two rounds otherwise.

    Returns:
        The fastest format whose output is finite and close to fp32; fp32 unless another is clearly faster.
    """
    device = choose_device(device)
    names = ["fp32", "bf16"] if device.type == "cpu" else ["fp32", "bf16", "fp16"]
    blocks, errors = {}, {}
    truth = None
    for name in names:
        try:
            block = _RunnableBlock(device, PRECISIONS[name])
            y = block().float().cpu()
        except RuntimeError:  # a format that this device's kernels do not know
            errors[name] = float("inf")
            continue
        truth = y if truth is None else truth
        error = ((y - truth).norm() / truth.norm()).item()
        errors[name] = error if error == error else float("inf")
        if errors[name] <= LARGEST_ERROR:
            blocks[name] = block
    milliseconds: dict[str, float] = {}
    with _fair_clock(device) as clock:
        started, rounds = time.perf_counter(), 0
        while not rounds or len(blocks) > 1 and (rounds < 2 or time.perf_counter() - started < seconds):
            for name, block in blocks.items():  # in turns, so that all meet the same
                before = clock()
                block()
                took = (clock() - before) * 1000
                milliseconds[name] = min(took, milliseconds.get(name, took))
            rounds += 1
            blocks = {name: blocks[name] for name in _racing({k: milliseconds[k] for k in blocks}, rounds)}
    return PrecisionTrial(device, PRECISIONS[_fastest(milliseconds)], milliseconds, errors)


def choose_precision(device: str | torch.device = "auto") -> tuple[torch.device, torch.dtype]:
    """The device and the number format to run in; measured once a process (at most two seconds), then remembered.

    The variable SIAMESE_PRECISION (fp32, bf16, fp16) decides without measuring.

    Args:
        device: as `choose_device`.

    Raises:
        MachineError: no such device, or SIAMESE_PRECISION names something else.
    """
    device = choose_device(device)
    wanted = os.environ.get("SIAMESE_PRECISION")
    if wanted:
        if wanted not in PRECISIONS:
            raise MachineError(f"SIAMESE_PRECISION is {wanted!r}; set it to fp32, bf16 or fp16, or unset it.")
        return device, PRECISIONS[wanted]
    return device, _measured_once(str(device)).chosen


@lru_cache
def _measured_once(device: str) -> PrecisionTrial:
    return trial_precision(device)


@contextmanager
def _fair_clock(device: torch.device) -> Iterator[Callable[[], float]]:
    """A clock in seconds that other programs on the machine do not disturb.

    On the processor: one thread, and the time that this thread was at work. Measured on 2 cores beside a
    training, the wall clock of two threads went from 9 to 220 ms a block and no longer told formats apart.
    """
    if device.type != "cpu":
        yield time.perf_counter
        return
    fine = time.get_clock_info("thread_time").resolution < 1e-4  # 16 ms on Windows
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield time.thread_time if fine else time.perf_counter
    finally:
        torch.set_num_threads(threads)


def _fastest(milliseconds: dict[str, float]) -> str:
    """The quickest format, fp32 unless another is `CLEARLY_FASTER`."""
    if not milliseconds:
        return "fp32"
    quickest = min(milliseconds, key=milliseconds.__getitem__)
    return (
        quickest
        if milliseconds.get("fp32", float("inf")) >= CLEARLY_FASTER * milliseconds[quickest]
        else "fp32"
    )


def _racing(milliseconds: dict[str, float], rounds: int) -> list[str]:
    """The formats that more rounds may still prove the quickest; where bf16 is emulated it is 17 times slower."""
    limit = (HOPELESS if rounds < 3 else SLOWER) * min(milliseconds.values(), default=0.0)
    return [name for name, took in milliseconds.items() if took < limit]


class _Block(nn.Module):
    """One level of the compact U-Net at 384 px: residual block, attention and MLP, 160 channels at 24×24."""

    def __init__(self, channels: int = 160):
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(32, channels) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = x + conv(nn.functional.silu(norm(x)))
        tokens = x.flatten(2).transpose(1, 2)
        batch, length, channels = tokens.shape
        q, k, v = self.qkv(tokens).view(batch, length, 3, 5, channels // 5).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(q, k, v)
        tokens = tokens + attended.transpose(1, 2).reshape(batch, length, channels)
        return tokens + self.mlp(tokens)


class _RunnableBlock:
    """A block with its input on `device` in `dtype`; calling it runs it to the end and returns the output."""

    def __init__(self, device: torch.device, dtype: torch.dtype):
        generator = torch.Generator().manual_seed(0)
        with Unset():  # drawn from our own generator: the global one stays untouched
            block = _Block()
        with torch.no_grad():
            for name, weight in block.named_parameters():
                if weight.ndim > 1:
                    weight.copy_(torch.randn(weight.shape, generator=generator) * weight[0].numel() ** -0.5)
                else:
                    weight.fill_(1.0 if name.startswith("norms") and name.endswith("weight") else 0.0)
        # two halves of one guided step; a GPU needs more to be more than launch overhead
        batch = 2 if device.type == "cpu" else 32
        self.block = block.eval().to(device, dtype)
        self.x = torch.randn(batch, 160, 24, 24, generator=generator).to(device, dtype)
        self.device = device

    @torch.inference_mode()
    def __call__(self) -> torch.Tensor:
        y = self.block(self.x)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return y
