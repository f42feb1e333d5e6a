import pytest
import torch

from nlptl import FullFineTune
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Context
from nlptl.transfer.parameters.full import depth_of

NAMES = {
    "embeddings.word_embeddings.weight": 0,
    "encoder.layer.0.attention.self.query.weight": 1,
    "encoder.layer.5.output.dense.bias": 6,
    "transformer.layer.2.ffn.lin1.weight": 3,  # DistilBERT
    "layers.1.mlp.Wi.weight": 2,  # ModernBERT
    "encoder.embedding_hidden_mapping_in.weight": 0,  # ALBERT
    "encoder.rel_embeddings.weight": 0,  # DeBERTa
    "encoder.block.3.layer.0.SelfAttention.q.weight": 4,  # T5
    "h.2.attn.c_attn.weight": 3,  # GPT-2
    "pooler.dense.weight": 6,
}


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_told_their_layer(name):
    assert depth_of(name, 6) == NAMES[name]


class Model(torch.nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.embeddings = torch.nn.Embedding(5, 2)
        self.layer = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(depth))

    def _init_weights(self, part):
        for weight in part.parameters(recurse=False):
            torch.nn.init.constant_(weight, 9.0)


def bound(transfer):
    network = torch.nn.ModuleDict({"encoder": Model(), "head": torch.nn.Linear(2, 2)})
    return network, transfer.bind(Context(network, n_layers=3, seed=0))


def learning(network, transfer):
    names = [name for name, _ in network.named_parameters()]
    return {name for group in transfer.weight_groups(names) for name in group.names}


@pytest.mark.parametrize(("layers", "lowest"), [(None, 0), (1, 3), (2, 2), (3, 1), (9, 1)])
def test_only_the_last_layers_and_the_head_learn_where_asked(layers, lowest):
    network, found = bound(FullFineTune(layers=layers))
    encoder = {f"encoder.{n}" for n, _ in network.encoder.named_parameters()}
    wanted = {n for n in encoder if depth_of(n.removeprefix("encoder."), 3) >= lowest}
    assert learning(network, found) == wanted | {"head.weight", "head.bias"}


def test_embeddings_stay_where_asked():
    network, found = bound(FullFineTune(freeze_embeddings=True))
    every = {n for n, _ in network.named_parameters()}
    assert learning(network, found) == every - {"encoder.embeddings.weight"}


def test_lower_layers_learn_more_slowly():
    _, found = bound(FullFineTune(layer_decay=0.5))
    names = ("encoder.embeddings.weight", "encoder.layer.0.x", "encoder.layer.2.x", "head.weight")
    groups = found.weight_groups(names)
    assert [(list(group.names), group.rate) for group in groups] == [
        (["encoder.embeddings.weight"], 0.125),
        (["encoder.layer.0.x"], 0.25),
        (["encoder.layer.2.x", "head.weight"], 1.0),
    ]
    assert [group.rate for group in bound(FullFineTune())[1].weight_groups(names)] == [1.0]


def test_layers_are_unfrozen_from_the_last_to_the_first():
    network, found = bound(FullFineTune(gradual=True))
    stages = found.stages()
    names = [name for name, _ in network.named_parameters()]
    trained = [stage.trains(names) for stage in stages]
    assert [len(of_stage) for of_stage in trained] == [4, 6, 8, 9]
    assert sum(stage.share for stage in stages) == pytest.approx(1.0)
    assert [stage.fresh_schedule for stage in stages] == [True, False, False, False]
    assert all("head.weight" in of_stage for of_stage in trained)


def test_the_last_layers_start_at_random_where_asked():
    network, _ = bound(FullFineTune(reinit_layers=2))
    assert [bool((layer.weight == 9).all()) for layer in network.encoder.layer] == [
        False,
        True,
        True,
    ]
    assert not (network.encoder.embeddings.weight == 9).any()
    with pytest.raises(ConfigError, match="at most 3, the number of layers of the encoder, got 4"):
        bound(FullFineTune(reinit_layers=4))


def test_a_head_on_other_features_is_not_kept():
    assert FullFineTune().keeps_head
    assert not FullFineTune(reinit_layers=1).keeps_head
    assert not FullFineTune(head_first=False).keeps_head


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": 0}, "at least 1, or None for all, got 0"),
        ({"layer_decay": 1.5}, "above 0 and at most 1, got 1.5"),
        ({"reinit_layers": -1}, "at least 0, got -1"),
        ({"features": "tip"}, "Did you mean 'top'"),
    ],
)
def test_nonsense_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        FullFineTune(**options)
