import numpy as np
import pytest
from scipy import sparse

from nlptl import (
    BlendHead,
    Corpus,
    Frozen,
    FullFineTune,
    LogisticHead,
    SourceHead,
    SourceRows,
    TextClassifier,
    TfidfEncoder,
)
from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.fitting.source_heads import fit_towards_source, fit_with_private_parts


def planted(n_target=60, n_source=300, seed=0):
    """Return rows whose first feature has the same meaning in both domains, the second another."""
    rng = np.random.default_rng(seed)
    n = n_target + n_source
    domains = (np.arange(n) >= n_target).astype(np.int64)
    X = rng.normal(size=(n, 2))
    sign = np.where(domains == 1, -1.0, 1.0)
    codes = (X[:, 0] + sign * X[:, 1] > 0).astype(np.int64)
    return X, Targets(codes, 2, domains=domains)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_private_parts_keep_what_only_the_target_says(make):
    X, targets = planted()
    head = LogisticHead(C=10.0)
    fitted = fit_with_private_parts(head, make(X), targets)
    pooled = LogisticHead(C=10.0).fit(X, targets.codes)
    new, truth = planted(2000, 0, seed=1)
    scores = [float((model.predict(new) == truth.codes).mean()) for model in (fitted, pooled)]
    assert scores[0] > 0.93 and scores[1] < 0.8
    assert fitted.coef_.shape == (2, 2) and not hasattr(head, "coef_")


def test_a_head_stays_close_to_that_of_the_source():
    X, targets = planted(40)
    near = fit_towards_source(SourceHead(1e-8), LogisticHead(C=1.0), X, targets, seed=0)
    far = fit_towards_source(SourceHead(100.0), LogisticHead(C=1.0), X, targets, seed=0)
    source = targets.domains == 1
    of_source = LogisticHead(C=1.0).fit(X[source], targets.codes[source])
    np.testing.assert_allclose(near.coef_, of_source.coef_, atol=1e-5)
    new, truth = planted(1000, 0, seed=1)
    scores = [float((model.predict(new) == truth.codes).mean()) for model in (far, near)]
    assert scores[0] > 0.9 > scores[1]


@pytest.mark.parametrize("transfer", [SourceHead(), SourceRows(0.5, private=True)], ids=repr)
def test_a_classifier_is_fitted_and_saved(transfer, tmp_path):
    source = Corpus(["good film", "bad film", "fine plot", "dull plot"] * 10, ["+", "-"] * 20)
    few = ["fresh tea", "stale tea", "good tea", "bad tea"] * 3, ["+", "-"] * 6
    model = TextClassifier(TfidfEncoder(), transfer=transfer).fit(*few, source=source)
    assert model.predict(["fresh tea", "stale tea", "fine", "dull"]).tolist() == ["+", "-"] * 2
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert again.transfer == transfer and again.predict(["stale"]).tolist() == ["-"]


def test_the_head_follows_the_target_where_the_domains_disagree():
    source = Corpus(["small phone", "huge phone"] * 20, ["+", "-"] * 20)
    few = ["small room", "huge room"] * 12, ["-", "+"] * 12
    for transfer in (SourceHead(), SourceRows(0.5, private=True)):
        model = TextClassifier(TfidfEncoder(), transfer=transfer).fit(*few, source=source)
        assert model.predict(["small", "huge"]).tolist() == ["-", "+"], transfer


@pytest.mark.parametrize(
    ("transfer", "options", "message"),
    [
        ([SourceHead(), SourceRows()], {}, "Pass one of them"),
        ([FullFineTune(), SourceHead()], {}, r"SourceHead\(\) needs a frozen encoder, got Full"),
        ([FullFineTune(), SourceRows(private=True)], {}, "private=True. needs a frozen encoder"),
        (SourceHead(), {"head": BlendHead()}, r"SourceHead\(\) needs LogisticHead, got Blend"),
    ],
)
def test_what_cannot_be_combined_is_refused(transfer, options, message, vectors_file):
    from nlptl import StaticEncoder

    source = Corpus(["good film", "bad film"] * 5, ["+", "-"] * 5)
    model = TextClassifier(StaticEncoder(vectors_file), transfer=transfer, **options)
    with pytest.raises(ConfigError, match=message):
        model.fit(["good tea", "bad tea"] * 2, ["+", "-"] * 2, source=source)


def test_a_head_of_the_source_needs_labels_of_the_target():
    source = Corpus(["good film", "bad film"] * 5, ["+", "-"] * 5)
    with pytest.raises(
        ConfigError, match="SourceHead.. has a head of the target and one of the source"
    ):
        TextClassifier(TfidfEncoder(), transfer=SourceHead()).fit([], [], source=source)
    only = Corpus(["good film"] * 5, ["+"] * 5)
    with pytest.raises(ConfigError, match="got 2 target rows and 1 of 2 classes"):
        TextClassifier(TfidfEncoder(), transfer=[Frozen(), SourceHead()]).fit(
            ["good", "bad"], ["+", "-"], source=only
        )


def test_private_parts_have_a_linear_head_whatever_the_share(tiny_encoder):
    texts, labels = ["a parcel came", "reset my password"] * 6, ["+", "-"] * 6
    transfer = SourceRows(share=0.0, private=True)
    model = TextClassifier(tiny_encoder, transfer=transfer)
    model.fit(texts, labels, source=Corpus(texts, labels))
    assert model.score(texts, labels) == 1.0
