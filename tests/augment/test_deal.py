"""The deal: every case equally often, ids and seeds in order, the same from run to run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from siamese.augment import deal, sources
from siamese.augment import plan as plans
from siamese.augment.folder import Checkpoint, SetFolder
from siamese.augment.item import Source
from siamese.errors import AugmentError
from siamese.masks import morph
from siamese.masks.generate import plausible
from siamese.masks.likeness import limits_of, look_at
from siamese.masks.mask import Mask
from siamese.masks.redraw import resized

ONE, TWO = Checkpoint("a", "a", "1" * 64, 64), Checkpoint("b", "b", "2" * 64, 64)


def lenders(count: int = 10, shape: tuple[int, int] = (64, 72)) -> sources.Sources:
    masks = []
    for seed in range(count):
        labels = np.zeros(shape, np.uint8)
        labels[:64, 4:68] = plausible(seed, 64).labels
        masks.append(
            sources.SourceMask(Source("dataset", "mine", f"case {seed}", Mask(labels).digest), labels)
        )
    return sources.Sources(tuple(masks), limits_of(m.labels for m in masks))


def plan(**values: object) -> plans.Plan:
    return plans.parse({"masks": {"where": ["mine"], "mode": values.pop("mode", "random")}, **values})


@pytest.mark.parametrize(("fold", "times"), [(0.5, {0, 1}), (1, {1}), (2.5, {2, 3})])
def test_every_case_lends_equally_often(fold, times):
    head, dealt = deal.deal(plan(fold=fold, mode="real"), lenders(), [ONE])
    lent = Counter(item.source.stem for item in dealt.items)
    assert len(dealt) == head.items == fold * 10 and head.masks == 10
    assert {lent[f"case {k}"] for k in range(10)} == times
    assert [item.id for item in dealt.items] == [f"s{k:06d}" for k in range(1, len(dealt) + 1)]


def test_units_share_a_checkpoint_and_checkpoints_take_turns():
    head, dealt = deal.deal(
        plan(fold=2, mode="real", pictures={"batch": 8, "seed": 2**32 - 3}), lenders(), [ONE, TWO]
    )
    assert head.units == 3 and head.checkpoints == (ONE, TWO)
    assert Counter((item.unit, item.checkpoint) for item in dealt.items) == {(0, 0): 8, (1, 1): 8, (2, 0): 4}
    seeds = [item.seed for item in dealt.items]
    assert len(set(seeds)) == 20 and max(seeds) < 2**32


def test_real_masks_are_as_they_were_and_empty_ones_are_legal():
    given = lenders(3)
    empty = sources.SourceMask(Source("folder", "", "normal", ""), np.zeros((30, 40), np.uint8))
    given = sources.Sources((*given.masks, empty), given.limits)
    _, dealt = deal.deal(plan(mode="real"), given, [ONE])
    by_stem = {m.source.stem: m.labels for m in given.masks}
    assert all((mask.labels == by_stem[item.source.stem]).all() and not item.edits for item, mask in dealt)
    _, dealt = deal.deal(plan(), given, [ONE])
    assert [mask.empty for item, mask in dealt if item.source.stem == "normal"] == [True]


def test_an_items_mask_depends_on_the_seed_and_its_number_alone():
    given = lenders()
    head, dealt = deal.deal(plan(), given, [ONE])
    longer, more = deal.deal(plan(fold=2), given, [ONE, TWO])
    shown, first = deal.preview(plan(fold=2), None, 4, given)
    digests = [item.mask_sha256 for item in dealt.items]
    assert digests == [item.mask_sha256 for item in more.items][:10]
    assert digests[:4] == [item.mask_sha256 for item in first.items]
    assert (shown.items, shown.units, shown.checkpoints) == (20, 3, ()) and longer.items == 20
    other = deal.deal(plan(pictures={"seed": 2}), given, [ONE])[1]
    assert not set(digests) & {item.mask_sha256 for item in other.items}
    assert head.redrawn == deal.deal(plan(), given, [ONE])[0].redrawn


def test_source_partner_and_edits_tell_how_a_mask_was_made():
    given = lenders()
    by_stem = {m.source.stem: m for m in given.masks}
    values = {"where": ["mine"], "random": {"morph": 1.0}}
    _, dealt = deal.deal(plans.parse({"masks": values}), given, [ONE])
    blended = [(item, mask) for item, mask in dealt if item.source.partner]
    assert len(blended) >= 5
    for item, mask in blended:
        other = resized(by_stem[item.source.partner].labels, mask.labels.shape)
        edits = morph.parse([{**e, "other": Mask(other)} if e["kind"] == "blend" else e for e in item.edits])
        again = morph.morph(Mask(by_stem[item.source.stem].labels), edits)
        assert again.digest == item.mask_sha256 == mask.digest


def test_a_case_that_lends_none_is_counted_and_replaced_by_the_next():
    given = lenders(6)
    stranger = np.zeros((64, 72), np.uint8)
    stranger[30:32, 30:32] = 1  # far below the limits, whatever scale is drawn
    given = sources.Sources(
        (*given.masks, sources.SourceMask(Source("dataset", "mine", "dot", ""), stranger)), given.limits
    )
    head, dealt = deal.deal(plan(), given, [ONE])
    assert len(dealt) == 7 and head.redrawn[deal.LENT_NONE] >= 1
    assert "dot" not in {item.source.stem for item in dealt.items}
    with pytest.raises(AugmentError, match="No mask within masks.random .* narrow scale"):
        deal.deal(plan(), sources.Sources(given.masks[-1:], given.limits), [ONE])


def test_a_deal_becomes_a_set(tmp_path):
    head, dealt = deal.deal(plan(), lenders(4), [ONE])
    folder = SetFolder(tmp_path / "set")
    folder.begin(head, dealt)
    assert folder.items() == dealt.items and folder.head() == head
    assert all(folder.mask(item).digest == item.mask_sha256 for item in folder.items())


def test_label_pictures_stay_label_pictures_in_a_set(tmp_path):
    labels = np.zeros((60, 80), np.uint8)
    labels[10:50, 20:60], labels[20:35, 25:45] = 1, 2
    mask = sources.SourceMask(Source("dataset", "mine", "a", Mask(labels).digest), labels)
    given = sources.Sources((mask,), limits_of([labels]), classes=("polyp", "tool"))
    head, dealt = deal.deal(plan(fold=3), given, [ONE])
    folder = SetFolder(tmp_path / "set")
    folder.begin(head, dealt)
    assert folder.head().classes == ("polyp", "tool")
    assert all(set(np.unique(folder.mask(item).labels)) == {0, 1, 2} for item in folder.items())


def test_the_summary_says_what_somebody_must_know_beforehand():
    head, _ = deal.deal(plan(fold=2), lenders(), [ONE])
    said = " ".join(deal.summary(head, seconds=600))
    assert "10 masks → 20 pictures, on random masks, in 3 units." in said
    assert "MB on the disk" in said and "About 3.3 hours" in said
    assert deal.bytes_needed(head.plan, 2500, 384) == pytest.approx(680e6, rel=0.2)
    drawn, dealt = deal.preview(plan(), None, 3, lenders())
    assert "of the first 3" in " ".join(deal.summary(drawn, looked_at=3)) and len(dealt) == 3


@pytest.mark.soak
def test_kvasirs_redrawn_masks_are_distributed_like_the_real_ones():
    root = Path(__file__).parents[3] / "shared" / "data" / "kvasir-seg"
    if not root.is_dir():
        pytest.skip("needs the shared pictures, which no clone carries")
    given = sources.read(plans.parse({"masks": {"where": [str(root)]}}), None)
    head, dealt = deal.preview(plan(), None, 400, given)
    assert head.items == 840
    real, drawn = (
        np.array([look_at(labels) for labels in masks])
        for masks in ((m.labels for m in given.masks), (mask.labels for _, mask in dealt))
    )
    for name, k in (("area", 0), ("border", 2)):
        print(
            name,
            *(np.percentile(found[:, k], (1, 5, 25, 50, 75, 95, 99)).round(3) for found in (real, drawn)),
        )
    print(head.redrawn, np.mean([item.redraws > 0 for item in dealt.items]))
    assert abs(np.median(real[:, 0]) - np.median(drawn[:, 0])) < 0.02
    assert abs((real[:, 2] > 0).mean() - (drawn[:, 2] > 0).mean()) < 0.06
    assert abs((real[:, 1] > 1).mean() - (drawn[:, 1] > 1).mean()) < 0.03
    assert np.mean([item.redraws > 0 for item in dealt.items]) < 0.35
