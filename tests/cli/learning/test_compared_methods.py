from argparse import ArgumentParser

import pytest

from nlptl.base.errors import ConfigError
from nlptl.cli.learning.compared_methods import (
    RECOMMENDED,
    REFUSED,
    add_shared_arguments,
    compared_methods,
    corpora_of,
    read_settings,
)


def settings_of(*words, refused=(*REFUSED, "overwrite")):
    parser = ArgumentParser()
    add_shared_arguments(parser, refused)
    return read_settings(parser.parse_args(words), refused=refused, other_options=())


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\none,a\ntwo,b\n")
    return str(path)


def test_methods_are_transfers_or_encoders_and_differ(table):
    settings = settings_of(table, "--transfer", "meaning")
    methods = compared_methods(settings, ["tfidf", "frozen"])
    assert list(methods) == ["meaning", "tfidf", "frozen"]
    assert methods["tfidf"].encoder.name == "tfidf"
    with pytest.raises(ConfigError, match="got 'meaning' twice"):
        compared_methods(settings, ["meaning"])


def test_a_source_goes_to_the_recommended_transfer_only(table):
    settings = settings_of(table, "--source", table)
    methods = compared_methods(settings, ["frozen"])
    assert list(methods) == [RECOMMENDED, "frozen"]
    params = corpora_of(settings, methods, ["two words", "one"])
    assert params[RECOMMENDED]["source"]["rows.csv"].rows.texts == ["two"]
    assert params["frozen"] == {}
    with pytest.raises(ConfigError, match="2 texts, and all of them are labelled rows"):
        corpora_of(settings, methods, ["one", "two"])


def test_refused_options_and_missing_rows_are_named(table):
    with pytest.raises(ConfigError, match="there is no --output"):
        settings_of(table, "--output", "model")
    with pytest.raises(ConfigError, match="there is no --for"):
        settings_of(table, "--for", "onnx")
    with pytest.raises(ConfigError, match="got none. Add DATA"):
        settings_of("--source", table)
