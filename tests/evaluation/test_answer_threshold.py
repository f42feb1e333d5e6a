import numpy as np
import pytest

from nlptl.evaluation.answer_threshold import choose_threshold, loss_bound, texts_needed


def chosen(probabilities, losses, max_loss=0.01, confidence=0.9):
    return choose_threshold(
        np.asarray(probabilities), np.asarray(losses), max_loss=max_loss, confidence=confidence
    )


def test_texts_are_answered_down_to_the_first_losses():
    probabilities = np.linspace(1, 0.5, 2000)
    losses = (probabilities < 0.8).astype(int)
    found = chosen(probabilities, losses)
    assert 0.79 < found.value < 0.8 and 0.4 < found.answered < 0.42
    assert found.loss == losses[probabilities >= found.value].sum() / 2000
    assert found.loss <= found.bound <= 0.01


def test_the_order_of_the_texts_does_not_matter():
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=600)
    losses = (rng.uniform(size=600) > probabilities + 0.5).astype(int)
    order = rng.permutation(600)
    assert chosen(probabilities, losses) == chosen(probabilities[order], losses[order])


def test_a_larger_loss_lets_the_fast_model_answer_more():
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=2000)
    losses = (rng.uniform(size=2000) > probabilities + 0.4).astype(int)
    shares = [chosen(probabilities, losses, max_loss=m).answered for m in (0.005, 0.02, 0.1, 0.9)]
    assert shares == sorted(set(shares)) and shares[-1] == 1


def test_texts_with_equal_probabilities_are_answered_together():
    probabilities, losses = np.repeat([0.9, 0.6], 500), np.zeros(1000, int)
    losses[500:520] = 1
    found = chosen(probabilities, losses)
    assert found.value == 0.9 and found.answered == 0.5 and found.loss == 0


@pytest.mark.parametrize("losses", [np.ones(1000, int), np.zeros(20, int)])
def test_the_fast_model_never_answers_if_no_threshold_is_safe(losses):
    found = chosen(np.full(len(losses), 0.9), losses)
    assert found.value == np.inf and found.answered == 0


def test_what_the_fast_model_gains_offsets_what_it_loses():
    probabilities, losses = np.linspace(1, 0.5, 1000), np.tile([1, -1, *[0] * 98], 10)
    assert chosen(probabilities, losses).answered > chosen(probabilities, losses > 0).answered


@pytest.mark.parametrize("labelled", [True, False])
def test_the_promised_loss_is_kept_in_most_samples(labelled):
    rng = np.random.default_rng(1)
    kept = []
    for _ in range(300):
        probabilities = rng.uniform(0.5, 1, 1500)
        wrong = rng.uniform(size=1500) < (1 - probabilities) / 4
        losses = np.where(wrong, 1, np.where(rng.uniform(size=1500) < 0.02, -labelled * 1, 0))
        value = chosen(probabilities, losses, max_loss=0.01).value
        answered = (1 - value) / 0.5  # of all texts, which have uniform probabilities
        mean = (1 - value) / 8
        kept.append(answered * (mean - (0.02 * (1 - mean) if labelled else 0)) <= 0.01)
    assert np.mean(kept) >= 0.9


@pytest.mark.parametrize(("max_loss", "confidence"), [(0.005, 0.9), (0.02, 0.95), (0.3, 0.5)])
def test_the_number_of_texts_that_are_needed_is_exact(max_loss, confidence):
    n = texts_needed(max_loss, confidence)
    for n_texts, is_enough in ((n, True), (n - 1, False)):
        zeros = np.zeros(n_texts, int)
        bound = loss_bound(zeros[:1], zeros[:1], n_texts, confidence=confidence)[0]
        assert (bound <= max_loss) == is_enough


def test_the_bound_is_above_the_loss_and_falls_with_more_texts():
    lost, gained = np.array([0, 3, 10]), np.array([0, 1, 10])
    bounds = [loss_bound(lost, gained, n, confidence=0.9) for n in (100, 1000)]
    assert (bounds[0] > (lost - gained) / 100).all() and (bounds[1] < bounds[0]).all()
    assert (loss_bound(lost, gained, 100, confidence=0.99) > bounds[0]).all()
