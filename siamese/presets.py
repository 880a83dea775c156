"""Named changes on top of a recipe: the rows of the paper's Tables 5 and 6, baselines, and sizes for few pictures.

A preset is a tuple of `key=value`, as `siamese.recipe.read` takes them. "Paper" is Siamese-Diffusion (CVPR 2025);
"log" is checkpoints/polyp-compact/log.md.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from siamese.errors import RecipeError

COMPACT = "compact.toml"  # of assets/recipes: what the sizes change
START = "polyp-compact"  # the --start of the fine-tuning sizes


@dataclass(frozen=True)
class Preset:
    """One name for several settings."""

    name: str
    sentence: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """Settings for about so many labelled pictures, as changes on `COMPACT`: from `START`, or from nothing."""

    pictures: int
    label: str
    sentence: str
    finetune: tuple[str, ...]
    scratch: tuple[str, ...]


def _components(number: int, dhi: bool, augmentation: bool, consistency: bool) -> Preset:
    """A row of Table 5: Dense Hint Input, online augmentation L_m', noise consistency L_c, each on or off."""
    names = [("DHI", dhi), ("OA", augmentation), ("L_c", consistency)]
    on = " + ".join(name for name, there in names if there)
    siamese = (
        augmentation or consistency
    )  # without either nothing of the image branch reaches the mask branch's loss
    return Preset(
        f"table5-{number}",
        f"Table 5, row {number}: {on or 'none of DHI, OA, L_c: plain ControlNet'}.",
        (
            f"hint.kind={'dense' if dhi else 'plain'}",
            f"loss.objective={'siamese' if siamese else 'mask'}",
            f"loss.w_a={1.0 if augmentation else 0.0}",
            f"loss.w_c={1.0 if consistency else 0.0}",
        ),
    )


ABLATIONS: tuple[Preset, ...] = (
    # rows 5 to 7 of the paper do not name their components; they follow from its prose
    _components(1, False, False, False),
    _components(2, True, False, False),
    _components(3, False, True, False),
    _components(4, False, False, True),
    _components(5, False, True, True),
    _components(6, True, True, False),
    _components(7, True, False, True),
    _components(8, True, True, True),
    *(
        Preset(
            f"table6-{w:g}",
            f"Table 6: L_c weighs w_c = {w:g}, everything else as the release"
            + (" (the paper's own row 0 is its plain ControlNet: controlnet-mask)." if w == 0 else "."),
            ("hint.kind=dense", "loss.objective=siamese", "loss.w_a=1.0", f"loss.w_c={w:.1f}"),
        )
        for w in (0, 0.5, 1, 1.5, 2)
    ),
    Preset(
        "controlnet-mask",
        "Baseline: ControlNet with the mask, its own eight convolutions as hint encoder, L_m alone.",
        ("hint.kind=plain", "loss.objective=mask"),
    ),
    Preset(
        "controlnet-mask+image",
        "Baseline: ControlNet with mask and picture together as hints, L_i alone.",
        ("hint.kind=plain", "loss.objective=mask+image"),
    ),
    Preset(
        "area-weighted",
        "L_c weighted by area, so that small lesions count as much as their ground (ADC, MICCAI 2025).",
        ("loss.objective=siamese", "loss.area_weighted=true"),
    ),
)


GUIDED, UNGUIDED = 'stages=["guide", "siamese"]', 'stages=["siamese"]'


def _finetune(steps: int, ema: float, variants: int, look: int) -> tuple[str, ...]:
    """Changes for going on from `START`: its sizes and its detail stay; its guide learns the new look first."""
    return (
        GUIDED,
        "autoencoder.detail=[64,128,256]",  # that of polyp-compact; weights of another size cannot start this
        "denoiser.guide=[48,80,96]",  # the same
        f"train_guide.steps={steps // 4}",  # judgement: a small network, and one that should stay the worse one
        "train_guide.batch=16",
        "train_guide.lr=2e-4",
        "train_guide.warmup=20",
        f"train_guide.ema={ema}",
        f"train_guide.checkpoint_every={look}",
        f"train_guide.preview_every={look}",
        f"augmentation.variants={variants}",
        f"train_siamese.steps={steps}",
        "train_siamese.batch=16",  # log 12, and about the most that two threads do in a second
        "train_siamese.lr=1e-4",  # judgement: half of what taught the branch (2e-4), for it already fits masks
        "train_siamese.warmup=20",  # judgement: Adam's second moments are empty at the start, nothing more
        "train_siamese.mask_only=0.5",  # log 12 and 22: the half with L_m alone was kept both times
        f"train_siamese.ema={ema}",
        f"train_siamese.checkpoint_every={look}",  # the best step can only be one that was saved
        f"train_siamese.preview_every={look}",
        f"watch.every={look}",
        "sampling.guidance=3",  # sampled as polyp-compact is: log 94 to 103, 121, 125
        "sampling.guide=0.3",
        "sampling.guidance_start=0.4",
        "sampling.opening=0.2",
        "sampling.early=1",
        "sampling.closeup=0.05",
        "sampling.steps=24",
        "sampling.spacing=snr",
        "sampling.detail_steps=6",
        "sampling.detail_noise=0",
        "sampling.detail_strength=1.6",
        "sampling.detail_floor=0.2",
        "sampling.eta=0.5",
        "sampling.s_noise=1.01",
    )


