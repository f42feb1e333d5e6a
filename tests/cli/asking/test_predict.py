import io
import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from nlptl import TextClassifier, TextRegressor, TfidfEncoder, read_table
from nlptl.cli.main import main
from nlptl.data.tables.writing import table_format


@pytest.fixture
def model(few, tiny_encoder, tmp_path):
    model = TextClassifier(tiny_encoder).fit(*few)
    model.save(tmp_path / "m")
    return model


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_are_labelled_in_order_beside_what_was_there(model, few, tmp_path, kind):
    texts, _ = few
    source, target = tmp_path / "in.csv", tmp_path / f"out.{kind}"
    pd.DataFrame({"id": range(40), "text": texts}).to_csv(source, index=False)
    assert main(["predict", str(tmp_path / "m"), str(source), "--output", str(target)]) == 0
    found = read_table(target)
    assert found["text"].tolist() == texts
    assert found["predicted"].tolist() == model.predict(texts).tolist()
    assert [float(p) for p in found["probability"]] == pytest.approx(
        model.predict_proba(texts).max(axis=1), abs=1e-4
    )


def test_texts_given_by_hand_are_shown(capsys, model, tmp_path):
    assert main(["predict", str(tmp_path / "m"), "--text", "the parcel", "--text", "help"]) == 0
    out = capsys.readouterr().out
    assert "the parcel" in out and "probability" in out


