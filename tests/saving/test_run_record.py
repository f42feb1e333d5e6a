from types import SimpleNamespace

import pytest

from nlptl import TrainingConfig
from nlptl.saving.run_record import (
    cost_of,
    history_of,
    read_cost,
    read_history,
    read_training,
    training_of,
)
from nlptl.training.cost import Cost
from nlptl.training.domain_shift import DomainShift
from nlptl.training.history import History


def test_a_history_keeps_what_does_not_belong_to_one_run():
    history = History(
        losses=[1.0, 0.5], scores=[0.6, 0.8], best_epoch=2, steps=[1.0], restarts=["a"]
    )
    again = read_history({"history": history_of(history)})
    assert again == History(losses=[1.0, 0.5], scores=[0.6, 0.8], best_epoch=2)
    assert history_of(None) is None and read_history({}) is None


def test_a_history_of_another_type_is_refused():
    with pytest.raises(TypeError, match="history"):
        read_history({"history": [1.0]})


def test_training_settings_that_depend_on_the_machine_are_left_out():
    config = TrainingConfig(epochs=2, checkpoints="folder", quiet=True)
    again = read_training(training_of(config))
    assert again == TrainingConfig(epochs=2)
    assert training_of(None) is None and read_training(None) is None


def test_a_cost_comes_back():
    assert cost_of(SimpleNamespace(cost_=None)) is None and read_cost({}) is None
    cost = Cost(1.5, "two cores", 0.25)
    assert read_cost({"cost": cost_of(SimpleNamespace(cost_=cost))}) == cost


def test_the_difference_of_the_domains_comes_back():
    history = History(domains=DomainShift(0.9, 0.7, class_shares_after=(0.4, 0.6), warning="w"))
    assert read_history({"history": history_of(history)}) == history
