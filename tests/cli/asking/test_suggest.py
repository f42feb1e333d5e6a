import io

import pandas as pd
import pytest

from nlptl import TextClassifier, TextRegressor, TfidfEncoder
from nlptl.cli.main import main


@pytest.fixture
def model(few, tmp_path):
    saved = TextClassifier(TfidfEncoder()).fit(*few)
    return saved, str(saved.save(tmp_path / "model"))


@pytest.fixture
def table(support, tmp_path):
    path = tmp_path / "rows.csv"
    pd.DataFrame({"id": range(60), "text": support[0][:60]}).to_csv(path, index=False)
    return str(path)


def test_the_rows_chosen_are_written_with_their_number(model, table, support, capsys):
    fitted, folder = model
    assert main(["suggest", folder, table, "-n", "5"]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert found["row"].tolist() == fitted.suggest(support[0][:60], 5).tolist()
    assert found["id"].tolist() == found["row"].tolist()
    assert list(found.columns) == ["row", "id", "text"]


def test_a_strategy_and_a_file_may_be_named(model, table, support, tmp_path, capsys):
    fitted, folder = model
    out = tmp_path / "chosen.jsonl"
    given = ["suggest", folder, table, "-n", "3", "--strategy", "uncertain", "--output", str(out)]
    assert main(given) == 0
    found = pd.read_json(out, lines=True)["row"].tolist()
    assert found == fitted.suggest(support[0][:60], 3, strategy="uncertain").tolist()
    assert "3 of 60 rows" in capsys.readouterr().out


def test_numbers_and_taken_columns_are_refused(model, few, tmp_path, table, capsys):
    numbers = TextRegressor(TfidfEncoder()).fit(few[0], range(40)).save(tmp_path / "numbers")
    assert main(["suggest", str(numbers), table]) == 2
    assert "suggest needs a classifier, got a text-regressor in " in capsys.readouterr().err
    pd.DataFrame({"row": [1], "text": ["x"]}).to_csv(tmp_path / "taken.csv", index=False)
    assert main(["suggest", model[1], str(tmp_path / "taken.csv")]) == 2
    assert "has a column 'row' already" in capsys.readouterr().err
