import pytest
import torch

from nlptl.training.weights.averaging import Average, meet, put


def weights(value):
    return {"a": torch.full((2,), float(value)), "n": torch.tensor(3)}


def test_the_tail_is_averaged_evenly():
    average = Average("tail")
    for step in range(1, 10):
        average.take_in(weights(step), step / 9)
    assert average.sums["a"].tolist() == pytest.approx([8.0, 8.0])  # steps 7 to 9
    assert "n" not in average.sums


def test_the_exponential_average_follows_and_forgets():
    average = Average("ema")
    for step in range(1, 200):
        average.take_in(weights(step), step / 199)
    assert 150 < float(average.sums["a"][0]) < 199


def test_averages_stand_in_for_weights_and_leave_again():
    average, own = Average("ema"), weights(1)
    average.take_in(own, 0.5)
    own["a"].fill_(5.0)
    with average.in_place_of(own):
        assert own["a"].tolist() == [1.0, 1.0]
    assert own["a"].tolist() == [5.0, 5.0]


def test_values_are_copied_in_place():
    own = weights(1)
    kept = own["a"]
    put(own, {"a": torch.zeros(2)})
    assert kept.tolist() == [0.0, 0.0]


def test_two_trainings_meet_in_the_middle():
    one, other = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    with torch.no_grad():
        other.weight.fill_(4.0)
    one.num_batches_tracked += 7
    meet(one, other)
    assert one.weight.tolist() == [2.5, 2.5]
    assert other.weight.tolist() == [4.0, 4.0]
    assert int(one.num_batches_tracked) == 7
