"""Training: finishes, resumes after kill -9 with an unbroken run's losses, stops when asked, says what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from siamese import recipe
from siamese.diffusion import checkpoint
from siamese.errors import DatasetError, MachineError, RecipeError
from siamese.events import Done, Preview, Progress, Saved, Scalars
from siamese.masks.mask import Mask
from siamese.tasks.loop import learning_rate
from siamese.tasks.sample import SampleRequest, SampleResult, sample
from siamese.tasks.train import TrainRequest, train
from tests.conftest import ROOT, TINY, draw_case, write_dataset
from tests.shell import siamese


def losses(events: list, stage: str) -> dict[int, dict[str, float]]:
    return {e.step: e.values for e in events if isinstance(e, Scalars) and e.stage == stage}


def start(dataset: Path, run: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "siamese", "train", str(TINY), "--data", str(dataset), "--run", str(run)]
    return subprocess.Popen(
        [*command, "--precision", "fp32", *more],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )


def wait_for(run: Path, pattern: str, process: subprocess.Popen) -> None:
    while not list(run.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def test_an_unbroken_run_trains_every_stage(tiny_run: tuple[Path, list]) -> None:
    folder, events = tiny_run
    finished = {e.stage: e.step for e in events if isinstance(e, Done) and e.complete}
    assert finished == {"autoencoder": 40, "base": 40, "siamese": 40, "segmenter": 20}
    autoencoder = losses(events, "autoencoder")
    first, last = (np.mean([autoencoder[k]["L1"] for k in steps]) for steps in (range(1, 6), range(36, 41)))
    assert last < first
    assert losses(events, "siamese")[40].keys() >= {"L_m", "L_i", "L_c", "lr"}
    assert losses(events, "siamese")[5].keys() == {"L_m", "lr"}  # L_m alone for the first 20 %
    assert any("L_m'" in values for step, values in losses(events, "siamese").items() if step > 14)
    assert not any("L_m'" in values for step, values in losses(events, "siamese").items() if step <= 13)
    progress = [e for e in events if isinstance(e, Progress) and e.stage == "siamese"]
    assert progress[-1].step == progress[-1].total == 40
    assert progress[-1].seconds_left == 0
    previews = [e.images for e in events if isinstance(e, Preview)]
    assert all(p.dtype == np.uint8 and p.shape[1:] == (64, 64, 3) for p in previews)
    assert all(e.path.is_dir() for e in events if isinstance(e, Saved) and e.step == 40)


def test_a_checkpoint_carries_recipe_and_digests(tiny_checkpoint: Path, small_dataset: Path) -> None:
    with safe_open(tiny_checkpoint / "model.safetensors", framework="np") as file:
        built = recipe.parse_json(file.metadata()["recipe"])
        assert built.styles == ("drawn",)
        assert file.get_tensor("training.sha256").shape == (12, 32)
        assert file.get_tensor("training.dhash").shape == (12, 8)
        assert file.get_tensor("views").max() == 1  # the drawn corners are outside the field of view


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)])
def test_a_signal_saves_and_stops(how: signal.Signals, small_dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ['stages=["autoencoder"]', "train_autoencoder.steps=100000", "train_autoencoder.checkpoint_every=5"]
    process = start(small_dataset, run, *(word for setting in words for word in ("--set", setting)))
    wait_for(run, "checkpoints/autoencoder-0000005", process)
    process.send_signal(how)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Stopped as asked" in said
    points = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert int(points[-1].split("-")[1]) >= 5
    assert (run / "checkpoints" / points[-1] / "state.safetensors").is_file()
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert {"Notice", "Scalars", "Saved"} <= {line["event"] for line in lines}


def test_seconds_and_cancel_end_a_call_and_the_next_goes_on(small_dataset: Path, tmp_path: Path) -> None:
    settings = recipe.read(TINY, ['stages=["autoencoder"]', "train_autoencoder.steps=100000"])
    events = list(
        train(TrainRequest(settings, (small_dataset,), tmp_path / "run", seconds=1.0, precision="fp32"))
    )
    assert isinstance(events[-1], Done)
    assert not events[-1].complete
    with closing(
        train(TrainRequest(settings, (small_dataset,), tmp_path / "run", precision="fp32"))
    ) as again:
        for event in again:
            if isinstance(event, Scalars) and event.step > events[-1].step + 2:
                (tmp_path / "run" / "cancel").touch()
            if isinstance(event, Done):
                assert not event.complete
                assert event.step > events[-1].step
                break


def test_closing_the_generator_saves(small_dataset: Path, tmp_path: Path) -> None:
    settings = recipe.read(TINY, ['stages=["autoencoder"]'])
    for event in (
        found := train(TrainRequest(settings, (small_dataset,), tmp_path / "run", precision="fp32"))
    ):
        if isinstance(event, Scalars) and event.step == 7:
            found.close()
            break
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["autoencoder-0000007"]


def test_every_problem_of_a_dataset_at_once(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "bad", count=5)
    (root / "masks" / "case000.png").unlink()
    with pytest.raises(DatasetError, match="case000.png has no mask; add masks/case000.png"):
        list(train(TrainRequest(recipe.read(TINY), (root,), tmp_path / "run")))
    cv2.imwrite(str(root / "masks" / "case000.png"), draw_case(0)[1])
    cv2.imwrite(str(root / "masks" / "case001.png"), np.zeros((50, 60), np.uint8))
    cv2.imwrite(str(root / "masks" / "case002.png"), cv2.GaussianBlur(draw_case(2)[1], (0, 0), 3))
    (root / "images" / "case003.png").write_text("not a picture")
    with pytest.raises(DatasetError) as caught:
        list(train(TrainRequest(recipe.read(TINY), (root,), tmp_path / "run")))
    found = caught.value.problems
    assert len(found) == 3
    assert "mask is 50×60 but picture is 96×96; export both at one size" in found[0]
    assert "grey levels; save it as PNG with 0 and 255 only" in found[1]
    assert "text file, not a picture" in found[2]


def test_a_run_of_other_sizes_is_refused(small_dataset: Path, tiny_run: tuple[Path, list]) -> None:
    with pytest.raises(RecipeError, match="other settings .autoencoder.*another --run folder"):
        list(
            train(
                TrainRequest(
                    recipe.read(TINY, ["autoencoder.latent_channels=8"]), (small_dataset,), tiny_run[0]
                )
            )
        )


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(
    small_dataset: Path, tmp_path: Path
) -> None:
    """A learning rate of 1e30 ruins the weights at the first step."""
    wild = ['stages=["autoencoder"]', "train_autoencoder.lr=1e30", "train_autoencoder.warmup=0"]
    with pytest.raises(
        MachineError, match=r"not finite at step \d+; the checkpoint of step 0 stays. Lower the learning"
    ):
        list(
            train(
                TrainRequest(recipe.read(TINY, wild), (small_dataset,), tmp_path / "wild", precision="fp32")
            )
        )
    assert not (tmp_path / "wild" / "checkpoints").exists()


def test_learning_rate_warms_up_and_falls() -> None:
    stage = recipe.StageRecipe(steps=100, lr=1.0, lr_end=0.1, warmup=10)
    rates = [learning_rate(stage, k) for k in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_paper_recipe_trains_the_decoder_alone(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    """loss.trains = "decoder": U-Net encoder and middle stay as they were."""
    settings = recipe.read(TINY, ['stages=["siamese"]', 'loss.trains="decoder"', "train_siamese.steps=3"])
    source = tiny_run[0] / "checkpoints" / "siamese-0000040"
    list(
        train(TrainRequest(settings, (small_dataset,), tmp_path / "run", start=str(source), precision="fp32"))
    )
    before = load_file(source / "model.safetensors")
    after = load_file(tmp_path / "run/checkpoints/siamese-0000003/model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("unet.up_blocks") for name in changed)
    assert any(name.startswith("control.") for name in changed)
    assert any(name.startswith("dhi.") for name in changed)
    frozen = ("unet.down_blocks", "unet.mid_block", "unet.time_embedding", "autoencoder", "context")
    assert not any(name.startswith(frozen) for name in changed)


def test_the_decoder_alone_can_be_polished(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    """The decoder with the PatchGAN: encoder, latents and denoiser stay; the decoder learns."""
    words = ['stages=["autoencoder"]', "train_autoencoder.steps=4", "train_autoencoder.trains=decoder"]
    settings = recipe.read(TINY, [*words, "train_autoencoder.adversarial=0.1", "train_autoencoder.crop=32"])
    source = tiny_run[0] / "checkpoints" / "siamese-0000040"
    request = TrainRequest(settings, (small_dataset,), tmp_path / "run", start=str(source), precision="fp32")
    events = list(train(request))
    assert losses(events, "autoencoder")[4].keys() == {"L1", "KL", "adversarial", "discriminator", "lr"}
    assert losses(events, "autoencoder")[1]["discriminator"] == pytest.approx(2, abs=0.5)  # hinge at chance
    before = load_file(source / "model.safetensors")
    after = load_file(tmp_path / "run/checkpoints/autoencoder-0000004/model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("autoencoder.kl.decoder") for name in changed)
    assert all(
        name.startswith(("autoencoder.kl.decoder", "autoencoder.kl.post_quant_conv")) for name in changed
    )


def test_detail_is_added_and_trained_alone(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    words = ['stages=["autoencoder"]', "train_autoencoder.steps=40", "train_autoencoder.trains=detail"]
    words += ["autoencoder.detail=[8,8]", "train_autoencoder.crop=32", "train_autoencoder.ema=0.8"]
    words += ["augmentation.paste=0.5", "train_autoencoder.batch=32"]
    source = tiny_run[0] / "checkpoints" / "siamese-0000040"
    settings = recipe.read(TINY, words)
    request = TrainRequest(settings, (small_dataset,), tmp_path / "run", start=str(source), precision="fp32")
    series = losses(list(train(request)), "autoencoder")
    assert series[4].keys() == {"L", "lr"}
    first, last = (np.mean([series[k]["L"] for k in steps]) for steps in (range(1, 6), range(36, 41)))
    assert last < first
    folder = tmp_path / "run/checkpoints/autoencoder-0000040"
    before, after = load_file(source / "model.safetensors"), load_file(folder / "model.safetensors")
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    added = {name for name in after if name not in before}
    assert added and all(name.startswith("autoencoder.detail.") for name in added)
    model, z = checkpoint.load(folder).model, torch.zeros(1, 4, 8, 8)
    plain, one, other = (model.decode(z, None, seeds) for seeds in (None, [1], [2]))
    assert torch.equal(plain, model.autoencoder.decode(z))
    assert not torch.equal(plain, one) and not torch.equal(one, other)  # drawn anew for each seed

    def painted(*seeds: int, **more: int) -> np.ndarray:
        ask = SampleRequest(seeds=seeds, steps=2, **more)
        made = sample(checkpoint.load(folder), Mask(draw_case(0)[1] // 255), ask)
        return np.stack([event.image for event in made if isinstance(event, SampleResult)])

    both = painted(1, 2)
    assert (painted(2)[0] == both[1]).all()  # whatever is drawn beside it
    assert (both != painted(1, 2, detail_steps=1)).any() and (both != painted(1, 2, detail_steps=0)).any()


def test_a_stopped_training_of_detail_goes_on_as_if_it_had_not_stopped(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    words = ['stages=["autoencoder"]', "train_autoencoder.trains=detail", "autoencoder.detail=[8,8]"]
    settings = recipe.read(TINY, [*words, "train_autoencoder.steps=6"])
    source = str(tiny_run[0] / "checkpoints" / "siamese-0000040")

    def request(name: str) -> TrainRequest:
        return TrainRequest(settings, (small_dataset,), tmp_path / name, start=source, precision="fp32")

    unbroken, stopped = losses(list(train(request("unbroken"))), "autoencoder"), {}
    with closing(train(request("stopped"))) as events:
        for event in events:
            stopped |= losses([event], "autoencoder")
            if len(stopped) == 3:
                break
    assert stopped | losses(list(train(request("stopped"))), "autoencoder") == unbroken


def test_a_control_branch_can_start_anew(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    words = ['stages=["siamese"]', "train_siamese.steps=1", "train_siamese.lr=1e-12", "train_siamese.ema=0"]
    source = tiny_run[0] / "checkpoints" / "siamese-0000040"
    for anew in (False, True):
        settings = recipe.read(TINY, [*words, f"train_siamese.fresh_control={str(anew).lower()}"])
        run = tmp_path / str(anew)
        list(train(TrainRequest(settings, (small_dataset,), run, start=str(source), precision="fp32")))
        found = load_file(run / "checkpoints/siamese-0000001/model.safetensors")
        same = torch.allclose(found["control.conv_in.weight"], found["unet.conv_in.weight"], atol=1e-6)
        assert same == anew
        assert (found["dhi.conv_out.weight"].abs().max() < 1e-6) == anew


def test_a_checkpoint_of_other_sizes_cannot_start_a_run(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path
) -> None:
    source = str(tiny_run[0] / "checkpoints" / "siamese-0000040")
    settings = recipe.read(TINY, ["denoiser.context_width=64"])
    with pytest.raises(RecipeError, match="built with other denoiser"):
        list(
            train(TrainRequest(settings, (small_dataset,), tmp_path / "run", start=source, precision="fp32"))
        )


def test_a_finished_stage_is_not_silently_made_longer(
    small_dataset: Path, tiny_run: tuple[Path, list]
) -> None:
    longer = recipe.read(TINY, ["train_autoencoder.steps=99"])
    with pytest.raises(RecipeError, match="finished at step 40.*new --run folder with --start"):
        list(train(TrainRequest(longer, (small_dataset,), tiny_run[0], precision="fp32")))


def test_publishing_keeps_the_weights_and_no_path_of_this_machine(
    small_dataset: Path, tiny_run: tuple[Path, list], tmp_path: Path, feature_net: Path
) -> None:
    words = ['stages=["autoencoder"]', "train_autoencoder.steps=1", f"data.feature_net={str(feature_net)!r}"]
    source = tiny_run[0] / "checkpoints" / "siamese-0000040"
    settings = recipe.read(TINY, [*words, "train_autoencoder.crop=32"])
    run = tmp_path / "run"
    list(train(TrainRequest(settings, (small_dataset,), run, start=str(source), precision="fp32")))
    made = run / "checkpoints" / "autoencoder-0000001"
    said = siamese("checkpoint", "publish", made, tmp_path / "out", "--set", "sampling.guidance=3")
    assert said.returncode == 0, said.stderr
    found, _ = checkpoint.read_recipe(tmp_path / "out")
    assert found.data.feature_net is None
    assert found.sampling.guidance == 3
    before, after = (load_file(folder / "model.safetensors") for folder in (made, tmp_path / "out"))
    assert all(
        torch.equal(value.half().float(), after[name].float())
        for name, value in before.items()
        if value.is_floating_point() and not name.startswith(("autoencoder.z_", "autoencoder.rgb_"))
    )


def test_data_of_another_style_than_the_recipes_is_refused(small_dataset: Path, tmp_path: Path) -> None:
    settings = recipe.read(TINY, ['styles=["elsewhere"]'])
    with pytest.raises(RecipeError, match="style drawn, which is not among the recipe's styles"):
        list(train(TrainRequest(settings, (small_dataset,), tmp_path / "run", precision="fp32")))
    assert not (tmp_path / "run").exists()
