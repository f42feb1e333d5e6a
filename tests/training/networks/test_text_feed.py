from dataclasses import replace

import numpy as np
import pytest
import torch

from nlptl.data.targets import Targets
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import LabelledWindows

SIZES = np.random.default_rng(0).integers(3, 30, 37)


def rows(weights=None, sizes=SIZES):
    ids = [[row] * int(size) for row, size in enumerate(sizes)]
    windows = Windows(ids, np.arange(len(ids)), np.asarray(sizes))
    return LabelledWindows(windows, Targets(np.arange(len(ids)) % 2, 2, weights), 0)


def feed(rank=0, n_ranks=1, *, streams=None, **options):
    config = LoopConfig(**{"batch_size": 8, **options})
    return TextFeed(streams or {"task": rows()}, config, 3, rank, n_ranks, "cpu")


def taken(passes, name="task"):
    """Give the rows that count, with their weights."""
    found = {}
    for batches, _ in passes:
        batch = batches[name]
        for ids, weight in zip(batch.inputs[0]["input_ids"], batch.weights, strict=True):
            if weight:
                assert int(ids[0]) not in found
                found[int(ids[0])] = float(weight)
    return found


@pytest.mark.parametrize("n_ranks", [1, 2, 5])
@pytest.mark.parametrize("options", [{}, {"accumulation": 3}, {"tokens_per_pass": 40}])
def test_every_row_is_learnt_from_once_an_epoch_by_one_process(n_ranks, options):
    ranks = [feed(rank, n_ranks, **options) for rank in range(n_ranks)]
    seen = []
    for step in range(len(ranks[0])):
        parts = [one.passes(0, step) for one in ranks]
        assert len({len(part) for part in parts}) == 1  # as many passes in every process
        for part in parts:
            assert sum(share for _, share in part) == pytest.approx(1.0)
            for batches, _ in part:
                tokens = batches["task"].inputs[0]["input_ids"]
                assert len(tokens) == 1 or tokens.numel() <= options.get("tokens_per_pass", 999)
        weights = {row: w for part in parts for row, w in taken(part).items()}
        assert sum(weights.values()) == pytest.approx(n_ranks)
        assert len(weights) == sum(len(taken(part)) for part in parts)
        seen += weights
    assert sorted(seen) == list(range(37))


def test_the_order_is_that_of_the_seed_and_changes_with_the_epoch():
    first = [list(taken(feed().passes(0, step))) for step in range(5)]
    assert first == [list(taken(feed().passes(0, step))) for step in range(5)]
    assert first != [list(taken(feed().passes(1, step))) for step in range(5)]


def test_weights_of_rows_are_shares_of_the_step():
    weights = np.arange(37.0)
    one = feed(streams={"task": rows(weights)})
    for step in range(len(one)):
        found = taken(one.passes(0, step))
        total = sum(weights[row] for row in found)
        for row, weight in found.items():
            assert weight == pytest.approx(weights[row] / total)


def test_other_streams_give_as_many_rows_and_begin_again():
    streams = {"task": rows(), "beside": rows(sizes=np.full(11, 4))}
    counts = np.zeros(11, dtype=int)
    for epoch in (0, 1):
        for step in range(5):
            parts = [feed(r, 2, streams=streams).passes(epoch, step) for r in (0, 1)]
            tokens = [b["beside"].inputs[0]["input_ids"] for part in parts for b, _ in part]
            both = torch.cat(tokens)[:, 0].numpy()
            assert len(both) == 8
            counts += np.bincount(both, minlength=11)
            # No row comes again before all others came as often.
            assert counts.max() - counts.min() <= 1
    assert counts.sum() == 80


@pytest.mark.parametrize("options", [{}, {"accumulation": 2}, {"tokens_per_pass": 100}])
def test_passes_of_a_step_by_class_hold_rows_of_every_class(options):
    config = LoopConfig(batch_size=16, **options)
    given = {"task": rows(sizes=np.full(37, 15))}
    found = [TextFeed(given, config, 3, r, 2, "cpu", by_class=True) for r in (0, 1)]
    for one in found:
        for step in range(len(one)):
            for batches, _ in one.passes(0, step):
                assert set(batches["task"].truth.tolist()) == {0, 1}
    assert len(found[0].passes(0, 0)) == (1 if not options else 2)


