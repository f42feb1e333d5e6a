import pytest

from nlptl.base.errors import ConfigError
from nlptl.config.bulk import read_job
from nlptl.estimators.bulk.job import BulkJob

FLAGS = {"model": "m", "data": "d.csv", "output": "o.csv", "chunk_rows": None, "overwrite": None}


def test_flags_win_over_the_file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("model: other\ndata: d.csv\ntext_column: words\nchunk_rows: 100\n")
    found = read_job(str(path), {"model": "m", "output": "o.csv", "chunk_rows": "7", "data": None})
    assert found == BulkJob(
        model="m", data="d.csv", output="o.csv", text_column=("words",), chunk_rows=7
    )


def test_flags_alone_suffice_and_two_columns_are_pairs():
    assert read_job(None, FLAGS) == BulkJob(model="m", data="d.csv", output="o.csv")
    assert read_job(None, {**FLAGS, "text_column": ["a", "b"]}).text_column == ("a", "b")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"model": None}, "model must be a path, got None. Pass --model"),
        ({"chunk_rows": "many"}, "chunk_rows must be an integer, got 'many'"),
        ({"chunk_rows": 4.7}, "chunk_rows must be an integer, got 4.7"),
        ({"chunk_rows": True}, "chunk_rows must be an integer, got True"),
        ({"processes": float("inf")}, "processes must be an integer, got inf"),
        ({"chunk_rows": "0", "processes": "-1"}, "chunk_rows must be .* got 0; processes"),
        ({"output": "o.doc"}, "Cannot write 'o.doc'"),
    ],
)
def test_what_makes_no_sense_is_named(flags, message):
    with pytest.raises(ConfigError, match=message):
        read_job(None, {**FLAGS, **flags})


def test_an_unknown_setting_of_the_file_gets_a_suggestion(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("modle: m\n")
    with pytest.raises(ConfigError, match="Unknown setting 'modle'.*Did you mean 'model'"):
        read_job(str(path), {})
