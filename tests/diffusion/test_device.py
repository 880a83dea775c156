"""Device and precision: by trial, and fp32 wherever the trial gives no reason to leave it."""

from __future__ import annotations

import pytest
import torch

from siamese.diffusion import device as module
from siamese.diffusion.device import (
    PRECISIONS,
    choose_device,
    choose_precision,
    precision_name,
    trial_precision,
)
from siamese.errors import MachineError


def test_the_trial_times_each_usable_format_and_keeps_close_to_fp32():
    trial = trial_precision("cpu", seconds=0.0)
    assert trial.device == torch.device("cpu")
    assert trial.errors.keys() == {"fp32", "bf16"} and trial.errors["fp32"] == 0
    assert precision_name(trial.chosen) in trial.milliseconds and all(
        ms > 0 for ms in trial.milliseconds.values()
    )
    assert "cpu" in str(trial) and " ms" in str(trial)


def test_every_format_computes_the_same_block():
    errors = trial_precision("cpu", seconds=0.0).errors
    assert errors["bf16"] < module.LARGEST_ERROR


def test_a_format_that_computes_something_else_is_never_chosen(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_ERROR", 1e-9)  # now bf16 is too far off
    trial = trial_precision("cpu", seconds=0.0)
    assert (
        trial.chosen == torch.float32 and "bf16" not in trial.milliseconds and "bf16 unusable" in str(trial)
    )


@pytest.mark.parametrize(
    ("milliseconds", "chosen"),
    [
        ({"fp32": 10.0, "bf16": 5.0}, "bf16"),
        ({"fp32": 10.0, "bf16": 9.0}, "fp32"),
        ({"fp32": 10.0, "bf16": 40.0}, "fp32"),
        ({"fp32": 10.0, "bf16": 5.0, "fp16": 4.0}, "fp16"),
        ({"bf16": 5.0}, "bf16"),
        ({}, "fp32"),
    ],
)
def test_fp32_stays_unless_another_is_clearly_faster(milliseconds, chosen):
    assert module._fastest(milliseconds) == chosen


@pytest.mark.parametrize(
    ("milliseconds", "rounds", "racing"),
    [
        ({"fp32": 10.0, "bf16": 29.0}, 1, ["fp32", "bf16"]),
        ({"fp32": 10.0, "bf16": 31.0}, 1, ["fp32"]),  # emulated
        ({"fp32": 10.0, "bf16": 6.0}, 2, ["fp32", "bf16"]),
        ({"fp32": 10.0, "bf16": 6.0}, 3, ["bf16"]),
        ({"fp32": 10.0, "bf16": 8.0, "fp16": 7.0}, 9, ["fp32", "bf16", "fp16"]),
        ({"bf16": 5.0}, 1, ["bf16"]),
        ({}, 1, []),
    ],
)
def test_a_format_is_timed_until_it_cannot_win(milliseconds, rounds, racing):
    assert module._racing(milliseconds, rounds) == racing


def test_a_trial_ends_when_one_format_is_left(monkeypatch):
    monkeypatch.setattr(module, "HOPELESS", 1.01)  # so that one round decides
    trial = trial_precision("cpu", seconds=3600.0)
    assert trial.milliseconds.keys() == {"fp32", "bf16"}
    assert trial.chosen == PRECISIONS[module._fastest(trial.milliseconds)]


def test_every_device_that_is_offered_can_be_chosen():
    found = module.devices()
    assert list(found)[-1] == "cpu" and found["cpu"].startswith("processor, ")
    assert [str(choose_device(name)) for name in found] == list(found)
    assert len(found) == 1 or choose_device("auto").type == next(iter(found)).partition(":")[0]


def test_the_trial_leaves_the_global_random_numbers_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trial_precision("cpu", seconds=0.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_trial_gives_back_the_threads_it_found():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        trial_precision("cpu", seconds=0.0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_auto_is_a_device_that_works():
    assert torch.ones(2, device=choose_device()).sum().item() == 2
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cpu:3", "xla"])
def test_a_device_that_is_not_here_is_named(name):
    with pytest.raises(MachineError) as caught:
        choose_device(name)
    assert name in str(caught.value) and ("auto" in str(caught.value))


def test_the_choice_is_measured_once_a_process(monkeypatch):
    monkeypatch.delenv("SIAMESE_PRECISION", raising=False)
    module._measured_once.cache_clear()
    first = choose_precision("cpu")
    assert first[0] == torch.device("cpu") and first[1] in (torch.float32, torch.bfloat16)
    assert choose_precision("cpu") == first
    assert module._measured_once.cache_info().hits == 1


def test_the_environment_decides_without_measuring(monkeypatch):
    module._measured_once.cache_clear()
    monkeypatch.setenv("SIAMESE_PRECISION", "bf16")
    assert choose_precision("cpu") == (torch.device("cpu"), torch.bfloat16)
    assert module._measured_once.cache_info().misses == 0
    monkeypatch.setenv("SIAMESE_PRECISION", "int4")
    with pytest.raises(MachineError, match="fp32, bf16 or fp16"):
        choose_precision("cpu")
