"""Shapes, counts and parity of the model's parts."""

from __future__ import annotations

import pytest
import torch

from siamese import recipe
from siamese.diffusion.guidance import Early
from siamese.diffusion.hint import DenseHintInput
from siamese.diffusion.model import SiameseDiffusion
from siamese.diffusion.noise import to_z_0
from tests.conftest import ROOT
from tests.diffusion.test_losses import build, draw


def test_dhi_is_the_papers() -> None:
    """SD 1.5 size: 3,263,872 parameters, the release's names and shapes, zero output at the start."""
    dhi = DenseHintInput(320, merges=3)
    assert sum(p.numel() for p in dhi.parameters()) == 3_263_872
    shapes = {name: tuple(p.shape) for name, p in dhi.named_parameters()}
    assert shapes["initial_conv.weight"] == (16, 3, 3, 3)
    assert shapes["conv_before_res2.weight"] == (32, 16, 3, 3)
    assert shapes["patch_merge1.reduction.weight"] == (64, 128)
    assert shapes["patch_merge3.norm.weight"] == (512,)
    assert shapes["layer5.conv2.weight"] == (256, 256, 3, 3)
    assert shapes["conv_out.weight"] == (320, 256, 3, 3)
    out = dhi(torch.rand(1, 3, 64, 64))
    assert out.shape == (1, 320, 8, 8)
    assert out.abs().max() == 0


def test_patch_merging_takes_the_grids_in_the_releases_order() -> None:
    """(row, column): (even, even), (odd, even), (even, odd), (odd, odd)."""
    from siamese.diffusion.hint import PatchMerging

    merging = PatchMerging(1)
    seen = []
    merging.norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    merging(torch.tensor([[[[1.0, 3.0], [2.0, 4.0]]]]))
    assert seen[0].flatten().tolist() == [1, 2, 3, 4]
    assert merging.reduction.bias is not None


def test_encoder_and_decoder_together_are_the_unet() -> None:
    model = build()
    sample, mask, _ = draw([50, 700])
    features = model.encode_features(sample.z_0, sample.t, sample.context, sample.frame)
    c = model.control_residuals(sample.z_0, sample.t, sample.context, sample.frame, model.dhi(mask))
    for residuals in (None, c):
        wanted = model.unet(
            torch.cat([sample.z_0, sample.frame], 1),
            sample.t,
            sample.context,
            down_block_additional_residuals=tuple(residuals[:-1]) if residuals else None,
            mid_block_additional_residual=residuals[-1] if residuals else None,
        ).sample
        assert torch.allclose(model.decode_features(features, residuals), wanted, atol=1e-6)


def test_guidance_combines_both_halves() -> None:
    """e_u + g (e_c − e_u), e_u without control residuals."""
    model = build()
    sample, mask, _ = draw([50, 700])
    hint = model.dhi(mask)
    args = (sample.z_0, sample.t, hint, sample.context, sample.frame)
    e_u, e_c, e_3 = (model.predict_noise(*args, guidance=g) for g in (0, 1, 3))
    assert torch.allclose(e_3, e_u + 3 * (e_c - e_u), atol=1e-5)
    features = model.encode_features(sample.z_0, sample.t, sample.context, sample.frame)
    assert torch.allclose(e_u, model.decode_features(features), atol=1e-6)
    assert (e_c - e_u).abs().max() > 1e-3


def test_sampling_leads_away_from_the_guide() -> None:
    """e_u + g (e_c − e_u) + k (e_c − e_b), where the guide that e_b is of was trained."""
    model = build(denoiser={"guide": (8, 16)})
    assert model.guide is not None
    sample, mask, _ = draw([50, 700])
    args = (sample.z_0, sample.t, model.dhi(mask), sample.context, sample.frame)
    e_u, e_c = (model.predict_noise(*args, guidance=g) for g in (0, 1))
    e_b = model.predict_guide(sample.z_0, sample.t, sample.context, sample.frame)
    assert min((e_b - e_u).abs().max(), (e_b - e_c).abs().max()) > 1e-3
    for k in (0.5, 0.0):
        away = k * (e_c - e_b)
        for g, wanted in ((0, e_u), (1, e_c + away), (3, e_u + 3 * (e_c - e_u) + away)):
            assert torch.allclose(model.predict_noise(*args, guidance=g, guide=k), wanted, atol=1e-5)
    torch.nn.init.zeros_(model.guide.conv_out.weight)  # as before its training
    assert torch.equal(model.predict_noise(*args, guidance=1, guide=0.5), e_c)


