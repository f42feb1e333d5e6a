"""What something gained on other data, weighed against what the rows at hand say."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from nlptl.base.errors import ConfigError
from nlptl.evaluation.intervals import Interval


@dataclass(frozen=True)
class PriorGain:
    """The gains that were seen on other data: a prior for those on the rows at hand.

    Splits of a few rows say little. So both are averaged, each by how little it varies [1]_.

    Attributes
    ----------
    gain : float
        The mean of what was seen, in units of the score.
    spread : float
        How far gains lie apart from one data set to another (standard deviation), above 0.

    References
    ----------
    .. [1] Gelman et al., "Bayesian Data Analysis", 3rd edition, section 2.5.

    Examples
    --------
    >>> Experience(0.05, 0.05).weighed(Interval(-0.03, -0.23, 0.17)) > 0
    True
    >>> Experience(0.05, 0.05).weighed(Interval(-0.03, -0.04, -0.02)) > 0
    False
    """

    gain: float
    spread: float

    def __post_init__(self) -> None:
        if not self.spread > 0:
            raise ConfigError(f"spread must be above 0, got {self.spread}.")

    def weighed(self, seen: Interval) -> float:
        """Give the gain to be expected, after splits of the rows at hand.

        The error of what was seen is read off its 95 % interval, which is wider for few splits.
        """
        error = (seen.high - seen.low) / 2 / float(stats.norm.ppf(0.975))
        here = self.spread**2 / (self.spread**2 + error**2)
        return here * seen.value + (1 - here) * self.gain
