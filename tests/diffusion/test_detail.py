"""Detail: drawn anew for each seed, the same in any company, and it leaves what the guide says as it is."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from siamese import recipe
from siamese.data import batches
from siamese.diffusion.detail import MARGIN, NOISIEST, Detail, above, enlarged, placed, reduced
from siamese.diffusion.model import SiameseDiffusion
from siamese.sections import FACTOR
from tests.conftest import TINY, draw_case


@pytest.fixture(scope="module")
def detail() -> Detail:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Detail((8, 12)).requires_grad_(False)
        for part in (net.conv_out, *(b.conv_out for b in net.middle), *(b.shift for b in net.middle)):
            torch.nn.init.normal_(part.weight, 0, 0.1)
    return net


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return batches.to_x([draw_case(0)[0]])


def test_a_draw_belongs_to_its_seed_and_not_to_its_batch(detail: Detail, x: torch.Tensor) -> None:
    one, other = (detail.draw(x, None, [seed], 0.05, 3) for seed in (1, 2**63 - 1))
    assert one.shape == x.shape
    assert torch.equal(one, detail.draw(x, None, [1], 0.05, 3))
    assert not torch.allclose(one, other)
    guide, twice = detail.draw(x, None, [1], 0.05, 3, 0.0), detail.draw(x, None, [1], 0.05, 3, 2.0)
    assert torch.allclose(twice - guide, 2 * (one - guide), atol=1e-4)
    together = detail.draw(x.expand(2, -1, -1, -1), None, [1, 2**63 - 1], 0.05, 3)
    assert torch.allclose(together, torch.cat([one, other]), atol=1e-4)


def test_faint_blocks_fade_and_strong_ones_stay(detail: Detail, x: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    r_0 = torch.nn.functional.normalize(torch.randn(1, 48, 1, 4, generator=generator)) * 48**0.5
    r_0 = r_0 * torch.tensor([0.0, 0.02, 0.2, 20.0])
    assert torch.allclose(above(r_0, 0.2), r_0 * torch.tensor([0.0, 1 / 101, 0.5, 1e4 / 10001]), atol=1e-5)
    assert torch.equal(above(r_0, 0.0), r_0)
    guide, drawn = (detail.draw(x, None, [1], 0.0, 3, strength) for strength in (0.0, 1.0))
    faint = detail.draw(x, None, [1], 0.0, 3, 1.0, 0.2)
    wanted = detail.added(above(detail.missing(drawn, guide), 0.2), guide)
    assert torch.allclose(faint, wanted, atol=1e-4) and not torch.allclose(faint, drawn, atol=1e-3)


def test_time_level_and_mask_are_seen(detail: Detail, x: torch.Tensor) -> None:
    guide, unknown = enlarged(reduced(x)), torch.zeros(1, 1, 96, 96)
    hint = torch.zeros(1, 3, 96, 96)
    hint[..., 30:60, 30:60] = 1
    r = torch.randn(detail.missing(x, guide).shape, generator=torch.Generator().manual_seed(0))
    at = [
        detail(r, torch.tensor([t]), guide, place, torch.tensor([level]))
        for t, place, level in (
            (10, unknown, 0.0),
            (900, unknown, 0.0),
            (10, unknown, NOISIEST),
            (10, placed(hint), 0.0),
            (10, placed(hint * 0), 0.0),
        )
    ]
    assert not any(torch.allclose(one, other) for one, other in combinations(at, 2))


def test_missing_is_what_the_guide_lacks_in_components_of_even_strength() -> None:
    generator = torch.Generator().manual_seed(0)
    coarse, fine = (torch.randn(8, 3, side, side, generator=generator) for side in (24, 96))
    x = 0.4 * torch.nn.functional.interpolate(coarse, size=96, mode="bicubic") + 0.05 * fine
    net = Detail((8, 12))
    assert not net.fitted
    guide = enlarged(reduced(x))
    net.fit(x, guide)
    assert net.fitted
    r_0 = net.missing(x, guide)
    assert torch.allclose(net.added(r_0, guide), x, atol=1e-4)
    assert float(r_0.square().mean()) == pytest.approx(1, rel=0.02)
    flat = torch.nn.functional.normalize(r_0.transpose(0, 1).flatten(1).double())
    assert torch.allclose(flat @ flat.T, torch.eye(48, dtype=torch.double), atol=0.02)
    plain = torch.nn.functional.pixel_unshuffle(x - guide, 4)
    alone = torch.einsum("kc,bkhw->bchw", net.basis, torch.nn.functional.pixel_unshuffle(x - guide, 4))
    ratio, plain = (
        float(sd.max() / sd.min()) for sd in (v.square().mean((0, 2, 3)).sqrt() for v in (r_0, alone))
    )
    assert ratio**2 == pytest.approx(plain, rel=0.05)


def test_detail_that_was_never_trained_paints_nothing() -> None:
    """As where a checkpoint without detail is trained on with a recipe that has one."""
    model = SiameseDiffusion(recipe.read(TINY, ["autoencoder.detail=[8,8]", 'styles=["one"]']))
    model.requires_grad_(False)
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.decode(z, None, [1]), model.decode(z))
    x = batches.to_x([draw_case(0, 64)[0]])
    model.autoencoder.detail.fit(x, enlarged(reduced(x)))
    assert not torch.equal(model.decode(z, None, [1]), model.decode(z))


def test_away_from_the_edge_a_crop_gets_what_the_whole_picture_gets(detail: Detail) -> None:
    """Convolutions and norms are local: training on crops teaches what sampling of whole pictures uses."""
    generator = torch.Generator().manual_seed(0)
    r, guide, place = (
        torch.randn(1, n, s, s, generator=generator) for n, s in ((48, 64), (3, 256), (1, 256))
    )
    t, level, inner = torch.tensor([300]), torch.tensor([0.1]), slice(32, 224)
    whole = detail(r, t, guide, place, level)
    part = detail(r[..., 8:56, 8:56], t, guide[..., inner, inner], place[..., inner, inner], level)
    inner = slice(20, 28)
    assert torch.allclose(part[..., inner, inner], whole[..., 28:36, 28:36], atol=1e-4)


def test_a_window_of_the_guide_is_that_of_the_whole(x: torch.Tensor) -> None:
    small = reduced(x)
    wide, there = slice(3 - MARGIN, 8 + MARGIN), slice(3 * FACTOR, 8 * FACTOR)
    window = enlarged(small[..., wide, wide])
    inner = slice(MARGIN * FACTOR, -MARGIN * FACTOR)
    assert torch.allclose(window[..., inner, inner], enlarged(small)[..., there, there], atol=1e-5)
