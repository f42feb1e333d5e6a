from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from nlptl.base.transfer import Transfer
from nlptl.data.targets import Targets
from nlptl.fitting.alignment import aligned


@dataclass(frozen=True)
class Shift(Transfer):
    """Add a number to the first column of the source."""

    by: float | None = None
    aligns_source: ClassVar[bool] = True

    def variants(self):
        return () if self.by is not None else (Shift(-4.0), Shift(0.0), Shift(4.0))

    def align(self, features):
        return features.source + np.array([self.by, 0.0])


def rows(n=200, seed=0):
    """Return source rows with targets, and target rows whose classes lie 4 further on."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 2
    X = rng.normal(size=(n, 2)) + np.stack([3.0 * codes, np.zeros(n)], axis=1)
    target = rng.normal(size=(n, 2)) + np.stack([3.0 * codes + 4.0, np.zeros(n)], axis=1)
    return X, target, Targets(codes, 2, domains=np.ones(n, dtype=np.int64))


GROUPS = (("vectors", 2),)


def shift_of(X, target, targets):
    moved = aligned(Shift(), X, target, targets, GROUPS)
    return float((moved - X)[0, 0])


def test_the_variant_with_the_highest_expected_accuracy_is_chosen():
    X, target, targets = rows()
    assert shift_of(X, target, targets) == 4.0
    assert shift_of(X, target - 8.0, targets) == -4.0


def test_without_a_way_to_choose_the_first_variant_is_used():
    X, target, targets = rows()
    numbers = replace(targets, codes=targets.codes.astype(float), n_outputs=1)
    assert shift_of(X, target, numbers) == -4.0
    assert shift_of(X, None, targets) == -4.0
    few = targets.take(np.arange(4))
    assert shift_of(X[:4], target, few) == -4.0


@pytest.mark.parametrize("by", [1.0, -2.5])
def test_a_transfer_without_variants_is_used_as_it_is(by):
    X, target, targets = rows()
    moved = aligned(Shift(by), X, target, targets, GROUPS)
    np.testing.assert_allclose(moved, X + [by, 0.0])
