"""What a checkpoint was trained on: its own pictures, those of what it came from, through stages, runs and resumes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cv2
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from siamese import recipe
from siamese.augment import leaks
from siamese.augment import plan as plans
from siamese.data import batches, seen
from siamese.errors import CheckpointError
from siamese.events import Saved
from siamese.tasks.train import TrainRequest, train
from tests.conftest import TINY, draw_case, write_dataset
from tests.diffusion.sd15_files import small, write_checkpoint, write_folder
from tests.shell import siamese

WORDS = ["train_siamese.steps=2", "train_siamese.batch=2", "train_siamese.checkpoint_every=1", "watch.every=0"]
WORDS += ["train_autoencoder.steps=1", "train_autoencoder.crop=32"]


def trained(data: Path, run: Path, start: Path | str, *more: str) -> Path:
    """The last checkpoint of a short training, of the stage siamese unless `more` says otherwise."""
    settings = recipe.read(TINY, ['stages=["siamese"]', *WORDS, *more])
    events = train(TrainRequest(settings, (data,), run, start=str(start), precision="fp32"))
    return [event.path for event in events if isinstance(event, Saved)][-1]


def copied(source: Path, target: Path, digests: bool) -> Path:
    """A checkpoint with or without its digests."""
    with safe_open(source / "model.safetensors", "pt") as file:
        metadata = file.metadata()
    tensors = load_file(source / "model.safetensors")
    target.mkdir()
    kept = {name: value for name, value in tensors.items() if digests or not name.startswith("training.")}
    save_file(kept, target / "model.safetensors", metadata)
    return target


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> list[Path]:
    """Two datasets of the same style with pictures of their own, and none of `small_dataset`'s."""
    found = []
    for k in (1, 2):
        root = tmp_path_factory.mktemp(f"more{k}") / "drawn"
        write_dataset(root, count=3 + k)
        for path in sorted((root / "images").iterdir()):
            picture = draw_case(100 * k + int(path.stem[-3:]))[0]
            cv2.imwrite(str(path), picture[..., ::-1])
        found.append(root)
    return found


def has_all(checkpoint: Path, *datasets: Path) -> bool:
    known = seen.read(checkpoint)
    return all(known.has(batches.read_picture(p)) for d in datasets for p in sorted((d / "images").iterdir()))


def test_two_generations_carry_every_picture_once(
    small_dataset: Path, tiny_checkpoint: Path, others: list[Path], tmp_path: Path
) -> None:
    child = trained(others[0], tmp_path / "child", tiny_checkpoint, 'stages=["autoencoder","siamese"]')
    assert len(seen.read(child)) == 12 + 4 and has_all(child, small_dataset, others[0])
    first = next((tmp_path / "child" / "checkpoints").glob("autoencoder-*"))
    assert len(seen.read(first)) == 12 + 4  # also what the first stage saved
    grandchild = trained(others[1], tmp_path / "grandchild", child)
    found = seen.read(grandchild)
    assert len(found) == 12 + 4 + 5 and not found.unknown and has_all(grandchild, small_dataset, *others)
    again = trained(small_dataset, tmp_path / "again", grandchild)
    assert len(seen.read(again)) == 12 + 4 + 5  # each once
    assert not found.has(draw_case(999)[0])


def test_a_resumed_run_keeps_pictures_that_were_taken_away_meanwhile(
    small_dataset: Path, tiny_checkpoint: Path, others: list[Path], tmp_path: Path
) -> None:
    start = copied(tiny_checkpoint, tmp_path / "start", digests=True)
    settings = recipe.read(TINY, ['stages=["siamese"]', *WORDS])
    run = tmp_path / "run"
    with closing(train(TrainRequest(settings, (others[0],), run, start=str(start), precision="fp32"))) as events:
        first = next(event for event in events if isinstance(event, Saved))
    assert first.step == 1
    last = trained(others[1], run, start)
    assert has_all(last, small_dataset, *others)


def test_a_start_without_digests_leaves_a_gap_that_is_passed_on_and_published(
    small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    foreign = copied(tiny_checkpoint, tmp_path / "foreign", digests=False)
    assert seen.read(foreign).unknown == ("foreign",) and len(seen.read(foreign)) == 0
    child = trained(small_dataset, tmp_path / "child", foreign)
    grandchild = trained(small_dataset, tmp_path / "grandchild", child)
    for one in (child, grandchild):
        assert seen.read(one).unknown == ("foreign",) and len(seen.read(one)) == 12
    said = siamese("checkpoint", "publish", grandchild, tmp_path / "out")
    assert said.returncode == 0, said.stderr
    assert seen.read(tmp_path / "out").unknown == ("foreign",) and has_all(tmp_path / "out", small_dataset)


def test_a_missing_or_damaged_start_is_said(small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No checkpoint nowhere"):
        trained(small_dataset, tmp_path / "run", "nowhere")
    broken = copied(tiny_checkpoint, tmp_path / "broken", digests=True)
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        seen.read(broken)


@pytest.mark.soak
def test_sd15_from_a_base_knows_its_pictures_and_from_a_published_model_says_the_gap(
    small_dataset: Path, tmp_path: Path
) -> None:
    base = write_folder(tmp_path / "sd15", small())
    words = (f'base="{base}"', "styles=[]", "train_siamese.steps=1", "train_siamese.batch=1")
    found = {}
    for name, start in (("own", None), ("tuned", write_checkpoint(tmp_path / "published", base))):
        wanted = small(*words) if start is None else small(*words, 'styles=["polyp","drawn"]')
        start = None if start is None else str(start)
        request = TrainRequest(wanted, (small_dataset,), tmp_path / name, start=start, precision="fp32")
        found[name] = [event.path for event in train(request) if isinstance(event, Saved)][-1]
    assert has_all(found["own"], small_dataset) and not seen.read(found["own"]).unknown
    assert seen.read(found["tuned"]).unknown == ("published",) and len(seen.read(found["tuned"])) == 12
    held = write_dataset(tmp_path / "held", 3)
    (held / "test.txt").write_text("case001")
    plan = plans.parse({"masks": {"where": [str(held)]}})
    told = leaks.check_pictures(plan, [found["own"]], [held])
    assert "own/siamese-0000001 was trained on 1 picture of test.txt of held: case001" in told.problems[0]
    assert "Stable Diffusion, was trained on cannot be told" in told.looked_at[1]


def test_the_shipped_models_say_what_they_saw() -> None:
    painter, judge = seen.read("polyp-compact"), seen.read("polyp-segmenter")
    assert len(painter) == len(judge) == 1806 and not painter.unknown
    assert {row.tobytes() for row in painter.sha256} == {row.tobytes() for row in judge.sha256}
