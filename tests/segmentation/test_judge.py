"""The judge: sees what it was trained on, describes pictures, refuses files that are not its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from siamese.data import batches, dataset
from siamese.errors import CheckpointError
from siamese.metrics.fidelity import dice
from siamese.sections import DataRecipe
from siamese.segmentation import judge
from siamese.shipped import FILE, SHIPPED
from tests.conftest import draw_case


@pytest.fixture(scope="module")
def published(tiny_run: tuple[Path, list], small_dataset: Path, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("judge") / "tiny-segmenter"
    judge.publish(tiny_run[0] / "checkpoints" / "segmenter-0000020", target)
    pictures = batches.prepare([dataset.read(small_dataset, "train")], 64, DataRecipe())
    judge.load(target).write_index(pictures, target)
    return target


def test_masks_and_features_have_the_pictures_size_and_norm_1(published: Path) -> None:
    found = judge.load(published)
    images = np.stack([draw_case(s)[0] for s in range(11)])
    assert found.masks(images).shape == (11, 96, 96)
    features = found.features(images)
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-4)
    assert found.features(images[4:5]) == pytest.approx(features[4:5], abs=1e-4)


def test_the_index_holds_features_and_digests_and_no_pictures(published: Path) -> None:
    index = judge.load(published).index
    assert index is not None
    assert index.features.shape[0] == index.sha256.shape[0] == index.dhash.shape[0] == 12
    assert sum(value.nbytes for value in load_file(published / judge.INDEX).values()) < 12 * 2000


def test_an_index_of_other_weights_is_refused(published: Path, tmp_path: Path) -> None:
    shutil.copytree(published, tmp_path / "other")
    weights = load_file(tmp_path / "other" / FILE)
    from safetensors import safe_open

    with safe_open(published / FILE, "np") as file:
        metadata = file.metadata()
    weights["head.bias"] = weights["head.bias"] + 1
    save_file(weights, tmp_path / "other" / FILE, metadata)
    with pytest.raises(CheckpointError, match="belongs to other weights"):
        judge.load(tmp_path / "other")


def test_a_painter_is_no_judge(tiny_run: tuple[Path, list], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no segmenter"):
        judge.load(tiny_run[0] / "checkpoints" / "siamese-0000040")
    (tmp_path / FILE).write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointError, match="damaged"):
        judge.load(tmp_path)


def test_the_shipped_judge_is_small_and_finds_a_drawn_lesion() -> None:
    folder = SHIPPED / "polyp-segmenter"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6e6
    found = judge.load(folder)
    assert found.index is not None
    assert len(found.index.features) == 1806
    cases = [draw_case(seed, 384) for seed in range(8)]
    seen = found.masks(np.stack([picture for picture, _ in cases]))
    fit = dice(seen, np.stack([mask > 0 for _, mask in cases]))
    print("Dice on drawn cases", fit.round(2))
    assert np.median(fit) > 0.5


def test_the_shipped_judge_reaches_its_figure_on_real_pictures() -> None:
    """Dice of at least 0.80 on the 60 val pictures, where the shared data are at hand."""
    root = Path(__file__).parents[3] / "shared" / "data" / "kvasir-seg"
    if not root.is_dir():
        pytest.skip("needs the shared pictures, which no clone carries")
    pictures = batches.prepare([dataset.read(root, "val")], 384, DataRecipe())
    fit = dice(judge.load(SHIPPED / "polyp-segmenter").masks(pictures.images), pictures.masks > 0)
    assert len(fit) == 60
    assert fit.mean() > 0.80
