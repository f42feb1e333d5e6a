import json

import pandas as pd
import pytest

from nlptl import TextClassifier, TextRegressor
from nlptl.cli.main import main
from nlptl.fitting.fitted import FittedModel


@pytest.fixture
def model(few, tiny_encoder, tmp_path):
    model = TextClassifier(tiny_encoder).fit(*few)
    model.save(tmp_path / "m", notes={"run": {"text_column": ["words"], "label_column": "kind"}})
    return model


def test_figures_and_classes_are_shown_and_columns_remembered(capsys, model, few, tmp_path):
    texts, labels = few
    path = tmp_path / "test.parquet"
    pd.DataFrame({"words": texts, "kind": labels}).to_parquet(path)
    assert main(["evaluate", str(tmp_path / "m"), str(path)]) == 0
    out = capsys.readouterr().out
    for part in ("accuracy", "macro-F1", "95 % interval", "Metrics per class", "how_to"):
        assert part in out
    assert main(["evaluate", str(tmp_path / "m"), str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == pytest.approx(model.score(texts, labels))
    assert found["rows"] == 40


def test_the_wrong_rows_are_written_and_the_confused_classes_shown(capsys, model, few, tmp_path):
    texts, labels = few[0], [few[1][0]] * len(few[1])  # most of these labels are wrong
    pd.DataFrame({"words": texts, "kind": labels}).to_csv(tmp_path / "test.csv", index=False)
    command = ["evaluate", str(tmp_path / "m"), str(tmp_path / "test.csv")]
    command += ["--errors", str(tmp_path / "errors.csv")]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "Confused classes" in out and "wrong rows written" in out
    errors = pd.read_csv(tmp_path / "errors.csv")
    assert errors["row"].tolist() == model.errors(texts, labels).rows["row"].tolist()
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 40


def test_the_texts_are_encoded_once(capsys, model, few, tmp_path, monkeypatch):
    pd.DataFrame({"words": few[0], "kind": few[1]}).to_csv(tmp_path / "test.csv", index=False)
    calls, outputs = [], FittedModel.outputs
    monkeypatch.setattr(
        FittedModel, "outputs", lambda self, texts: calls.append(1) or outputs(self, texts)
    )
    assert main(["evaluate", str(tmp_path / "m"), str(tmp_path / "test.csv")]) == 0
    assert calls == [1]


def test_errors_of_numbers_are_refused(capsys, few, tmp_path):
    TextRegressor("tfidf").fit(few[0], range(40)).save(tmp_path / "n")
    pd.DataFrame({"text": few[0], "label": range(40)}).to_csv(tmp_path / "n.csv", index=False)
    errors = str(tmp_path / "e.csv")
    assert main(["evaluate", str(tmp_path / "n"), str(tmp_path / "n.csv"), "--errors", errors]) == 2
    assert "--errors is for classifiers" in capsys.readouterr().err


def test_a_label_never_seen_is_one_line(capsys, model, few, tmp_path):
    path = tmp_path / "test.csv"
    pd.DataFrame({"words": few[0][:1], "kind": ["biling"]}).to_csv(path, index=False)
    assert main(["evaluate", str(tmp_path / "m"), str(path)]) == 2
    err = capsys.readouterr().err
    assert "'biling' at row 0 was never seen" in err
    assert err.count("\n") == 1


def test_figures_for_numbers_are_shown(capsys, few, tiny_encoder, tmp_path):
    texts, _ = few
    lengths = [len(text) for text in texts]
    model = TextRegressor(tiny_encoder).fit(texts, lengths)
    model.save(tmp_path / "m", notes={"run": {"text_column": ["words"], "label_column": "n"}})
    path = tmp_path / "test.csv"
    pd.DataFrame({"words": texts, "n": lengths}).to_csv(path, index=False)
    assert main(["evaluate", str(tmp_path / "m"), str(path)]) == 0
    out = capsys.readouterr().out
    assert "Spearman correlation" in out and "Metrics per class" not in out
    assert main(["evaluate", str(tmp_path / "m"), str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["r2"] == pytest.approx(model.score(texts, lengths), abs=1e-6)
    assert found["rows"] == 40
    assert "interval" not in found


@pytest.mark.parametrize("classes", [[0, 1], [False, True], [0.5, 1.5]])
def test_cells_of_a_text_table_are_read_as_the_classes_of_the_model(capsys, tmp_path, classes):
    texts, labels = ["good tea", "bad tea"] * 10, classes * 10
    TextClassifier("tfidf").fit(texts, labels).save(tmp_path / "m")
    pd.DataFrame({"text": texts, "label": labels}).to_csv(tmp_path / "t.csv", index=False)
    assert main(["evaluate", str(tmp_path / "m"), str(tmp_path / "t.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1.0


def test_a_task_of_a_model_that_has_none_is_refused(capsys, tmp_path):
    texts, labels = ["good tea", "bad tea"] * 10, ["a", "b"] * 10
    TextClassifier("tfidf").fit(texts, labels).save(tmp_path / "m")
    pd.DataFrame({"text": texts, "label": labels}).to_csv(tmp_path / "t.csv", index=False)
    assert main(["evaluate", str(tmp_path / "m"), str(tmp_path / "t.csv"), "--task", "x"]) == 2
    assert "has only one task" in capsys.readouterr().err
