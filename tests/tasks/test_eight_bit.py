"""AdamW with its states in 8 bit (bitsandbytes): trains on the CPU, is saved small, goes on as if unbroken."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from siamese import recipe
from siamese.events import Notice
from siamese.tasks.train import TrainRequest
from tests.conftest import TINY
from tests.tasks.resumed import goes_on, saved, trained
from tests.tasks.test_train import losses

MISSING = importlib.util.find_spec("bitsandbytes") is None
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(MISSING, reason="`make soak` installs requirements-soak.txt"),
]
STEPS = 12
SHORT = ('stages=["siamese"]', f"train_siamese.steps={STEPS}", "train_siamese.mask_only=0")
EIGHT = 'compute.optimizer="adamw8bit"'


@pytest.mark.parametrize("more", [(), ("compute.channels_last=true",)], ids=["plain", "channels last"])
def test_a_resumed_run_has_the_losses_of_the_unbroken_one(
    more: tuple[str, ...], small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    def request(run: str, *settings: str) -> TrainRequest:
        chosen = recipe.read(TINY, (*SHORT, *settings, *more))
        data, start = (small_dataset,), str(tiny_checkpoint)
        return TrainRequest(chosen, data, tmp_path / run, start=start, device="cpu", precision="fp32")

    half = request("half", EIGHT)
    trained(half, until=7)
    _, state = saved(half.run, "siamese", 7)
    small = [name for name, value in state.items() if value.dtype == torch.uint8]
    assert {name.partition(".")[0] for name in small} == {"state1", "state2"}
    assert all(state[f"step.{name.partition('.')[2]}"] == 7 for name in small)
    whole, resumed = goes_on(request("whole", EIGHT), half, at=7, rel=1e-5, atol=1e-6)
    assert [e.text for e in resumed if isinstance(e, Notice)][-1] == "Resumed siamese at step 7."

    plain = losses(trained(request("plain")), "siamese")
    assert whole[1] == pytest.approx(plain[1], rel=1e-5)
    assert whole[STEPS]["L_m"] == pytest.approx(plain[STEPS]["L_m"], rel=0.02)
    assert whole[STEPS] != plain[STEPS]


def test_the_optimiser_may_change_between_two_calls(
    small_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    def call(until: int | None, *settings: str) -> list[str]:
        chosen = recipe.read(TINY, (*SHORT, *settings))
        data, start = (small_dataset,), str(tiny_checkpoint)
        request = TrainRequest(chosen, data, tmp_path, start=start, device="cpu", precision="fp32")
        return [event.text for event in trained(request, until) if isinstance(event, Notice)]

    call(3)
    anew = "The optimiser is another one than before, so its state begins anew."
    for until, settings in ((6, (EIGHT,)), (None, ())):
        said = call(until, *settings)
        assert said[said.index(anew) - 1].startswith("Resumed siamese at step")
    assert anew not in call(None)
