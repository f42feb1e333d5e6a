import numpy as np
import pytest

from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.held_out import MIN_ROWS_TO_HOLD_OUT, hold_out


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.35, 0.4, 0.45])
def test_the_share_asked_for_is_held_out(share):
    codes = np.arange(400) % 2
    rows = Rows([str(i) for i in range(400)])
    (seen, _), (held, truth) = hold_out(rows, Targets(codes, 2), share, 0)
    assert len(held) == pytest.approx(400 * share, abs=6) and len(seen) + len(held) == 400
    assert truth.codes.mean() == pytest.approx(0.5, abs=0.03)
    codes = np.append(np.repeat(np.arange(21), 4), np.full(316, 21))
    (_, left), _ = hold_out(rows, Targets(codes, 22), share, 0)
    assert len(np.unique(left.codes)) == 22  # no small class is hidden as a whole


def test_of_few_rows_none_are_held_out():
    n = MIN_ROWS_TO_HOLD_OUT - 1
    rows, targets = Rows(["text"] * n), Targets(np.arange(n) % 2, 2)
    assert hold_out(rows, targets, 0.2, 0) == ((rows, targets), None)
