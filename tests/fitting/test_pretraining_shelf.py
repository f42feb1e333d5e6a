from nlptl.fitting.pretraining_shelf import Pretrained, Shelf
from nlptl.training.history import History


def test_a_result_is_kept_under_its_settings_with_a_history_of_its_own():
    shelf, weights = Shelf(), object()
    shelf.put({"seed": 0}, Pretrained(weights, History(figures={"loss": [1.0]})))
    first = shelf.get({"seed": 0})
    assert first.weights is weights
    first.history.figures["loss"].append(2.0)
    assert shelf.get({"seed": 0}).history.figures == {"loss": [1.0]}
    assert shelf.get({"seed": 1}) is None


def test_the_result_that_was_asked_for_longest_ago_is_removed():
    shelf = Shelf()
    for seed in (0, 1):
        shelf.put({"seed": seed}, Pretrained(seed, History()))
    assert shelf.get({"seed": 0}).weights == 0
    shelf.put({"seed": 2}, Pretrained(2, History()))
    assert [shelf.get({"seed": seed}) is None for seed in (0, 1, 2)] == [False, True, False]
