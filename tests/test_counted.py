"""Counts in words."""

from __future__ import annotations

import pytest

from siamese.counted import counted


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures"), (1203, "1,203 pictures")],
)
def test_one_is_alone(number, said):
    assert counted(number, "picture") == said


def test_verbs_and_other_plurals_go_along():
    assert [counted(n, "copy has", "copies have") for n in (1, 2)] == ["1 copy has", "2 copies have"]
