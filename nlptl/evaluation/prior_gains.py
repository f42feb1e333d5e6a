"""Gains on other data as a prior for the gain on the available rows."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from nlptl.base.errors import ConfigError
from nlptl.evaluation.intervals import Interval


@dataclass(frozen=True)
class PriorGain:
    """Gains of a method on other data, used as a prior for the gain on the available rows.

    Splits of few rows are uncertain. The expected gain is therefore the average of the prior and
    the measured gain, each weighted by its inverse variance [1]_.

    Attributes
    ----------
    gain : float
        Mean gain on other data sets, in units of the score.
    spread : float
        Standard deviation of the gains between data sets, above 0.

    References
    ----------
    .. [1] Gelman et al., "Bayesian Data Analysis", 3rd edition, section 2.5.

    Examples
    --------
    >>> PriorGain(0.05, 0.05).weighed(Interval(-0.03, -0.23, 0.17)) > 0
    True
    >>> PriorGain(0.05, 0.05).weighed(Interval(-0.03, -0.04, -0.02)) > 0
    False
    """

    gain: float
    spread: float

    def __post_init__(self) -> None:
        if not self.spread > 0:
            raise ConfigError(f"spread must be above 0, got {self.spread}.")

    def weighed(self, measured: Interval) -> float:
        """Return the expected gain, given the measured gain on splits of the available rows.

        Its standard error is computed from its 95 % interval, which is wider for few splits.
        """
        error = (measured.high - measured.low) / 2 / float(stats.norm.ppf(0.975))
        weight = self.spread**2 / (self.spread**2 + error**2)
        return weight * measured.value + (1 - weight) * self.gain
