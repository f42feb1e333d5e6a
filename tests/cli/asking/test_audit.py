import pandas as pd
import pytest

from nlptl.cli.main import main


def test_a_table_is_audited_blanks_and_leaks_included(capsys, tmp_path):
    train, test = tmp_path / "a.csv", tmp_path / "b.csv"
    pd.DataFrame({"text": ["x", "X", "", "y"], "label": list("ppnn")}).to_csv(train, index=False)
    pd.DataFrame({"text": ["y", "z"]}).to_csv(test, index=False)
    assert main(["audit", str(train), "--other", str(test)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in ("1 rows have no text", "1 rows repeat an earlier row", "are also training rows"):
        assert part in out


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.csv"
    topics = ["praise"] * 6 + ["Praise "] + [f"t{i:02}" for i in range(20)] * 2
    table = pd.DataFrame({"id": range(47), "review": [f"text {i}" for i in range(47)]})
    table.assign(topic=topics).to_csv(path, index=False)
    return str(path)


def test_a_table_without_a_column_of_labels_says_so_and_lists_its_columns(capsys, reviews):
    assert main(["audit", reviews, "--text-column", "review"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("Texts: column 'review'. No labels were read")
    assert "Known columns: id, review, topic." in first and "--label-column" in first


def test_classes_are_counted_and_labels_that_look_alike_are_named(capsys, reviews):
    options = ["--text-column", "review", "--label-column", "topic"]
    assert main(["audit", reviews, *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Texts: column 'review'. Labels: column 'topic'.\n")
    counts = out[out.index("Rows per class") :].partition("note:")[0]
    words = [line.strip("│ ").split() for line in counts.splitlines() if line.startswith("│")]
    assert words[:2] == [["praise", "│", "6"], ["t00", "│", "2"]]
    assert words[-2:] == [["t18", "│", "2"], ["(2", "other", "classes)", "│", "3"]]
    assert "differ only by case or spaces" in out


def test_a_column_of_labels_that_is_not_there_is_refused(capsys, reviews):
    assert main(["audit", reviews, "--text-column", "review", "--label-column", "topc"]) == 2
    assert "Did you mean 'topic'?" in capsys.readouterr().err


def test_tables_of_another_encoding_are_audited(capsys, tmp_path):
    table, other = tmp_path / "a.csv", tmp_path / "b.csv"
    table.write_bytes("text,label\ncafé,x\n".encode("cp1252"))
    other.write_bytes("text\nCAFÉ\n".encode("cp1252"))
    arguments = ["audit", str(table), "--other", str(other)]
    assert main(arguments) == 2
    assert "--encoding cp1252" in capsys.readouterr().err
    assert main([*arguments, "--encoding", "cp1252"]) == 0
    assert "also training rows" in " ".join(capsys.readouterr().out.split())
