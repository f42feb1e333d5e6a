import io
import sys
from argparse import ArgumentParser

import pandas as pd
import pytest

from nlptl.base.errors import InputError
from nlptl.cli.main import main
from nlptl.cli.tables import (
    add_encoding,
    add_reading,
    read_input,
    read_labelled,
    read_texts,
)
from nlptl.data.tables.text_source import text_encoding


@pytest.fixture
def table(few, tmp_path):
    """Forty labelled rows, then one without a label and one without a text."""
    path = tmp_path / "rows.csv"
    texts, labels = ([*few[0], "not labelled yet", " "], [*few[1], "", "how_to"])
    pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)
    return str(path)


@pytest.fixture
def model(few, tmp_path):
    from nlptl import TextClassifier, TfidfEncoder

    return str(TextClassifier(TfidfEncoder()).fit(*few).save(tmp_path / "model"))


def test_blank_rows_are_refused_or_left_out_with_their_number(table, few, capsys):
    with pytest.raises(InputError, match="data row 41 "):
        read_labelled(table, ["text"], "label", numeric=False)
    rows, labels = read_labelled(table, ["text"], "label", numeric=False, drop_blank=True)
    assert (list(rows), labels) == (list(few[0]), list(few[1]))
    assert capsys.readouterr().err == f"2 of 42 rows of {table} are blank and left out.\n"
    assert len(read_texts(table, ["text"], drop_blank=True)) == 41
    with pytest.raises(InputError, match=r"1 of 42 rows .* no text.*row 42 .*with --drop-blank"):
        read_texts(table, ["text"])


def test_a_blank_text_among_labelled_rows_names_the_option(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n{"text": null, "label": "y"}\n')
    with pytest.raises(InputError, match=r"no text in column 'text'.*None.*--drop-blank"):
        read_labelled(str(path), ["text"], "label", numeric=False)


def test_standard_input_is_a_table_too(monkeypatch, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text\ncafé\n".encode("cp1252"))
    for source in ("-", "/dev/stdin", str(path)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        with text_encoding("cp1252"):
            assert read_input(source, split=None).frame["text"].tolist() == ["café"]


def test_the_option_of_the_encoding_is_absent_unless_it_is_written():
    parser = ArgumentParser()
    add_encoding(parser)
    assert parser.parse_args([]).encoding is None
    assert parser.parse_args(["--encoding", "cp1252"]).encoding == "cp1252"


def test_the_option_is_not_given_unless_it_is_written():
    parser = ArgumentParser()
    add_reading(parser)
    assert parser.parse_args([]).drop_blank is None
    assert parser.parse_args(["--drop-blank"]).drop_blank is True


COMMANDS = {
    "train": ["{table}", "--encoder", "tfidf", "--output", "{new}"],
    "compare": ["{table}", "--encoder", "tfidf", "--transfer", "edits", "--folds", "2"],
    "evaluate": ["{model}", "{table}"],
    "distill": ["{model}", "{table}", "--labelled", "{table}", "--encoder", "tfidf"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_blank_labels_and_can_leave_them_out(
    command, table, model, tmp_path, capsys
):
    places = {"table": table, "model": model, "new": str(tmp_path / "new")}
    arguments = [command, *(word.format(**places) for word in COMMANDS[command])]
    arguments += ["--output", places["new"]] if command == "distill" else []
    arguments += ["--rounds", "1"] if command == "compare" else []
    assert main(arguments) == 2
    assert "rows.csv" in capsys.readouterr().err
    assert main([*arguments, "--drop-blank"]) == 0
    assert "of 42 rows of" in capsys.readouterr().err


@pytest.mark.parametrize("command", [*COMMANDS, "suggest", "cascade"])
def test_every_command_reads_files_of_another_encoding(
    command, few, model, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"text": [f"café {text}" for text in few[0]], "label": few[1]})
    table.to_csv("rows.csv", index=False, encoding="cp1252")
    places = {"table": "rows.csv", "model": model, "new": "new"}
    words = COMMANDS.get(command, ["{model}", "{table}"])
    arguments = [command, *(word.format(**places) for word in words)]
    arguments += {
        "distill": ["--output", "new"],
        "compare": ["--rounds", "1"],
        "suggest": ["--output", "chosen.csv"],
        "cascade": ["--fast", model, "--output", "new", "--max-loss", "0.5"],
    }.get(command, [])
    assert main(arguments) == 2
    assert "--encoding cp1252" in capsys.readouterr().err
    assert main([*arguments, "--encoding", "cp1252"]) == 0


def test_several_tasks_leave_blank_rows_out_by_a_setting(table, tiny_encoder, tmp_path, capsys):
    config = tmp_path / "tasks.yaml"
    written = f"tasks: {{mood: {{data: {table}}}}}\nencoder: {tiny_encoder}\n"
    config.write_text(written)
    assert main(["multitask", "--config", str(config)]) == 2
    assert "data row 41 " in capsys.readouterr().err
    config.write_text(written + "drop_blank: perhaps\n")
    assert main(["multitask", "--config", str(config)]) == 2
    assert "drop_blank must be true or false, got 'perhaps'" in capsys.readouterr().err


def test_an_audit_counts_them(table, capsys):
    assert main(["audit", table]) == 0
    out = capsys.readouterr().out
    assert "1 rows have no label." in out
    assert "1 rows have no text." in out


@pytest.mark.parametrize("command", ["export", "add-classes", "distill", "suggest"])
def test_no_command_replaces_what_it_reads(command, table, model, tmp_path, capsys):
    places = {
        "export": [model, model, "--overwrite"],
        "add-classes": [model, '{"a": "b"}', "--output", model, "--overwrite"],
        "distill": [model, table, "--output", str(tmp_path), "--overwrite"],
        "suggest": [model, table, "--output", table, "--overwrite"],
    }
    assert main([command, *places[command]]) == 2
    assert "would replace" in capsys.readouterr().err


def test_training_does_not_replace_the_folder_of_its_table(table, tmp_path, capsys):
    output = ["--output", str(tmp_path), "--overwrite"]
    assert main(["train", table, "--encoder", "tfidf", *output]) == 2
    assert "would replace" in capsys.readouterr().err