def going_on(size: Size, guide: bool) -> tuple[str, ...]:
    """A fine-tune's changes for weights of other sizes than polyp-compact's, which stay.

    Args:
        guide: they have a guide; one made anew could not learn enough in so few steps.
    """
    kept = [change for change in size.finetune if not change.startswith(("autoencoder.", "denoiser."))]
    if not guide:
        kept = [UNGUIDED if change == GUIDED else change for change in kept]
        kept = [change for change in kept if not change.startswith(("train_guide.", "sampling.guide="))]
    return tuple(kept)


def _scratch(autoencoder: int, base: int, siamese: int, variants: int, look: int) -> tuple[str, ...]:
    """Changes for training from nothing: autoencoder, base denoiser, Siamese stage."""
    return (
        'stages=["autoencoder", "base", "siamese"]',
        f"augmentation.variants={variants}",
        f"train_autoencoder.steps={autoencoder}",
        f"train_base.steps={base}",
        f"train_siamese.steps={siamese}",
        "train_siamese.batch=16",
        "train_siamese.mask_only=0.5",
        "train_siamese.ema=0.998",  # log 12
        f"train_siamese.checkpoint_every={look}",
        f"train_siamese.preview_every={look}",
        f"watch.every={look}",
    )


# What is known: with 1,806 pictures 1,200 Siamese steps of 16 taught a fresh branch, and no picture was a copy (log 12,
# card); 1,584 base steps of 32 gave colour and place, 2,412 more gave depth (log 5, 11). All below is a judgement from
# there: steps grow more slowly than pictures, so that each is seen 64 times at 100 pictures and 16 times at 3,000
# (few pictures trained for long are memorised: Dar et al.; the watch says when); variants make up for few pictures,
# and fall with their number because each is encoded once (0.05 s on two threads); the average looks back over about an
# eighth of the steps. `paste` stays off: it gave diversity, not realism (log 22).
SIZES: tuple[Size, ...] = (
    Size(
        100,
        "About 100 pictures",
        "A short fine-tune that takes over the look of your pictures; from nothing so few are learnt by heart.",
        _finetune(400, 0.98, variants=8, look=100),
        _scratch(1000, 1500, 800, variants=16, look=100),
    ),
    Size(
        300,
        "About 300 pictures",
        "A fine-tune that takes over look and anatomy; from nothing still too few for variety.",
        _finetune(800, 0.99, variants=6, look=200),
        _scratch(1500, 2500, 1000, variants=12, look=200),
    ),
    Size(
        1000,
        "About 1,000 pictures",
        "Enough to learn from nothing what polyp-compact knows; a fine-tune gets there sooner.",
        _finetune(1500, 0.995, variants=4, look=300),
        _scratch(2500, 4000, 1500, variants=6, look=300),
    ),
    Size(
        3000,
        "About 3,000 pictures",
        "More than polyp-compact saw: from nothing is worth its hours, best on a GPU.",
        _finetune(3000, 0.998, variants=2, look=500),
        _scratch(4000, 6000, 2500, variants=4, look=500),
    ),
)


def size_for(pictures: int) -> Size:
    """The size nearest to a number of pictures, by ratio."""
    return min(SIZES, key=lambda size: abs(math.log(max(pictures, 1) / size.pictures)))


def preset_for(pictures: int, start: bool = True) -> tuple[str, ...]:
    """Changes on `COMPACT` for so many labelled pictures, from `START` or (`start` False) from nothing."""
    size = size_for(pictures)
    return size.finetune if start else size.scratch


PRESETS: dict[str, Preset] = {
    found.name: found
    for found in (
        *(
            Preset(
                f"finetune-{s.pictures}", f"{COMPACT} with --start {START}, {s.label.lower()}.", s.finetune
            )
            for s in SIZES
        ),
        *(
            Preset(f"scratch-{s.pictures}", f"{COMPACT} from nothing, {s.label.lower()}.", s.scratch)
            for s in SIZES
        ),
        *ABLATIONS,
    )
}


def preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        RecipeError: no such preset; the message has the nearest name.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    cure = f"did you mean {near[0]}?" if near else "`python -m siamese train --list-presets` lists them."
    raise RecipeError(f"--preset {name} is unknown; {cure}")
