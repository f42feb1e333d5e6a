import pytest
import torch

from nlptl import FullFineTune
from nlptl.base.errors import ConfigError
from nlptl.transfer.parameters.full import depth_of

NAMES = {
    "embeddings.word_embeddings.weight": 0,
    "encoder.layer.0.attention.self.query.weight": 1,
    "encoder.layer.5.output.dense.bias": 6,
    "transformer.layer.2.ffn.lin1.weight": 3,  # DistilBERT
    "layers.1.mlp.Wi.weight": 2,  # ModernBERT
    "encoder.embedding_hidden_mapping_in.weight": 0,  # ALBERT
    "encoder.rel_embeddings.weight": 0,  # DeBERTa
    "pooler.dense.weight": 6,
}


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_told_their_layer(name):
    assert depth_of(name, 6) == NAMES[name]


def model(depth=3):
    parts = {"embeddings": torch.nn.Embedding(5, 2)}
    parts["layer"] = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(depth))
    return torch.nn.ModuleDict(parts)


@pytest.mark.parametrize(("layers", "lowest"), [(None, 0), (1, 3), (2, 2), (3, 1), (9, 1)])
def test_only_the_last_layers_learn_where_asked(layers, lowest):
    found = model()
    FullFineTune(layers=layers).choose_weights(found, n_layers=3)
    learning = {name for name, weight in found.named_parameters() if weight.requires_grad}
    assert learning == {n for n, _ in found.named_parameters() if depth_of(n, 3) >= lowest}


def test_lower_layers_learn_more_slowly():
    transfer = FullFineTune(layer_decay=0.5)
    rates = [transfer.rate(name, n_layers=3) for name in ("embed.x", "layer.0.x", "layer.2.x")]
    assert rates == [0.125, 0.25, 1.0]
    assert FullFineTune().rate("embed.x", n_layers=3) == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": 0}, "at least 1, or None for all, got 0"),
        ({"layer_decay": 1.5}, "above 0 and up to 1, got 1.5"),
        ({"features": "tip"}, "Did you mean 'top'"),
    ],
)
def test_nonsense_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        FullFineTune(**options)
