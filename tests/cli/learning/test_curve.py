import json

import pandas as pd
import pytest

from nlptl.cli.main import main


@pytest.fixture
def table(tmp_path, support):
    texts, labels = support
    path = tmp_path / "rows.csv"
    pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)
    return str(path)


def test_two_methods_are_measured_with_more_labels(table, tmp_path, tiny_encoder, capsys):
    words = ["curve", table, "--encoder", str(tiny_encoder), "--draws", "2"]
    sizes = ["--transfer", "meaning", "--sizes", "16", "32"]
    picture = tmp_path / "curve.png"
    assert main([*words, *sizes, "--against", "tfidf", "--picture", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "Score by number of labels, 2 draws" in out and "Compared with tfidf" in out
    assert "gain with 16 labels" in out and "break-even" not in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_rows_of_a_test_file_are_tested_on(table, tmp_path, tiny_encoder, capsys):
    test = tmp_path / "test.csv"
    pd.read_csv(table).tail(8).to_csv(test, index=False)
    words = ["curve", table, "--encoder", str(tiny_encoder), "--draws", "2", "--test", str(test)]
    sizes = ["--sizes", "16", "32", "--against", "tfidf", "--json"]
    assert main([*words, *sizes]) == 0, capsys.readouterr().err
    described = json.loads(capsys.readouterr().out)
    assert described["methods"] == ["frozen", "tfidf"] and described["resolution"] == 1 / 8
    eighths = [8 * score for draw in described["scores"] for row in draw for score in row]
    assert eighths == [round(score) for score in eighths]


def test_bad_options_are_refused_in_a_line(table, tmp_path, capsys):
    assert main(["curve", table, "--against", "tfidf", "--sizes", "100000"]) == 2
    assert "between 2 and the" in capsys.readouterr().err
    assert main(["curve", table, "--shots", "4"]) == 2
    assert "there is no --shots" in capsys.readouterr().err
    assert main(["curve", table, "--picture", str(tmp_path / "curve.doc")]) == 2
    assert "A picture ends in .png" in capsys.readouterr().err
    (tmp_path / "curve.png").touch()
    assert main(["curve", table, "--picture", str(tmp_path / "curve.png")]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["curve", "--source", table]) == 2
    assert "labelled rows of DATA, got none" in capsys.readouterr().err
