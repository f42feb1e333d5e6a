from functools import partial

import numpy as np
import pytest
import torch

from nlptl.base.streams import Altered, Stream
from nlptl.base.transfer import BoundTransfer
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.pooling import Pooling
from nlptl.encoders.contextual.windows import Windows
from nlptl.training.config import LoopConfig
from nlptl.training.networks.held_back import figures_of
from nlptl.training.networks.text_network import LabelledWindows, Objective, TextNetwork

N_ROWS = 7


def rows():
    ids = [[2, *[5 + row] * (row + 1), 3] for row in range(N_ROWS)]
    sizes = np.array([len(window) for window in ids])
    return LabelledWindows(Windows(ids, np.arange(N_ROWS), sizes), None, 0)


def cover_first(windows, rng):
    return [Altered([2, 4, *window[2:]], np.array([1])) for window in windows]


class Watching(BoundTransfer):
    def __init__(self, streams):
        self.kept, self.seen = streams, []

    def held_back(self):
        return self.kept

    def figures(self, outputs):
        self.seen.append(outputs)
        (batch,) = [part.batch for part in outputs.values()]
        assert not next(iter(outputs.values())).features.requires_grad
        return {"mean number": float(batch.numbers.float().mean())}


@pytest.fixture
def network(tiny_encoder):
    model = read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model
    head = torch.nn.Linear(32, 2)
    return partial(TextNetwork, model, head, pooling=Pooling(), weights=np.ones(1), scale=1.0)()


def test_without_held_back_rows_there_is_nothing_to_measure(network):
    objective = Objective(network, transfers=[BoundTransfer()])
    assert figures_of(objective, LoopConfig()) is None


def test_figures_are_means_over_all_rows_and_leave_the_network_as_it_was(network):
    transfer = Watching({"kept": Stream(rows(), hides=cover_first)})
    objective = Objective(network, transfers=[BoundTransfer(), transfer])
    objective.train()
    figures = figures_of(objective, LoopConfig(batch_size=3))
    assert figures() == {"mean number": pytest.approx((N_ROWS - 1) / 2)}
    assert objective.training and network.encoder.training
    assert [len(part["kept"].batch.numbers) for part in transfer.seen] == [3, 2, 2]
    hidden = transfer.seen[0]["kept"].batch.hidden
    assert hidden.tokens.tolist() == [5, 6, 7] and hidden.positions.tolist() == [1, 1, 1]


def test_figures_do_not_change_from_call_to_call(network):
    def at_random(windows, rng):
        return [Altered(list(w), np.array([int(rng.integers(len(w)))])) for w in windows]

    transfer = Watching({"kept": Stream(rows(), hides=at_random)})
    objective = Objective(network, transfers=[transfer])
    objective.train()
    figures = figures_of(objective, LoopConfig())
    figures()
    state = torch.random.get_rng_state()
    figures()
    assert torch.equal(state, torch.random.get_rng_state())
    first, second = (seen["kept"] for seen in transfer.seen)
    assert first.batch.hidden.positions.tolist() == second.batch.hidden.positions.tolist()
    assert torch.equal(first.features, second.features)  # no dropout
