from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score

from nlptl import (
    Corpus,
    DiscriminantHead,
    Frozen,
    FusedEncoder,
    LogisticHead,
    MLPHead,
    OrdinalHead,
    PrototypeHead,
    SourceRows,
    StaticEncoder,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
    k_shot,
)
from nlptl.base.errors import ConfigError, InputError
from nlptl.data.rows import Rows
from nlptl.encoders import OwnVectors, ResidualFusion

QUICK = TrainingConfig(epochs=5)
LABELS = {
    "str": ("yes", "no"),
    "int": (7, -1),
    "bool": (True, False),
    "float": (0.5, 1.5),
    "tuple": (("a", 1), ("b", 2)),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back_as_they_were_given(kind, tiny_encoder, few):
    texts, labels = few
    given = [LABELS[kind][label == "billing"] for label in labels]
    classifier = TextClassifier(tiny_encoder).fit(texts, given)
    found = classifier.predict(texts).tolist()
    assert {type(label) for label in found} == {type(given[0])}
    assert set(found) <= set(given)


@pytest.mark.parametrize("head", [LogisticHead(), MLPHead((16,)), PrototypeHead()], ids=repr)
def test_several_labels_a_text_come_back_as_lists_or_as_an_indicator(head, tiny_encoder, few):
    texts, labels = few
    lists = [["all", label] if i % 2 else [label] for i, label in enumerate(labels)]
    classifier = TextClassifier(tiny_encoder, head=head, training=QUICK).fit(texts, lists)
    found = classifier.predict(texts)
    assert isinstance(found, list)
    assert {label for several in found for label in several} <= {"all", "billing", "how_to"}
    assert classifier.predict_proba(texts).shape == (40, 3)
    indicator = np.array([[label in several for label in classifier.classes_] for several in lists])
    again = TextClassifier(tiny_encoder, head=head, training=QUICK).fit(
        texts, indicator.astype(int)
    )
    assert again.predict(texts).shape == (40, 3)
    assert 0 <= classifier.evaluate(texts, lists)["micro_f1"] <= 1


def test_pairs_are_told_apart_by_how_alike_they_are():
    texts, labels = [], []
    from nlptl import support_requests

    requests, kinds = support_requests()
    rng = np.random.default_rng(0)
    for _ in range(600):
        i, j = rng.integers(0, 480, 2)
        if rng.random() < 0.5:
            j = rng.choice([k for k in range(480) if kinds[k] == kinds[i]])
        texts.append((requests[i], requests[j]))
        labels.append(kinds[i] == kinds[j])
    classifier = TextClassifier().fit(texts[:400], labels[:400])
    assert classifier.score(texts[400:], labels[400:]) > 0.65
    with pytest.raises(InputError, match="trained on pairs of texts, got single texts"):
        classifier.predict(["one"])


def test_numbers_beside_the_text_are_used(tiny_encoder):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"note": ["the parcel"] * 120, "price": rng.normal(size=120) * 50})
    labels = np.where(table["price"] > 0, "dear", "cheap")
    encoder = FusedEncoder(
        (TransformerEncoder(tiny_encoder),), numeric_columns=("price",), text_columns=("note",)
    )
    solved = TextClassifier(encoder).fit(table[:80], labels[:80])
    assert solved.score(table[80:], labels[80:]) > 0.9
    fused = FusedEncoder(
        encoder.encoders, ("price",), ("note",), fusion=ResidualFusion(width=16, dropout=0.0)
    )
    trained = TextClassifier(fused, training=TrainingConfig(epochs=20), device="cpu")
    assert trained.fit(table[:80], labels[:80]).score(table[80:], labels[80:]) > 0.9
    assert trained.history_.losses[-1] < trained.history_.losses[0]


