import numpy as np
import pandas as pd
import pytest

from nlptl import (
    BlendHead,
    Corpus,
    CoTraining,
    Frozen,
    FusedEncoder,
    LogisticHead,
    SelfTraining,
    TextClassifier,
    TfidfEncoder,
)
from nlptl.base.errors import ConfigError
from nlptl.encoders import Concatenation
from nlptl.fitting import co_training
from nlptl.transfer.instances.selftraining import most_confident


class Letters:
    """Encoder of the numbers of z and q in a text: another view than its words."""

    learns_from_text = False
    groups = (("letters", 2),)
    dim = 2

    def fit(self, texts, y=None):
        return self

    def transform(self, texts):
        counts = [[text.count(letter) for letter in "zq"] for text in texts]
        return np.array(counts, dtype=np.float32).reshape(len(counts), 2) / 2


def views(*, sparse=True):
    fusion = Concatenation(sparse=sparse)
    return FusedEncoder((Letters(), TfidfEncoder(longest=1)), fusion=fusion)


LETTERS, SOURCE_WORDS, TARGET_WORDS = (
    {"+": "zz", "-": "qq"},
    {"+": "sun", "-": "fog"},
    {"+": "mint", "-": "salt"},
)


def other(label):
    return "-" if label == "+" else "+"


def written(label, words, rng, *, right=(1.0, 0.8)):
    """Return a text with a word and with letters of a class; each is right with a probability.

    The letters are in a word of their own that occurs nowhere else, so that only the encoder of
    letters can read them.
    """
    by_word, by_letters = (label if rng.random() < share else other(label) for share in right)
    number = "".join(chr(97 + int(digit)) for digit in str(rng.integers(10**8)))
    return f"{words[by_word]} {number}{LETTERS[by_letters]}"


def domains(n=150, seed=0):
    """Return a source, unlabelled texts of a target, and texts of words that only the target has.

    Only the letters carry over from the source. The words of the target can be learnt from them.
    """
    rng = np.random.default_rng(seed)
    labels = np.array(["+", "-"])[rng.integers(0, 2, 2 * n)].tolist()
    source = [written(label, SOURCE_WORDS, rng) for label in labels[:n]]
    target = [written(label, TARGET_WORDS, rng) for label in labels[n:]]
    return (Corpus(source, labels[:n]), Corpus(target)), ["mint", "salt"] * 10, ["+", "-"] * 10


def test_words_of_the_target_are_learnt_from_the_other_view():
    (source, unlabeled), hidden, truth = domains()
    model = TextClassifier(views(), transfer=CoTraining(), head=LogisticHead(C=10.0))
    model.fit([], [], source=source, unlabeled=unlabeled)
    assert model.score(hidden, truth) == 1.0
    words = model.fitted_.features.views(model.fitted_.probe)[1]
    coef = np.abs(model.fitted_.scorer.fitted.coef_)
    assert coef[:, words].max() > 0.5, "the words have learnt"


@pytest.mark.parametrize("sparse", [True, False])
def test_the_joined_head_adds_the_views_and_is_saved(tmp_path, sparse):
    (source, unlabeled), hidden, _ = domains()
    encoder = FusedEncoder((TfidfEncoder(), TfidfEncoder(1)), fusion=Concatenation(sparse=sparse))
    model = TextClassifier(encoder, transfer=CoTraining())
    model.fit([], [], source=source, unlabeled=unlabeled)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    np.testing.assert_allclose(again.predict_proba(hidden), model.predict_proba(hidden), atol=1e-6)
    assert again.transfer == CoTraining()


@pytest.fixture
def labelled_by(monkeypatch):
    """The probabilities that each view is labelled by."""
    seen = []

    def watched(probabilities, *options):
        seen.append(probabilities)
        return most_confident(probabilities, *options)

    monkeypatch.setattr(co_training, "most_confident", watched)
    return seen


def test_each_view_is_labelled_by_the_other_one(labelled_by):
    (source, unlabeled), _, _ = domains()
    model = TextClassifier(views(), transfer=CoTraining((0.5,)), head=LogisticHead(C=10.0))
    model.fit([], [], source=source, unlabeled=unlabeled)
    letters = Letters().transform(unlabeled.rows.texts)
    reads_plus = letters[:, 0] > letters[:, 1]  # z belongs to "+", q to "-"
    by_words, by_letters = (shares[:, 0] > 0.5 for shares in labelled_by)
    assert (by_letters == reads_plus).all(), "the words are labelled by the letters"
    assert (by_words == reads_plus).mean() < 0.9, "the letters are labelled by the words"


