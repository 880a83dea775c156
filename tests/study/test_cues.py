"""Simple cues: each measure answers to what it is named after, and the comparison says what tells the arms apart."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from scipy import stats

from siamese.study import cues
from siamese.study.cues import LIMIT, MEASURES, Verdict, auc, check, measure
from siamese.study.frame import outline_map
from siamese.study.prepare import constant_png
from siamese.study.truth import Item
from tests.conftest import draw_case
from tests.study.arms_of import design_of

SEEN = outline_map("octagon", 192)


def tissue(seed: int = 0, detail: float = 1.0) -> np.ndarray:
    """A drawn picture, (192,192,3), filled to the corners."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:192, :192] / 192 - 0.5
    base = 0.75 + 0.3 * rng.uniform(-1, 1) * x + 0.3 * rng.uniform(-1, 1) * y
    rough = cv2.GaussianBlur(rng.normal(size=(192, 192)), (0, 0), 2) * 0.25 * detail
    return (np.array([205, 110, 95]) * (base + rough)[..., None]).clip(30, 250).astype(np.uint8)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)


def patch(picture: np.ndarray, rows: slice, columns: slice, value: object) -> np.ndarray:
    changed = picture.copy()
    changed[rows, columns] = value
    return changed


def written(picture: np.ndarray) -> np.ndarray:
    changed = picture.copy()
    for k, line in enumerate(("12/09/13", "08:18:08", "Age: 4")):
        cv2.putText(changed, line, (4, 75 + 12 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.3, (255,) * 3, 1)
    return changed


CHANGES = {
    "text": written,
    "border": lambda p: patch(p, slice(60, 90), slice(120, 192), 8),
    "box": lambda p: patch(p, slice(130, 192), slice(0, 62), 4),
    "lightness": lambda p: (p * 1.15).clip(0, 255).astype(np.uint8),
    "red_green": lambda p: (p * np.array([1.1, 0.9, 1])).clip(0, 255).astype(np.uint8),
    "yellow_blue": lambda p: (p * np.array([1, 1, 0.7])).astype(np.uint8),
    "saturation": lambda p: (p * np.array([1, 0.8, 0.8])).astype(np.uint8),
    "brightness": lambda p: (p * 1.15).clip(0, 255).astype(np.uint8),
    "contrast": lambda p: ((p.astype(float) - 130) * 1.5 + 130).clip(0, 255).astype(np.uint8),
    "sharpness": lambda p: (
        (p.astype(int) * 2 - cv2.GaussianBlur(p, (0, 0), 2).astype(int)).clip(0, 255).astype(np.uint8)
    ),
    "jpeg": lambda p: jpeg(p, 8),
    "noise": lambda p: (p + np.random.default_rng(1).normal(0, 12, p.shape)).clip(0, 255).astype(np.uint8),
    "highlights": lambda p: patch(p, slice(80, 100), slice(80, 100), 254),
    "spectrum": lambda p: (p + np.random.default_rng(1).normal(0, 12, p.shape)).clip(0, 255).astype(np.uint8),
    "fine": lambda p: (p + np.random.default_rng(1).normal(0, 12, p.shape)).clip(0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_rises_with_what_it_is_named_after(name):
    plain = tissue()
    before, after = measure(plain, SEEN)[name], measure(CHANGES[name](plain), SEEN)[name]
    spread = np.std([measure(tissue(seed), SEEN)[name] for seed in (3, 4)])
    assert after > before + 2 * spread + 1e-6


def test_what_the_outline_hides_is_not_measured():
    picture = tissue()
    hidden = picture.copy()
    hidden[~SEEN] = 0
    bright = picture.copy()
    bright[~SEEN] = 255
    one, other = measure(hidden, SEEN), measure(bright, SEEN)
    assert all(
        abs(one[name] - other[name]) < 1e-6 for name in ("lightness", "border", "saturation", "highlights")
    )
    assert abs(one["sharpness"] - other["sharpness"]) < 1e-6 and abs(one["noise"] - other["noise"]) < 1e-6


def test_auc_is_the_share_of_pairs_and_its_interval_covers():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 40).astype(float), rng.integers(2, 11, 30).astype(float)
    value, low, high = auc(x, y)
    assert value == pytest.approx(stats.mannwhitneyu(x, y).statistic / (40 * 30)) and low < value < high
    assert auc(np.ones(5), np.ones(4)) == (0.5, 0.5, 0.5) and auc(np.arange(5) + 9.0, np.arange(4.0))[0] == 1
    truth = stats.norm.cdf(0.5 / 2**0.5)
    hits = 0
    for _ in range(120):
        _, low, high = auc(rng.normal(0.5, 1, 40), rng.normal(0, 1, 40), draws=200)
        hits += low <= truth <= high
    assert hits >= 103  # 0.95 of 120, less 4 standard deviations


def items_of(values: dict[str, list[float]], cue: str = "contrast", practice: int = 0) -> list[Item]:
    """Items of arms with one cue's values; the other cues are all 0."""
    found = []
    for arm, some in values.items():
        for k, value in enumerate(some):
            facts = {"cues": dict.fromkeys(MEASURES, 0.0) | {cue: value}}
            found.append(Item(f"{arm}{k}", arm, f"{arm}{k}", f"{arm}{k}.png", "", k < practice, facts))
    return found


def put(folder, items: list[Item], picture=None) -> None:  # noqa: ANN001
    for k, item in enumerate(items):
        path = folder / f"{item.id}.png"
        path.write_bytes(constant_png(tissue(k) if picture is None else picture(k, item)))
        os.utime(path, (0, 0))


def test_a_planted_cue_is_found_with_examples_of_both_ends(tmp_path):
    arms = (("patients", "real"), ("ours", "synthetic"), ("through", "control"))
    design = design_of(tuple({"name": n, "kind": k, "source": "x"} for n, k in arms))
    rng = np.random.default_rng(0)
    items = items_of(
        {"patients": list(rng.normal(3, 1, 12)), "ours": list(rng.normal(0, 1, 12)), "through": [3.0] * 12}
    )
    put(tmp_path, items)
    verdict = check(design, items, tmp_path)
    first = verdict.cues[0]
    assert (first.cue, first.arm, first.tells) == ("contrast", "ours", True) and first.auc > 0.9
    assert (
        first.highest[0].startswith("patients")
        and first.lowest[0].startswith("ours")
        and len(first.highest) == 4
    )
    assert not set(first.highest) & set(first.lowest)
    assert "contrast" in first.sentence() and "12 real and 12 of ours" in first.sentence()
    assert [cue.cue for cue in verdict.unexplained({})] == ["contrast"]
    assert verdict.unexplained({"contrast": "  "}) and not verdict.unexplained({"contrast": "it is meant"})
    assert len(verdict.cues) == 2 * len(MEASURES) and verdict.problems == ()
    apart = [abs(cue.auc - 0.5) for cue in verdict.cues]
    assert apart == sorted(apart, reverse=True)
    assert all(cue.tells == (abs(cue.auc - 0.5) > LIMIT) for cue in verdict.cues)


def test_practice_is_not_compared_and_a_cue_needs_no_direction(tmp_path):
    design = design_of(
        ({"name": "a", "kind": "real", "source": "x"}, {"name": "b", "kind": "synthetic", "source": "x"})
    )
    items = items_of({"a": [99.0, 0, 1, 2], "b": [99.0, 7, 8, 9]}, practice=1)
    put(tmp_path, items)
    first = check(design, items, tmp_path).cues[0]
    assert first.auc == 0 and first.tells and (first.real, first.other) == (3, 3)


def test_copies_and_files_that_differ_are_problems(tmp_path):
    arms = (("a", "real"), ("b", "synthetic"), ("c", "control"))
    design = design_of(tuple({"name": n, "kind": k, "source": "x"} for n, k in arms))
    items = items_of({"a": [0.0] * 3, "b": [0.0] * 3, "c": [0.0] * 3})
    same = {"b1": "a1", "a2": "a0", "c0": "a0"}

    def picture(k: int, item: Item) -> np.ndarray:
        name = same.get(item.id, item.id)
        return draw_case(ord(name[0]) * 100 + int(name[1:]), 96)[0]

    items = [
        item if item.id not in ("a0", "c0") else Item(**(vars(item) | {"group": "one mask"}))
        for item in items
    ]
    put(tmp_path, items, picture)
    problems = check(design, items, tmp_path).problems
    assert any("in a and in b, the closest a1.png and b1.png" in line for line in problems)
    assert any(
        "1 pair of nearly the same picture in a, the closest a0.png and a2.png" in line for line in problems
    )
    assert not any(
        "in a and in c, the closest a0.png" in line for line in problems
    )  # a control shows its own real one
    (tmp_path / "a1.png").write_bytes((tmp_path / "a1.png").read_bytes() + b"x")
    (tmp_path / "b2.png").write_bytes(constant_png(tissue(1)[:64, :64]))
    problems = check(design, items, tmp_path).problems
    assert any("different bytes" in line for line in problems) and any(
        "sizes in pixels" in line for line in problems
    )


def test_every_measure_has_words_and_a_verdict_may_be_empty():
    assert set(measure(tissue(), SEEN)) == set(MEASURES) == set(CHANGES)
    assert Verdict(()).unexplained({}) == [] and cues.LIMIT == 0.2
