import numpy as np
import pytest
import torch
from torch.nn import functional

from nlptl.training.losses import LabelLosses, as_truth, row_losses, weighted_mean


def test_one_label_a_row_is_cross_entropy():
    logits, truth = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    torch.testing.assert_close(
        row_losses(logits, truth).mean(), functional.cross_entropy(logits, truth)
    )


def test_several_labels_a_row_are_judged_one_by_one():
    logits, truth = torch.tensor([[0.0, 2.0]]), torch.tensor([[1, 0]])
    by_hand = (torch.log(torch.tensor(2.0)) + torch.log1p(torch.exp(torch.tensor(2.0)))) / 2
    torch.testing.assert_close(row_losses(logits, truth), by_hand[None])


def test_weights_count_and_none_at_all_is_zero():
    losses = torch.tensor([1.0, 4.0])
    assert weighted_mean(losses, torch.tensor([3.0, 1.0])).item() == pytest.approx(1.75)
    assert weighted_mean(losses, torch.zeros(2)).item() == 0.0


def test_a_number_a_row_is_judged_by_the_squared_error():
    outputs, truth = torch.tensor([[1.0], [-2.0]]), torch.tensor([0.5, 1.0], dtype=torch.float64)
    losses = row_losses(outputs, truth)
    assert losses.tolist() == [0.25, 9.0]
    assert losses.dtype == torch.float32


def test_numbers_become_those_that_every_device_holds():
    assert as_truth(np.array([0.5, 2.0])).dtype == torch.float32
    assert as_truth(np.array([1, 0])).dtype == torch.int64


def test_labels_count_by_whether_a_row_has_them():
    logits, truth = torch.randn(5, 2), torch.tensor([[1, 0], [0, 0], [1, 1], [0, 1], [0, 0]])
    even = LabelLosses(np.ones(2), np.ones(2))
    torch.testing.assert_close(even(logits, truth), row_losses(logits, truth))
    first = LabelLosses(np.array([0.0, 0.0]), np.array([2.0, 0.0]))(logits, truth)
    alone = functional.binary_cross_entropy_with_logits(
        logits[:, 0], truth[:, 0].float(), reduction="none"
    )
    torch.testing.assert_close(first, alone * truth[:, 0])