def test_weights_of_rows_count(tiny_encoder):
    texts = ["the parcel came late"] * 40
    labels = ["a", "b"] * 20
    for heavy in ("a", "b"):
        weights = [50.0 if label == heavy else 1.0 for label in labels]
        model = TextClassifier(tiny_encoder).fit(texts, labels, sample_weight=weights)
        assert model.predict(texts[:1]).tolist() == [heavy]
    with pytest.raises(InputError, match="must hold 40 numbers"):
        TextClassifier(tiny_encoder).fit(texts, labels, sample_weight=[1.0])
    with pytest.raises(InputError, match="0 or more"):
        TextClassifier(tiny_encoder).fit(texts, labels, sample_weight=[-1.0] * 40)


def test_text_without_labels_teaches_encoders_that_learn_from_text(few):
    texts, labels = few
    corpus = Corpus(texts * 5 + ["zebra crossing zebra crossing"] * 20)
    encoder = StaticEncoder(OwnVectors(dimension=8, epochs=1))
    model = TextClassifier(encoder).fit(texts, labels, unlabeled=corpus)
    assert model.fitted_.features.encoder.coverage(["zebra"]).tokens == 1.0
    assert model.fitted_.features.encoder.coverage(["quagga"]).tokens == 0.0


@pytest.mark.parametrize("argument", ["source", "validation", "unlabeled"])
def test_an_argument_that_nothing_uses_is_refused(argument, tiny_encoder, few):
    texts, labels = few
    model = TextClassifier(tiny_encoder, transfer=Frozen())
    with pytest.raises(ConfigError, match=f"fit received {argument}=.*Leave it out"):
        model.fit(texts, labels, **{argument: Corpus(texts, labels)})
    with pytest.raises(InputError, match=f"Write {argument}=Corpus"):
        TextClassifier(TfidfEncoder()).fit(texts, labels, **{argument: texts})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoder": 3}, "encoder must be a name, a folder or an encoder, got int"),
        ({"transfer": "frozn"}, "No transfer is called 'frozn'. Did you mean 'frozen'"),
        ({"transfer": 3}, r"such as Frozen\(\), got 3"),
        ({"head": 3}, r"such as LogisticHead\(\), got 3"),
        ({"imbalance": "balance"}, "Did you mean 'balanced'"),
        ({"long_texts": "window"}, "Did you mean 'windows'"),
        ({"encoder": TfidfEncoder(), "head": MLPHead()}, "cannot be trained on .* word counts"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said, few, tiny_encoder):
    with pytest.raises(ConfigError, match=said):
        TextClassifier(**{"encoder": str(tiny_encoder), **options}).fit(*few)


def test_a_fusion_that_learns_needs_a_head_that_learns(tiny_encoder, vectors_file, few):
    tiny = TransformerEncoder(tiny_encoder)
    encoder = FusedEncoder((tiny, StaticEncoder(vectors_file)), fusion=ResidualFusion())
    with pytest.raises(ConfigError, match="PrototypeHead does not allow"):
        TextClassifier(encoder, head=PrototypeHead()).fit(*few)


def test_long_texts_are_read_to_the_end_unless_they_are_cut(tiny_encoder):
    filler = " ".join(["the parcel came late"] * 20)
    ends = ["password", "contract"] * 20
    texts = [f"{filler} {end} {end} {end} {end}" for end in ends]
    assert (
        TextClassifier(tiny_encoder, head=LogisticHead(C=100.0)).fit(texts, ends).score(texts, ends)
        == 1.0
    )
    cut = TextClassifier(tiny_encoder, long_texts="cut").fit(texts, ends)
    assert cut.score(texts, ends) <= 0.5
    assert cut.audit_.n_cut == 40


def test_the_audit_is_kept(tiny_encoder, few):
    texts, labels = few
    model = TextClassifier(tiny_encoder).fit([*texts, texts[0]], [*labels, "how_to"])
    assert model.audit_.repeated == 1
    assert model.audit_.n_conflicts == int(labels[0] != "how_to")
    assert model.audit_.window == 32


