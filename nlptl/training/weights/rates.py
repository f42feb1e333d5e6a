"""Learning rates of the weights that a stage trains."""

from __future__ import annotations

from collections.abc import Sequence

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Stage


def weight_rates(
    transfers: Sequence[BoundTransfer], stage: Stage, names: Sequence[str]
) -> dict[str, float]:
    """Return the factor on the learning rate of each weight that a stage trains.

    A weight is trained if the stage and all transfers train it. The factors of the transfers are
    multiplied.

    Parameters
    ----------
    transfers : sequence of BoundTransfer
    stage : Stage
    names : sequence of str
        Names of weights in the objective. The stage and the transfers receive the names in the
        network.

    Raises
    ------
    ConfigError
        If a transfer puts a weight into two groups, or returns a name that it did not receive.
    """
    objective_names = {name.removeprefix("network."): name for name in names}
    rates = dict.fromkeys(stage.trains(list(objective_names)), 1.0)
    for transfer in transfers:
        factors: dict[str, float] = {}
        for group in transfer.weight_groups(list(rates)):
            for name in group.names:
                if name in factors or name not in rates:
                    raise ConfigError(
                        f"weight_groups of {type(transfer).__name__} must use each of its names "
                        f"at most once and no other name, got {name!r}. Check its groups."
                    )
                factors[name] = rates[name] * group.rate
        rates = factors
    return {objective_names[name]: rate for name, rate in rates.items()}