def test_a_sampler_asks_without_guidance_until_it_starts() -> None:
    model = build(denoiser={"guide": (8, 16)})
    model.recipe = recipe.changed(
        model.recipe, ["sampling.guidance_start=0.4", "sampling.guide=0.5"], only="sampling"
    )
    sample, mask, _ = draw([50, 700])
    rest = model.dhi(mask), sample.context, sample.frame
    for g, early in ((3, 1), (0.5, 0.5), (0, 0)):
        predict = model.predictor(*rest, None, g)
        plain, guided = (
            model.predict_noise(sample.z_0, sample.t, *rest, guidance=one, guide=k)
            for one, k in ((early, 0), (g, 0.5))
        )
        assert torch.equal(predict(sample.z_0, sample.t, 0.39), plain)
        assert torch.equal(predict(sample.z_0, sample.t, 0.4), guided)


def test_an_opening_guides_before_that_by_its_part() -> None:
    model = build()
    words = ["sampling.guidance_start=0.4", "sampling.opening=0.25"]
    model.recipe = recipe.changed(model.recipe, words, only="sampling")
    sample, mask, _ = draw([50, 700])
    rest = model.dhi(mask), sample.context, sample.frame
    asked = sample.z_0, sample.t
    for g, early in ((3, 1.5), (1, 1), (0.5, 0.5), (0, 0)):
        predict, wanted = model.predictor(*rest, None, g), (early, g)
        for done, guidance in zip((0.39, 0.4), wanted, strict=True):
            plain = model.predict_noise(*asked, *rest, guidance=guidance)
            assert torch.allclose(predict(*asked, done), plain, atol=1e-5)


def test_odd_masks_are_guided_before_that_without_what_strengthens_the_estimate() -> None:
    model = build()
    words = ["sampling.guidance_start=0.4", "sampling.early=2"]
    model.recipe = recipe.changed(model.recipe, words, only="sampling")
    sample, mask, _ = draw([50, 700])
    rest = model.dhi(mask), sample.context, sample.frame
    asked = sample.z_0, sample.t
    e_u, e_c = (model.predict_noise(*asked, *rest, guidance=g).detach() for g in (0, 1))
    place = torch.zeros(2, 1, 8, 8)
    place[..., 2:5, 3:7] = 1
    early = Early(torch.tensor([0.0, 0.5])[:, None, None, None], place)
    found = model.predictor(*rest, early, 3)(*asked, 0.39).detach() - e_c
    assert torch.allclose(found[0], torch.zeros(()), atol=1e-5)
    z_0 = to_z_0(e_c, *asked, model.alphas_bar, model.recipe.diffusion.prediction)[1]
    away = (e_c - e_u)[1] * 2 * (3 - 1) * 0.5
    for region in (place[1], 1 - place[1]):
        left = away - found[1]
        assert float((found[1] * z_0 * region).sum()) == pytest.approx(0, abs=1e-3)
        along = region * z_0 * (left * z_0 * region).sum() / (region * z_0.square()).sum()
        assert torch.allclose(left * region, along, atol=1e-4)
    late = [model.predictor(*rest, given, 3)(*asked, 0.4) for given in (early, None)]
    assert torch.equal(*late)
    plain = [model.predictor(*rest, early, g)(*asked, 0) for g in (1, 0)]
    assert torch.equal(plain[0], e_c) and torch.equal(plain[1], e_u)


