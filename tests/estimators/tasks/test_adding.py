import copy
from types import SimpleNamespace

import numpy as np
import pytest

from nlptl import MultiTaskModel, Task, TrainingConfig, TransformerEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.estimators.tasks import adding, variants
from nlptl.evaluation.intervals import Interval
from nlptl.evaluation.verdict import KEEP_UNLESS_HURTS, Verdict


def lengths(texts):
    return [float(len(text)) for text in texts]


@pytest.fixture(scope="module")
def first(tiny_encoder, support):
    texts, labels = support
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    training = TrainingConfig(max_steps=4, quiet=True)
    tasks = {"kind": Task(), "length": Task("regression")}
    made = MultiTaskModel(tasks, encoder=encoder, training=training, device="cpu", gate=False)
    return made.fit({"kind": (texts, labels), "length": (texts, lengths(texts))})


@pytest.fixture
def model(first):
    """A copy of the fitted model, which a test may change."""
    return copy.deepcopy(first)


def test_an_adapter_stands_beside_the_shared_encoder(model, support):
    texts, _ = support
    data = texts[:40], [len(t) > 60 for t in texts[:40]]
    before = model.shared_.transform(texts[:3])
    model.add_task("long", "auto", data)
    assert model.known_["long"].kind == "single_label"
    encoder = model.models_["long"].fitted_.features.encoder
    assert encoder.weights.base is model.shared_.weights and encoder.weights.adapter is not None
    np.testing.assert_array_equal(model.shared_.transform(texts[:3]), before)
    assert np.abs(encoder.transform(texts[:3]) - before).max() > 0


def test_a_head_alone_reads_what_the_shared_encoder_says(model, support):
    texts, _ = support
    model.add_task("size", "regression", (texts, lengths(texts)), how="head")
    own = model.models_["size"]
    assert own.fitted_.features.encoder.weights is model.shared_.weights
    assert own.score(texts, lengths(texts)) > 0.3


def test_the_encoder_learns_on_with_rows_of_the_earlier_tasks(model, support, tmp_path):
    texts, labels = support
    before = model.outputs(texts[:6])
    shared = model.shared_
    asks = texts, ["?" in text for text in texts]
    replay = {"kind": (texts, labels), "length": (texts, lengths(texts))}
    model.add_task("asks", "auto", asks, how="encoder", replay=replay)
    assert list(model.changes_) == ["kind", "length"]
    kind = model.changes_["kind"]
    assert kind.metric == "accuracy" and kind.n_rows == 100
    assert kind.gain.value == pytest.approx(kind.figures["after"] - kind.figures["before"])
    assert model.shared_ is not shared and model.passes() == 1
    after = model.outputs(texts[:6])
    assert list(after) == ["kind", "length", "asks"]
    assert np.abs(after["kind"] - before["kind"]).max() > 1e-4
    assert model.steps_["asks"] > 0 and model.comparisons_["asks"].kept == "joint"
    assert model.affinity_.names == ("kind", "length", "asks")
    again = MultiTaskModel.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.outputs(texts[:6])["asks"], after["asks"], atol=1e-5)
    assert again.changes_ == {}


def test_an_adapter_outlives_the_encoder_that_it_stood_beside(model, support, tmp_path):
    texts, labels = support
    model.add_task("long", "auto", (texts[:40], [len(t) > 60 for t in texts[:40]]))
    before = model.outputs(texts[:6])["long"]
    asks = texts, ["?" in text for text in texts]
    replay = {"kind": (texts, labels), "length": (texts, lengths(texts))}
    model.add_task("asks", "auto", asks, how="encoder", replay=replay)
    np.testing.assert_array_equal(model.outputs(texts[:6])["long"], before)
    again = MultiTaskModel.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.outputs(texts[:6])["long"], before, atol=1e-5)


