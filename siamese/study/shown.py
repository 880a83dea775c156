"""What a rating page knows of a study: the frozen design without arms, sources and the primary question."""

from __future__ import annotations

from siamese.sections import Settings
from siamese.study.design import SECONDS, Exclusions, Protocol
from siamese.study.texts import Scale, Texts


class Shown(Settings):
    """The fields of `Design.shown`, as the column `study.design` holds them."""

    title: str
    protocol: Protocol
    beside: int
    raters: int
    repeats: float
    practice: int
    block: int
    apart: int
    size: int
    jpeg: int
    width_cm: float
    told: str
    exclusions: Exclusions
    organiser: str
    rater_roles: tuple[str, ...]
    pace: float
    texts: Texts

    @property
    def together(self) -> int:
        """Pictures of one presentation."""
        return {"P1": 1, "P3": 1, "P4": 2}.get(self.protocol, self.beside)

    @property
    def seconds(self) -> float:
        """A presentation, before anything is known of the rater's own pace."""
        return self.pace or SECONDS[self.protocol]

    def scale(self, key: str) -> Scale:
        """The scale (P3) of an assignment's question.

        Raises:
            KeyError: no such scale.
        """
        return {scale.key: scale for scale in self.texts.scales}[key]
