"""A Siamese training step, ours beside the literal one: steps a second, and memory above weights, gradients and AdamW.

Both compute the same losses of the same draws in fp32 at the paper's batch of 6 a device. The literal one is the
release's algorithm: deep copies of control branch and U-Net at every step, everything computed again, one backward
pass. Each runs in its own process, so that neither's memory hides the other's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH = 6  # the release's, a GPU
PROGRESS = 0.7  # past K_tau: all four losses act
SMALL = [
    "denoiser.widths=[40,80,160,160]",
    "denoiser.groups=8",
    "hint.widths=[8,16]",
    "denoiser.context_width=96",
]
SMALL += ["autoencoder.widths=[8,8,8,8]", "autoencoder.groups=4", "size=128"]


def measure(literal: bool, checkpointing: bool, full: bool, steps: int) -> dict[str, float | list[float]]:
    """Train `steps` steps and one of warm-up; losses, seconds a step, megabytes above what stays between steps."""
    import torch

    from siamese import recipe
    from siamese.diffusion.losses import NoisySample, siamese_losses
    from siamese.diffusion.model import SiameseDiffusion
    from tests.diffusion.literal import literal_losses

    device = torch.device("cuda" if full else "cpu")
    settings = recipe.read(ROOT / "assets" / "recipes" / "sd15.toml", [] if full else SMALL)
    torch.manual_seed(0)
    model = SiameseDiffusion(settings).to(device).requires_grad_(False)
    for name, parameter in model.named_parameters():  # control branch and decoder, as the paper
        trained = ("control.", "dhi.", "unet.up_blocks.", "unet.conv_norm_out.", "unet.conv_out.")
        parameter.requires_grad_(name.startswith(trained))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5)
    model.compute_twice(checkpointing)
    side, width = settings.latent_size, settings.denoiser.context_width
    found: list[float] = []

    def step(k: int) -> None:
        g = torch.Generator().manual_seed(k)
        draw = [torch.randn(BATCH, 4, side, side, generator=g) for _ in range(2)]
        t = torch.randint(0, 1000, (BATCH,), generator=g)
        context, frame = torch.randn(BATCH, 77, width, generator=g), torch.zeros(BATCH, 2, side, side)
        sample = NoisySample(*(v.to(device) for v in (*draw, t, frame, context)))
        hints = [torch.rand(BATCH, 3, settings.size, settings.size, generator=g).to(device) for _ in range(2)]
        optimizer.zero_grad(set_to_none=True)
        if literal:
            losses = literal_losses(model, sample, *hints, PROGRESS)
            sum(losses.values()).backward()
        else:
            kept = torch.ones(BATCH, device=device)
            losses = siamese_losses(
                model, sample, *hints, kept, PROGRESS, backward=lambda loss: loss.backward()
            )
        found.append(float(sum(v.detach() for v in losses.values())))
        optimizer.step()

    step(0)
    memory = _Memory(device)
    begun = time.perf_counter()
    for k in range(1, steps + 1):
        step(k)
    if full:
        torch.cuda.synchronize()
    return {"seconds": (time.perf_counter() - begun) / steps, "megabytes": memory.peak(), "losses": found}


class _Memory:
    """Peak above the present, MB: of the GPU's tensors, or of this process (Linux)."""

    def __init__(self, device):  # noqa: ANN001
        import torch

        self.cuda = torch.cuda if device.type == "cuda" else None
        if self.cuda:
            self.cuda.synchronize()
            self.cuda.reset_peak_memory_stats()
            self.before = self.cuda.memory_allocated() / 1e6
        else:
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts here
            self.before = _status("VmRSS")

    def peak(self) -> float:
        return (self.cuda.max_memory_allocated() / 1e6 if self.cuda else _status("VmHWM")) - self.before


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1e3
    return 0.0


def figures(steps: int = 6) -> list[tuple[str, str]]:
    """Rows for `make bench`."""
    import torch

    rows = []
    for full in (False, True) if torch.cuda.is_available() else (False,):
        for checkpointing in (False, True):
            ours, theirs = (_apart(literal, checkpointing, full, steps) for literal in (False, True))
            same = max(abs(a - b) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
            words = f"Siamese step, {'full' if full else 'an eighth of the'} width"
            words += ", activations computed twice" if checkpointing else ""
            rows += [
                (f"{words}: ours / literal", f"{ours['seconds']:.3f} / {theirs['seconds']:.3f} s"),
                ("  steps a second against the literal", f"{theirs['seconds'] / ours['seconds']:.2f}×"),
                (
                    "  memory above weights, gradients, AdamW",
                    f"{ours['megabytes']:.0f} / {theirs['megabytes']:.0f} MB = "
                    f"{ours['megabytes'] / theirs['megabytes']:.2f}×",
                ),
                ("  largest difference of the losses' sum", f"{same:.1e}"),
            ]
    return rows


def _apart(literal: bool, checkpointing: bool, full: bool, steps: int) -> dict:
    command = [sys.executable, "-m", "tests.bench.training", "--steps", str(steps)]
    command += ["--literal"] * literal + ["--checkpointing"] * checkpointing + ["--full"] * full
    # freed memory goes back to the system at once, so that the process's size is what is in use
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--literal", action="store_true")
    words.add_argument("--checkpointing", action="store_true")
    words.add_argument("--full", action="store_true")
    words.add_argument("--steps", type=int, default=6)
    given = words.parse_args()
    print(json.dumps(measure(given.literal, given.checkpointing, given.full, given.steps)))
