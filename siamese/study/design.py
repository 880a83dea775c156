"""The design of a rating study: everything that is decided before the first vote, frozen and hashed at lock.

Source of the rules: ITU-R BT.500-15, ITU-T P.910; Siamese-Diffusion (CVPR 2025) §5 for the two protocols of the paper.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal, get_args

from pydantic import Field, model_validator

from siamese.sections import Settings
from siamese.study.texts import Texts

Protocol = Literal["P1", "P2", "P3", "P4"]
Kind = Literal["real", "synthetic", "control"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
LONGEST_SITTING = 30  # minutes; BT.500-15 asks for half an hour at most
SECONDS = {
    "P1": 8.0,
    "P2": 18.0,
    "P3": 8.0,
    "P4": 9.0,
}  # a presentation (P3: one scale), a guess before a rehearsal

HIDDEN = {  # from the rating pages
    *("arms", "per_arm", "seed", "secret", "grouping", "outline", "boxes", "sittings"),
    *("primary", "cue_reasons", "raters_who_know"),
}


class Arm(Settings):
    """One kind of picture, and how its pictures were chosen."""

    name: str = Field(
        pattern=r"^[\w][\w .+()-]{0,79}$", description="shown to the organiser, never to a rater"
    )
    kind: Kind = Field(
        description="real: a patient's; synthetic: any synthesizer's; control: real ones through the autoencoder"
    )
    source: str = Field(description="folder of pictures (images/ and masks/, or pictures alone)")
    split: str = Field("", description="list beside images/ to draw from, e.g. test; empty: all")
    choice: Literal["draw", "curated"] = Field(
        "draw", description="draw: by seed from the pool; curated: somebody picked them"
    )
    pool: str = Field(
        "", description="what the pool is, in words, e.g. test pictures the generator never saw"
    )
    curated_of: int = Field(0, ge=0, description="curated: out of how many")
    curated_by: str = Field("", description="curated: by whom")
    checkpoint: str = Field(
        "",
        description="model that made them, a shipped name or a folder: real pictures that it was trained on are left "
        "out; empty: as manifest.jsonl beside them says",
    )
    without: dict[str, str] = Field(
        {},
        description="pictures never drawn: name of the file without its ending → why; on the protocol sheet",
    )
    pool_size: int = Field(0, ge=0, description="filled in at preparation: pictures in the pool")
    left_out: tuple[str, ...] = Field(
        (), description="filled in at preparation: what was drawn and left out, and why"
    )

    @model_validator(mode="after")
    def _said(self) -> Arm:
        if self.choice == "curated" and not (self.curated_of and self.curated_by):
            raise ValueError(
                f"arm {self.name}: say out of how many (curated_of) and by whom (curated_by) it was picked"
            )
        return self


class Primary(Settings):
    """The one question that the study answers; all else is exploratory."""

    kind: Literal["equivalence", "difference", "preference", "description"] = Field(
        "equivalence",
        description="equivalence: AUC within 0.5 ± margin (P1); difference: `first` minus `second` in MOS, level or "
        "rank; preference: share that takes `first` for the patient's (P4); description: MOS of `first` with its "
        "interval",
    )
    first: str = Field("", description="an arm; empty: the first synthetic one")
    second: str = Field("", description="an arm; empty: the first real one")
    margin: float = Field(0.1, gt=0, description="of AUC or share (0..0.5), of levels or ranks otherwise")
    alpha: float = Field(
        0.05, gt=0, lt=0.5, description="level of the test; intervals are 1 − alpha (equivalence 1 − 2 alpha)"
    )
    inference: Literal["these", "all"] = Field(
        "these", description="these raters alone, or clinicians at large (needs more than five raters)"
    )


class Exclusions(Settings):
    """Rules set beforehand; what they exclude is counted in every report."""

    fastest: float = Field(0.5, ge=0, description="seconds: quicker votes are flagged")
    most_quick: float = Field(
        0.2, ge=0, le=1, description="share of quick votes above which a rater is left out"
    )
    least_repeat: float = Field(
        0.0, ge=0, le=1, description="agreement on hidden repeats below which a rater is left out; 0: never"
    )
    unfinished: Literal["keep", "leave"] = Field(
        "keep", description="raters who did not finish: keep what they rated, or leave them out"
    )


class Design(Settings):
    """A study. TOML in the study's folder until lock; canonical JSON in the database after."""

    title: str = Field("Are they believable?", min_length=1, max_length=120, description="shown to raters")
    protocol: Protocol = Field(
        "P1", description="P1 real or synthetic, P2 ranking, P3 worded levels, P4 which is the patient's"
    )
    arms: tuple[Arm, ...] = Field((), description="the kinds of pictures")
    per_arm: int = Field(50, ge=2, le=1000, description="pictures of each arm (groups for P2 and P4)")
    beside: int = Field(2, ge=2, le=4, description="pictures side by side (P2; P4 has 2)")
    raters: int = Field(5, ge=1, le=200, description="personal links that are written at lock")
    repeats: float = Field(0.1, ge=0, le=0.5, description="share shown a second time, hidden, never counted")
    practice: int = Field(
        4, ge=0, le=20, description="first presentations, from pictures of their own, never counted"
    )
    sittings: int = Field(1, ge=1, le=20, description="in how many sittings raters are asked to do it")
    block: int = Field(50, ge=5, le=200, description="presentations between breaks")
    apart: int = Field(10, ge=0, le=100, description="presentations at least between pictures of one mask")
    grouping: Literal["mask", "name", "none"] = Field(
        "mask", description="which pictures of different arms belong together: same mask, same name, or none"
    )
    size: int = Field(384, ge=64, le=1024, description="side of the prepared pictures, pixels")
    outline: Literal["octagon", "circle", "square"] = Field(
        "octagon",
        description="what is seen of every picture, black outside; all are cut so that they fill it",
    )
    boxes: Literal["cover", "leave out"] = Field(
        "cover",
        description="black or coloured boxes in the lower left corner: cover that corner of every picture, or leave "
        "such pictures out",
    )
    jpeg: int = Field(
        90, ge=0, le=100, description="quality of the JPEG round trip that all pictures take; 0: none"
    )
    width_cm: float = Field(12.0, ge=4, le=40, description="width of a picture on every rater's screen, cm")
    told: str = Field(
        "", description="what raters are told about the proportion of real pictures; empty: nothing"
    )
    primary: Primary = Primary()
    exclusions: Exclusions = Exclusions()
    organiser: str = Field(
        "", max_length=200, description="who runs it, on the protocol sheet and the information sheet"
    )
    rater_roles: tuple[str, ...] = Field(
        ("Consultant", "Resident", "Nurse", "Other"), description="what a rater may say of the own role"
    )
    raters_who_know: str = Field(
        "",
        description='organisers or pickers of pictures among the raters, and why; "none" where there are none',
    )
    cue_reasons: dict[str, str] = Field(
        {}, description="cue → why the study goes on although it tells the arms apart"
    )
    seed: int = Field(0, ge=0, description="of the draw of pictures; the orders have a secret of their own")
    pace: float = Field(0.0, ge=0, description="seconds a presentation takes, from a rehearsal; 0: a guess")
    secret: str = Field("", description="of the orders, filled in at lock; stays with the truth")
    texts: Texts = Texts()

    @model_validator(mode="after")
    def _whole(self) -> Design:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same name; rename one")
        return self

    @property
    def together(self) -> int:
        """Pictures of one presentation."""
        return {"P1": 1, "P3": 1, "P4": 2}.get(self.protocol, self.beside)

    def json(self) -> str:  # type: ignore[override]
        """Canonical JSON: sorted keys, no spaces; what is hashed."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Of the canonical JSON, hex."""
        return hashlib.sha256(self.json().encode()).hexdigest()

    def shown(self) -> str:
        """Canonical JSON of what the rating pages may know: no arm, no source, no primary question, no reasons."""
        kept = self.model_dump(exclude=HIDDEN)
        return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
