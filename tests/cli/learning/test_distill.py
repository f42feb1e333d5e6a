import pandas as pd
import pytest

from nlptl import TextClassifier, TextRegressor, TfidfEncoder
from nlptl.cli.main import main
from nlptl.estimators.loading import load_any


@pytest.fixture
def place(support, tmp_path):
    texts, labels = support
    TextClassifier(TfidfEncoder()).fit(texts[::4], labels[::4]).save(
        tmp_path / "model", notes={"run": {"text_column": ["body"], "label_column": "kind"}}
    )
    pd.DataFrame({"body": texts[::2]}).to_csv(tmp_path / "texts.csv", index=False)
    known = pd.DataFrame({"body": texts[::4], "kind": labels[::4]})
    known.to_csv(tmp_path / "known.csv", index=False)
    return tmp_path


def distil(place, *more):
    return main(
        ["distill", str(place / "model"), str(place / "texts.csv"), "--encoder", "tfidf",
         "--output", str(place / "student"), *more]
    )  # fmt: skip


def test_a_student_is_taught_compared_and_saved(place, capsys):
    assert distil(place, "--labelled", str(place / "known.csv")) == 0
    out = capsys.readouterr().out
    assert "of 24 held-out texts" in out
    assert "texts per second" in out and "Saved and read back" in out
    student = load_any(place / "student")
    assert student.notes_["run"] == {"text_column": ["body"], "label_column": "kind"}
    assert main(["predict", str(place / "student"), str(place / "texts.csv")]) == 0


def test_a_folder_that_is_taken_stays(place, capsys):
    (place / "student").mkdir()
    (place / "student" / "notes.txt").write_text("mine")
    assert distil(place) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in (place / "student").iterdir()] == ["notes.txt"]


def test_a_model_that_is_there_is_replaced_where_asked(place, few):
    TextClassifier(TfidfEncoder()).fit(*few).save(place / "student")
    assert distil(place) == 2
    assert distil(place, "--overwrite") == 0
    assert len(load_any(place / "student").classes_) == 8


def test_numbers_are_taught_too(place, few, capsys):
    model = TextRegressor(TfidfEncoder()).fit(few[0], range(40))
    model.save(place / "numbers")
    table = place / "few.csv"
    pd.DataFrame({"text": few[0]}).to_csv(table, index=False)
    given = ["distill", str(place / "numbers"), str(table), "--encoder", "tfidf"]
    assert main([*given, "--output", str(place / "small")]) == 0
    assert "on average on 4 held-out texts" in capsys.readouterr().out