def test_all_views_together_label_the_texts_if_asked(labelled_by):
    (source, unlabeled), _, _ = domains()
    transfer = CoTraining((0.5,), teachers="all")
    model = TextClassifier(views(), transfer=transfer, head=LogisticHead(C=10.0))
    model.fit([], [], source=source, unlabeled=unlabeled)
    np.testing.assert_array_equal(*labelled_by)


def test_calibration_of_the_labelled_rows_is_kept():
    (source, unlabeled), _, _ = domains()
    spreads, temperatures = [], []
    for transfer in (Frozen(), CoTraining()):
        model = TextClassifier(views(), transfer=transfer, head=LogisticHead(C=10.0))
        model.fit([], [], source=source, unlabeled=unlabeled)
        fitted = model.fitted_
        spreads.append(fitted.scorer.logits(fitted.features.transform(unlabeled.rows)).std())
        temperatures.append(fitted.scorer.decision.temperature)
    assert temperatures[0] == temperatures[1] != 1.0
    assert spreads[1] == pytest.approx(spreads[0], rel=0.02), "the logits keep their scale"


def test_a_shift_of_the_class_shares_is_corrected():
    rng, right = np.random.default_rng(1), (0.8, 0.8)
    truth = np.where(rng.random(600) < 0.8, "+", "-").tolist()
    target = [written(label, SOURCE_WORDS, rng, right=right) for label in truth]
    labels = ["+", "-"] * 150
    source = Corpus([written(la, SOURCE_WORDS, rng, right=right) for la in labels], labels)
    scores = {}
    for class_shares in ("labelled", "estimated"):
        transfer = CoTraining(class_shares=class_shares)
        model = TextClassifier(views(), transfer=transfer, head=LogisticHead(C=1.0))
        model.fit([], [], source=source, unlabeled=Corpus(target))
        scores[class_shares] = model.score(target, truth)
    assert scores["estimated"] > scores["labelled"] + 0.02


@pytest.mark.parametrize(
    ("encoder", "head", "message"),
    [
        (TfidfEncoder(), None, "needs two or more views of a text"),
        (views(sparse=False), BlendHead(), r"CoTraining\(\) needs LogisticHead, got BlendHead"),
    ],
)
def test_what_cannot_be_co_trained_is_refused(encoder, head, message):
    (source, unlabeled), _, _ = domains(20)
    model = TextClassifier(encoder, transfer=CoTraining(), head=head)
    with pytest.raises(ConfigError, match=message):
        model.fit([], [], source=source, unlabeled=unlabeled)


def test_two_ways_to_label_the_same_texts_are_refused():
    with pytest.raises(ConfigError, match="Pass one of them"):
        TextClassifier(views(), transfer=[CoTraining(), SelfTraining()]).fit(["a"], ["b"])


def test_views_of_pairs_are_the_columns_of_each_encoder():
    from nlptl.data.rows import Rows
    from nlptl.transfer.features.frozen import TextFeatures

    encoder = views(sparse=False).fit(["one two", "two three"])
    features = TextFeatures(encoder, np.ones(2))
    pairs = Rows([("one", "two"), ("two", "three")])
    letters, words = features.views(pairs)
    assert len(letters) == 4 * 2 + 1 and len(words) == 4 * 3 + 1
    X = features.transform(pairs)
    assert sorted([*letters, *words]) == list(range(X.shape[1]))
    texts = features.views(Rows(["one"]))
    assert [len(part) for part in texts] == [2, 3]


def test_rare_classes_are_treated_in_the_views(monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(200) < 0.15, "+", "-").tolist()
    texts = [written(label, SOURCE_WORDS, rng, right=(0.8, 0.8)) for label in labels]
    pool = Corpus([written(label, TARGET_WORDS, rng) for label in labels])

    def positive(imbalance):
        transfer = CoTraining(class_shares="labelled")
        model = TextClassifier(
            views(), head=LogisticHead(C=1.0), transfer=transfer, imbalance=imbalance
        )
        return (model.fit(texts, labels, unlabeled=pool).predict(texts) == "+").mean()

    assert positive("balanced") > positive(None)


def test_numbers_that_unlabelled_texts_do_not_have_are_refused():
    encoder = FusedEncoder(
        (Letters(), TfidfEncoder()),
        fusion=Concatenation(),
        numeric_columns=("price",),
        text_columns=("text",),
    )
    table = pd.DataFrame({"text": ["mint zz", "salt qq"] * 20, "price": range(40)})
    model = TextClassifier(encoder, transfer=CoTraining())
    with pytest.raises(ConfigError, match="the encoder reads the columns price"):
        model.fit(table, ["+", "-"] * 20, unlabeled=Corpus(["mint", "salt"] * 20))
