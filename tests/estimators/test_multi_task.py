import numpy as np
import pytest

from nlptl import (
    Corpus,
    FullFineTune,
    LoRA,
    Mixing,
    MultiTaskModel,
    PrivateLayers,
    Task,
    TaskAdapters,
    TextClassifier,
    TrainingConfig,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders import Pooling, TransformerEncoder
from nlptl.evaluation.verdict import HELPS, HURTS, UNCLEAR

QUICK = TrainingConfig(epochs=2, quiet=True)
PAIRS = [(f"the parcel {i}", f"came late {i % 3}") for i in range(24)]


@pytest.fixture(scope="module")
def data(support):
    """One task of each kind, small."""
    texts, labels = support
    some = texts[::6]
    kinds = labels[::6]
    return {
        "kind": (some, kinds),
        "marks": (some, [["long"] * (len(t) > 60) + ["asks"] * ("?" in t) for t in some]),
        "length": (some, [float(len(text)) for text in some]),
        "rank": (some[:30], [min(len(text) // 40, 2) for text in some[:30]]),
        "same": (PAIRS, [i % 2 for i in range(24)]),
    }


@pytest.fixture
def two(data):
    """Two of the tasks, for tests of what does not depend on their kind."""
    return {name: data[name] for name in ("kind", "length")}


TASKS = {
    "kind": Task("single_label"),
    "marks": Task("multi_label"),
    "length": Task("regression"),
    "rank": Task("ordinal"),
    "same": Task(),
}


def tasks_of(data):
    return {name: TASKS[name] for name in data}


def model_of(tiny_encoder, tasks=TASKS, **options):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    given = {"gate": False, "training": QUICK, "device": "cpu", **options}
    return MultiTaskModel(tasks, encoder=encoder, **given)


@pytest.fixture(scope="module")
def model(tiny_encoder, data):
    """All tasks, fitted together. Tests that change the model fit one of their own."""
    return model_of(tiny_encoder).fit(data)


def test_tasks_of_every_kind_are_learnt_together_and_answer_in_their_own_words(
    model, data, support
):
    texts = data["kind"][0][:5]
    answers = model.predict(texts)
    assert list(answers) == ["kind", "marks", "length", "rank"]
    assert set(answers["kind"]) <= set(support[1])
    assert all(set(own) <= {"long", "asks"} for own in answers["marks"])
    assert answers["length"].dtype == np.float64 and answers["length"].shape == (5,)
    assert set(answers["rank"].tolist()) <= {0, 1, 2}
    assert set(model.predict(PAIRS[:4])["same"].tolist()) <= {0, 1}
    assert model.passes() == 1 and model.passes(pairs=True) == 1
    figures = model.evaluate(data)
    assert set(figures) == set(TASKS) and "pearson" in figures["length"]
    assert model.score({"kind": data["kind"]}) == figures["kind"]["accuracy"]


def test_a_small_task_beside_a_large_one_stays_what_a_model_of_its_own_would_be(
    tiny_encoder, support
):
    texts, labels = support
    tasks = {"kind": Task(), "length": Task("regression")}
    few = TrainingConfig(max_steps=3, quiet=True)
    model = model_of(tiny_encoder, tasks, gate=True, training=few)
    many = [f"{text} {n}" for n in range(3) for text in texts]
    data = {"kind": (texts[::4], labels[::4]), "length": (many, [float(len(t)) for t in many])}
    assert len(many) >= 10 * len(data["kind"][0])
    model.fit(data)
    assert model.comparisons_["kind"].kept == "alone"  # nothing is clear after three steps
    own = TextClassifier(model.encoder, transfer=FullFineTune(), training=few, device="cpu")
    said = model.outputs(texts[:5])["kind"]
    np.testing.assert_array_equal(said, own.fit(*data["kind"]).predict_proba(texts[:5]))


def test_one_pass_answers_as_the_model_of_each_task_does(model, data):
    texts = data["kind"][0][:7]
    said = model.outputs(texts)
    for name, found in said.items():
        np.testing.assert_array_equal(found, model.models_[name].fitted_.outputs(texts))


def test_learning_together_moves_the_encoder_that_all_share(tiny_encoder, model):
    shared = {id(own.fitted_.features.encoder.weights) for own in model.models_.values()}
    assert shared == {id(model.shared_.weights)}
    before = TransformerEncoder(tiny_encoder, precision="float32", cache=None).transform(
        ["a parcel"]
    )
    assert np.abs(model.shared_.transform(["a parcel"]) - before).max() > 1e-4


def test_the_same_seed_gives_the_same_model(tiny_encoder, model, data):
    again = model_of(tiny_encoder).fit(data)
    np.testing.assert_array_equal(
        again.outputs(PAIRS[:3])["same"], model.outputs(PAIRS[:3])["same"]
    )


def test_the_gate_keeps_the_best_variant_of_each_task(tiny_encoder, support):
    texts, labels = support
    data = {"kind": (texts, labels), "length": (texts, [len(text) for text in texts])}
    tasks = {"kind": Task(metric="macro_f1"), "length": Task("regression", metric="rmse")}
    training = TrainingConfig(max_steps=8, refit=False)
    model = model_of(tiny_encoder, tasks, gate=True, training=training).fit(data)
    for name, verdict in model.comparisons_.items():
        assert set(verdict.figures) == {"joint", "frozen", "polished", "alone"}
        best = (min if name == "length" else max)(verdict.figures.values())
        assert verdict.figures[verdict.kept] == best
        assert verdict.outcome in (HELPS, HURTS, UNCLEAR) and verdict.n_rows >= 60
        kept = model.variants_[name][verdict.kept]
        assert model.models_[name].fitted_ is kept
    gain = model.comparisons_["length"].gains["joint"]
    figures = model.comparisons_["length"].figures
    assert gain.value == pytest.approx(figures["alone"] - figures["joint"])


def test_only_the_tasks_that_are_named_are_held_against_themselves_alone(tiny_encoder, two):
    model = model_of(tiny_encoder, tasks_of(two), gate=["kind"]).fit(two)
    assert set(model.variants_["kind"]) == {"joint", "frozen", "polished", "alone"}
    assert set(model.variants_["length"]) == {"joint"}
    assert model.comparisons_["length"].kept == "joint"
    with pytest.raises(ConfigError, match="gate names 'kin'"):
        model_of(tiny_encoder, tasks_of(two), gate=["kin"]).fit(two)


@pytest.mark.parametrize(("balance", "mixed"), [("uncertainty", True), ("pcgrad", False)])
def test_other_ways_to_balance_losses_learn_too(tiny_encoder, two, balance, mixed):
    options = {"balance": balance, "mixing": Mixing(mixed=mixed)}
    model = model_of(tiny_encoder, tasks_of(two), **options).fit(two)
    assert np.isfinite(model.history_.losses).all()
    assert len(model.history_.losses) == 2


@pytest.mark.parametrize(
    "transfer",
    [LoRA(rank=2), [FullFineTune(), PrivateLayers(1)], TaskAdapters(2), TaskAdapters(2, "frozen")],
    ids=["lora", "private", "adapters", "frozen"],
)
def test_other_ways_to_share_are_learnt_saved_and_read_back(tiny_encoder, two, transfer, tmp_path):
    model = model_of(tiny_encoder, tasks_of(two), transfer=transfer).fit(two)
    texts = two["kind"][0][:5]
    said = model.outputs(texts)
    again = MultiTaskModel.load(model.save(tmp_path / "model"))
    for name, found in again.outputs(texts).items():
        np.testing.assert_allclose(found, said[name], atol=1e-5)
    assert model.passes() == (1 if isinstance(transfer, LoRA) else 2)


def test_a_frozen_base_stays_as_it_came_under_the_adapters(tiny_encoder, two):
    model = model_of(tiny_encoder, tasks_of(two), transfer=TaskAdapters(2, "frozen")).fit(two)
    plain = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    texts = two["kind"][0][:4]
    np.testing.assert_allclose(model.shared_.transform(texts), plain.transform(texts), atol=1e-5)
    own = model.models_["kind"].fitted_.features.encoder
    assert np.abs(own.transform(texts) - plain.transform(texts)).max() > 1e-4


def test_a_saved_model_holds_one_encoder_and_reads_back_the_same(model, data, tmp_path):
    folder = model.save(tmp_path / "model", notes={"who": "me"})
    assert len(list(folder.rglob("model.safetensors"))) == 1
    again = MultiTaskModel.load(folder)
    assert again.notes_ == {"who": "me"} and again.steps_ == model.steps_
    np.testing.assert_array_equal(again.affinity_.cosines, model.affinity_.cosines)
    for texts in (data["kind"][0][:5], PAIRS[:3]):
        for name, found in again.outputs(texts).items():
            np.testing.assert_allclose(found, model.outputs(texts)[name], atol=1e-5)
    assert again.save(tmp_path / "again").is_dir()


@pytest.mark.parametrize("how", ["adapter", "head"])
def test_a_task_added_later_leaves_the_others_as_they_are(tiny_encoder, data, two, tmp_path, how):
    model = model_of(tiny_encoder, tasks_of(two)).fit(two)
    texts = data["kind"][0][:6]
    before = model.outputs(texts)
    model.add_task("marks", "multi_label", data["marks"], how=how)
    after = model.outputs(texts)
    assert list(after) == ["kind", "length", "marks"]
    for name, found in before.items():
        np.testing.assert_array_equal(after[name], found)
    assert model.passes() == (1 if how == "head" else 2)
    again = MultiTaskModel.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.outputs(texts)["marks"], after["marks"], atol=1e-5)
    with pytest.raises(ConfigError, match="already"):
        model.add_task("marks", "multi_label", data["marks"])
    with pytest.raises(ConfigError, match="how="):
        model.add_task("other", "auto", data["kind"], how="magic")


def test_a_task_that_only_reads_is_learnt_beside_others(tiny_encoder, data):
    texts = data["kind"][0]
    tasks = {"kind": Task(), "read": Task("language_model", weight=0.5)}
    model = model_of(tiny_encoder, tasks).fit({"kind": data["kind"], "read": texts})
    assert list(model.predict(texts[:2])) == ["kind"]
    assert model.steps_["read"] > 0 and model.affinity_.names == ("kind", "read")
    given = {"kind": data["kind"], "read": Corpus(texts)}
    again = model_of(tiny_encoder, tasks).fit(given)
    np.testing.assert_array_equal(again.outputs(texts)["kind"], model.outputs(texts)["kind"])


def test_a_single_task_is_exported_as_others_know_it(tiny_encoder, two, tmp_path):
    encoder = TransformerEncoder(
        tiny_encoder, precision="float32", pooling=Pooling(tokens="stock", normalize=False)
    )
    model = MultiTaskModel(tasks_of(two), encoder=encoder, gate=False, training=QUICK).fit(two)
    folder = model.export("kind", tmp_path / "kind")
    assert (folder / "model.safetensors").is_file()
    model.add_task("later", "single_label", two["kind"])
    with pytest.raises(ConfigError, match="tuned before"):
        model.export("later", tmp_path / "later", format="peft")
    with pytest.raises(ConfigError, match="numbers"):
        model.export("length", tmp_path / "length")


def test_groups_hold_every_task_once(model):
    groups = model.suggest_groups()
    assert sorted(name for group in groups for name in group) == sorted(TASKS)
    assert model.affinity_.cosines.shape == (2, 5, 5)
    np.testing.assert_allclose(np.diagonal(model.affinity_.mean), 1, atol=1e-4)


@pytest.mark.parametrize(
    ("tasks", "given", "message"),
    [
        ({"kind": Task()}, {}, "no data for"),
        ({"kind": Task()}, {"kind": (["a"], ["b"]), "more": (["a"], ["b"])}, "not tasks"),
        ({"kind": Task()}, {"kind": ["a", "b", "c"]}, "needs"),
        ({"kind": Task()}, {"kind": (["a", "b"], ["x"])}, "Task 'kind'"),
        ({"kind": Task()}, [(["a"], ["b"])], "needs a dict"),
        ({"kind": Task(), "read": Task("language_model")}, {"kind": 1, "read": []}, "needs"),
    ],
)
def test_data_that_cannot_be_used_is_refused_by_the_name_of_its_task(
    tiny_encoder, tasks, given, message
):
    with pytest.raises(InputError, match=message):
        model_of(tiny_encoder, tasks).fit(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": {}}, "at least one"),
        ({"tasks": ["kind"]}, "tasks must be"),
        ({"tasks": {"kind": "labels"}}, "kind="),
        ({"tasks": {"read": "language_model"}}, "labels or numbers"),
        ({"tasks": {"kind": TextClassifier()}}, "must be a Task"),
        ({"balance": "magic"}, "balance="),
        ({"transfer": "frozen"}, "transfer"),
    ],
)
def test_options_that_contradict_are_refused(tiny_encoder, data, options, message):
    with pytest.raises(ConfigError, match=message):
        model_of(tiny_encoder, **{"tasks": {"kind": Task()}, **options}).fit({"kind": data["kind"]})


def test_texts_of_the_wrong_kind_and_unknown_tasks_are_refused(tiny_encoder, data):
    some = {name: data[name] for name in ("kind", "same")}
    model = model_of(tiny_encoder, tasks_of(some)).fit(some)
    with pytest.raises(InputError, match="'kinds'"):
        model.predict(["a"], tasks=["kinds"])
    with pytest.raises(InputError, match="takes single texts"):
        model.predict(PAIRS[:2], tasks="kind")
    assert list(model.predict(["a"], tasks="kind")) == ["kind"]
