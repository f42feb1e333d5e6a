import numpy as np

from nlptl import CORAL, Frozen, MeanAlignment, TextClassifier
from nlptl.base.transfer import BoundTransfer, Context, DomainFeatures


def features_of(source, target):
    none = np.zeros((0, source.shape[1])), np.zeros(0, dtype=np.int64)
    return DomainFeatures(source, np.zeros(len(source), dtype=np.int64), target, *none, 2)


def test_the_source_gets_the_mean_of_the_target_and_nothing_else():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(9, 3)) + 4, rng.normal(size=(7, 3)) * 2
    aligned = MeanAlignment().align(features_of(source, target))
    np.testing.assert_allclose(aligned.mean(axis=0), target.mean(axis=0))
    np.testing.assert_allclose(aligned - aligned.mean(axis=0), source - source.mean(axis=0))
    again = CORAL(0.0).align(features_of(source, target))
    np.testing.assert_allclose(again, aligned)


def test_it_is_not_a_loss_and_keeps_the_encoder():
    transfer = MeanAlignment()
    assert transfer.aligns_source and not transfer.trains_encoder
    assert type(transfer.bind(Context(None, 1, 0))) is BoundTransfer


def test_a_shift_of_the_domain_no_longer_hides_the_classes(monkeypatch):
    from nlptl import Corpus, LogisticHead
    from nlptl.encoders.tfidf import TfidfEncoder

    class Points(TfidfEncoder):
        """Encoder of texts that are two numbers."""

        def fit(self, texts, y=None):
            return self

        def transform(self, texts):
            return np.array([[float(x) for x in text.split()] for text in texts])

        groups = (("points", 2),)

    rng = np.random.default_rng(0)

    def domain(shift):
        labels = np.arange(40) % 2
        points = rng.normal(size=(40, 2)) * 0.1 + labels[:, None] * [1.0, 0.0] + shift
        return [f"{x} {y}" for x, y in points], labels.tolist()

    (texts, labels), (target, truth) = domain(0.0), domain(5.0)
    scores = []
    for transfer in (Frozen(), [Frozen(), MeanAlignment()]):
        model = TextClassifier(Points(), transfer=transfer, head=LogisticHead())
        extra = {"unlabeled": Corpus(target)} if isinstance(transfer, list) else {}
        model.fit(texts, labels, **extra)
        scores.append(model.score(target, truth))
    assert scores[0] <= 0.5 and scores[1] == 1.0
