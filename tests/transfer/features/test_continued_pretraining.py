import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import Context, Stage
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.fitting.transfers import Transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.training.config import LoopConfig
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import Objective
from nlptl.training.networks.text_training import check_spread
from nlptl.transfer.features import ContinuedPretraining
from nlptl.transfer.features.continued_pretraining import has_converged, pair_loss
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.parameters import FullFineTune

TEXTS = [
    f"the parcel {word} late. please help me with the box {word}"
    for word in "very bad good card month app".split()
]
CONFIG = LoopConfig(batch_size=3, quiet=True)


def bound(folder, texts=TEXTS, *, seed=0, **options):
    """Return the network, the bound transfer and an objective with it."""
    spec = ContinuedPretraining(**options)
    start = TextFeatures(TransformerEncoder(folder), np.ones(1))
    plan = TrainingPlan(CONFIG, None, seed, "cpu")
    body = TunedEncoder(Transfers(FullFineTune(), (spec,)), start, plan, texts)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network, (main, transfer) = body.headless(32, [], seed)
    return network, transfer, Objective(network, transfers=[main, transfer])


def outputs_of(objective, transfer, epoch=0, step=0, names=None):
    streams = transfer.streams()
    chosen = {name: streams[name] for name in names or streams}
    feed = TextFeed(chosen, CONFIG, 0, 0, 1, "cpu")
    ((batches, _),) = feed.passes(epoch, step)
    objective.eval()
    return {name: objective.outputs(batch) for name, batch in batches.items()}


def test_the_loss_of_words_is_the_mean_over_the_hidden_words_of_the_step(tiny_encoder):
    network, transfer, objective = bound(tiny_encoder, objective="words", anchor=0)
    outputs = outputs_of(objective, transfer)
    hidden = outputs["words"].batch.hidden
    (inputs,) = outputs["words"].batch.inputs
    states = network.encoder(**inputs).last_hidden_state[hidden.windows, hidden.positions]
    table = network.encoder.get_input_embeddings()  # the tokens of these texts only
    head = transfer.modules()["words"]
    scores = head.transform(states) @ table.weight.T + head.bias[table.tokens]
    expected = functional.cross_entropy(scores, table.places[hidden.tokens])
    torch.testing.assert_close(transfer.loss(outputs, 0.0), expected)
    assert transfer.figures(outputs)["masked_word_loss"] == pytest.approx(float(expected))


def test_the_head_is_checkpointed_and_trained_with_its_own_rate(tiny_encoder):
    network, transfer, _ = bound(tiny_encoder, objective="words")
    assert network.extras["words"] is transfer.modules()["words"]
    names = [f"extras.words.{name}" for name, _ in transfer.modules()["words"].named_parameters()]
    assert "extras.words.bias" in names and len(names) == 5
    (stage,) = transfer.stages()
    assert stage.trains([*names, "encoder.a", "head.bias"]) == names
    assert stage.streams == ("words",) and stage.prepares and stage.ends is has_converged
    head, others = transfer.weight_groups([*names, "encoder.a"])
    assert (head.names, head.rate, others.names, others.rate) == (names, 2.0, ["encoder.a"], 1.0)
    alone, rest = transfer.weight_groups(names)
    assert (alone.rate, list(rest.names)) == (20.0, [])


def test_a_planted_pair_loss_by_hand():
    first = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    second = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    cosine = torch.tensor([[1.0, 0.5**0.5], [0.0, 0.5**0.5]]) / 0.5
    rows = -(cosine.log_softmax(1).diag().mean())
    columns = -(cosine.log_softmax(0).diag().mean())
    none = torch.eye(2, dtype=torch.bool)
    found = pair_loss(first, second, none, temperature=0.5)
    assert found == pytest.approx(float((rows + columns) / 2))
    perfect = torch.eye(4)
    assert pair_loss(perfect, perfect, torch.eye(4) > 0, temperature=0.01) < 1e-6


def test_texts_with_a_part_in_common_are_not_compared():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    apart, alike = torch.eye(3) > 0, torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]) > 0
    assert pair_loss(vectors, vectors, apart, temperature=0.05) > 0.4  # the first two are equal
    assert pair_loss(vectors, vectors, alike, temperature=0.05) < 1e-6


