import numpy as np
import pytest

from nlptl import Frozen, StaticEncoder, TfidfEncoder, TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.encoders import Pooling
from nlptl.transfer.features.frozen import TextFeatures

NOTHING = Rows([])
TEXTS = ["the parcel came late", "help with password", "cancel my contract", "great app"] * 60
TARGETS = Targets(np.tile([0, 1, 0, 1], 60), 2)


@pytest.fixture
def encoder(tiny_encoder):
    return TransformerEncoder(tiny_encoder, cache=None, precision="float32")


def learn(layers, encoder, n=240):
    rows = np.arange(n)
    return Frozen(layers).learn(encoder, Rows(TEXTS[:n]), TARGETS.take(rows), further=NOTHING)


@pytest.mark.parametrize(
    ("layers", "weights"), [("top", [1]), ("weighted", [0.5, 0.5, 1]), ("all", [1, 1, 1])]
)
def test_layers_are_weighed_as_asked(layers, weights, encoder):
    features = learn(layers, encoder)
    assert features.weights.tolist() == weights
    assert features.transform(Rows(TEXTS[:3])).shape == (3, 32 * len(weights))


def test_a_choice_is_made_where_there_are_rows_to_make_it_with(encoder):
    assert set(learn("auto", encoder).weights[:-1]) <= {0.0, 0.5, 1.0}
    assert learn("auto", encoder, n=40).weights.tolist() == [0.5, 0.5, 1]


def test_the_layers_that_carry_the_classes_are_found(tiny_encoder, monkeypatch):
    """A word that only the lower layers tell apart must bring them in, and the reverse."""
    texts = [f"{word} parcel late" for word in ("the", "my")] * 150
    targets = Targets(np.tile([0, 1], 150), 2)
    encoder = TransformerEncoder(tiny_encoder, cache=None, precision="float32")
    real = TransformerEncoder.transform

    def blind(layer):
        def transform(self, some):
            found = real(self, some).copy()
            rng = np.random.default_rng(0)
            spans = {"upper": slice(64, 96), "lower": slice(0, 64)}
            found[:, spans[layer]] = rng.normal(size=found[:, spans[layer]].shape) * 3
            return found

        return transform

    for layer, wanted in (("upper", 1.0), ("lower", 0.0)):
        monkeypatch.setattr(TransformerEncoder, "transform", blind(layer))
        features = Frozen().learn(encoder, Rows(texts), targets, further=NOTHING)
        assert features.weights[0] == wanted


def test_a_pooling_that_the_user_chose_is_not_overruled(tiny_encoder):
    chosen = TransformerEncoder(tiny_encoder, Pooling("cls"), cache=None)
    assert learn("all", chosen).encoder.pooling == Pooling("cls")


def test_other_encoders_give_what_they_give(vectors_file):
    assert learn("auto", StaticEncoder(vectors_file)).transform(Rows(TEXTS[:2])).shape == (2, 8)
    words = learn("auto", TfidfEncoder())
    assert words.transform(Rows(TEXTS[:2])).shape[0] == 2


def test_pairs_have_four_parts_and_a_cosine_of_each_layer(encoder):
    pairs = Rows(list(zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)))
    features = Frozen().learn(encoder, pairs, TARGETS, further=NOTHING)
    found = features.transform(pairs.take(np.arange(4)))
    assert found.shape[1] == sum(width for _, width in features.groups(pairs))
    single = features.groups(Rows(TEXTS))
    assert found.shape[1] == 4 * sum(width for _, width in single) + len(single)


def test_pairs_read_as_one_text_are_as_wide_as_texts(encoder):
    pairs = Rows(list(zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)))
    features = Frozen().learn(encoder, pairs, TARGETS, further=NOTHING, joint=True)
    found = features.transform(pairs.take(np.arange(4)))
    assert features.groups(pairs) == features.groups(Rows(TEXTS))
    assert found.shape[1] == sum(width for _, width in features.groups(pairs))


def test_an_encoder_that_learns_from_text_sees_the_unlabelled_ones(vectors_file):
    features = Frozen().learn(
        TfidfEncoder(longest=1), Rows(["a b"]), Targets(np.array([0]), 1), further=Rows(["zebra"])
    )
    assert features.transform(Rows(["zebra"])).nnz == 1


def test_what_is_saved_gives_the_same(encoder, tmp_path):
    features = learn("weighted", encoder)
    again = TextFeatures.load(tmp_path / "e", features.save(tmp_path / "e"))
    rows = Rows(TEXTS[:4])
    np.testing.assert_allclose(again.transform(rows), features.transform(rows), atol=1e-6)


def test_an_unknown_choice_is_named():
    with pytest.raises(ConfigError, match="Did you mean 'weighted'"):
        Frozen("weigted")
