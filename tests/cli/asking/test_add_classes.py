import json

import pytest

from nlptl import Frozen, LabelMeaning, TextClassifier
from nlptl.cli.main import main

NAMES = {"money": "money and prices", "post": "parcels"}


@pytest.fixture
def folder(tiny_encoder, tmp_path):
    model = TextClassifier(tiny_encoder, transfer=LabelMeaning(NAMES)).fit([], [])
    model.save(tmp_path / "m", notes={"run": {"text_column": ["words"]}})
    return tmp_path / "m"


def ask(*given):
    return main([str(one) for one in given])


def test_a_saved_model_learns_a_class_by_its_name(folder, tmp_path, capsys):
    further = {"login": ["passwords", "logging in"]}
    assert ask("add-classes", folder, json.dumps(further), "--output", tmp_path / "w") == 0
    assert "The model now has 3 classes: login, money, post." in capsys.readouterr().out
    wider, texts = TextClassifier.load(tmp_path / "w"), ["I forgot it.", "What is it?"]
    same = TextClassifier.load(folder).add_classes(further)
    assert wider.predict_proba(texts).tolist() == same.predict_proba(texts).tolist()
    assert wider.notes_["run"] == {"text_column": ["words"]}
    assert TextClassifier.load(folder).classes_.tolist() == ["money", "post"]


def test_names_may_stand_in_a_file(folder, tmp_path):
    file = tmp_path / "names.yaml"
    file.write_text("login: passwords and logging in\n3: a number of things\n")
    assert ask("add-classes", folder, file, "--output", tmp_path / "w") == 2  # 3 is no text
    file.write_text("- login\n")
    assert ask("add-classes", folder, file, "--output", tmp_path / "w") == 2
    file.write_text("login: passwords and logging in\ndelay: what comes late\n")
    assert ask("add-classes", folder, file, "--output", tmp_path / "w") == 0
    assert len(TextClassifier.load(tmp_path / "w").classes_) == 4


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ('{"post": "letters"}', "post"),
        ("{}", "at least one class, got none"),
        ("names.yml", "Cannot read configuration 'names.yml'"),
        ("x" * 5000, "Cannot read configuration"),
        ('{"a": ', "cannot be read as JSON"),
        ('{"a": ""}', "must give a text"),
        ('{"a": 3}', "must give a text"),
    ],
)
def test_bad_names_take_one_line(folder, tmp_path, capsys, names, says):
    assert ask("add-classes", folder, names, "--output", tmp_path / "w") == 2
    told = capsys.readouterr().err
    assert says in told and len(told.splitlines()) == 1
    assert not (tmp_path / "w").exists()


def test_a_model_without_names_is_refused(few, tiny_encoder, tmp_path, capsys):
    TextClassifier(tiny_encoder, transfer=Frozen()).fit(*few).save(tmp_path / "m")
    assert ask("add-classes", tmp_path / "m", '{"a": "b c"}', "--output", tmp_path / "w") == 2
    assert "needs a model fitted with LabelMeaning" in capsys.readouterr().err