def test_the_loss_of_pairs_compares_the_two_parts_of_each_text(tiny_encoder):
    _, transfer, objective = bound(tiny_encoder, anchor=0, pair_temperature=0.3)
    outputs = outputs_of(objective, transfer)
    first, second = outputs["beginning"], outputs["rest"]
    assert first.batch.numbers.tolist() == second.batch.numbers.tolist()
    none = torch.eye(len(first.features)) > 0
    expected = pair_loss(first.features, second.features, none, temperature=0.3)
    torch.testing.assert_close(transfer.loss(outputs, 0.0), expected)
    assert transfer.held.texts == []
    assert transfer.compares_rows and not transfer.stages() and not transfer.modules()


def test_equal_titles_are_not_told_apart(tiny_encoder):
    pairs = [("late", "box"), ("late", "help me"), ("good", "very bad")]
    _, transfer, objective = bound(tiny_encoder, pairs, anchor=0, pair_temperature=0.3)
    outputs = outputs_of(objective, transfer)
    first, second = outputs["beginning"], outputs["rest"]
    titles = [pairs[number][0] for number in first.batch.numbers.tolist()]
    alike = torch.tensor([[title == other for other in titles] for title in titles])
    expected = pair_loss(first.features, second.features, alike, temperature=0.3)
    torch.testing.assert_close(transfer.loss(outputs, 0.0), expected)
    assert alike.sum() == 5


def test_parts_are_split_and_texts_of_one_word_are_left_out(tiny_encoder):
    texts = ["late. the box", "help", "bad box", "late. the box"]
    _, transfer, _ = bound(tiny_encoder, texts, anchor=0)
    parts = transfer.streams()
    tokenizer = find_encoder(tiny_encoder).tokenizer
    beginnings, rests = (
        [tokenizer.decode(ids, skip_special_tokens=True) for ids in stream.rows.ids]
        for stream in parts.values()
    )
    assert sorted(zip(beginnings, rests, strict=True)) == [("bad", "box"), ("late .", "the box")]


def test_pairs_in_the_corpus_are_the_pairs(tiny_encoder):
    _, transfer, _ = bound(tiny_encoder, [("late", "box"), ("bad", "help me")], anchor=0)
    assert [len(stream.rows) for stream in transfer.streams().values()] == [2, 2]


@pytest.mark.parametrize("objective", ["words", "pairs"])
def test_the_anchor_is_the_squared_distance_to_the_old_vectors(tiny_encoder, objective):
    _, transfer, module = bound(tiny_encoder, objective=objective, anchor=2.0)
    _, free, _ = bound(tiny_encoder, objective=objective, anchor=0)
    outputs = outputs_of(module, transfer)
    plain = transfer.loss(outputs, 0.0)
    free.words = getattr(transfer, "words", None)
    torch.testing.assert_close(free.loss(outputs, 0.0), plain)  # nothing has moved yet
    names = ["whole"] if objective == "words" else ["beginning", "rest"]
    squares = []
    for name in names:
        old = outputs[name].features.detach()
        every = transfer.anchor if objective == "words" else transfer.anchors[name]
        scale = float((every.vectors**2).sum(1).mean())
        squares.append(float((old * 0.1).square().sum(1).mean()) / scale)
        outputs[name] = replace(outputs[name], features=outputs[name].features * 1.1)
    moved = float(transfer.loss(outputs, 0.0) - free.loss(outputs, 0.0))
    assert moved == pytest.approx(2.0 * np.mean(squares), rel=1e-3)


def test_the_anchor_needs_no_stage_of_its_own(tiny_encoder):
    _, transfer, module = bound(tiny_encoder, objective="words", anchor=1.0)
    alone = outputs_of(module, transfer, names=["words"])
    assert torch.isfinite(transfer.loss(alone, 0.0))
    assert transfer.streams()["whole"].ratio == 0.25


@pytest.mark.parametrize("objective", ["words", "pairs"])
def test_the_weight_of_the_mixed_loss_is_that_of_the_rows(tiny_encoder, objective):
    options = {"objective": objective, "anchor": 1.0}
    _, before, module = bound(tiny_encoder, **options)
    _, mixed, _ = bound(tiny_encoder, **options, labelled_share=0.2)
    mixed.words = getattr(before, "words", None)
    outputs = outputs_of(module, before)
    # .2 of the loss of the task and .8 of this one are 1 to 4, and so are the rows.
    torch.testing.assert_close(mixed.loss(outputs, 0.0), 4 * before.loss(outputs, 0.0))
    ratios = {name: stream.ratio for name, stream in mixed.streams().items()}
    assert ratios == (
        {"words": 4.0, "whole": 1.0} if objective == "words" else {"beginning": 4.0, "rest": 4.0}
    )


