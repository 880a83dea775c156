"""The family sd15 in the training loop: an eighth of the widths, from a base folder to a checkpoint that paints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from siamese.diffusion import checkpoint
from siamese.diffusion.sd15 import trained_names
from siamese.events import Done, Notice, Scalars
from siamese.masks.mask import Mask
from siamese.tasks.sample import SampleRequest, sample
from siamese.tasks.train import TrainRequest, train
from tests.diffusion.sd15_files import small, write_folder

SETTINGS = ("styles=[]", "train_siamese.steps=4", "train_siamese.batch=4", "train_siamese.preview_every=4")
SETTINGS += ("train_siamese.checkpoint_every=2", "train_siamese.lr=1e-3")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("base") / "sd15", small())


def test_sd15_trains_resumes_and_paints(base: Path, small_dataset: Path, tmp_path: Path) -> None:
    settings = small(f'base="{base}"', *SETTINGS)

    def call(run: Path) -> tuple[list, dict[int, dict]]:
        events = list(train(TrainRequest(settings, (small_dataset,), run, precision="fp32")))
        return events, {e.step: e.values for e in events if isinstance(e, Scalars)}

    events, whole = call(tmp_path / "whole")
    assert whole.keys() == {1, 2, 3, 4}
    assert all(np.isfinite(list(values.values())).all() for values in whole.values())
    assert whole[1].keys() >= {"L_m", "L_i", "L_c"}
    assert whole[1]["L_c"] == pytest.approx(0, abs=1e-9)  # w_i = 0 and zero convolutions at the first step

    found = train(TrainRequest(settings, (small_dataset,), tmp_path / "half", precision="fp32"))
    for event in found:
        if isinstance(event, Scalars) and event.step == 3:
            break
    found.close()
    resumed, rest = call(tmp_path / "half")
    assert any("Resumed siamese at step 3" in e.text for e in resumed if isinstance(e, Notice))
    assert rest[4] == pytest.approx(whole[4], rel=1e-4)

    folder = tmp_path / "whole" / "checkpoints" / "siamese-0000004"
    assert any(isinstance(e, Done) and e.complete for e in events)
    before = load_file(tmp_path / "whole" / "checkpoints" / "siamese-0000002" / "model.safetensors")
    after = load_file(folder / "model.safetensors")
    trained = set(trained_names(settings))
    assert len(trained) == 756
    changed = {name for name in after if not (after[name] == before[name]).all()}
    assert changed <= trained
    assert len(changed) > 700  # all but what no picture of this size reaches
    picture = next(
        iter(sample(checkpoint.load(folder), Mask.from_array(np.eye(64) > 0), SampleRequest(steps=2)))
    )
    assert picture is not None


def test_prompts_come_with_the_data(base: Path, small_dataset: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "drawn"
    shutil.copytree(small_dataset, dataset)
    (dataset / "dataset.json").write_text(json.dumps({"classes": [], "prompts": {"": "of a polyp, small."}}))
    settings = small(f'base="{base}"', *SETTINGS, "train_siamese.steps=1")
    list(train(TrainRequest(settings, (dataset,), tmp_path / "run", precision="fp32")))
    recipe, _ = checkpoint.read_recipe(tmp_path / "run" / "checkpoints" / "siamese-0000001")
    assert recipe.prompts == ("of a polyp, small.",)
