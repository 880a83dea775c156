"""The module that a stage trains, with the weights it starts from: a base, a checkpoint, an earlier stage, nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from siamese.data import batches, seen
from siamese.data.seen import Seen
from siamese.diffusion import checkpoint, sd15
from siamese.diffusion.context import Context
from siamese.diffusion.model import SiameseDiffusion
from siamese.errors import CheckpointError, RecipeError
from siamese.recipe import Stage
from siamese.segmentation.unet import UNetSegmenter
from siamese.shipped import find
from siamese.tasks.run import RunFolder
from siamese.tasks.stages import Bench, seeded
from siamese.tasks.styles import adopt_styles

OPTIONAL = ("autoencoder.detail.", "guide.")  # parts that a start may lack


def build(stage: Stage, bench: Bench, run: RunFolder, start: str | None) -> nn.Module:
    """The module of a stage on the device: whole model or segmenter.

    Raises:
        RecipeError: nothing to start from, or `start` was built with other sizes.
        CheckpointError: the start or the base is missing or damaged.
    """
    recipe, device = bench.recipe, bench.device
    with seeded(recipe.seed, stage, "weights"):
        if stage == "segmenter":
            return UNetSegmenter(recipe.train_segmenter.widths).to(device)
        if recipe.family == "sd15":
            model = _sd15(bench, run, start)
        else:
            model = _compact(stage, bench, run, start)
    of = np.array(bench.pictures.styles)
    for k, style in enumerate(recipe.styles):
        if (of == style).any():
            views = bench.pictures.views[of == style]
            model.views[k] = torch.from_numpy(batches.typical_view(views))
            model.fields[k] = torch.from_numpy(batches.fields_of_view(views))
            if isinstance(model.context, Context):  # text that stays is not asked for
                removed = bench.pictures.text[of == style] & recipe.data.remove_text
                model.context.text[k] = float(removed.mean())
    model.compute_twice(recipe.compute.gradient_checkpointing)
    if recipe.compute.channels_last:
        model.to(memory_format=torch.channels_last)
    if recipe.compute.compile:
        for block in model.blocks:
            block.compile()
    return model.to(device)


def seen_before(stage: Stage, run: RunFolder, start: str | None) -> Seen:
    """What the weights that a stage starts from were trained on: of `start`, earlier stages, and the run resumed.

    Raises:
        CheckpointError: one of them is damaged, or `start` is missing where nothing was saved yet.
    """
    if stage == "segmenter":  # comes from nowhere
        return Seen()
    found = Seen()
    points = [point for point in (run.before(stage), *run.points(stage)[-1:]) if point is not None]
    for point in points:
        found |= seen.read(point.folder)
    if start is not None:
        try:
            found |= seen.read(start)
        except CheckpointError:
            if not points:  # else what was saved carries it on
                raise
    return found


def _sd15(bench: Bench, run: RunFolder, start: str | None) -> SiameseDiffusion:
    """Stable Diffusion with a new control branch, or a checkpoint of this family."""
    recipe, points = bench.recipe, run.points("siamese")
    if points:
        folder = points[-1].folder
        return checkpoint.assemble(recipe, checkpoint.read_weights(folder), str(folder))
    if start is not None:
        return checkpoint.assemble(recipe, _start_weights("siamese", bench, start), start)
    return sd15.start(recipe)


def _compact(stage: Stage, bench: Bench, run: RunFolder, start: str | None) -> SiameseDiffusion:
    recipe = bench.recipe
    model = SiameseDiffusion(recipe)
    before = run.before(stage)
    fresh = stage == "siamese" and (start is None or recipe.train_siamese.fresh_control)
    if before is not None or start is not None:
        if before is not None:
            found = checkpoint.read_weights(before.folder)
        else:
            assert start is not None
            found = _start_weights(stage, bench, start)
        anew = ("control.", "dhi.") if fresh else ()
        own = model.state_dict()
        kept = {name: own[name] for name in own if name.startswith((*anew, *OPTIONAL))}
        taken = {n: v for n, v in found.items() if not n.startswith(anew)}
        model.load_state_dict(
            kept | {n: v for n, v in taken.items() if n in own or not n.startswith("guide.")}
        )
    elif stage != "autoencoder":
        raise RecipeError(
            f"Stage {stage} needs an earlier one: run the autoencoder in this --run folder first, or "
            "--start CHECKPOINT."
        )
    if fresh:
        model.control.copy_encoder(model.unet)
    return model


def _start_weights(stage: Stage, bench: Bench, start: str) -> dict[str, Tensor]:
    folder = find(start)
    found, _ = checkpoint.read_recipe(folder)
    own = bench.recipe
    if not found.autoencoder.detail:  # it can be added to what has none
        widened = found.autoencoder.model_copy(update={"detail": own.autoencoder.detail})
        found = found.model_copy(update={"autoencoder": widened})
    if not (found.denoiser.guide and own.denoiser.guide):  # so can a guide, and it can be left out
        widened = found.denoiser.model_copy(update={"guide": own.denoiser.guide})
        found = found.model_copy(update={"denoiser": widened})
    shapes = ["family", "autoencoder", "denoiser", "size", "prompts"]
    if stage != "siamese" or not own.train_siamese.fresh_control:  # else DHI is made anew as well
        shapes.append("hint")
    differing = [name for name in shapes if getattr(found, name) != getattr(own, name)]
    if differing:
        raise RecipeError(
            f"--start {start} was built with other {', '.join(differing)}; use its settings there."
        )
    return adopt_styles(checkpoint.read_weights(folder), found.styles, own.styles, found.sampling.style)
