from functools import partial

import numpy as np
import pytest
import torch

from nlptl import (
    Corpus,
    Frozen,
    FullFineTune,
    LoRA,
    SourceRows,
    SourceTask,
    TextClassifier,
    TextRegressor,
    TrainingConfig,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import Context, SourceTexts
from nlptl.fitting.source_tasks import _losses_of_rows
from nlptl.training.losses import as_truth

TRAINING = TrainingConfig(epochs=2, refit=False, quiet=True)
TEXTS = ["parcel came late", "money back", "reset my password", "add to calendar"] * 4
LABELS = ["post", "post", "app", "app"] * 4
OTHERS = [f"{text} please" for text in TEXTS]


def fitted(encoder, *transfers, source, labels=LABELS, kind=TextClassifier):
    model = kind(encoder, transfer=list(transfers), training=TRAINING)
    return model.fit(TEXTS, labels, source=source)


@pytest.mark.parametrize("name", ["weight", "ratio"])
@pytest.mark.parametrize("value", [0, -1.0, float("inf")])
def test_bad_settings_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be above 0, got {value}"):
        SourceTask(**{name: value})


@pytest.mark.parametrize(
    "labels",
    [["calm", "angry", "calm", "polite"] * 4, [["a"], ["a", "b"], [], ["b"]] * 4, [0.5, 1.5] * 8],
    ids=["classes", "several labels", "numbers"],
)
def test_a_source_with_other_labels_trains_the_encoder(tiny_encoder, labels):
    source = Corpus(OTHERS, labels)
    model = fitted(tiny_encoder, FullFineTune(), SourceTask(), source=source)
    without = TextClassifier(tiny_encoder, transfer=FullFineTune(), training=TRAINING)
    without.fit(TEXTS, LABELS)
    assert model.classes_.tolist() == ["app", "post"]
    vectors = [m.fitted_.features.encoder.transform(OTHERS) for m in (model, without)]
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
    assert np.isfinite(model.predict_proba(OTHERS)).all()


def test_what_the_source_teaches_helps_the_target(tiny_encoder):
    """The labels of the source separate two kinds of words, which the target needs, too."""
    rng = np.random.default_rng(0)
    first, second = "parcel came late box broken".split(), "password reset add calendar".split()
    kinds = rng.integers(2, size=200)
    texts = [" ".join(rng.choice([first, second][kind], 6)) for kind in kinds]
    source = Corpus(texts, np.where(kinds, "software", "delivery").tolist())
    training = TrainingConfig(epochs=30, learning_rate=3e-3, refit=False, quiet=True)
    model = TextClassifier(tiny_encoder, transfer=[FullFineTune(), SourceTask()], training=training)
    model.fit(TEXTS, LABELS, source=source)
    vectors = torch.from_numpy(model.fitted_.features.encoder.transform(texts))
    means = [vectors[kinds == kind].mean(dim=0) for kind in (0, 1)]
    spread = vectors[kinds == 0].std(dim=0).norm()
    assert (means[0] - means[1]).norm() > 2 * spread


def test_several_sources_have_a_head_each(tiny_encoder):
    sources = {
        "mood": Corpus(OTHERS, ["calm", "angry"] * 8),
        "size": Corpus(OTHERS, [0.5, 1.5] * 8),
    }
    fitted(tiny_encoder, LoRA(rank=2), SourceTask(), source=sources)


def test_a_regressor_has_a_source_of_classes(tiny_encoder):
    source, numbers = Corpus(OTHERS, LABELS), np.linspace(0, 1, len(TEXTS))
    model = fitted(
        tiny_encoder, FullFineTune(), SourceTask(), source=source, labels=numbers,
        kind=TextRegressor,
    )  # fmt: skip
    assert np.isfinite(model.predict(OTHERS)).all()


class _Outputs:
    def __init__(self, features, numbers):
        n = len(features)
        self.features = features
        self.batch = type("Batch", (), {"numbers": numbers, "mean_weights": torch.ones(n) / n})


def test_the_loss_is_the_mean_over_sources_of_the_mean_over_rows():
    codes = np.array([0, 2, 1])
    numbers = np.array([0.5, -1.0])
    sources = [
        SourceTexts(["a", "b", "c"], codes, 3, partial(_losses_of_rows, as_truth(codes))),
        SourceTexts(["d", "e"], numbers, 1, partial(_losses_of_rows, as_truth(numbers))),
    ]
    network = torch.nn.Module()
    network.head = torch.nn.Linear(4, 2)
    bound = SourceTask(weight=3.0, ratio=2.0).bind(Context(network, 1, 0, sources=sources))
    assert {name: stream.ratio for name, stream in bound.streams().items()} == {
        "source 1": 1.0,
        "source 2": 1.0,
    }
    X = torch.randn(3, 4)
    rows = torch.tensor([2, 0, 1])
    heads = bound.modules()["source_heads"]
    first = torch.nn.functional.cross_entropy(heads["source 1"](X), torch.tensor([1, 0, 2]))
    second = ((heads["source 2"](X[:2])[:, 0] - torch.tensor([-1.0, 0.5])) ** 2).mean()
    outputs = {"source 1": _Outputs(X, rows), "source 2": _Outputs(X[:2], torch.tensor([1, 0]))}
    torch.testing.assert_close(bound.loss(outputs, 0.0), 3.0 * (first + second) / 2)
    assert bound.loss({}, 0.0) is None
    groups = bound.weight_groups(["encoder.x", "extras.source_heads.source 1.weight"])
    assert [list(group.names) for group in groups] == [
        ["extras.source_heads.source 1.weight"],
        ["encoder.x"],
    ]


@pytest.mark.parametrize(
    ("transfers", "source", "error", "message"),
    [
        ([Frozen(), SourceTask()], Corpus(OTHERS, LABELS), ConfigError, "Combine it with Full"),
        ([FullFineTune(), SourceTask()], None, ConfigError, "got no source"),
        ([FullFineTune(), SourceTask()], Corpus(OTHERS), InputError, "has none"),
        (
            [FullFineTune(), SourceTask(), SourceRows()],
            Corpus(OTHERS, LABELS),
            ConfigError,
            "Leave one of them out",
        ),
        (
            [FullFineTune(), SourceTask()],
            Corpus([("a", "b")] * 4, LABELS[:4]),
            InputError,
            "must have single texts",
        ),
        (
            [FullFineTune(), SourceRows()],
            Corpus(OTHERS, ["calm", "angry"] * 8),
            ConfigError,
            "No label of the target occurs in the corpus.*SourceTask",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    tiny_encoder, transfers, source, error, message
):
    with pytest.raises(error, match=message) as caught:
        fitted(tiny_encoder, *transfers, source=source)
    assert "\n" not in str(caught.value)


def test_a_source_alone_has_no_head_of_its_own(tiny_encoder):
    model = TextClassifier(tiny_encoder, transfer=[FullFineTune(), SourceTask()])
    with pytest.raises(ConfigError, match="fit received no labelled texts of the target"):
        model.fit([], [], source=Corpus(OTHERS, LABELS))
