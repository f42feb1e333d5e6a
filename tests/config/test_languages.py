import pandas as pd
import pytest

from nlptl.base.errors import ConfigError
from nlptl.config.languages import read_languages


def test_flags_and_file_say_the_same(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "pairs: {de: a.csv, fr: [b.csv, c.csv]}\nkeeps: 0.5\n"
        "vocabulary: 900\ntraining: {epochs: 2}\n"
    )
    written = read_languages(str(tmp_path / "run.yaml"), {"seed": "3"})
    flags = {"pairs": ["de=a.csv", "fr=b.csv", "fr=c.csv"], "keeps": "0.5", "seed": "3"}
    flags["vocabulary"] = "900"
    assert written == read_languages(None, {**flags, "training.epochs": 2})
    assert written.pairs == {"de": ["a.csv"], "fr": ["b.csv", "c.csv"]}
    student = written.student()
    assert student.keeps == 0.5 and student.training.epochs == 2 and student.seed == 3
    assert student.vocabulary == 900 and student.training.checkpoints is None


def test_checkpoints_lie_beside_the_output(tmp_path):
    config = read_languages(None, {"pairs": ["de=a"], "output": str(tmp_path / "student")})
    assert config.student().training.checkpoints == str(tmp_path / "student.checkpoints")
    (tmp_path / "student.checkpoints").mkdir()
    config.forget_checkpoints()
    assert not (tmp_path / "student.checkpoints").exists()


def test_texts_of_other_tables_are_left_out(tmp_path):
    pairs = pd.DataFrame({"source": ["one", "two"], "target": ["eins", "zwei"]})
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    pd.DataFrame({"id": [1], "text": ["Zwei!"]}).to_parquet(tmp_path / "test.parquet")
    given = {"pairs": [f"de={tmp_path / 'pairs.csv'}"]}
    assert len(read_languages(None, given).read()) == 2
    free = read_languages(None, {**given, "without": str(tmp_path / "test.parquet")}).read()
    assert free.rows() == [("one", "eins", "de")]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "at least one table of sentence pairs, got None"),
        ({"pairs": ["a.csv"]}, "LANGUAGE=FILE"),
        ({"pairs": ["=a.csv"]}, "LANGUAGE=FILE"),
        ({"pairs": ["de=a"], "seed": "x"}, "seed"),
        ({"pairs": ["de=a"], "outptu": "x"}, "output"),
    ],
)
def test_what_cannot_be_meant_is_refused(flags, message):
    with pytest.raises(ConfigError, match=message):
        read_languages(None, flags)
