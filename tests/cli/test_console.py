from argparse import ArgumentParser

from nlptl.cli.console import add_columns, console


def test_columns_are_named_by_options():
    parser = ArgumentParser()
    add_columns(parser, label=True)
    given = parser.parse_args(["--text-column", "a", "b", "--label-column", "l"])
    assert (given.text_column, given.label_column, given.split) == (["a", "b"], "l", None)


def test_a_pipe_is_wide_enough_for_the_tables():
    assert console().width >= 80
