import numpy as np

from nlptl import TransformerEncoder
from nlptl.data.rows import as_rows
from nlptl.fitting import sharded_features
from nlptl.fitting.sharded_features import features_sharded
from nlptl.transfer.features.frozen import TextFeatures


def test_one_process_computes_all_and_several_a_share_each(tiny_encoder, few, monkeypatch):
    features = TextFeatures(TransformerEncoder(tiny_encoder, cache=None), np.ones(1))
    rows = as_rows(few[0])
    whole = features_sharded(features, rows)
    np.testing.assert_array_equal(whole, features.transform(rows))
    asked = []

    def gather(part, n_rows):
        asked.append((len(part), n_rows))
        return part

    monkeypatch.setattr(sharded_features, "own_rows", lambda n: np.arange(n)[::2])
    monkeypatch.setattr(sharded_features, "gather_rows", gather)
    np.testing.assert_allclose(features_sharded(features, rows), whole[::2], atol=1e-5)
    monkeypatch.setattr(sharded_features, "own_rows", lambda n: np.arange(0))
    assert features_sharded(features, rows).shape == (0, whole.shape[1])
    assert asked == [(20, 40), (0, 40)]