@pytest.mark.parametrize("seed", range(4))
def test_every_epoch_by_class_has_as_many_steps(seed):
    sizes = [14, 14, 20, 20, 30, 30]
    codes = np.repeat(np.arange(6), sizes)
    windows = Windows([[row] for row in range(128)], np.arange(128), np.ones(128, np.int64))
    given = {"task": LabelledWindows(windows, Targets(codes, 6), 0)}
    one = TextFeed(given, LoopConfig(batch_size=64), seed, 0, 1, "cpu", by_class=True)
    for epoch in range(5):
        seen = [row for step in range(len(one)) for row in taken(one.passes(epoch, step))]
        assert sorted(seen) == list(range(128))


@pytest.mark.parametrize("n_ranks", [1, 2])
@pytest.mark.parametrize(("classes", "of_each"), [(2, 32), (20, 8), (77, 8), (50, 2)])
@pytest.mark.parametrize("passes", [2, 3])
def test_rows_that_are_compared_keep_a_partner_in_their_pass(classes, of_each, passes, n_ranks):
    codes = np.repeat(np.arange(classes), of_each)
    n = len(codes)
    windows = Windows([[row] for row in range(n)], np.arange(n), np.ones(n, np.int64))
    given = {"task": LabelledWindows(windows, Targets(codes, classes), 0)}
    config = LoopConfig(batch_size=64, accumulation=passes)
    ranks = [TextFeed(given, config, 0, r, n_ranks, "cpu", by_class=True) for r in range(n_ranks)]
    seen, alone = [], 0
    for step in range(len(ranks[0])):
        parts = [one.passes(0, step) for one in ranks]
        assert {len(part) for part in parts} == {passes}
        for place in range(passes):
            met = [row for part in parts for row in taken(part[place : place + 1])]
            counts = np.bincount(codes[met], minlength=classes)
            alone += int((counts == 1).sum())
            assert (counts > 0).sum() > 1
            seen += met
    assert sorted(seen) == list(range(n))
    assert alone <= 0.05 * n


def test_parts_of_a_pass_hold_its_rows_with_their_labels_and_weights():
    sizes = np.where(np.arange(37) % 5 == 0, 400, 4)
    streams = {"task": rows(np.arange(1.0, 38.0), sizes)}
    plain, cut = feed(streams=streams), replace(feed(streams=streams), in_parts=True)
    for step in range(len(plain)):
        ((before, _),), ((after, _),) = plain.passes(0, step), cut.passes(0, step)
        batch = after["task"]
        order = [int(ids[0]) for part in batch.inputs for ids in part["input_ids"]]
        assert batch.truth.tolist() == [row % 2 for row in order]
        assert dict(zip(order, batch.weights.tolist(), strict=True)) == pytest.approx(
            taken([(before, 1.0)])
        )
    assert any(len(b["task"].inputs) > 1 for s in range(len(cut)) for b, _ in cut.passes(0, s))


def test_rows_that_are_compared_with_another_stream_have_any_length():
    sizes = np.random.default_rng(1).integers(3, 200, 160)
    streams = {"task": rows(sizes=sizes), "target": rows(sizes=sizes)}
    spreads = {}
    for any_length in (False, True):
        one = replace(feed(streams=streams), any_length=any_length)
        steps = [one.passes(epoch, step)[0][0] for epoch in (0, 1) for step in range(len(one))]
        for name in streams:
            lengths = [b[name].inputs[0]["attention_mask"].sum(dim=1).float() for b in steps]
            spreads[any_length, name] = float(torch.stack([n.std() for n in lengths]).mean())
        seen = [int(ids[0]) for b in steps[: len(one)] for ids in b["task"].inputs[0]["input_ids"]]
        assert sorted(seen) == list(range(160))
    assert spreads[False, "task"] < 0.5 * spreads[False, "target"]
    assert spreads[True, "task"] == pytest.approx(spreads[True, "target"], rel=0.15)