def test_without_an_output_the_table_is_printed(capsys, model, few, tmp_path):
    source = tmp_path / "in.csv"
    pd.DataFrame({"text": few[0][:2]}).to_csv(source, index=False)
    assert main(["predict", str(tmp_path / "m"), str(source)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "text,predicted,probability"


def test_the_next_classes_and_all_probabilities_are_added(capsys, model, few, tmp_path):
    source, folder = tmp_path / "in.csv", str(tmp_path / "m")
    pd.DataFrame({"text": few[0][:2]}).to_csv(source, index=False)
    assert main(["predict", folder, str(source), "--top", "2"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head == "text,predicted,probability,predicted_2,probability_2"
    assert main(["predict", folder, str(source), "--probabilities"]) == 0
    names = [f"probability of {name}" for name in model.classes_]
    assert capsys.readouterr().out.splitlines()[0].split(",")[3:] == names
    assert main(["predict", folder, "--text", "the parcel", "--top", "2"]) == 0
    assert "predicted_2" in capsys.readouterr().out
    for flags in (["--top", "2"], ["--probabilities"]):
        assert main(["predict", folder, str(source), "--chunk-rows", "1", *flags]) == 2
        assert f"got {flags[0]}" in capsys.readouterr().err


def test_several_labels_are_written_as_json(few, tiny_encoder, tmp_path):
    texts, labels = few
    model = TextClassifier(tiny_encoder).fit(texts, [["x", label] for label in labels])
    model.save(tmp_path / "m")
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    pd.DataFrame({"text": texts[:1]}).to_csv(source, index=False)
    main(["predict", str(tmp_path / "m"), str(source), "--output", str(target)])
    assert read_table(target)["predicted"][0].startswith('["')


def test_a_column_in_the_way_is_named_and_nothing_written(capsys, model, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    pd.DataFrame({"text": ["a"], "predicted": ["b"]}).to_csv(source, index=False)
    code = main(["predict", str(tmp_path / "m"), str(source), "--output", str(target)])
    assert code == 2
    assert "has a column 'predicted' already" in capsys.readouterr().err
    assert not target.exists()


def test_what_users_write_is_no_markup(capsys, model, tmp_path):
    strange = "see [/usr/bin] and [red] or :fire:"
    assert main(["predict", str(tmp_path / "m"), "--text", strange]) == 0
    assert strange in " ".join(capsys.readouterr().out.split())
    source = tmp_path / "in.csv"
    pd.DataFrame({"text": [strange]}).to_csv(source, index=False)
    assert main(["predict", str(tmp_path / "m"), str(source)]) == 0
    assert strange in capsys.readouterr().out


def test_numbers_are_predicted_beside_what_was_there(capsys, few, tiny_encoder, tmp_path):
    texts, _ = few
    model = TextRegressor(tiny_encoder).fit(texts, [len(text) for text in texts])
    model.save(tmp_path / "m")
    source, target = tmp_path / "in.csv", tmp_path / "out.parquet"
    pd.DataFrame({"text": texts, "probability": "mine"}).to_csv(source, index=False)
    assert main(["predict", str(tmp_path / "m"), str(source), "--output", str(target)]) == 0
    found = read_table(target)
    assert found["predicted"].tolist() == pytest.approx(model.predict(texts).tolist(), rel=1e-3)
    assert found["probability"].tolist() == ["mine"] * 40
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "m"), "--text", "the parcel"]) == 0
    out = capsys.readouterr().out
    assert "number" in out and "probability" not in out


@pytest.fixture
def saved(few, tmp_path):
    return str(TextClassifier(TfidfEncoder()).fit(*few).save(tmp_path / "counts"))


def test_an_output_that_exists_is_replaced_only_if_asked_for(capsys, saved, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text,n\nthe parcel,1\n")
    target.write_text("mine")
    arguments = ["predict", saved, str(source), "--output"]
    assert main([*arguments, str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main([*arguments, str(target), "--overwrite"]) == 0
    assert read_table(target)["n"].tolist() == ["1"]
    assert main([*arguments, str(source), "--overwrite"]) == 2
    assert source.read_text() == "text,n\nthe parcel,1\n"


CELLS = ["007", "NA", "", "1.0", "9007199254740993", "null", "2024-01-01", "a\rb", '"x', "c\nd"]


def test_cells_of_csv_files_are_copied_as_they_are(saved, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    table = pd.DataFrame({"": CELLS, "text": ["the parcel\r"] * len(CELLS), "n": CELLS[::-1]})
    source.write_bytes(table_format(source).encode(table))
    for name in ("out.csv", "out.tsv", "out.jsonl", "out.parquet"):
        target = tmp_path / name
        assert main(["predict", saved, str(source), "--output", str(target)]) == 0
        copied = read_table(target).iloc[:, :3]
        assert copied.to_numpy().tolist() == table.to_numpy().tolist()
        assert copied.columns.tolist() == table.columns.tolist()


def test_fields_of_jsonl_files_are_copied_to_the_digit(saved, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [
        '{"id": 9007199254740993, "text": "the parcel", "share": 0.12345678901234567890}',
        '{"text": "help", "note": "half \\ud83d", "on": "2024-01-01", "big": 18446744073709551616}',
        '{"text": "box", "deep": {"a": [1, null, 1.50]}, "yes": true, "id": null}',
    ]
    source.write_text("\n".join(lines))
    assert main(["predict", saved, str(source), "--output", str(target)]) == 0
    written = target.read_text().splitlines()
    assert [line.partition(',"predicted"')[0] + "}" for line in written] == lines


def piped(monkeypatch, text, encoding="utf-8"):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode(encoding))))


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize(
    "text", ["id,text\n7,the parcel\n", "id\ttext\n7\tthe parcel\n"], ids=["csv", "tsv"]
)
def test_a_table_is_read_from_standard_input(capsys, monkeypatch, saved, name, text):
    piped(monkeypatch, text)
    assert main(["predict", saved, name]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "id,text,predicted,probability"
    assert row.startswith("7,the parcel,")


def test_lines_of_json_from_standard_input_are_copied(monkeypatch, saved, tmp_path):
    piped(monkeypatch, '{"text": "the parcel", "n": 1.50}\n')
    target = tmp_path / "out.jsonl"
    assert main(["predict", saved, "-", "--output", str(target)]) == 0
    assert target.read_text().startswith('{"text": "the parcel", "n": 1.50,"predicted":')
    assert json.loads(target.read_text())["n"] == 1.5


def test_a_pipe_into_the_command_is_read(saved):
    command = [sys.executable, "-m", "nlptl", "predict", saved, "-"]
    rows = "text\nwo ist das Päckchen\n".encode("cp1252")
    done = subprocess.run(
        [*command, "--encoding", "cp1252"],
        input=rows,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert "wo ist das Päckchen" in done.stdout.decode()


def test_problems_of_standard_input_are_named(capsys, monkeypatch, saved):
    piped(monkeypatch, "txt\na\n")
    assert main(["predict", saved, "-"]) == 2
    assert "no column 'text' in standard input" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["-"], "got DATA '-'"), (["a.csv", "--encoding", "cp1252"], "got --encoding 'cp1252'")],
)
def test_blocks_are_read_from_a_file_of_utf_8(capsys, saved, words, reason):
    assert main(["predict", saved, *words, "--chunk-rows", "10", "--output", "out.csv"]) == 2
    assert reason in capsys.readouterr().err


def test_one_split_of_a_folder_is_labelled(saved, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("text\na\nb\n")
    (tmp_path / "data" / "test.csv").write_text("text\nthe parcel\n")
    target = tmp_path / "out.csv"
    arguments = ["predict", saved, str(tmp_path / "data"), "--output", str(target)]
    assert main([*arguments, "--split", "test"]) == 0
    assert read_table(target)["text"].tolist() == ["the parcel"]


def test_texts_of_the_command_line_are_written_to_a_file(saved, tmp_path):
    target = tmp_path / "out.csv"
    assert main(["predict", saved, "--text", "the parcel", "--output", str(target)]) == 0
    table = read_table(target)
    assert table["text"].tolist() == ["the parcel"] and len(table["predicted"][0])
