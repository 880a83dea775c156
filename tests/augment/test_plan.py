"""Plans: TOML in and out, and what is said of impossible ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from siamese.augment import plan as plans
from siamese.errors import RecipeError

ROOT = Path(__file__).resolve().parents[2]


def test_toml_comes_back_as_it_was(tmp_path):
    plan = plans.parse(
        {
            "name": "polyps at 2x",
            "fold": 2,
            "masks": {"where": ["mine"]},
            "pictures": {"guidance": 2.5, "batch": 3},
        }
    )
    path = tmp_path / "plan.toml"
    path.write_text(plan.toml(), "utf-8")
    assert plans.read(path) == plan
    assert plans.read(path).masks.random.scale == (0.7, 1.4)


def test_unknown_and_impossible_settings_are_named_with_their_cure(tmp_path):
    with pytest.raises(RecipeError, match="fold: .*less than or equal to 10"):
        plans.parse({"fold": 11, "masks": {"where": ["mine"]}})
    with pytest.raises(RecipeError, match=r"masks.random.scal is unknown; did you mean 'scale'\?"):
        plans.parse({"masks": {"where": ["mine"], "random": {"scal": [1, 2]}}})
    with pytest.raises(RecipeError, match="masks.where is empty; name the dataset"):
        plans.parse({})
    with pytest.raises(RecipeError, match="the smaller one first"):
        plans.parse({"masks": {"source": "examples", "random": {"scale": [2, 1]}}})
    with pytest.raises(RecipeError, match="assets/plans"):
        plans.read(tmp_path / "nothing.toml")
    (tmp_path / "bad.toml").write_text("name = ", "utf-8")
    with pytest.raises(RecipeError, match="is not a plan"):
        plans.read(tmp_path / "bad.toml")


@pytest.mark.parametrize("path", sorted((ROOT / "assets" / "plans").glob("*.toml")), ids=lambda p: p.name)
def test_shipped_plans_can_be_read(path):
    assert plans.read(path).fold
