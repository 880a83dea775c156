"""What saves memory changes no gradient: parts passed back one by one, and blocks computed twice."""

from __future__ import annotations

import pytest
import torch

from siamese.diffusion.losses import siamese_losses
from siamese.diffusion.model import SiameseDiffusion
from tests.diffusion.literal import literal_losses
from tests.diffusion.test_losses import build, draw


def gradients(model: SiameseDiffusion) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def run(model: SiameseDiffusion, progress: float, in_parts: bool, kept: torch.Tensor | None = None) -> dict:
    """Gradients of one step; the context is made by the model, so that it is trained too."""
    sample, mask, image = draw([50, 180, 600, 950])
    styles, labels, flags = torch.tensor([0, 1, 2, 0]), torch.zeros(4, 10), torch.zeros(4, 2)
    sample = type(sample)(
        sample.z_0, sample.eps, sample.t, sample.frame, model.context(styles, labels, flags)
    )
    model.zero_grad(set_to_none=True)
    kept = torch.ones(4) if kept is None else kept
    if in_parts:
        found = siamese_losses(
            model, sample, mask, image, kept, progress, backward=lambda part: part.backward()
        )
        assert not any(value.requires_grad for value in found.values())
    else:
        found = siamese_losses(model, sample, mask, image, kept, progress)
        sum(found.values()).backward()
    return gradients(model)


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    for name in a.keys() | b.keys():
        first, second = (found.get(name, torch.zeros(())) for found in (a, b))
        assert torch.allclose(first, second, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("trains", ["all", "decoder"])
@pytest.mark.parametrize("progress", [0.1, 0.6])
def test_parts_passed_back_one_by_one_sum_to_the_whole(trains: str, progress: float) -> None:
    model = build(trains=trains)
    kept = torch.tensor([1.0, 0.0, 1.0, 1.0])
    equal(run(model, progress, in_parts=False, kept=kept), run(model, progress, in_parts=True, kept=kept))


@pytest.mark.parametrize("trains", ["all", "decoder"])
@pytest.mark.parametrize("in_parts", [False, True])
def test_gradient_checkpointing_keeps_the_gradient_paths(trains: str, in_parts: bool) -> None:
    """The blocks that run again in the backward pass must again see the decoder's weights as constants in L_i."""
    model = build(trains=trains)
    plain = run(model, 0.6, in_parts)
    model.compute_twice(True)
    equal(plain, run(model, 0.6, in_parts))


def test_l_i_alone_never_reaches_the_decoder_when_blocks_run_twice() -> None:
    model = build(trains="decoder")
    model.compute_twice(True)
    sample, mask, image = draw([50, 600])
    siamese_losses(model, sample, mask, image, torch.ones(2), 0.6)["L_i"].backward()
    assert all(p.grad is None or not p.grad.any() for p in model.unet.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.control.parameters())


def test_checkpointed_parts_equal_the_algorithm_box() -> None:
    model = build(trains="all")
    sample, mask, image = draw([50, 600, 950])
    sum(literal_losses(model, sample, mask, image, 0.6).values()).backward()
    wanted = gradients(model)
    model.zero_grad(set_to_none=True)
    model.compute_twice(True)
    siamese_losses(model, sample, mask, image, torch.ones(3), 0.6, backward=lambda part: part.backward())
    equal(wanted, gradients(model))


def test_both_hints_at_once_is_one_prediction_under_their_sum() -> None:
    model = build(objective="mask+image")
    sample, mask, image = draw([50, 600])
    found = siamese_losses(model, sample, mask, image, torch.ones(2), 0.6)
    assert found.keys() == {"L_i"}
    found["L_i"].backward()
    assert (
        model.unet.up_blocks[0].resnets[0].conv1.weight.grad.abs().sum() > 0
    )  # unlike Siamese: the decoder learns
    mask_alone = siamese_losses(model, sample, mask, None, torch.ones(2), 0.6)
    assert mask_alone.keys() == {"L_m"}


def test_area_weighted_consistency_counts_a_small_lesion_as_much_as_its_surroundings() -> None:
    """ADC: lesion pixels weigh 1 − a, background a, so both sides weigh a (1 − a) in all."""
    plain, weighted = build(), build(area_weighted=True)
    sample, mask, image = draw([50, 600])
    mask = torch.zeros_like(mask)
    mask[:, :, :16, :16] = 1  # a = 1/16
    losses = [siamese_losses(m, sample, mask, image, torch.ones(2), 0.6) for m in (plain, weighted)]
    assert torch.equal(losses[0]["L_m"], losses[1]["L_m"])
    assert 0 < losses[1]["L_c"] < losses[0]["L_c"]
    empty = siamese_losses(weighted, sample, torch.zeros_like(mask), image, torch.ones(2), 0.6)
    assert empty["L_c"] == 0  # as the follow-up defines it: no lesion, no weight
