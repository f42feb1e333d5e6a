import numpy as np
import pytest
import torch

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling, TransformerEncoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.training.networks.text_network import (
    Batch,
    LabelledWindows,
    Objective,
    TextNetwork,
    log_loss,
    logits_of,
)
from nlptl.transfer.features.frozen import TextFeatures

TEXTS = ["the parcel came late", "help", "cancel my contract please", "add a second calendar"]


def network(encoder, pooling, weights):
    model = read_encoder(encoder.folder, "float32", "cpu").model
    width = encoder.folder.hidden_size * int(np.count_nonzero(weights))
    head = torch.nn.Linear(width, 2)
    return TextNetwork(model, head, pooling=pooling, weights=np.array(weights), scale=2.0).eval()


def test_the_features_are_those_of_the_encoder(tiny_encoder):
    pooling = Pooling(layers=(1, 2, -1), normalize=True)
    encoder = TransformerEncoder(tiny_encoder, pooling=pooling, precision="float32", cache=None)
    found = network(encoder, pooling, [0.0, 0.5, 1.0])
    logits = logits_of(found, LabelledWindows(encoder.reader.windows(TEXTS), None, 0))
    vectors = encoder.transform(TEXTS)[:, 32:] * np.repeat([0.5, 1.0], 32) * 2.0
    wanted = found.head(torch.from_numpy(vectors.astype(np.float32))).detach().numpy()
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


def test_the_loss_of_unseen_rows_is_weighted(tiny_encoder):
    pooling = Pooling()
    encoder = TransformerEncoder(tiny_encoder, pooling=pooling, precision="float32", cache=None)
    found, windows = network(encoder, pooling, [1.0]), encoder.reader.windows(TEXTS)
    codes = np.array([0, 1, 0, 1])
    each = [
        log_loss(found, LabelledWindows(windows, Targets(codes, 2, np.eye(4)[i]), 0))
        for i in range(4)
    ]
    whole = log_loss(found, LabelledWindows(windows, Targets(codes, 2), 0))
    np.testing.assert_allclose(np.mean(each), whole, rtol=1e-6)
    assert found.training is False


