"""Report of a cascade: how many texts are passed on, what that costs and what it saves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from typing_extensions import Self

from nlptl.base.described import make


@dataclass(frozen=True)
class CascadeReport:
    """Effect of a cascade on the held-out texts that its threshold was chosen on.

    Attributes
    ----------
    n_texts : int
    has_labels : bool
        False if the texts had no labels. The loss is then the share of texts that the fast model
        answers differently, which is never smaller than the loss of accuracy.
    passed_on : float
        Share of the texts that the accurate model answers.
    loss : float
        Loss of accuracy against the accurate model alone, as a share of all texts.
    bound : float
        Upper bound of the loss on other texts, with the confidence of the cascade.
    fast_speed, accurate_speed : float
        Texts per second of the two models on this machine.
    """

    n_texts: int
    has_labels: bool
    passed_on: float
    loss: float
    bound: float
    fast_speed: float
    accurate_speed: float

    @property
    def speed(self) -> float:
        """Expected texts per second of the cascade."""
        if self.passed_on == 1:
            return self.accurate_speed
        return 1 / (1 / self.fast_speed + self.passed_on / self.accurate_speed)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, described: object) -> Self:
        """Build the report from the result of ``to_json``."""
        return make(cls, described)

    def __str__(self) -> str:
        title = "Loss of accuracy" if self.has_labels else "Answers that differ"
        return (
            f"{self.passed_on:.0%} of {self.n_texts:,} held-out texts are passed on to the "
            f"accurate model. {title}: {100 * self.loss:.2f} points, at most "
            f"{100 * self.bound:.2f}. Speed: {self.speed:,.0f} texts per second, "
            f"{self.speed / self.accurate_speed:.1f} times that of the accurate model."
        )
