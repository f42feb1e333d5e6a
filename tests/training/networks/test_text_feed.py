import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from nlptl.base.streams import Altered, Stream
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


def hide_last(windows, rng):
    """Hide the last token of each window, and one more at random."""
    altered = []
    for window in windows:
        chosen = {len(window) - 1, int(rng.integers(len(window)))}
        ids = [99 if i in chosen else token for i, token in enumerate(window)]
        altered.append(Altered(ids, np.array(sorted(chosen))))
    return altered


def hidden_of(feeds, epoch, step, name="beside"):
    """Return the hidden tokens of a step over all processes, with their weights."""
    found, total = [], 0.0
    for one in feeds:
        for batches, share in one.passes(epoch, step):
            batch = batches[name]
            ids = [window for part in batch.inputs for window in part["input_ids"]]
            for at, place, token, weight in zip(
                batch.hidden.windows,
                batch.hidden.positions,
                batch.hidden.tokens,
                batch.hidden.weights,
                strict=True,
            ):
                if weight:
                    assert ids[int(at)][place] == 99
                    found.append((int(token), int(place)))
                    total += float(weight) * share / len(feeds)
    return sorted(found), total


@pytest.mark.parametrize("options", [{}, {"accumulation": 2}, {"tokens_per_pass": 60}])
def test_hidden_tokens_are_those_of_the_step_in_any_number_of_processes(options):
    streams = {"task": rows(), "beside": Stream(rows(sizes=SIZES + 2), 2.0, hide_last)}
    one = [feed(streams=streams, **options)]
    two = [feed(rank, 2, streams=streams, **options) for rank in (0, 1)]
    many = [feed(rank, 19, streams=streams, **options) for rank in range(19)]
    for step in (0, 3):
        found, total = hidden_of(one, 1, step)
        assert found == hidden_of(two, 1, step)[0] == hidden_of(many, 1, step)[0]
        for feeds in (one, two, many):
            assert hidden_of(feeds, 1, step)[1] == pytest.approx(1.0, rel=1e-5)
        assert total == pytest.approx(1.0, rel=1e-5)
        assert 16 <= len(found) <= 32  # twice as many rows as labelled ones


def test_tokens_are_hidden_in_another_way_at_every_step_and_with_another_seed():
    streams = {"beside": Stream(rows(sizes=np.full(8, 30)), hides=hide_last)}
    steps = [hidden_of([feed(streams=streams)], epoch, 0)[0] for epoch in range(3)]
    assert steps[0] != steps[1] != steps[2] != steps[0]
    assert steps == [hidden_of([feed(streams=streams)], epoch, 0)[0] for epoch in range(3)]
    other = TextFeed(streams, LoopConfig(batch_size=8), 4, 0, 1, "cpu")
    assert hidden_of([other], 0, 0)[0] != steps[0]
    first, again = (feed(streams=streams).batch("beside", np.arange(8)) for _ in range(2))
    assert first.hidden.positions.tolist() == again.hidden.positions.tolist()


def test_the_rows_themselves_stay_as_they_are():
    given = rows(sizes=np.full(8, 6))
    streams = {"beside": Stream(given, hides=hide_last)}
    feed(streams=streams).passes(0, 0)
    assert given.windows.ids == [[row] * 6 for row in range(8)]


def test_a_stream_smaller_than_a_step_repeats_its_rows():
    streams = {"task": rows(), "beside": Stream(rows(sizes=np.full(3, 5)), 1.0, hide_last)}
    for n_ranks in (1, 2):
        feeds = [feed(rank, n_ranks, streams=streams) for rank in range(n_ranks)]
        found, total = hidden_of(feeds, 0, 0)
        assert total == pytest.approx(1.0, rel=1e-5) and len(found) > 8


@pytest.mark.parametrize(("ratio", "count"), [(0.25, 2), (1.0, 8), (2.5, 20), (0.01, 1)])
def test_the_ratio_is_the_number_of_rows_per_labelled_row(ratio, count):
    streams = {"task": rows(), "beside": Stream(rows(), ratio)}
    (batches, _), *rest = feed(streams=streams).passes(0, 1)
    assert not rest and len(batches["beside"].weights) == count


def test_a_stream_that_follows_takes_the_same_rows():
    shifted = rows(sizes=SIZES[::-1] + 1)
    streams = {
        "task": rows(),
        "first": Stream(rows(), 2.0),
        "second": Stream(shifted, 2.0, follows="first"),
    }
    for n_ranks in (1, 3):
        for rank in range(n_ranks):
            for batches, _ in feed(rank, n_ranks, streams=streams, accumulation=2).passes(1, 2):
                numbers = batches["first"].numbers.tolist()
                assert batches["second"].numbers.tolist() == numbers
                tokens = batches["second"].inputs[0]["input_ids"][:, 0].tolist()
                assert tokens == numbers
    leading = {name: streams[name] for name in ("first", "second")}
    parts = TextFeed(streams, LoopConfig(batch_size=8), 3, 0, 1, "cpu", in_parts=True)
    ((batches, _),) = parts.passes(0, 0)
    assert batches["first"].numbers.tolist() == batches["second"].numbers.tolist()
    seen = []
    for step in range(len(feed(streams=leading))):
        (batches, _), *_ = feed(streams=leading).passes(0, step)
        assert batches["first"].numbers.tolist() == batches["second"].numbers.tolist()
        seen += batches["first"].numbers.tolist()
    assert sorted(seen) == list(range(37))