def test_a_tenth_of_different_texts_is_held_back(tiny_encoder):
    texts = [
        f"{a} {b}"
        for a in "the box was late please".split()
        for b in "bad good very app card month".split()
    ]
    _, transfer, _ = bound(tiny_encoder, texts * 2, objective="words")
    trained, held = transfer.streams()["words"].rows.ids, transfer.held_back()["words"].rows.ids
    assert (len(trained), len(held)) == (27, 3)
    assert not {tuple(ids) for ids in trained} & {tuple(ids) for ids in held}
    _, few, _ = bound(tiny_encoder, texts[:9], objective="words")
    assert not few.held_back() and len(few.streams()["words"].rows) == 9
    _, pairs, _ = bound(tiny_encoder, texts)
    assert {len(stream.rows) for stream in pairs.held_back().values()} == {3}


def test_windows_of_long_texts_are_rows(tiny_encoder):
    long = " ".join(["late box help"] * 30)
    _, transfer, _ = bound(tiny_encoder, [long, "late"], objective="words")
    assert len(transfer.streams()["words"].rows) > 3
    _, pairs, _ = bound(tiny_encoder, [long + " late", "bad " + long])
    assert {len(s.rows) for s in pairs.streams().values()} == {2}
    assert all(len(s.rows.ids) == 2 for s in pairs.streams().values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "word"}, "objective='word' is not known.*words"),
        ({"strength": 1.5}, "strength must be from 0 to 1, or 'auto', got 1.5"),
        ({"strength": "half"}, "strength must be from 0 to 1, or 'auto', got 'half'"),
        ({"labelled_share": 1.0}, "labelled_share must be above 0 and below 1"),
        ({"epochs": 0, "anchor": -1}, "epochs must be at least 1, got 0; anchor must be"),
        ({"hidden_share": 0}, "hidden_share"),
        ({"pair_temperature": 0}, "pair_temperature"),
        ({"rows_per_step": 1}, "rows_per_step must be at least 2, got 1"),
        ({"learning_rate": 0}, "learning_rate"),
    ],
)
def test_bad_choices_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ContinuedPretraining(**options)


def test_it_runs_first_unless_it_is_mixed():
    assert ContinuedPretraining().runs_first and ContinuedPretraining().ratio == 1.0
    mixed = ContinuedPretraining(labelled_share=0.25)
    assert not mixed.runs_first and mixed.ratio == 3.0


def test_what_cannot_be_trained_on_is_refused(tiny_encoder):
    with pytest.raises(InputError, match="two different texts, got 1"):
        bound(tiny_encoder, ["late box", "late box"])
    with pytest.raises(InputError, match="texts of one kind"):
        bound(tiny_encoder, ["late box", ("late", "box")])
    with pytest.raises(InputError, match="several words, got 1"):
        bound(tiny_encoder, ["late", "box", "help me"])
    spec = ContinuedPretraining("words")
    network, _, _ = bound(tiny_encoder, objective="words")
    tokenizer = copy.deepcopy(find_encoder(tiny_encoder).tokenizer)
    network.encoder.config.is_decoder = True
    with pytest.raises(ConfigError, match="is a decoder. Use objective='pairs'"):
        spec.bind(Context(network, 3, 0, unlabeled=TEXTS, tokenizer=tokenizer))
    network.encoder.config.is_decoder = False
    tokenizer.mask_token = None
    with pytest.raises(ConfigError, match="mask token"):
        spec.bind(Context(network, 3, 0, unlabeled=TEXTS, tokenizer=tokenizer))


def test_weights_in_parts_cannot_have_a_stage_for_the_head(tiny_encoder):
    _, words, _ = bound(tiny_encoder, objective="words")
    with pytest.raises(ConfigError, match="FSDP.*got 2 stages"):
        check_spread([*words.stages(), Stage()], [words])
    _, pairs, _ = bound(tiny_encoder)
    check_spread([*pairs.stages(), Stage()], [pairs])


def test_the_head_has_converged_when_the_loss_hardly_falls():
    falling = [10 - step / 20 for step in range(120)]
    assert not has_converged(falling)
    assert not has_converged([5.0] * 99) and has_converged([5.0] * 100)
    assert not has_converged([5.0] * 50 + [4.94] * 50)
    assert has_converged([5.0] * 50 + [4.96] * 50)
    assert has_converged([9.0] * 500 + [5.0] * 50 + [4.96] * 50)  # only the last ones count
