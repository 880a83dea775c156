"""Votes made by hand and by simulation."""

from __future__ import annotations

import numpy as np

from siamese.study.analysis.tables import Votes

REAL, OURS, OTHER = "Patients", "Ours", "Other"
KINDS = {REAL: "real", OURS: "synthetic", OTHER: "synthetic", "Copy": "control"}


def table(rows: list[dict]) -> Votes:
    """One dict a row; what it leaves out is filled in, one presentation a row unless it says so."""
    filled = []
    for index, row in enumerate(rows):
        arm = row.get("arm", OURS)
        plain = {
            "rater": 1, "item": f"i{index}", "arm": arm, "kind": KINDS.get(arm, "synthetic"), "group": f"g{index}",
            "place": index, "block": 0, "phase": "main", "question": "", "value": 0.0, "real": np.nan,
            "confidence": np.nan, "presentation": row.get("place", index), "seconds": 5.0, "at": index, "repeats": -1,
            "position": -1,
        }  # fmt: skip
        filled.append(plain | row)
    names = list(Votes.__dataclass_fields__)
    return Votes(**{name: np.array([row[name] for row in filled]) for name in names} if filled else EMPTY)


EMPTY = {name: np.zeros(0) for name in Votes.__dataclass_fields__}


def p1(signed: dict[tuple[int, str, str], float]) -> Votes:
    """P1 votes from {(rater, arm, group): signed confidence}, in the order given."""
    rows, places = [], {}
    for (rater, arm, group), value in signed.items():
        places[rater] = places.get(rater, -1) + 1
        rows.append(
            {
                "rater": rater, "arm": arm, "group": group, "item": f"{arm} {group}", "value": value,
                "real": float(value > 0), "confidence": abs(value), "place": places[rater],
            }
        )  # fmt: skip
    return table(rows)


def simulated(
    seed: int,
    *,
    groups: int = 50,
    raters: int = 5,
    arms: dict[str, float] | None = None,
    item_sd: float = 0.7,
    rater_sd: float = 0.5,
    shared: bool = True,
    leanings: np.ndarray | None = None,
) -> Votes:
    """P1 votes: logit of “real” = the arm's + a normal of the mask group + a normal of the rater (or `leanings`)."""
    draw = np.random.default_rng(seed)
    arms = {REAL: 1.0, OURS: 0.0} if arms is None else arms
    lean = draw.normal(0, rater_sd, raters) if leanings is None else leanings
    signed = {}
    effect = dict.fromkeys(arms, draw.normal(0, item_sd, groups))
    if not shared:
        effect = {arm: draw.normal(0, item_sd, groups) for arm in arms}
    order = [(arm, g) for arm in arms for g in range(groups)]
    for rater in range(raters):
        for index in draw.permutation(len(order)):
            arm, g = order[index]
            sure = arms[arm] + effect[arm][g] + lean[rater] + draw.logistic()
            name = f"g{g:03}" if shared else f"{arm} g{g:03}"
            signed[rater + 1, arm, name] = float(np.sign(sure) * np.clip(np.ceil(3 * abs(sure)), 1, 10))
    return p1(signed)


def ranked(rankings: list[tuple[int, str, tuple[str, ...]]]) -> Votes:
    """P2 votes from (rater, group, arms best first); shown from left to right by name."""
    rows, places = [], {}
    for rater, group, best_first in rankings:
        places[rater] = places.get(rater, -1) + 1
        for position, arm in enumerate(sorted(best_first)):
            rank = len(best_first) - best_first.index(arm)
            rows.append(
                {
                    "rater": rater, "arm": arm, "group": group, "item": f"{arm} {group}", "value": rank,
                    "place": places[rater], "presentation": places[rater], "position": position,
                }
            )  # fmt: skip
    return table(rows)


def chosen(choices: list[tuple[int, str, str, str]]) -> Votes:
    """P4 votes from (rater, group, arm taken for the patient's, the other arm), the first one on the left."""
    rows, places = [], {}
    for rater, group, taken, left in choices:
        places[rater] = places.get(rater, -1) + 1
        for position, (arm, value) in enumerate(((taken, 1.0), (left, 0.0))):
            rows.append(
                {
                    "rater": rater, "arm": arm, "group": group, "item": f"{arm} {group}", "value": value,
                    "place": places[rater], "presentation": places[rater], "position": position,
                }
            )  # fmt: skip
    return table(rows)
