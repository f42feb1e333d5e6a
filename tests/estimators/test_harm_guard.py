import warnings

import numpy as np
import pytest

from nlptl import (
    Corpus,
    Frozen,
    LogisticHead,
    SelfTraining,
    SourceRows,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
)
from nlptl.base.errors import ConfigError, HarmWarning

GOOD, BAD = "good great fine nice lovely warm".split(), "bad poor dull cold awful weak".split()
OTHER = {"+": "-", "-": "+"}


def reviews(n, thing, seed):
    """Return short reviews with their labels."""
    rng = np.random.default_rng(seed)
    labels = ["+" if i % 2 else "-" for i in range(n)]
    words = [rng.choice(GOOD if label == "+" else BAD) for label in labels]
    return [f"{word} {thing} {rng.integers(99)}" for word in words], labels


TEXTS, LABELS = reviews(24, "tea", 0)
TEST = reviews(200, "tea", 1)
TRUE = Corpus(*reviews(200, "film", 2))
FALSE = Corpus(TRUE.rows, [OTHER[label] for label in TRUE.labels])


def model(on_harm=None, transfer="source", **options):
    options = {"head": LogisticHead(C=10.0), **options}
    return TextClassifier(TfidfEncoder(), transfer=transfer, on_harm=on_harm, **options)


def test_a_source_that_helps_is_kept():
    guarded = model("roll-back").fit(TEXTS, LABELS, source=TRUE)
    plain = model().fit(TEXTS, LABELS, source=TRUE)
    assert (guarded.predict_proba(TEST[0]) == plain.predict_proba(TEST[0])).all()
    assert guarded.transfer_ == SourceRows()
    assert guarded.transfer_verdict_.name == "with the source"
    (trial,) = guarded.transfer_verdict_.trials
    assert trial.used and trial.verdict.gain.value > 0


def test_a_source_that_hurts_is_left_out():
    guarded = model("roll-back").fit(TEXTS, LABELS, source=FALSE)
    plain = model(transfer=Frozen()).fit(TEXTS, LABELS)
    assert (guarded.predict_proba(TEST[0]) == plain.predict_proba(TEST[0])).all()
    assert guarded.transfer_ == Frozen() and guarded.transfer_verdict_.name == "without"
    (trial,) = guarded.transfer_verdict_.trials
    assert not trial.used and trial.verdict.gain.value < 0
    assert "24 rows show effects of" in str(guarded.transfer_verdict_)


def test_of_several_sources_only_those_that_hurt_are_left_out():
    sources = {"true": TRUE, "false": FALSE}
    guarded = model("roll-back").fit(TEXTS, LABELS, source=sources)
    plain = model().fit(TEXTS, LABELS, source=TRUE)
    assert (guarded.predict_proba(TEST[0]) == plain.predict_proba(TEST[0])).all()
    used = {trial.name: trial.used for trial in guarded.transfer_verdict_.trials}
    assert used == {"true": True, "false": False, "with the source": True}


def test_all_sources_that_hurt_are_left_out_without_a_last_comparison():
    sources = {"one": FALSE, "other": FALSE}
    guarded = model("roll-back").fit(TEXTS, LABELS, source=sources)
    assert guarded.transfer_ == Frozen()
    assert [trial.used for trial in guarded.transfer_verdict_.trials] == [False, False]


def test_a_copy_of_the_target_does_not_count_as_help():
    guarded = model("roll-back").fit(TEXTS, LABELS, source=Corpus(TEXTS, LABELS))
    assert guarded.transfer_ == Frozen() and guarded.transfer_verdict_.trials == []
    sources = {"copy": Corpus(TEXTS, LABELS), "true": TRUE}
    guarded = model("roll-back").fit(TEXTS, LABELS, source=sources)
    plain = model().fit(TEXTS, LABELS, source=TRUE)
    assert (guarded.predict_proba(TEST[0]) == plain.predict_proba(TEST[0])).all()


def test_a_warning_keeps_the_source():
    strong = SourceRows(weight=5.0)
    with pytest.warns(HarmWarning, match="with the source against without: hurts") as caught:
        warned = model("warn", strong).fit(TEXTS, LABELS, source=FALSE)
    assert caught[0].filename == __file__
    plain = model(transfer=strong).fit(TEXTS, LABELS, source=FALSE)
    assert (warned.predict_proba(TEST[0]) == plain.predict_proba(TEST[0])).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error", HarmWarning)
        model("warn").fit(TEXTS, LABELS, source=TRUE)


def test_the_recommended_transfer_and_unlabelled_texts_are_guarded():
    pool = Corpus(reviews(60, "tea", 3)[0])
    guarded = TextClassifier(TfidfEncoder(), on_harm="roll-back")
    guarded.fit(TEXTS, LABELS, source=FALSE, unlabeled=pool)
    assert guarded.transfer_ == Frozen()
    trained = model("roll-back", SelfTraining()).fit(TEXTS, LABELS, unlabeled=pool)
    assert trained.transfer_verdict_.trials[-1].name == "with unlabelled texts"


def test_numbers_are_guarded():
    lengths = [float(len(text)) for text in TEXTS]
    wrong = Corpus(TEXTS, [-50 * length for length in lengths])
    guarded = TextRegressor(TfidfEncoder(), transfer=SourceRows(), on_harm="roll-back")
    assert guarded.fit(TEXTS, lengths, source=wrong).transfer_ == Frozen()


def test_without_other_data_nothing_is_compared():
    guarded = model("roll-back", Frozen()).fit(TEXTS, LABELS)
    assert guarded.transfer_verdict_ is None


def test_the_comparison_is_saved(tmp_path):
    guarded = model("roll-back").fit(TEXTS, LABELS, source=FALSE)
    loaded = TextClassifier.load(guarded.save(tmp_path / "model"))
    assert loaded.on_harm == "roll-back"
    assert str(loaded.transfer_verdict_) == str(guarded.transfer_verdict_)


@pytest.mark.parametrize(
    ("on_harm", "transfer", "n", "message"),
    [
        ("rollback", "source", 24, "on_harm must be None, 'roll-back' or 'warn', got 'rollback'"),
        ("roll-back", "source", 8, "needs at least 10, got 8"),
        ("warn", None, 0, "needs at least 10, got 0"),
        ("warn", "auto", 24, "on_harm has no use"),
        ("warn", "source", -12, "at least two rows of two classes"),
    ],
)
def test_what_cannot_be_compared_is_refused(on_harm, transfer, n, message):
    labels = LABELS if n >= 0 else ["+", *range(len(LABELS) - 1)]
    labels = [str(label) for label in labels]  # all different if n is negative
    with pytest.raises(ConfigError, match=message):
        model(on_harm, transfer).fit(TEXTS[:n], labels[:n], source=TRUE)
