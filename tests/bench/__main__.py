"""`make bench`: seconds a picture, a guided step and a decode, and peak memory, beside the plain way.

The plain way runs the same weights as a textbook loop: diffusers' modules and DDIM scheduler as they come, fp32, the
hint encoded again at every step, the whole U-Net for both halves of the guidance, 50 steps. Nothing is asserted here.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from siamese.data import batches
from siamese.diffusion import checkpoint
from siamese.diffusion.device import choose_precision, precision_name
from siamese.diffusion.noise import noise_schedule
from siamese.diffusion.sampler import start_noise
from siamese.masks.mask import Mask
from siamese.tasks.sample import SampleRequest, sample

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "masks"


def median_seconds(work: Callable[[], object], rounds: int, device: torch.device) -> float:
    """Median wall time of `work`, one warm-up round apart."""
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


class Peak:
    """Largest resident memory of this process above its size at the start, in MB, looked at every 5 ms (Linux)."""

    def __enter__(self) -> Peak:
        self.before, self.largest, self._over = _resident(), 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.largest = max(self.largest, _resident() - self.before)

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def _resident() -> float:
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 / 1e6 if status.exists() else 0.0


@torch.no_grad()
def plain_way(loaded: checkpoint.Loaded, mask: Mask, seed: int, steps: int = 50) -> torch.Tensor:
    """The textbook loop: returns x (1,3,S,S)."""
    model, recipe = loaded.model, loaded.model.recipe
    hint_picture = torch.from_numpy(mask.hint(recipe.size))[None].to(model.device)
    frame = batches.to_frame([model.views[0].cpu().numpy() & batches.OUTSIDE], recipe.latent_size).to(
        model.device
    )
    context = model.sampling_context(torch.zeros(1, dtype=torch.long, device=model.device))
    scheduler = noise_schedule(recipe.diffusion)
    scheduler.set_timesteps(steps)
    z_t = start_noise([seed], (recipe.autoencoder.latent_channels, recipe.latent_size, recipe.latent_size))
    z_t = z_t.to(model.device)
    guidance = recipe.sampling.guidance
    for t in scheduler.timesteps:
        z_in = torch.cat([z_t, frame], dim=1)
        down, middle = model.control(z_in, t, context, model.dhi(hint_picture), return_dict=False)
        e_c = model.unet(
            z_in, t, context, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample
        e_u = model.unet(z_in, t, context).sample
        z_t = scheduler.step(e_u + guidance * (e_c - e_u), t, z_t).prev_sample
    return model.decode(z_t, hint_picture, [seed])


def main() -> None:
    """Measure and print one table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--checkpoint", default="polyp-compact")
    words.add_argument("--device", default="auto")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--page", action="store_true", help="also the start of the page, in a browser")
    words.add_argument("--training", action="store_true", help="also a training step beside the literal one")
    words.add_argument("--bulk", action="store_true", help="also pictures an hour of a set, gate included")
    given = words.parse_args()
    device, dtype = choose_precision(given.device)
    ours, plain = checkpoint.load(given.checkpoint, device, dtype), checkpoint.load(given.checkpoint, device)
    mask, recipe = Mask.read(EXAMPLES / "1-sessile-round.png"), ours.model.recipe
    disc = np.zeros((recipe.size, recipe.size), np.uint8)
    small = Mask(cv2.circle(disc, (recipe.size // 2, recipe.size // 2), recipe.size // 32, 1, -1))

    def pictures(steps: int | None, sampler: str, count: int = 1, of: Mask = mask) -> Callable[[], object]:
        request = SampleRequest(seeds=tuple(range(count)), steps=steps, sampler=sampler, batch=4)
        return lambda: list(sample(ours, of, request))

    with torch.inference_mode():
        hint = ours.model.dhi(torch.from_numpy(mask.hint(recipe.size))[None].to(device, dtype))
        shape = (recipe.autoencoder.latent_channels, recipe.latent_size, recipe.latent_size)
        z = start_noise([1], shape).to(device, dtype)
        t = torch.tensor([500], device=device)
        frame = torch.zeros(1, 2, *shape[1:], device=device, dtype=dtype)
        context = ours.model.sampling_context(torch.zeros(1, dtype=torch.long, device=device))
        given_step = z, t, hint, context, frame, 2.5, recipe.sampling.guide
        step = median_seconds(lambda: ours.model.predict_noise(*given_step), 20, device)
        decode = median_seconds(lambda: ours.model.decode(z, None, [1]), 20, device)
    with Peak() as peak_ours:
        standard = median_seconds(pictures(None, "sde"), given.rounds, device)
    ddim = median_seconds(pictures(50, "ddim"), given.rounds, device)
    enlarged = median_seconds(pictures(None, "sde", of=small), given.rounds, device)
    four = median_seconds(pictures(None, "sde", 4), given.rounds, device) / 4
    with Peak() as peak_plain:
        textbook = median_seconds(lambda: plain_way(plain, mask, 1), max(2, given.rounds // 2), device)

    where = (
        torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    )
    print(
        f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}, {precision_name(dtype)}, medians"
    )
    rows = [
        ("guided step, one picture", f"{step:.4f} s"),
        ("decode, one picture", f"{decode:.4f} s"),
        (f"picture, {recipe.sampling.steps} steps DPM-Solver++ SDE", f"{standard:.3f} s"),
        ("picture, the same, of a lesion small enough to be enlarged", f"{enlarged:.3f} s"),
        ("picture, the same, 4 at a time", f"{four:.3f} s"),
        ("picture, 50 steps DDIM", f"{ddim:.3f} s"),
        ("picture, the plain way (fp32, 50 steps DDIM)", f"{textbook:.3f} s"),
        ("plain way / ours, both 50 steps DDIM", f"{textbook / ddim:.2f}×"),
        (f"plain way / ours at {recipe.sampling.steps} steps", f"{textbook / standard:.2f}×"),
    ]
    if sys.platform == "linux":
        rows.append(("memory above the loaded models, ours", f"{peak_ours.largest:.0f} MB"))
        rows.append(("memory above the loaded models, plain", f"{peak_plain.largest:.0f} MB"))
    if given.page:
        from tests.bench.page import figures  # needs a browser

        rows += figures()
    if given.training:
        from tests.bench import training

        rows += training.figures()
    if given.bulk:
        from tests.bench import bulk

        rows += bulk.figures()
    for name, value in rows:
        print(f"  {name:<58} {value}")


if __name__ == "__main__":
    main()
