from argparse import ArgumentParser

import pandas as pd
import pytest

from nlptl.base.errors import InputError
from nlptl.cli.console import add_columns, console, texts_of

TABLE = pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"]})


def test_one_column_gives_texts_and_two_give_pairs():
    assert list(texts_of(TABLE, ["a"])) == ["x", "y"]
    assert list(texts_of(TABLE, ["a", "b"])) == [("x", "u"), ("y", "v")]
    with pytest.raises(InputError, match="no column 'c'"):
        texts_of(TABLE, ["c"])


def test_columns_are_named_by_options():
    parser = ArgumentParser()
    add_columns(parser, label=True)
    given = parser.parse_args(["--text-column", "a", "b", "--label-column", "l"])
    assert (given.text_column, given.label_column, given.split) == (["a", "b"], "l", None)


def test_a_pipe_is_wide_enough_for_the_tables():
    assert console().width >= 80
