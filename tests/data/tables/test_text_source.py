import bz2
import gzip
from io import BytesIO
from pathlib import Path

import pytest

from nlptl.base.errors import InputError
from nlptl.data.tables.text_source import (
    TextSource,
    default_encoding,
    encoding_advice,
    ending_of,
    text_encoding,
)

TEXT = "café\r\nnaïve\n"


def text_of(content, encoding=None):
    with TextSource("a text", lambda: BytesIO(content), encoding).open() as file:
        return file.read()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_utf_8_and_whatever_a_byte_order_mark_shows_are_read_without_a_setting(encoding):
    assert text_of(TEXT.encode(encoding)) == TEXT


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "UTF8", "utf-8-sig"])
def test_a_setting_decides_the_encoding(encoding):
    assert text_of(TEXT.encode(encoding), encoding) == TEXT


def test_a_byte_order_mark_is_skipped_with_a_setting_too():
    assert text_of(TEXT.encode("utf-8-sig"), "utf-8") == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_characters_without_a_mark_are_refused_with_their_likely_encoding(encoding):
    with pytest.raises(InputError, match=f"a text seems to be UTF-16.*encoding='{encoding}'"):
        text_of(TEXT.encode(encoding))


@pytest.mark.parametrize("encoding", ["latn1", "hex", ""])
def test_what_is_no_encoding_of_text_is_refused(encoding):
    with pytest.raises(InputError, match=f"encoding='{encoding}' is not an encoding of text"):
        text_of(b"a", encoding)


@pytest.mark.parametrize(("name", "pack"), [("t.csv", bytes), ("t.GZ", gzip.compress)])
def test_files_are_opened_plain_or_compressed_and_as_often_as_needed(tmp_path, name, pack):
    Path(tmp_path, name).write_bytes(pack(TEXT.encode()))
    source = TextSource.of_file(tmp_path / name)
    for _ in range(2):
        with source.open() as file:
            assert file.read() == TEXT
    assert source.name == repr(str(tmp_path / name))


def test_lines_end_where_the_caller_says(tmp_path):
    path = tmp_path / "t.bz2"
    path.write_bytes(bz2.compress(b"a\rb\n"))
    with TextSource.of_file(path).open(line_end="\r") as file:
        assert list(file) == ["a\r", "b\n"]


@pytest.mark.parametrize(
    ("name", "ending"),
    [("t.CSV", ".csv"), ("t.jsonl.bz2", ".jsonl"), ("t.GZ", ""), ("t", ""), ("a.b.tsv", ".tsv")],
)
def test_an_ending_is_that_of_the_table(name, ending):
    assert ending_of(Path(name)) == ending


def test_the_advice_names_the_setting_the_option_and_the_command():
    for part in ("encoding='cp1252'", "--encoding cp1252", "iconv -f cp1252"):
        assert part in encoding_advice("cp1252")


def test_an_encoding_is_the_default_within_a_context_only():
    with pytest.raises(KeyError), text_encoding("cp1252"):
        assert default_encoding() == "cp1252"
        raise KeyError
    assert default_encoding() is None