def test_every_figure_and_every_class_is_measured(tiny_encoder, few):
    texts, labels = few
    model = TextClassifier(tiny_encoder).fit(texts, labels)
    figures = model.evaluate(texts, labels)
    assert set(figures) == {
        "accuracy",
        "macro_f1",
        "micro_f1",
        "matthews",
        "log_loss",
        "calibration_error",
    }
    truth = [label == "how_to" for label in labels]
    found = [label == "how_to" for label in model.predict(texts)]
    assert model.class_scores(texts, labels)[1].f1 == pytest.approx(f1_score(truth, found))
    with pytest.raises(InputError, match="'biling' at row 0 was never seen.*'billing'"):
        model.evaluate(texts[:1], ["biling"])


def test_real_knowledge_carries_over(support):
    """Twelve examples of each of eight kinds: transfer must beat counting words, by a lot."""
    texts, labels = support
    seen = k_shot(labels, 12, seed=0)
    hidden = np.setdiff1d(np.arange(480), seen)

    def accuracy(classifier):
        classifier.fit([texts[i] for i in seen], [labels[i] for i in seen])
        return classifier.score([texts[i] for i in hidden], [labels[i] for i in hidden])

    counts = accuracy(TextClassifier(TfidfEncoder()))
    vectors = accuracy(TextClassifier(StaticEncoder()))
    frozen = accuracy(TextClassifier())
    assert counts < 0.5 < vectors < frozen
    assert frozen > 0.72
    assert accuracy(TextClassifier(transfer=Frozen("top"))) < frozen
    assert accuracy(TextClassifier(head=DiscriminantHead())) > 0.72
    assert accuracy(TextClassifier(head=MLPHead(), device="cpu")) > 0.7


def test_probabilities_mean_what_they_say(support):
    texts, labels = support
    rows = np.random.default_rng(0).permutation(480)
    model = TextClassifier().fit([texts[i] for i in rows[:240]], [labels[i] for i in rows[:240]])
    figures = model.evaluate([texts[i] for i in rows[240:]], [labels[i] for i in rows[240:]])
    assert figures["accuracy"] > 0.8
    assert figures["calibration_error"] < 0.1


