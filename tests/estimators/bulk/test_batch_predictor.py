import pickle

import datasets
import numpy as np
import pandas as pd
import pytest

from nlptl import BatchPredictor, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.base.errors import InputError, StorageError

TEXTS = ["good day", "bad day", "good night", "so bad"] * 6
LABELS = ["yes", "no", "yes", "no"] * 6


@pytest.fixture(scope="module")
def model():
    return TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return model.save(tmp_path_factory.mktemp("batch") / "model")


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_a_batch_comes_back_with_the_predictions(model, folder, kind):
    batch = kind({"id": np.arange(24), "text": TEXTS})
    scored = BatchPredictor(folder)(batch)
    assert type(scored) is kind and list(scored) == ["id", "text", "predicted", "probability"]
    assert list(scored["predicted"]) == model.predict(TEXTS).tolist()
    expected = model.predict_proba(TEXTS).max(axis=1)
    np.testing.assert_allclose(scored["probability"], expected, atol=1e-4)
    assert "predicted" not in batch


def test_a_worker_receives_the_path_and_loads_the_model_once(model, folder, monkeypatch):
    from nlptl.estimators.bulk import batch_predictor

    loads, load = [], batch_predictor.load_predictor
    monkeypatch.setattr(batch_predictor, "load_predictor", lambda n: loads.append(n) or load(n))
    predictor = BatchPredictor(folder)
    predictor({"text": TEXTS})
    sent = pickle.dumps(predictor)
    assert len(sent) < 1000 and b"good day" not in sent
    worker = pickle.loads(sent)
    for _ in range(3):
        assert worker({"text": ["good"]})["predicted"].tolist() == model.predict(["good"]).tolist()
    assert len(loads) == 2


def test_numbers_and_pairs_are_predicted(tmp_path):
    pairs = list(zip(TEXTS, reversed(TEXTS), strict=True))
    model = TextRegressor(TfidfEncoder()).fit(pairs, np.linspace(0, 1, 24))
    predictor = BatchPredictor(model.save(tmp_path / "model"), ("a", "b"))
    scored = predictor({"a": np.array(TEXTS), "b": np.array(TEXTS[::-1])})
    assert list(scored) == ["a", "b", "predicted"]
    np.testing.assert_allclose(scored["predicted"], model.predict(pairs))


def test_a_data_set_is_mapped(model, folder):
    data = datasets.Dataset.from_dict({"text": TEXTS})
    scored = data.map(BatchPredictor(folder), batched=True, batch_size=7)
    assert list(scored["predicted"]) == model.predict(TEXTS).tolist()


def test_the_index_of_a_table_is_kept(folder):
    batch = pd.DataFrame({"text": ["good", "bad"]}, index=[7, 3])
    assert BatchPredictor(folder)(batch).index.tolist() == [7, 3]


def test_the_vectors_of_a_large_table_do_not_fill_the_cache(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))
    model = TextClassifier(str(tiny_encoder)).fit(TEXTS, LABELS)
    predictor = BatchPredictor(model.save(tmp_path / "model"))
    before = sorted((tmp_path / "cache" / "features").rglob("*"))
    predictor({"text": ["a text that is not in the training data", "another one"]})
    assert sorted((tmp_path / "cache" / "features").rglob("*")) == before != []


def test_an_empty_batch_has_no_predictions(folder):
    assert list(BatchPredictor(folder)({"text": np.array([], dtype=object)})) == ["text"]


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"txt": ["a"]}, "Did you mean 'txt'"),
        ({"text": ["a"], "predicted": [1]}, "a column 'predicted' already"),
        ({"text": ["a", None]}, "index 1 is .* not a string"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(folder, batch, said):
    with pytest.raises(InputError, match=said):
        BatchPredictor(folder, "text")(batch)


def test_a_missing_model_is_reported_by_the_first_batch(tmp_path):
    with pytest.raises(StorageError, match="no folder|There is no"):
        BatchPredictor(tmp_path / "none")({"text": ["a"]})


def test_row_labels_that_repeat_give_each_row_its_own_prediction(model, folder):
    batch = pd.concat([pd.DataFrame({"text": TEXTS[:2]}), pd.DataFrame({"text": TEXTS[2:4]})])
    scored = BatchPredictor(folder)(batch)
    assert scored["text"].tolist() == TEXTS[:4] and scored.index.tolist() == [0, 1, 0, 1]
    assert scored["predicted"].tolist() == model.predict(TEXTS[:4]).tolist()


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_labels_that_are_tuples_stay_tuples(tmp_path, kind):
    labels = [(1, "yes") if label == "yes" else (2, "no") for label in LABELS]
    place = TextClassifier(TfidfEncoder()).fit(TEXTS, labels).save(tmp_path / "m")
    scored = BatchPredictor(place)(kind({"text": TEXTS[:4]}))
    assert np.shape(scored["predicted"]) == (4,)
    assert list(scored["predicted"]) == labels[:4]