def test_paper_guidance_keeps_the_mask_in_both_halves() -> None:
    model = build()
    values = model.recipe.model_dump()
    values["sampling"]["unconditional_mask"] = True
    model.recipe = recipe.parse(values)
    sample, mask, _ = draw([50, 700])
    hint = model.dhi(mask)
    context = torch.cat([torch.zeros_like(sample.context), sample.context])
    found = model.predict_noise(sample.z_0, sample.t, hint, context, sample.frame, guidance=9)

    def with_mask(tokens: torch.Tensor) -> torch.Tensor:
        c = model.control_residuals(sample.z_0, sample.t, tokens, sample.frame, hint)
        return model.decode_features(model.encode_features(sample.z_0, sample.t, tokens, sample.frame), c)

    e_u, e_c = with_mask(torch.zeros_like(sample.context)), with_mask(sample.context)
    assert torch.allclose(found, e_u + 9 * (e_c - e_u), atol=1e-4)


def test_compact_fits_48_megabytes() -> None:
    """All weights in fp16, autoencoder and hint encoder included."""
    shipped = recipe.read(ROOT / "assets" / "recipes" / "polyp-compact.toml")
    with torch.device("meta"):
        model = SiameseDiffusion(
            recipe.parse(shipped.model_dump() | {"styles": ("kvasir-seg", "b", "c", "d")})
        )
    weights = [value for value in model.state_dict().values() if value.is_floating_point()]
    assert 2 * sum(value.numel() for value in weights) <= 48e6


SD15 = {
    "family": "sd15",
    "size": 384,
    "styles": ("a",),
    "autoencoder": {
        "patch": 1,
        "widths": (128, 256, 512, 512),
        "layers": 2,
        "latent_channels": 4,
        "linear_path": False,
        "middle_attention": True,
    },
    "hint": {"unshuffle": 1, "widths": (16, 32)},
    "denoiser": {
        "widths": (320, 640, 1280, 1280),
        "layers": 2,
        "attention": (True, True, True, False),
        "heads": 8,
        "context_width": 768,
        "frame": False,
    },
    "diffusion": {
        "prediction": "eps",
        "schedule": "scaled_linear",
        "zero_terminal_snr": False,
        "min_snr": None,
    },
}


def test_the_same_classes_carry_sd15s_size() -> None:
    """The paper's counts: U-Net, control branch without hint, hint encoder, autoencoder, and what it trains."""
    with torch.device("meta"):
        model = SiameseDiffusion(recipe.parse(SD15))

    def count(*modules: torch.nn.Module) -> int:
        return sum(p.numel() for module in modules for p in module.parameters())

    assert count(model.unet) == 859_520_964
    assert count(model.control) == 360_192_640
    assert count(model.dhi) == 3_263_872
    assert count(model.autoencoder.kl) == 83_653_863
    decoder = (model.unet.up_blocks, model.unet.conv_norm_out, model.unet.conv_out)
    assert round(count(model.control, model.dhi, *decoder) / 1e6, 2) == 874.26


def test_control_branch_starts_as_the_encoders_copy_and_silent() -> None:
    with torch.random.fork_rng():
        model = SiameseDiffusion(build().recipe)
    for a, b in zip(model.control.down_blocks.parameters(), model.unet.down_blocks.parameters(), strict=True):
        assert torch.equal(a, b)
    sample, mask, _ = draw([50])
    c = model.control_residuals(sample.z_0, sample.t, sample.context, sample.frame, model.dhi(mask))
    assert all(r.abs().max() == 0 for r in c)


@pytest.mark.parametrize("size", [64, 96])
def test_autoencoder_round_trip_shapes(size: int) -> None:
    autoencoder = build().autoencoder
    autoencoder.z_mean += 0.3
    autoencoder.z_sd *= 2
    x = torch.rand(1, 3, size, size) * 2 - 1
    z = autoencoder.encode(x)
    assert z.shape == (1, 4, size // 8, size // 8)
    mean, _ = autoencoder.posterior(x)
    assert torch.allclose(z * 2 + 0.3, mean, atol=1e-5)
    y = autoencoder.decode(z)
    assert y.shape == x.shape
    assert y.abs().max() <= 1