def test_a_fit_that_fails_leaves_the_model_as_it_was(few):
    texts, labels = few
    model = TextClassifier(TfidfEncoder()).fit(texts, labels)
    before = model.predict(texts).tolist()
    with pytest.raises(ConfigError, match="cannot be fitted to"):
        model.set_params(head=PrototypeHead()).fit(texts, ["x", "y"] * (len(texts) // 2))
    assert model.predict(texts).tolist() == before
    fresh = TextClassifier(TfidfEncoder(), head=PrototypeHead())
    with pytest.raises(ConfigError):
        fresh.fit(texts, labels)
    with pytest.raises(NotFittedError):
        fresh.predict(texts)


def test_labels_in_a_table_are_scored_and_rows_must_fit(few):
    texts, labels = few
    table = pd.DataFrame({kind: [int(label == kind) for label in labels] for kind in set(labels)})
    model = TextClassifier(TfidfEncoder()).fit(texts, table)
    assert 0 <= model.score(texts, table) <= 1
    with pytest.raises(InputError, match="texts and 3 labels"):
        model.score(texts, table[:3])
    single = TextClassifier(TfidfEncoder()).fit(texts, labels)
    with pytest.raises(InputError, match="got an array of shape"):
        single.evaluate(texts, table.to_numpy())


@pytest.mark.parametrize(
    ("encoder", "learns"),
    [
        (TfidfEncoder(), True),
        (StaticEncoder(OwnVectors(dimension=4, epochs=1)), True),
        (StaticEncoder(), False),
        (FusedEncoder((StaticEncoder(), StaticEncoder(pooling="max"))), False),
    ],
    ids=["counts", "own vectors", "distilled", "fused"],
)
def test_text_without_labels_is_used_or_refused(few, encoder, learns):
    texts, labels = few
    more = Corpus(["an aardvark ate my aardvark"] * 9)
    model = TextClassifier(encoder)
    if not learns:
        with pytest.raises(ConfigError, match="is not fitted to texts"):
            model.fit(texts, labels, unlabeled=more)
        return
    plain = model.fit(texts, labels).fitted_.features.encoder
    richer = model.fit(texts, labels, unlabeled=more).fitted_.features.encoder
    assert np.asarray(richer.transform(["aardvark"]).sum()) != 0
    assert np.asarray(plain.transform(["aardvark"]).sum()) == 0


def test_pairs_with_numbers_and_word_counts_go_together(few):
    texts, labels = few
    table = pd.DataFrame({"a": texts, "b": texts[::-1], "size": range(len(texts))})
    encoder = FusedEncoder((TfidfEncoder(),), numeric_columns=("size",), text_columns=("a", "b"))
    model = TextClassifier(encoder).fit(table, labels)
    assert len(model.predict(table)) == len(texts)


def test_options_reach_the_transformers_inside_or_are_refused(tiny_encoder, few):
    fused = FusedEncoder((TransformerEncoder(tiny_encoder), StaticEncoder()))
    model = TextClassifier(fused, long_texts="cut", device="cpu").fit(*few)
    inner = model.fitted_.features.encoder.encoders[0]
    assert (inner.long_texts, inner.device) == ("cut", "cpu")
    with pytest.raises(ConfigError, match="reads texts of any length"):
        TextClassifier(TfidfEncoder(), long_texts="cut").fit(*few)
    with pytest.raises(ConfigError, match="Did you mean 'windows'"):
        TextClassifier(TfidfEncoder(), long_texts="wndows").fit(*few)


def test_a_treatment_of_rare_classes_that_could_do_nothing_is_refused(few):
    texts, labels = few
    several = [[label] for label in labels]
    with pytest.raises(ConfigError, match="does nothing for several labels"):
        TextClassifier(TfidfEncoder(), imbalance="logit_adjust").fit(texts, several)
    TextClassifier(TfidfEncoder(), imbalance="balanced").fit(texts, several)


def test_coverage_is_told_for_word_vectors_only(vectors_file, few):
    model = TextClassifier(StaticEncoder(vectors_file)).fit(*few)
    assert 0 < model.coverage(["the zebra"]).tokens < 1
    assert TextClassifier(TfidfEncoder()).fit(*few).coverage(["the zebra"]) is None


@pytest.fixture
def severities():
    """Texts with four severities that lie in an order which is not that of the alphabet."""
    rng = np.random.default_rng(0)
    steps = {"low": 0, "medium": 2, "high": 4, "critical": 6}
    texts, labels = [], []
    for _ in range(160):
        label = rng.choice(list(steps))
        bad = steps[label] + int(rng.integers(0, 2))
        texts.append(" ".join(["bad"] * bad + ["good"] * (7 - bad)))
        labels.append(str(label))
    return texts, labels


SEVERITIES = ("low", "medium", "high", "critical")


def test_labels_with_an_order_are_fitted_saved_and_measured_by_it(severities, tmp_path):
    texts, labels = severities
    model = TextClassifier(TfidfEncoder(), head=OrdinalHead(SEVERITIES)).fit(texts, labels)
    assert model.classes_.tolist() == sorted(SEVERITIES)
    assert model.score(texts, labels) > 0.7
    others = labels[::-1]  # so that predictions are off by every number of ranks
    figures = model.evaluate(texts, others)
    ranks = {label: rank for rank, label in enumerate(SEVERITIES)}
    apart = [
        abs(ranks[found] - ranks[true])
        for found, true in zip(model.predict(texts), others, strict=True)
    ]
    assert figures["mean_rank_error"] == pytest.approx(np.mean(apart))
    again = TextClassifier.load(model.save(tmp_path / "m"))
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-6)
    assert again.head.get_params() == model.head.get_params()
    assert again.evaluate(texts, others) == pytest.approx(figures)
    np.testing.assert_allclose(
        clone(again).fit(texts, labels).predict_proba(texts), again.predict_proba(texts), atol=1e-6
    )


def test_an_order_names_each_label_once_and_one_label_a_text(severities):
    texts, labels = severities
    for order, said in [
        (SEVERITIES[:3], "'critical' is not in order"),
        ((*SEVERITIES, "deadly"), "contains 'deadly', but no training row"),
    ]:
        with pytest.raises(InputError, match=said):
            TextClassifier(TfidfEncoder(), head=OrdinalHead(order)).fit(texts, labels)
    several = [[label] for label in labels]
    with pytest.raises(ConfigError, match="OrdinalHead needs one label per text.*several"):
        TextClassifier(TfidfEncoder(), head=OrdinalHead()).fit(texts, several)


def test_an_order_holds_where_a_fold_lacks_a_class(severities):
    texts, labels = severities
    kept = [i for i, label in enumerate(labels) if label != "high"][:60]
    kept.append(labels.index("high"))
    few_texts, few_labels = [texts[i] for i in kept], [labels[i] for i in kept]
    for head in (OrdinalHead(SEVERITIES), OrdinalHead(SEVERITIES, C=1.0)):
        model = TextClassifier(TfidfEncoder(), head=head).fit(few_texts, few_labels)
        assert model.score(few_texts, few_labels) > 0.8


def test_texts_worth_a_label_are_suggested(support, tiny_encoder):
    texts, labels = support
    model = TextClassifier(tiny_encoder, head=LogisticHead(C=1.0)).fit(texts[::8], labels[::8])
    found = model.suggest(texts, 12)
    assert len(set(found.tolist())) == 12
    np.testing.assert_array_equal(found, model.suggest(texts, 12))
    ordered = np.sort(model.predict_proba(texts), axis=1)
    lead = ordered[:, -1] - ordered[:, -2]
    unsure = model.suggest(texts, 12, strategy="uncertain")
    assert lead[unsure].max() <= np.sort(lead)[12]
    with pytest.raises(InputError, match="trained on single texts"):
        model.suggest([("a", "b")], 1)


def test_the_same_head_goes_on_on_another_encoder_of_the_space(vectors_file, tmp_path, support):
    texts, labels = support
    clf = TextClassifier(StaticEncoder(vectors_file, cache=None)).fit(texts, labels)
    same = clf.with_encoder(StaticEncoder(vectors_file, cache=None))
    np.testing.assert_array_equal(same.predict_proba(texts[:5]), clf.predict_proba(texts[:5]))
    store = same.encoder._store()
    flipped = StaticEncoder(replace(store, vectors=-store.vectors), cache=None)
    other = clf.with_encoder(flipped)
    assert np.abs(other.predict_proba(texts[:5]) - clf.predict_proba(texts[:5])).max() > 0
    again = TextClassifier.load(other.save(tmp_path / "other"))
    np.testing.assert_allclose(again.predict_proba(texts[:5]), other.predict_proba(texts[:5]))
    assert clf.encoder is not flipped and other.classes_.tolist() == clf.classes_.tolist()
    with pytest.raises(ConfigError, match="groups of"):
        clf.with_encoder(StaticEncoder(vectors_file, pooling=("mean", "max"), cache=None))


TABLE = pd.DataFrame(
    [[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0]] * 6, columns=["toxic", "rude", "x"]
)
DAYS = ["red car", "blue car", "red bus", "blue bus"] * 6


def test_named_columns_of_labels_are_the_classes_everywhere(tmp_path):
    model = TextClassifier(TfidfEncoder()).fit(iter(DAYS), TABLE)
    model.save(tmp_path / "model")
    again = TextClassifier.load(tmp_path / "model")
    turned = TABLE[["x", "toxic", "rude"]]
    assert again.classes_.tolist() == ["toxic", "rude", "x"]
    assert [score.name for score in again.class_scores(DAYS, turned)] == ["toxic", "rude", "x"]
    assert again.score(DAYS, turned) == again.score(DAYS, TABLE.to_numpy()) == 1.0
    assert again.predict(DAYS).tolist() == TABLE.to_numpy().tolist()
    assert list(again.audit_.class_counts) == ["toxic", "rude", "x"]
    for ask in (again.score, again.evaluate, again.class_scores):
        with pytest.raises(InputError, match="Missing columns: \\['x'\\]"):
            ask(DAYS, TABLE.drop(columns="x"))


@pytest.mark.parametrize("labels", [[1, 0], [None, "1"], [float("nan"), "1"], ["1", ""]])
def test_labels_of_another_type_and_missing_ones_are_never_counted_as_wrong(labels):
    model = TextClassifier(TfidfEncoder()).fit(DAYS, ["1", "0"] * 12)
    for ask in (model.score, model.evaluate, model.class_scores):
        with pytest.raises(InputError, match=r"another type|is missing"):
            ask(DAYS, labels * 12)


def test_labels_and_weights_from_iterators_are_read_once():
    model = TextClassifier(TfidfEncoder()).fit(
        iter(DAYS), map(str, [1, 0] * 12), sample_weight=iter([1.0] * 24)
    )
    assert model.classes_.tolist() == ["0", "1"]
    assert model.score(iter(DAYS), map(str, [1, 0] * 12), iter([1.0] * 24)) == 1.0
    assert model.evaluate(iter(DAYS), map(str, [1, 0] * 12))["accuracy"] == 1.0
    with pytest.raises(InputError, match="got 24 texts and 3 labels"):
        model.class_scores(DAYS, ["1", "0", "1"])


def test_classes_that_a_source_alone_has_keep_their_type():
    model = TextClassifier(TfidfEncoder(), transfer=[Frozen(), SourceRows()])
    model.fit(DAYS, ["a", "b"] * 12, source=Corpus(iter(["green van"]), iter(["c"])))
    assert model.classes_.tolist() == ["a", "b", "c"]


def test_several_labels_of_one_text_and_of_none_keep_their_form(few):
    texts, labels = few
    classifier = TextClassifier(TfidfEncoder()).fit(texts, [[label] for label in labels])
    assert classifier.predict(texts[0]) == classifier.predict(texts[:1])
    assert classifier.predict([]) == []
    classifier.fit(texts, pd.get_dummies(pd.Series(labels)).astype(int))
    assert classifier.predict(texts[0]).shape == (1, 2)
    assert classifier.predict([]).shape == (0, 2)


def test_a_model_for_pairs_predicts_none_and_refuses_one_text(few):
    texts, labels = few
    for encoder in (TfidfEncoder(), FusedEncoder((TfidfEncoder(), TfidfEncoder()))):
        classifier = TextClassifier(encoder).fit([(text, text) for text in texts], labels)
        assert classifier.predict([]).shape == (0,)
        assert classifier.predict(Rows([])).shape == (0,)
    with pytest.raises(InputError, match="trained on pairs of texts, got single texts"):
        classifier.predict(texts[0])


def test_a_table_of_several_columns_is_refused_with_what_to_write(few):
    table = pd.DataFrame({"id": range(40), "review": few[0], "topic": few[1], "stars": 5})
    classifier = TextClassifier(TfidfEncoder())
    with pytest.raises(InputError, match=r"fit\(df\['review'\], df\['topic'\]\)"):
        classifier.fit(table, "topic")
    classifier.fit(table["review"], table["topic"])
    with pytest.raises(InputError, match=r"'id' holds numbers, first 0 .*df\['review'\]"):
        classifier.predict(table[["id", "review"]])
