import json
import os

import pytest

from nlptl.base.errors import ConfigError, EncoderNotFoundError, IntegrityError, StorageError
from nlptl.storage.untrusted import interpreting, open_regular, parse_json, read_json


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True]},
        "[[[[",
        'a " b \\ c',
        "\\",
        {"\\": '"[{,'},
        [],
        7,
        "ä 😀",
        [[], {}],
    ],
)
def test_json_comes_back_as_it_was_written(value):
    for ascii_only in (True, False):
        assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested 100,000 deep"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested 5,000 deep"),
        (b"[" + b"1," * 1_000_000 + b"1]", "more than 1,000,000 values"),
        (b'"' + b"a" * 20_000_000 + b'"', "more than 20,000,000 bytes"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        (b"[1" + b"0" * 6_000 + b"]", "4300"),
        (b"\xff\xfe{}", "utf-8"),
        (b"", "Expecting value"),
        (b"{", "Expecting property"),
        (b'"' + b'\\"' * 100_000, "Unterminated"),
    ],
)
def test_json_that_is_broken_or_too_large_is_refused_in_one_way(content, reason, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"a\.json' is damaged.*{reason}"):
        read_json(tmp_path / "a.json")


def test_brackets_and_commas_within_strings_count_for_nothing():
    text = '[{,\\"' * 1_000
    assert parse_json(json.dumps([text]).encode(), max_values=100_000) == [text]


def test_a_limit_can_be_raised():
    content = b"[" + b"1," * 20 + b"1]"
    with pytest.raises(ValueError, match="more than 20 values"):
        parse_json(content, max_values=20)
    assert len(parse_json(content, max_values=30)) == 21


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_a_device_or_a_folder_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        with pytest.raises(IntegrityError, match=rf"{name}' is a pipe or a device"):
            read_json(tmp_path / name)
    with (
        pytest.raises(IntegrityError, match="is a folder"),
        open_regular(tmp_path / "folder"),
    ):
        pass


@pytest.mark.parametrize(
    "problem",
    [
        KeyError("a"),
        TypeError("b"),
        RecursionError("c"),
        OverflowError("d"),
        UnicodeError("e"),
        AttributeError("f"),
        ConfigError("g"),
        RuntimeError("h"),
        FileNotFoundError("i"),
        ImportError("j"),
        Exception("k"),
    ],
)
def test_whatever_a_file_makes_fail_names_the_file(problem, tmp_path):
    with (
        pytest.raises(IntegrityError, match=r"model\.json' cannot be understood.*Save the model"),
        interpreting(tmp_path / "model.json"),
    ):
        raise problem


@pytest.mark.parametrize("problem", [StorageError("a"), EncoderNotFoundError("b"), MemoryError()])
def test_errors_that_explain_themselves_stay_as_they_are(problem, tmp_path):
    with pytest.raises(type(problem)) as raised, interpreting(tmp_path):
        raise problem
    assert raised.value is problem


def test_a_package_that_is_not_installed_is_still_named(tmp_path):
    with pytest.raises(ConfigError, match="pip install"), interpreting(tmp_path):
        raise ConfigError("pip install it") from ModuleNotFoundError("it")
