from dataclasses import dataclass

import pytest

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Stage, WeightGroup
from nlptl.training.weights.rates import weight_rates

NAMES = ["network.encoder.low", "network.encoder.top", "network.head.weight", "loss.scale"]


@dataclass
class Groups(BoundTransfer):
    """A transfer with fixed groups that records the names that it receives."""

    groups: list[WeightGroup]
    received: tuple[str, ...] = ()

    def weight_groups(self, names):
        self.received += tuple(names)
        return self.groups


def test_all_weights_train_with_equal_rates_by_default():
    assert weight_rates([], Stage(), NAMES) == dict.fromkeys(NAMES, 1.0)
    assert weight_rates([BoundTransfer()], Stage(), NAMES) == dict.fromkeys(NAMES, 1.0)


def test_a_weight_is_trained_if_the_stage_and_all_transfers_train_it_and_rates_multiply():
    stage = Stage(trains=lambda names: [n for n in names if n != "loss.scale"])
    first = Groups([WeightGroup(["head.weight"], 2.0), WeightGroup(["encoder.top"])])
    second = Groups([WeightGroup(["encoder.top", "head.weight"], 5.0)])
    rates = weight_rates([first, second], stage, NAMES)
    assert rates == {"network.encoder.top": 5.0, "network.head.weight": 10.0}
    assert first.received == ("encoder.low", "encoder.top", "head.weight")
    assert second.received == ("head.weight", "encoder.top")


@pytest.mark.parametrize(
    "groups",
    [
        [WeightGroup(["network.head.weight"])],
        [WeightGroup(["head.weight"]), WeightGroup(["head.weight"], 3.0)],
    ],
    ids=["unknown", "twice"],
)
def test_names_that_are_unknown_or_in_two_groups_are_refused(groups):
    with pytest.raises(ConfigError, match=r"weight_groups of Groups .* got '.*head\.weight'"):
        weight_rates([Groups(groups)], Stage(), NAMES)