def test_heads_go_on_from_what_they_learnt_and_not_from_the_replay(model, support):
    """Rows of one class as replay would teach a fresh head nothing of the others."""
    texts, labels = support
    model.training = TrainingConfig(max_steps=1, learning_rate=1e-6, quiet=True)
    some = [i for i, label in enumerate(labels) if label == labels[0]]
    replay = {
        "kind": ([texts[i] for i in some], [labels[i] for i in some]),
        "length": (texts[:30], lengths(texts[:30])),
    }
    before = model.score({"kind": (texts, labels)})
    asks = texts, ["?" in text for text in texts]
    model.add_task("asks", "auto", asks, how="encoder", replay=replay)
    assert model.score({"kind": (texts, labels)}) == pytest.approx(before, abs=0.02)


def test_an_earlier_task_changes_unless_it_is_clearly_hurt(monkeypatch):
    n_rows = 40
    part = SimpleNamespace(
        name="kind", task=Task(metric="accuracy"), held=(list(range(n_rows)), None)
    )

    def right(n_right):
        return lambda rows: float((np.arange(n_rows) < n_right)[rows].mean())

    monkeypatch.setattr(variants, "figure_of", lambda part, figure: figure)
    for n_right, kept in ((19, "after"), (2, "before")):
        together = SimpleNamespace(fitted={"kind": right(n_right)})
        assert adding._change(part, right(20), together, 0).kept == kept


def test_an_earlier_task_that_is_clearly_hurt_answers_as_before(model, support, monkeypatch):
    texts, labels = support
    worse = Interval(-0.2, -0.3, -0.1)
    hurt = Verdict.decide(
        ["after", "before"], np.array([[0.7, 0.9]]), {"after": worse}, keep=KEEP_UNLESS_HURTS
    )
    assert hurt.kept == "before"
    monkeypatch.setattr(
        "nlptl.estimators.tasks.adding._change",
        lambda part, *_: hurt if part.name == "kind" else Verdict.without_comparison("after"),
    )
    before = model.outputs(texts[:6])
    replay = {"kind": (texts, labels), "length": (texts, lengths(texts))}
    asks = texts, ["?" in text for text in texts]
    model.add_task("asks", "auto", asks, how="encoder", replay=replay)
    after = model.outputs(texts[:6])
    np.testing.assert_array_equal(after["kind"], before["kind"])
    assert np.abs(after["length"] - before["length"]).max() > 1e-4
    assert model.passes() == 2


def test_what_cannot_be_added_is_refused(model, support):
    texts, labels = support
    data = ["a", "b"], ["x", "y"]
    with pytest.raises(ConfigError, match="how="):
        model.add_task("new", "auto", data, how="all")
    with pytest.raises(ConfigError, match="already"):
        model.add_task("kind", "auto", data, how="head")
    with pytest.raises(ConfigError, match="labels or numbers"):
        model.add_task("new", "language_model", ["a"], how="head")
    with pytest.raises(InputError, match="Task 'new'"):
        model.add_task("new", "auto", (["a", "b"], ["x"]), how="head")
    with pytest.raises(ConfigError, match=r"lacks rows of \['length'\]"):
        model.add_task("new", "auto", data, how="encoder", replay={"kind": (texts, labels)})
    with pytest.raises(ConfigError, match=r"has rows of \['other'\]"):
        given = {"kind": data, "length": data, "other": data}
        model.add_task("new", "auto", data, how="encoder", replay=given)
    with pytest.raises(ConfigError, match="Leave replay out"):
        model.add_task("new", "auto", data, replay={"kind": (texts, labels)})
    given = {"kind": (texts[:2], ["no", "yes"]), "length": (texts[:2], [1.0, 2.0])}
    with pytest.raises(InputError, match="Replay of task 'kind'"):
        model.add_task("new", "auto", data, how="encoder", replay=given)
    pairs = [("a", "b")], labels[:1]
    with pytest.raises(InputError, match="Replay of task 'kind': the task takes single texts"):
        model.add_task("new", "auto", data, how="encoder", replay=given | {"kind": pairs})
    assert list(model.models_) == ["kind", "length"]


def test_without_a_task_on_the_shared_encoder_it_does_not_learn_on(model):
    model = copy.copy(model)
    model.models_ = {}
    with pytest.raises(ConfigError, match="no task of this model uses it"):
        model.add_task("new", "auto", (["a"], ["b"]), how="encoder", replay={})
