import pytest
import torch

from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.training.checkpoints import Saved
from nlptl.training.weights.averaging import Average
from nlptl.training.weights.run_weights import RunWeights


def weights_of(value, *, average=None):
    return RunWeights({"a": torch.full((2,), float(value))}, average)


def averaged(*values):
    weights = weights_of(values[0], average=Average("tail"))
    for value in values:
        weights.current["a"].fill_(value)
        weights.average.take_in(weights.current, 1.0)
    return weights


def test_the_best_weights_come_before_the_averages_and_these_before_the_last():
    weights = averaged(1.0, 3.0)
    with weights.averaged():
        weights.keep_as_best()
    assert weights.current["a"].tolist() == [3.0, 3.0]
    weights.best["a"].fill_(7.0)
    weights.finish(scored=False)
    assert weights.current["a"].tolist() == [2.0, 2.0]
    weights.finish(scored=True)
    assert weights.current["a"].tolist() == [7.0, 7.0]
    last = weights_of(5.0)
    last.finish(scored=True)
    with last.averaged():
        assert last.current["a"].tolist() == [5.0, 5.0]


def test_what_is_saved_is_restored():
    weights = averaged(1.0, 3.0)
    weights.keep_as_best()
    saved = Saved({"averaged": 2}, weights.to_arrays())
    assert sorted(saved.arrays) == ["average/a", "best/a", "weights/a"]
    restored = weights_of(0.0, average=Average("tail"))
    restored.restore(saved, torch.device("cpu"))
    restored.spread_average()
    assert restored.average.count == 2
    assert restored.average.sums["a"].tolist() == [2.0, 2.0]
    assert restored.current["a"].tolist() == restored.best["a"].tolist() == [3.0, 3.0]


def test_weights_of_another_network_are_refused():
    other = RunWeights({"b": torch.zeros(2)}, None)
    with pytest.raises(ValueError, match="differ from those of the network"):
        other.restore(Saved({}, weights_of(1.0).to_arrays()), torch.device("cpu"))


def test_weights_follow_the_module_that_holds_them():
    module = torch.nn.Linear(2, 1)
    weights = RunWeights({"bias": torch.zeros(1)}, None)
    weights.follow(module)
    assert list(weights.current) == ["bias"]
    assert weights.current["bias"].data_ptr() == module.bias.data_ptr()


def test_the_count_of_a_batch_normalisation_is_restored_from_a_file(tmp_path):
    module = torch.nn.BatchNorm1d(3)
    module(torch.randn(4, 3))  # num_batches_tracked has no dimension
    weights = RunWeights(dict(module.state_dict()), None)
    save_arrays(tmp_path / "state.safetensors", weights.to_arrays())
    other = RunWeights(dict(torch.nn.BatchNorm1d(3).state_dict()), None)
    other.restore(Saved({}, load_arrays(tmp_path / "state.safetensors")), "cpu")
    assert int(other.current["num_batches_tracked"]) == 1
