"""What the page's settings may be, and what is said when they are not; and the record in a foreign picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamese.errors import SiameseError
from siamese.tasks import png
from ui.recall import facts_of, settings
from ui.settings import LARGEST_SEED, SettingError, fit, fits, prompt, seeds, whole

FACTS = {"seed": 3, "guidance": 2.5, "steps": 4, "sampler": "dpm", "corner_box": 1, "mask_sha256": "ab"}


@pytest.mark.parametrize("text", ["1, 2, 3, 5", "1 2 3 5", " 1;2;3 ,5,", "1,2,3,5,5"])
def test_guidance_values_of_a_sheet(text):
    assert fits(text) == (1, 2, 3, 5)


@pytest.mark.parametrize(
    "text", ["", None, "  ", "1, two", "16", "-1", "nan", "inf", "1,2,3,4,5,6,7,8,9", "1" * 400]
)
def test_impossible_guidance_values_are_one_sentence_with_an_example(text):
    with pytest.raises(SettingError, match="expected.*1, 2, 3, 5") as caught:
        fits(text)
    assert len(str(caught.value)) < 220


@pytest.mark.parametrize("value", [None, 1.5, -1, 17, float("nan"), float("inf"), "3", True])
def test_impossible_numbers(value):
    with pytest.raises(SettingError, match="expected"):
        whole(value, "The number of pictures", 1, 16)


def test_seeds_go_round_at_the_end():
    assert seeds(LARGEST_SEED, 3) == (LARGEST_SEED, 0, 1)
    assert fit(0) == 0 and fit(15) == 15


def picture(facts: dict) -> bytes:
    return png.encode(np.zeros((8, 8, 3), np.uint8), facts)


def test_a_picture_of_ours_says_how_it_was_made():
    assert settings(facts_of(picture(FACTS), "a.png")) == {
        "seed": 3, "guidance": 2.5, "steps": 4, "sampler": "dpm", "corner_box": True, "prompt": "",
    }  # fmt: skip
    said = settings(facts_of(picture({**FACTS, "prompt": "polyp, größer “flat”"}), "a.png"))["prompt"]
    assert said == "polyp, größer “flat”"


def test_a_prompt_loses_blanks_and_may_not_be_endless():
    assert prompt(None) == prompt("  ") == "" and prompt(" a  polyp\n here ") == "a polyp here"
    with pytest.raises(SettingError, match="401 characters; 400 are the most"):
        prompt("a" * 401)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        picture({}),
        picture({**FACTS, "seed": "1e999"}),
        picture({**FACTS, "guidance": "nan"}),
        picture({**FACTS, "steps": 100000}),
        picture({**FACTS, "sampler": "../../x"}),
        picture(FACTS).replace(b"siamese:guidance", b"siamese:guid\xff\xff\xff\xff"),
        picture(FACTS)[:60],
        cv2.imencode(".png", np.zeros((4, 5000), np.uint8))[1].tobytes(),
        cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes(),
    ],
)
def test_foreign_and_damaged_pictures_are_one_clear_sentence(data):
    with pytest.raises(SiameseError) as caught:
        settings(facts_of(data, "photo.png"))
    assert "saved here" in str(caught.value) and len(str(caught.value)) < 260
