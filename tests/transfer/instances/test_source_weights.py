import numpy as np
import pytest

from nlptl.base.errors import ConfigError, InputError
from nlptl.transfer.instances.source_weights import (
    SourceWeights,
    checked_weights,
    effective_share,
)


def test_the_effective_share_counts_the_rows_that_decide():
    assert effective_share(np.ones(7)) == pytest.approx(1)
    assert effective_share(np.array([0, 0, 0, 5.0])) == pytest.approx(1 / 4)
    assert effective_share(np.array([1.0, 3.0])) == pytest.approx(16 / 20)
    assert effective_share(np.array([10.0, 30.0])) == pytest.approx(16 / 20)
    assert effective_share(np.zeros(3)) == 0


def test_checked_weights_have_a_mean_of_one():
    np.testing.assert_allclose(checked_weights(np.array([2.0, 6.0]), method="M()"), [0.5, 1.5])


@pytest.mark.parametrize("weights", [np.eye(11)[0], np.zeros(11), np.full(11, np.nan)])
def test_weights_of_few_rows_are_refused_in_three_parts(weights):
    with pytest.raises(ConfigError, match=r"M\(\) must have .* at least 0.1, got .*Leave it out"):
        checked_weights(weights, method="M()")


def test_a_tenth_of_the_rows_is_enough():
    assert checked_weights(np.eye(10)[0], method="M()")[0] == 10


WEIGHTS = SourceWeights(
    np.array([1.0, 0.25, 1.75, 0.5, 1.5]),
    ["one", "two", ("three", "four"), "five", "six " * 40],
    ["a", "a", "a", "b", "b"],
)


def test_the_highest_and_lowest_weights_come_with_their_texts():
    assert WEIGHTS.highest(2) == [(("three", "four"), 1.75), ("six " * 40, 1.5)]
    assert WEIGHTS.lowest(2) == [("two", 0.25), ("five", 0.5)]
    assert len(WEIGHTS.highest(99)) == 5 and WEIGHTS.lowest(0) == []


def test_effective_shares_are_also_reported_per_domain():
    assert WEIGHTS.effective_share == pytest.approx(25 / (5 * 6.625))
    assert WEIGHTS.effective_shares == pytest.approx({"a": 9 / (3 * 4.125), "b": 4 / (2 * 2.5)})


def test_the_report_shows_shares_and_shortened_texts():
    lines = str(WEIGHTS).splitlines()
    assert lines[0] == "5 source rows, effective share 0.75 (a 0.73, b 0.80)"
    assert lines[1] == "highest 1.75: three | four" and lines[4] == "lowest 0.25: two"
    assert lines[2].endswith("six...") and len(lines[2]) == len("highest 1.50: ") + 70
    single = SourceWeights(np.ones(2), ["a", "b"], ["only", "only"])
    assert str(single).splitlines()[0] == "2 source rows, effective share 1.00"


def test_each_row_needs_a_text_and_a_domain():
    with pytest.raises(InputError, match="got 2, 1 and 2"):
        SourceWeights(np.ones(2), ["a"], ["x", "x"])
