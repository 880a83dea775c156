"""Morphs by description: small frozen edits that can be stored, and `morph`, which applies them to a mask.

The arithmetic lies in shape.py, pieces.py and warp.py; the canvas does the same in ui/static (tests/ui/test_morph.py).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, InstanceOf, TypeAdapter, ValidationError, model_validator

from siamese.errors import MaskError
from siamese.masks import pieces, shape, warp
from siamese.masks.mask import EMPTY, Mask

Place = Annotated[float, Field(ge=-20_000, le=20_000)]  # pixels; may lie outside the picture


class Base(BaseModel):
    """Base: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @abstractmethod
    def apply(self, labels: np.ndarray) -> np.ndarray:
        """The edited mask: (H,W) uint8 {0,1} from labels (H,W)."""


class Grow(Base):
    """Move every edge outwards, or inwards."""

    kind: Literal["grow"] = "grow"
    pixels: float = Field(ge=-200, le=200, description="pixels outwards; negative shrinks")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return shape.grow(labels, self.pixels)


class Smooth(Base):
    """Round corners, drop thin parts."""

    kind: Literal["smooth"] = "smooth"
    radius: int = Field(ge=0, le=40, description="radius of the three box means, pixels")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return shape.smooth(labels, self.radius)


class Transform(Base):
    """Scale, turn and move about the middle of the mask's box."""

    kind: Literal["transform"] = "transform"
    dx: Place = Field(0, description="pixels to the right")
    dy: Place = Field(0, description="pixels down")
    scale_x: float = Field(1, ge=0.01, le=100, description="factor across, before turning")
    scale_y: float = Field(1, ge=0.01, le=100, description="factor down, before turning")
    degrees: float = Field(0, ge=-3600, le=3600, description="clockwise")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return shape.transform(labels, self.dx, self.dy, self.scale_x, self.scale_y, self.degrees)


class KeepLargest(Base):
    """Keep the largest lesion only."""

    kind: Literal["keep_largest"] = "keep_largest"

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return pieces.keep_largest(labels)


class RemoveIslands(Base):
    """Drop small lesions."""

    kind: Literal["remove_islands"] = "remove_islands"
    min_pixels: int = Field(ge=0, le=40_000_000, description="smallest lesion that stays, pixels")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return pieces.remove_islands(labels, self.min_pixels)


class FillHoles(Base):
    """Fill background that is enclosed by lesion."""

    kind: Literal["fill_holes"] = "fill_holes"

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return pieces.fill_holes(labels)


class Invert(Base):
    """Swap lesion and background."""

    kind: Literal["invert"] = "invert"

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return shape.invert(labels)


class Flip(Base):
    """Mirror the picture."""

    kind: Literal["flip"] = "flip"
    way: Literal["horizontal", "vertical"] = Field(description="left with right, or top with bottom")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return shape.flip(labels, self.way)


class Rotate90(Base):
    """A quarter turn clockwise."""

    kind: Literal["rotate90"] = "rotate90"

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return shape.rotate90(labels)


class Elastic(Base):
    """A smooth random warp."""

    kind: Literal["elastic"] = "elastic"
    seed: int = Field(ge=0, lt=2**32, description="the same seed gives the same warp")
    strength: float = Field(
        ge=0, le=200, description="about the largest displacement, pixels; ≤ scale / 3 counts"
    )
    scale: float = Field(ge=4, le=2000, description="pixels between independent displacements")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return warp.elastic(labels, self.seed, self.strength, self.scale)


class Push(Base):
    """One drag of the push brush."""

    kind: Literal["push"] = "push"
    steps: tuple[tuple[Place, Place, Place, Place], ...] = Field(
        max_length=10_000, description="(x, y, dx, dy) each, pixels"
    )
    radius: float = Field(ge=1, le=2000, description="reach of the brush, pixels")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return warp.push(labels, self.steps, self.radius)


class Deform(Base):
    """Pull the outline by handles, such as `warp.handles` finds."""

    kind: Literal["deform"] = "deform"
    places: tuple[tuple[Place, Place], ...] = Field(
        max_length=100, description="(x, y) of each handle, pixels"
    )
    moves: tuple[tuple[Place, Place], ...] = Field(max_length=100, description="(dx, dy) of each, pixels")

    @model_validator(mode="after")
    def _pairs(self) -> Deform:
        if len(self.places) != len(self.moves):
            raise ValueError(
                f"{len(self.places)} places and {len(self.moves)} moves; one move a place is needed"
            )
        return self

    def apply(self, labels: np.ndarray) -> np.ndarray:
        return warp.deform(labels, self.places, self.moves)


class Blend(Base):
    """Go a part of the way to another mask of the same size."""

    kind: Literal["blend"] = "blend"
    other: InstanceOf[Mask] = Field(description="the mask at t = 1")
    t: float = Field(ge=0, le=1, description="0: unchanged, 1: the other mask")

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """As above; MaskError when the other mask has another size."""
        if self.other.labels.shape != labels.shape:
            (h, w), (height, width) = self.other.labels.shape, labels.shape
            raise MaskError(
                f"The other mask has {h}×{w} pixels and this one {height}×{width}; both must be of one size. "
                "Resize one of them first."
            )
        return shape.blend(labels, self.other.labels, self.t)


Edit = Annotated[
    Grow
    | Smooth
    | Transform
    | KeepLargest
    | RemoveIslands
    | FillHoles
    | Invert
    | Flip
    | Rotate90
    | Elastic
    | Push
    | Deform
    | Blend,
    Field(discriminator="kind"),
]
_EDITS: TypeAdapter[tuple[Edit, ...]] = TypeAdapter(tuple[Edit, ...])


def parse(values: Sequence[Mapping[str, object]]) -> tuple[Edit, ...]:
    """Edits from plain values such as {"kind": "grow", "pixels": 4}.

    Raises:
        MaskError: an unknown kind or setting, or one out of its bounds; all of them are named.
    """
    try:
        return _EDITS.validate_python(tuple(values))
    except ValidationError as error:
        found = []
        for problem in error.errors():
            where = [str(part) for part in problem["loc"]]
            name = f"edit {int(where[0]) + 1} {'.'.join(where[1:])}" if where else "edits"
            found.append(f"{name.strip()}: {problem['msg'].removeprefix('Value error, ')}.")
        raise MaskError(f"The mask was not changed. {' '.join(found)}") from None


def morph(mask: Mask, edits: Sequence[Edit]) -> Mask:
    """The mask after all edits, one after the other; its size stays, a new mask comes back.

    Raises:
        MaskError: a `Blend` with a mask of another size.
    """
    labels = mask.labels
    for edit in edits:
        labels = edit.apply(labels)
    notes = [note for note in mask.notes if note != EMPTY]
    return Mask(labels, tuple(notes if labels.any() else [*notes, EMPTY]))
