import sys
import types

import pytest

from nlptl.base import clock
from nlptl.training.cost import Cost, measured


class Model:
    cost_ = None

    @measured
    def fit(self, seconds=0.0, *, fail=False):
        """Learn."""
        if fail:
            raise ValueError(seconds)
        return self


def test_a_fit_leaves_what_it_cost(monkeypatch):
    ticks = iter([10.0, 13.25])
    monkeypatch.setattr(clock, "seconds", lambda: next(ticks))
    model = Model()
    assert model.fit() is model and model.cost_.seconds == 3.2
    assert model.fit.__doc__ == "Learn." and model.cost_.kwh is None
    assert "a CPU" in str(model.cost_)


def test_a_card_that_was_not_computed_on_is_not_named(monkeypatch):
    used = [0]
    cuda = types.SimpleNamespace(
        is_available=lambda: True,
        max_memory_allocated=lambda: used[0],
        get_device_name=lambda: "NVIDIA H100",
    )
    fake = types.SimpleNamespace(cuda=cuda, get_num_threads=lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", fake)
    model = Model()
    assert model.fit().cost_.machine == "a CPU, 2 threads"
    monkeypatch.setattr(fake, "get_num_threads", lambda: 1)
    assert model.fit().cost_.machine == "a CPU, 1 thread"
    monkeypatch.setattr(fake, "get_num_threads", lambda: 2)
    used[0] = 1
    assert model.fit().cost_.machine == "NVIDIA H100"
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert model.fit().cost_.machine == "4 x NVIDIA H100"
    model.device = "cpu"
    assert model.fit().cost_.machine == "4 x a CPU, 2 threads"
    model.device = "mps"
    assert model.fit().cost_.machine == "an Apple GPU"
    monkeypatch.delitem(sys.modules, "torch")
    assert model.fit().cost_.machine == "4 x a CPU"


def test_it_is_told_in_words_and_read_back():
    assert str(Cost(3.4, "a CPU")) == "3 seconds on a CPU"
    assert str(Cost(1.2, "a CPU")) == "1 second on a CPU"
    assert str(Cost(0.2, "a CPU")) == "0 seconds on a CPU"
    assert str(Cost(1234.0, "a CPU", 0.01234)) == (
        "21 minutes on a CPU, 0.0123 kWh as estimated by codecarbon"
    )
    assert Cost(**Cost(1.0, "a", 0.5).to_json()) == Cost(1.0, "a", 0.5)


def test_codecarbon_measures_energy_where_it_is_installed(monkeypatch):
    ended = []

    class Tracker:
        def __init__(self, **options):
            assert options["save_to_file"] is False

        def start(self):
            pass

        def stop(self):
            ended.append(True)
            self.final_emissions_data = types.SimpleNamespace(energy_consumed=0.25)

    there = types.SimpleNamespace(OfflineEmissionsTracker=Tracker)
    monkeypatch.setitem(sys.modules, "codecarbon", there)
    assert Model().fit().cost_.kwh == 0.25
    with pytest.raises(ValueError, match="1"):
        Model().fit(1.0, fail=True)
    assert len(ended) == 2


def test_a_codecarbon_that_fails_is_passed_over(monkeypatch):
    class Broken:
        def __init__(self, **_):
            raise RuntimeError("no access")

    there = types.SimpleNamespace(OfflineEmissionsTracker=Broken)
    monkeypatch.setitem(sys.modules, "codecarbon", there)
    assert Model().fit().cost_.kwh is None