def test_windows_of_a_text_are_pooled_as_the_encoder_pools_them(tiny_encoder):
    long = ["cancel my contract please now " * 30, "help", "the parcel came late " * 20]
    for tokens in ("mean", "max"):
        pooling = Pooling(tokens=tokens)
        encoder = TransformerEncoder(
            tiny_encoder, pooling=pooling, precision="float32", cache=None, max_length=16
        )
        found, windows = network(encoder, pooling, [1.0]), encoder.reader.windows(long)
        assert len(windows.ids) > 6
        logits = logits_of(found, LabelledWindows(windows, None, 0))
        vectors = torch.from_numpy(encoder.transform(long) * np.float32(2.0))
        np.testing.assert_allclose(logits, found.head(vectors).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("window", [16, 128])
def test_texts_of_a_pair_are_described_as_frozen_ones_are(tiny_encoder, window):
    pairs = [
        ("cancel my contract please now " * 10, "help"),
        ("the parcel came late", "where is it"),
        ("help", "thank you very much indeed " * 8),
    ]
    pooling = Pooling(layers=(-2, -1))
    encoder = TransformerEncoder(
        tiny_encoder, pooling=pooling, precision="float32", cache=None, max_length=window
    )
    windows = encoder.reader.windows([text for pair in pairs for text in pair])
    rows = LabelledWindows(windows, None, 0, sides=2)
    assert len(rows) == 3
    found = network(encoder, pooling, [0.5, 1.0])
    features = TextFeatures(encoder, np.array([0.5, 1.0])).transform(Rows(pairs))
    some = np.array([2, 0])
    with torch.inference_mode():
        got = found.features(rows.inputs(some, torch.device("cpu")))
    np.testing.assert_allclose(got.numpy(), features[some] * 2.0, atol=1e-4)


def test_rows_with_several_windows_count_as_long(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, cache=None, max_length=16)
    rows = LabelledWindows(encoder.reader.windows(["help", "please help me now " * 20]), None, 0)
    assert len(rows) == 2
    assert rows.sizes[1] > 16 > rows.sizes[0]


def test_rows_in_parts_have_the_loss_and_gradients_of_a_whole_batch(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    long = ["please help me now " * 20, "help", "cancel it", "thank you very much " * 15]
    rows = LabelledWindows(encoder.reader.windows(long), None, 0)
    truth, weights = torch.tensor([0, 1, 0, 1]), torch.full((4,), 0.25)
    found = []
    for parts in ([[0, 1, 2, 3]], [[0], [1, 2], [3]]):
        torch.manual_seed(0)
        objective = Objective(network(encoder, Pooling(), [1.0]))
        given = [rows.inputs(np.array(part), torch.device("cpu")) for part in parts]
        loss = objective(({"task": Batch(given, truth, weights)}, 1.0), 0.0)
        loss.backward()
        found.append((loss.item(), next(objective.network.encoder.parameters()).grad))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-6, rtol=1e-4)


class Recorder(BoundTransfer):
    """A transfer that records the hidden states of the last pass."""

    needs_hidden_states = True

    def loss(self, outputs, progress):
        self.outputs = outputs["task"]
        return self.outputs.hidden_states.states.square().mean()


def mean_of_rows(hidden, n_rows):
    """Return the mean token vector of each row, over all its windows."""
    mask = hidden.attention_mask.float()
    sums = (hidden.states * mask[:, :, None]).sum(dim=1)
    totals = torch.zeros(n_rows, sums.shape[1]).index_add(0, hidden.rows, sums)
    return totals / torch.zeros(n_rows).index_add(0, hidden.rows, mask.sum(dim=1))[:, None]


@pytest.mark.parametrize("window", [16, 128])
@pytest.mark.parametrize("tokens", ["mean", "stock"])
def test_hidden_states_are_those_that_are_pooled(tiny_encoder, window, tokens):
    texts = ["cancel my contract please now " * 10, "help", "the parcel came late"]
    pooling = Pooling(tokens=tokens, normalize=False)
    encoder = TransformerEncoder(
        tiny_encoder, pooling=pooling, precision="float32", cache=None, max_length=window
    )
    loaded = read_encoder(encoder.folder, "float32", "cpu", stock=tokens == "stock")
    head = torch.nn.Linear(32, 2)
    net = TextNetwork(loaded.model, head, pooling=pooling, weights=np.ones(1), scale=1.0).eval()
    rows = LabelledWindows(encoder.reader.windows(texts), Targets(np.array([0, 1, 0]), 2), 0)
    recorder = Recorder()
    objective = Objective(net, transfers=[recorder])
    truth, weights = torch.tensor([0, 1, 0]), torch.ones(3)
    means = []
    for parts in ([np.arange(3)], [np.array([0]), np.array([1, 2])]):
        batch = Batch([rows.inputs(part, "cpu") for part in parts], truth, weights)
        loss = objective(({"task": batch}, 1.0), 0.0)
        loss.backward()
        hidden = recorder.outputs.hidden_states
        assert hidden.states.shape[:2] == hidden.attention_mask.shape
        assert hidden.rows.unique().tolist() == [0, 1, 2]
        means.append(mean_of_rows(hidden, 3))
        if tokens == "mean":
            torch.testing.assert_close(means[-1], recorder.outputs.features)
    torch.testing.assert_close(*means)


def test_hidden_states_of_pairs_belong_to_their_rows(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None, max_length=16)
    texts = ["help", "cancel my contract please now " * 5, "the parcel", "came late"]
    rows = LabelledWindows(encoder.reader.windows(texts), None, 0, sides=2)
    model = read_encoder(encoder.folder, "float32", "cpu").model
    head = torch.nn.Linear(4 * 32 + 1, 2)
    net = TextNetwork(model, head, pooling=Pooling(), weights=np.ones(1), scale=1.0)
    inputs = rows.inputs(np.arange(2), "cpu")
    _, hidden = net.features_and_states(inputs, keep_states=True)
    assert hidden.rows.tolist() == [0] * (len(hidden.rows) - 2) + [1, 1]


def test_without_a_transfer_that_needs_them_there_are_no_hidden_states(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    net = network(encoder, Pooling(), [1.0])
    rows = LabelledWindows(encoder.reader.windows(TEXTS), None, 0)
    recorder = Recorder()
    recorder.needs_hidden_states = False
    objective = Objective(net, transfers=[recorder])
    batch = Batch([rows.inputs(np.arange(4), "cpu")], None, torch.ones(4))
    with pytest.raises(ConfigError, match="Set needs_hidden_states = True"):
        objective(({"task": batch}, 1.0), 0.0)


def test_hidden_states_of_other_processes_are_not_available(tiny_encoder):
    recorder = Recorder()
    recorder.compares_rows = True
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    with pytest.raises(ConfigError, match="Recorder sets needs_hidden_states and compares_rows"):
        Objective(network(encoder, Pooling(), [1.0]), transfers=[recorder])


class Comparing(BoundTransfer):
    """A transfer that records what it receives."""

    def __init__(self, *, compares_rows):
        self.compares_rows = compares_rows

    def loss(self, outputs, progress):
        self.outputs = outputs["task"]


def test_only_losses_that_compare_rows_get_them_without_those_of_weight_0(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    rows = LabelledWindows(encoder.reader.windows(TEXTS), None, 0)
    transfers = [Comparing(compares_rows=flag) for flag in (True, False)]
    objective = Objective(network(encoder, Pooling(), [1.0]), transfers=transfers)
    batch = Batch(
        [rows.inputs(np.arange(4), "cpu")],
        torch.tensor([0, 1, 0, 1]),
        torch.tensor([0.5, 0.0, 0.5, 1.0]),
        torch.tensor([1, 1, 0, 2]),
    )
    objective(({"task": batch}, 1.0), 0.0)
    compared, plain = (transfer.outputs for transfer in transfers)
    assert plain.batch is batch and len(plain.features) == 4
    kept = torch.tensor([0, 2, 3])
    assert torch.equal(compared.features, plain.features[kept])
    assert torch.equal(compared.logits, plain.logits[kept])
    assert compared.batch.truth.tolist() == [0, 0, 1]
    assert compared.batch.domains.tolist() == [1, 0, 2]
