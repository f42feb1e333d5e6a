import numpy as np
import pytest

from nlptl import Cascade, OnnxClassifier, TextClassifier, TfidfEncoder
from nlptl.data.rows import Rows
from nlptl.evaluation.error_report import error_report

PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])


@pytest.fixture
def codec():
    model = TextClassifier(TfidfEncoder()).fit(["a b", "c d"] * 6, ["x", "y"] * 6)
    return model.fitted_.codec


def test_mistakes_come_with_the_most_confident_first(codec):
    rows, truth = Rows(["one", "two", "three", "four"]), np.array([0, 0, 1, 0])
    report = error_report(codec, rows, truth, PROBABILITIES.argmax(axis=1), PROBABILITIES)
    assert report.rows["row"].tolist() == [1, 3, 2]
    assert report.rows["text"].tolist() == ["two", "four", "three"]
    assert report.rows["probability"].tolist() == [0.8, 0.7, 0.6]
    assert report.confused.to_dict("list") == {
        "label": ["x", "y"],
        "predicted": ["y", "x"],
        "rows": [2, 1],
    }
    assert len(report) == 3 and report.n_rows == 4
    lines = str(report).split("\n")
    assert lines[0] == "3 of 4 texts are wrong (75.0%)."
    assert lines[2] == "  x -> y: 2 texts" and lines[5] == "  0.80  x -> y: 'two'"
    assert "<table" in report._repr_html_()


def test_without_mistakes_there_is_one_line(codec):
    rows, truth = Rows(["one", "two"]), np.array([0, 1])
    report = error_report(codec, rows, truth, truth, PROBABILITIES[:2])
    assert str(report) == "0 of 2 texts are wrong (0.0%)." and not len(report)


def test_several_labels_are_counted_as_missed_and_added(codec):
    truth, chosen = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 1], [0, 1], [0, 0]])
    probabilities = np.array([[0.9, 0.95], [0.3, 0.8], [0.1, 0.2]])
    report = error_report(codec, Rows(["a", "b", "c"]), truth, chosen, probabilities)
    assert report.rows["label"].tolist() == [["x"], ["x", "y"]]
    assert report.rows["predicted"].tolist() == [["x", "y"], ["y"]]
    assert report.rows["probability"].tolist() == [0.95, 0.7]
    assert report.confused.to_dict("list") == {
        "label": ["x", "y"],
        "missed": [1, 0],
        "added": [0, 1],
    }
    assert "x: missed in 1, added in 0" in str(report)


def test_pairs_have_two_columns(codec):
    rows = Rows([("a", "b"), ("c", "d")])
    report = error_report(codec, rows, np.array([0, 0]), np.array([0, 1]), PROBABILITIES[:2])
    assert report.rows[["first", "second"]].to_numpy().tolist() == [["c", "d"]]
    assert "'c'" in str(report)


def test_the_markup_of_texts_is_escaped(codec):
    report = error_report(
        codec, Rows(["<script>x</script>"]), np.array([1]), np.array([0]), PROBABILITIES[:1]
    )
    assert "<script>" not in report._repr_html_()


def test_labels_that_are_numbers_are_described_as_labels():
    texts, labels = ["a b", "c d", "a d"] * 4, [3, 5, 5] * 4
    model = TextClassifier(TfidfEncoder()).fit(texts, labels)
    report = model.errors(["a b", "c d"], [5, 3])
    assert "5 -> 3: 1 text" in str(report) and "3 -> 5: 1 text" in str(report)


def test_exported_graphs_and_cascades_report_the_same_mistakes(tiny_encoder, few, tmp_path):
    texts, labels = few
    model = TextClassifier(tiny_encoder).fit(texts[::2], labels[::2])
    expected = model.errors(texts, labels)
    assert len(expected) == round((1 - model.score(texts, labels)) * len(texts))
    graph = OnnxClassifier.load(model.export(tmp_path / "graph", format="onnx"))
    fast = TextClassifier(TfidfEncoder()).fit(texts[::2], labels[::2])
    cascade = Cascade(fast, model, max_loss=0.4).fit(texts[1::2], labels[1::2])
    assert sorted(graph.errors(texts, labels).rows["row"]) == sorted(expected.rows["row"])
    wrong = cascade.predict(texts) != np.array(labels)
    assert sorted(cascade.errors(texts, labels).rows["row"]) == np.flatnonzero(wrong).tolist()


def test_vectors_are_those_that_the_head_reads(tiny_encoder, few):
    model = TextClassifier(tiny_encoder).fit(*few)
    vectors = model.embed(few[0][:3])
    assert vectors.shape[0] == 3
    expected = model.fitted_.outputs_of(vectors)
    np.testing.assert_allclose(model.predict_proba(few[0][:3]), expected, atol=1e-6)
