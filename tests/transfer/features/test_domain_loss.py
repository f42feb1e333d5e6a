from types import SimpleNamespace

import pytest
import torch

from nlptl.base.errors import ConfigError
from nlptl.transfer.features.domain_loss import (
    DomainLoss,
    check_weight,
    linear_ramp,
    rows_by_domain,
)


def outputs_of(domains, n_unlabeled=3, width=4):
    """Return outputs whose features count up, so that every row can be recognised."""
    n = len(domains)
    numbers = torch.arange(n + n_unlabeled, dtype=torch.float64)[:, None]
    features, logits = numbers.repeat(1, width), 100 + numbers.repeat(1, 2)
    labelled = SimpleNamespace(domains=torch.tensor(domains))
    return {
        "task": SimpleNamespace(features=features[:n], logits=logits[:n], batch=labelled),
        "unlabeled": SimpleNamespace(features=features[n:], logits=logits[n:], batch=None),
    }


def test_labelled_target_rows_follow_the_unlabelled_ones_and_all_sources_are_one():
    rows = rows_by_domain(outputs_of([1, 0, 2, 0]))
    assert rows.source[:, 0].tolist() == [0, 2]
    assert rows.target[:, 0].tolist() == [4, 5, 6, 1, 3]
    assert rows.source_logits[:, 0].tolist() == [100, 102]
    assert rows.target_logits[:, 0].tolist() == [104, 105, 106, 101, 103]
    assert rows.unlabeled_logits[:, 0].tolist() == [104, 105, 106]
    assert rows.source.dtype == rows.target_logits.dtype == torch.float32


class Counting(DomainLoss):
    def value(self, rows, progress):
        if torch.is_autocast_enabled("cpu"):
            return torch.tensor(-1.0)
        return torch.tensor(float(len(rows.target))) if len(rows.source) else None


def test_the_loss_is_the_value_times_weight_and_ramp():
    bound = Counting("rows", 0.5, 0.4)
    assert bound.compares_rows and not bound.batches_by_class and not bound.reads_weights
    assert bound.streams() == {"unlabeled": "rows"}
    losses = [float(bound.loss(outputs_of([1, 0]), p)) for p in (0.0, 0.1, 0.4, 0.9)]
    assert losses == pytest.approx([0.0, 0.5, 2.0, 2.0])


def test_a_step_without_a_domain_or_without_the_streams_has_no_loss():
    bound, outputs = Counting("rows", 1.0, 0.0), outputs_of([0, 0])
    assert bound.loss(outputs, 1.0) is None
    full = outputs_of([1, 1])
    for name in ("task", "unlabeled"):
        assert bound.loss({name: full[name]}, 1.0) is None
    assert float(bound.loss(full, 0.0)) == 3.0


def test_small_differences_are_not_rounded_by_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(Counting("rows", 1.0, 0.0).loss(outputs_of([1]), 0.0)) == 3.0


def test_a_ramp_of_zero_is_no_ramp():
    assert linear_ramp(0.0, 0.0) == 1.0 and linear_ramp(0.5, 1.0) == 0.5


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ((0.0, 0.3), "weight"),
        ((-1.0, 0.3), "weight"),
        ((float("nan"), 0.3), "weight"),
        ((float("inf"), 0.3), "weight"),
        ((1.0, -0.1), "ramp"),
        ((1.0, 1.1), "ramp"),
        ((1.0, float("nan")), "ramp"),
    ],
)
def test_bad_weights_and_ramps_are_refused(options, name):
    with pytest.raises(ConfigError, match=f"^{name} must"):
        check_weight(*options)


def test_a_value_must_be_written():
    with pytest.raises(NotImplementedError):
        DomainLoss("rows", 1.0, 0.0).loss(outputs_of([1]), 0.0)
