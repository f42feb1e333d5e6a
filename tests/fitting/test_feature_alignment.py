from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from nlptl.base.transfer import Transfer
from nlptl.data.targets import Targets
from nlptl.fitting import feature_alignment
from nlptl.fitting.feature_alignment import aligned


@dataclass(frozen=True)
class Stretch(Transfer):
    """Multiply the source features by a number."""

    by: float | None = None
    aligns_source: ClassVar[bool] = True

    def variants(self):
        return () if self.by is not None else (Stretch(3.0), Stretch(1.0), Stretch(1 / 3))

    def align(self, features):
        return features.source * self.by


def rows(n=300, seed=0):
    """Return source rows with targets, and target rows that are three times as close together."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 2
    X, target = (
        rng.normal(size=(n, 2)) + np.stack([2.0 * codes - 1.0, np.zeros(n)], axis=1) for _ in "ab"
    )
    return X, target / 3, Targets(codes, 2, domains=np.ones(n, dtype=np.int64))


GROUPS = (("vectors", 2),)


def factor_of(X, target, targets):
    moved = aligned(Stretch(), X, target, targets, GROUPS, seed=0)
    return float((moved / X)[0, 0])


def test_the_variant_with_the_highest_expected_accuracy_is_chosen():
    X, target, targets = rows()
    assert factor_of(X, target, targets) == pytest.approx(1 / 3)


def test_a_small_expected_gain_keeps_the_first_variant(monkeypatch):
    X, target, targets = rows()
    for gain, factor in ((0.049, 3.0), (0.051, 1.0)):
        expected = iter([0.8, 0.8 + gain, 0.7])
        monkeypatch.setattr(feature_alignment, "_expected_accuracy", lambda *_, e=expected: next(e))
        assert factor_of(X, target, targets) == pytest.approx(factor)


def test_without_a_way_to_choose_the_first_variant_is_used():
    X, target, targets = rows()
    numbers = replace(targets, codes=targets.codes.astype(float), n_outputs=1)
    assert factor_of(X, target, numbers) == 3.0
    assert factor_of(X, None, targets) == 3.0
    assert factor_of(X[:4], target, targets.take(np.arange(4))) == 3.0


@pytest.mark.parametrize("by", [1.0, -2.5])
def test_a_transfer_without_variants_is_used_as_it_is(by):
    X, target, targets = rows()
    moved = aligned(Stretch(by), X, target, targets, GROUPS, seed=0)
    np.testing.assert_allclose(moved, X * by)