@pytest.mark.parametrize("options", [{}, {"accumulation": 3}])
@pytest.mark.parametrize("n_ranks", [1, 2, 7])
def test_mean_weights_give_the_mean_of_the_step(options, n_ranks):
    streams = {"task": rows(), "beside": Stream(rows(), 0.75)}
    feeds = [feed(rank, n_ranks, streams=streams, **options) for rank in range(n_ranks)]
    for name in streams:
        total, count = 0.0, {}
        for one in feeds:
            for batches, share in one.passes(0, 1):
                batch = batches[name]
                total += float((batch.mean_weights * batch.numbers).sum()) * share / n_ranks
                alive = batch.numbers[batch.mean_weights > 0].tolist()
                count |= dict.fromkeys(alive)
        assert total == pytest.approx(np.mean(list(count)), rel=1e-5)


def test_windows_of_hidden_rows_are_counted_over_the_parts_of_a_pass():
    sizes = np.where(np.arange(16) % 4 == 0, 400, 4)
    streams = {"beside": Stream(rows(sizes=sizes), hides=hide_last)}
    config = LoopConfig(batch_size=16)
    one = TextFeed(streams, config, 3, 0, 1, "cpu", in_parts=True)
    (batches, _), *_ = one.passes(0, 0)
    assert len(batches["beside"].inputs) > 1
    hidden_of([one], 0, 0)


def test_rows_of_several_windows_hide_tokens_in_all_of_them():
    ids = [[row, row, row] for row in range(6)]
    windows = Windows(ids, np.array([0, 0, 1, 2, 2, 2]), np.full(6, 3))
    given = {"beside": Stream(LabelledWindows(windows, None, 0), hides=hide_last)}
    (batches, _), *_ = feed(streams=given).passes(0, 0)
    batch = batches["beside"]
    assert set(batch.hidden.windows.tolist()) == set(range(6))
    read = batch.inputs[0]["input_ids"]
    for at, place, token in zip(
        batch.hidden.windows, batch.hidden.positions, batch.hidden.tokens, strict=True
    ):
        assert read[at, place] == 99
        others = [int(t) for t in read[at] if t != 99]
        assert all(t == token for t in others)


def test_streams_that_go_together_are_cut_by_their_common_length():
    short, long = np.full(37, 3), np.where(np.arange(37) % 5 == 0, 400, 4)
    streams = {"first": rows(sizes=short), "second": Stream(rows(sizes=long), follows="first")}
    one = TextFeed(streams, LoopConfig(batch_size=37), 3, 0, 1, "cpu", in_parts=True)
    ((batches, _),) = one.passes(0, 0)
    shapes = [part["input_ids"].shape for part in batches["second"].inputs]
    assert shapes == [(29, 4), (8, 400)]
    assert [len(part["input_ids"]) for part in batches["first"].inputs] == [29, 8]
    limited = TextFeed(streams, LoopConfig(batch_size=37, tokens_per_pass=410), 3, 0, 1, "cpu")
    for batches, _ in limited.passes(0, 0):
        both = sum(batches[name].inputs[0]["input_ids"].numel() for name in streams)
        assert both <= 410 or len(batches["first"].numbers) == 1


def test_long_rows_of_another_stream_are_split_into_more_passes():
    streams = {"task": rows(sizes=[4] * 16), "texts": Stream(rows(sizes=[40] * 16))}
    together = feed(streams=streams, tokens_per_pass=80).passes(0, 0)
    assert len(together) == 4  # eight rows of 40 tokens, two at once
    assert max(batches["texts"].inputs[0]["input_ids"].numel() for batches, _ in together) <= 80
    assert sorted(taken(together)) == sorted(taken(feed(streams=streams).passes(0, 0)))
    of_two = [feed(rank, 2, streams=streams, tokens_per_pass=80) for rank in (0, 1)]
    assert len({len(part.passes(0, 0)) for part in of_two}) == 1


def test_a_feed_keeps_its_rows_no_longer_than_it_lives():
    mine, other = feed(), feed(streams={"task": rows(sizes=[5] * 9)})
    assert len(mine) != len(other)
    gone = weakref.ref(mine)
    del mine
    gc.collect()
    assert gone() is None
