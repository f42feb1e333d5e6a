import json
import warnings

import pandas as pd
import pytest

from nlptl.base.errors import AuditWarning
from nlptl.cli.main import main


@pytest.fixture
def table(tmp_path, support):
    texts, labels = support
    path = tmp_path / "rows.csv"
    pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)
    return str(path)


def test_two_transfers_are_compared_on_the_same_rows(table, tiny_encoder, capsys):
    given = ["compare", table, "--encoder", str(tiny_encoder), "--shots", "4", "--folds", "2"]
    assert main([*given, "--transfer", "meaning", "--rounds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["methods"], found["n_rows"]) == (["meaning", "frozen"], 32)
    assert len(found["scores"]) == 2 and set(found["gains"]["meaning"]) == {"value", "low", "high"}
    assert all(cost["mebibytes"] > 0 for cost in found["costs"].values())
    assert main([*given, "--against", "meaning", "--rounds", "1", "--head", "logistic"]) == 0
    out = capsys.readouterr().out
    assert "32 rows, 2 splits, compared with meaning" in out and "MiB" in out


def test_encoders_and_transfers_are_compared_in_one_table(table, tiny_encoder, capsys):
    given = ["compare", table, "--encoder", str(tiny_encoder), "--shots", "4", "--folds", "2"]
    assert main([*given, "--rounds", "1", "--against", "meaning", "tfidf", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["methods"] == ["frozen", "meaning", "tfidf"]
    assert found["costs"]["tfidf"]["mebibytes"] < found["costs"]["frozen"]["mebibytes"]
    assert main([*given, "--against", "frozn"]) == 2
    assert "Did you mean 'frozen'" in capsys.readouterr().err


def test_a_regression_is_compared_too(tmp_path, support, tiny_encoder, capsys):
    texts, _ = support
    path = tmp_path / "rows.csv"
    pd.DataFrame({"text": texts[:40], "label": range(40)}).to_csv(path, index=False)
    flags = ["--task", "regression", "--transfer", "full", "--training.max_steps", "1"]
    given = ["compare", str(path), "--encoder", str(tiny_encoder), *flags]
    assert main([*given, "--folds", "2", "--rounds", "1"]) == 0
    assert "R²" in capsys.readouterr().out


def test_the_same_twice_is_refused(table, capsys):
    assert main(["compare", table, "--transfer", "lora", "--against", "lora"]) == 2
    assert "got 'lora' twice" in capsys.readouterr().err
    assert main(["compare", table, "--transfer", "lora", "--output", "model"]) == 2
    assert "there is no --output" in capsys.readouterr().err
    assert main(["compare", table, "--transfer", "lora", "--overwrite"]) == 2
    assert "there is no --overwrite" in capsys.readouterr().err


def test_names_are_given_to_both_sides(tmp_path, support, tiny_encoder, capsys):
    texts, labels = support
    path = tmp_path / "rows.csv"
    kinds = sorted(set(labels))
    pd.DataFrame({"text": texts, "label": [kinds.index(k) for k in labels]}).to_csv(path)
    told = json.dumps({str(i): kind for i, kind in enumerate(kinds)})
    flags = ["--transfer", "contrastive+meaning", "--transfer.names", told, "--shots", "4"]
    few = ["--training.max_steps", "1", "--folds", "2", "--rounds", "1", "--json"]
    given = ["compare", str(path), "--encoder", str(tiny_encoder), *flags, *few]
    assert main([*given, "--against", "meaning"]) == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["methods"][-1] == "meaning"


def test_texts_without_labels_go_to_what_takes_them(table, tmp_path, support, tiny_encoder, capsys):
    more = tmp_path / "more.csv"
    pd.DataFrame({"text": support[0][:40]}).to_csv(more, index=False)
    given = ["compare", table, "--encoder", str(tiny_encoder), "--shots", "4", "--folds", "2"]
    few = ["--rounds", "1", "--json", "--transfer", "selftraining"]
    assert main([*given, *few, "--unlabeled", str(more)]) == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["methods"][0] == "selftraining"
    assert main([*given, *few]) == 2
    assert "unlabelled texts, got 16 and 0" in capsys.readouterr().err


TEA = ["good tea", "bad tea", "good jam", "bad jam"] * 3
BOOKS = ["good book", "bad book"] * 10


def rows_of(path, texts, labels):
    pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)
    return str(path)


def test_a_source_is_compared_with_the_same_rows_without_it(tmp_path, capsys):
    words = [f"word{number}" for number in range(12)]  # no word repeats, so only the source helps
    few = rows_of(tmp_path / "few.csv", words, list("ab" * 6))
    old = rows_of(tmp_path / "old.csv", [f"{word} book" for word in words] * 2, list("ab" * 12))
    flags = ["--encoder", "tfidf", "--folds", "2", "--rounds", "1", "--json"]
    assert main(["compare", few, "--source", old, *flags]) == 0, capsys.readouterr().err
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["methods"] == ["recommended", "frozen"]
    assert verdict["gains"]["recommended"]["value"] > 0.2


def test_only_methods_that_use_a_source_get_it(tmp_path, capsys):
    few = rows_of(tmp_path / "few.csv", TEA, list("ab" * 6))
    old = rows_of(tmp_path / "old.csv", BOOKS, list("ab" * 10))
    flags = ["--source", old, "--folds", "2", "--rounds", "1", "--json"]
    compare = ["compare", few, "--encoder", "tfidf", *flags]
    assert main([*compare, "--transfer", "source", "--against", "frozen"]) == 0
    assert json.loads(capsys.readouterr().out)["methods"] == ["source", "frozen"]
    assert main([*compare, "--transfer", "edits", "--against", "frozen"]) == 2
    assert "source" in capsys.readouterr().err


def test_a_source_without_rows_to_test_on_is_refused(tmp_path, capsys):
    old = rows_of(tmp_path / "old.csv", BOOKS, list("ab" * 10))
    assert main(["compare", "--source", old]) == 2
    assert "Add DATA, or use train" in capsys.readouterr().err


def test_problems_of_the_rows_are_not_warned_of(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    pd.DataFrame({"text": ["good tea", "bad day"] * 12, "label": ["a", "b"] * 12}).to_csv(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AuditWarning)
        given = ["compare", str(path), "--encoder", "tfidf", "--against", "static", "--json"]
        assert main([*given, "--folds", "2", "--rounds", "1"]) == 0, capsys.readouterr().err
