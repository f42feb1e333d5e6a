import json

import pandas as pd
import pytest

from nlptl import LogisticHead, OnnxClassifier, TextClassifier, TextRegressor, read_table
from nlptl.cli.main import main


@pytest.fixture
def model(few, tiny_encoder, tmp_path):
    model = TextClassifier(tiny_encoder, head=LogisticHead(C=1.0)).fit(*few)
    columns = {"text_column": ["words"], "label_column": "kind"}
    model.save(tmp_path / "m", notes={"run": columns})
    pd.DataFrame({"words": few[0], "kind": few[1]}).to_csv(tmp_path / "in.csv", index=False)
    return model


def ask(*given):
    return main([str(one) for one in given])


def test_a_graph_is_written_checked_asked_and_measured(model, tmp_path, capsys):
    folder, table = tmp_path / "g", tmp_path / "in.csv"
    options = ["--precision", "int8", "--probe", table, "--tolerance", "0.2"]
    assert ask("export", tmp_path / "m", folder, *options) == 0
    out = capsys.readouterr().out
    assert "of 40 rows (probe)" in out and "Accuracy" in out
    assert ask("predict", folder, table, "--output", tmp_path / "out.csv") == 0
    graph = OnnxClassifier.load(folder)
    texts = read_table(table)["words"].tolist()
    assert read_table(tmp_path / "out.csv")["predicted"].tolist() == graph.predict(texts).tolist()
    capsys.readouterr()
    assert ask("evaluate", folder, table, "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(graph.check_.after)


def test_what_cannot_be_written_takes_one_line(model, few, tiny_encoder, tmp_path, capsys):
    assert ask("export", tmp_path / "m", tmp_path / "g", "--format", "transformers") == 2
    error = capsys.readouterr().err
    assert "a head on 3 layers" in error and "--transfer full" in error and error.count("\n") == 1
    numbers = TextRegressor(tiny_encoder).fit(few[0], [float(len(text)) for text in few[0]])
    numbers.save(tmp_path / "r")
    assert ask("export", tmp_path / "r", tmp_path / "g") == 2
    assert "export needs a classifier, got a text-regressor in " in capsys.readouterr().err
    assert not (tmp_path / "g").exists()


def test_what_a_graph_cannot_do_is_said(model, tmp_path, capsys):
    model.export(tmp_path / "g", format="onnx")
    for command in (["suggest", tmp_path / "g", tmp_path / "in.csv", "-n", "1"],):
        assert ask(*command) == 2
        assert "holds an exported graph" in capsys.readouterr().err
    assert ask("publish", tmp_path / "g", "user/name", "--dry-run") == 2
    assert "--format onnx" in capsys.readouterr().err


def test_an_earlier_export_is_replaced_but_nothing_else(model, tmp_path, capsys):
    folder = tmp_path / "g"
    for flags in ([], ["--overwrite"]):
        assert ask("export", tmp_path / "m", folder, *flags) == 0, capsys.readouterr().err
    assert OnnxClassifier.load(folder).predict(["the parcel"]).shape == (1,)
    (folder / "notes.txt").write_text("mine")
    assert ask("export", tmp_path / "m", folder, "--overwrite") == 2
    assert "also holds 'notes.txt'" in capsys.readouterr().err
    assert (folder / "notes.txt").read_text() == "mine"
