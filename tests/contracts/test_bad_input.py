"""Thirty kinds of bad input: each one clear line that names the value, nothing half-written."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest

from nlptl import (
    Corpus,
    NlptlError,
    OrdinalHead,
    PrototypeHead,
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TransformerEncoder,
)
from nlptl.cli.main import main
from nlptl.data.tables.reading import column, read_table
from nlptl.encoders.cache import FeatureCache

TEXTS, LABELS = ["good day", "bad day", "good night", "bad night"], ["+", "-", "+", "-"]


def fit(texts=TEXTS, labels=LABELS, **options):
    return TextClassifier(TfidfEncoder(), **options).fit(texts, labels)


def model_in(folder):
    fit().save(folder / "m")
    return folder / "m"


def wrong_lengths(folder):
    fit(TEXTS, LABELS[:3])


def one_string(folder):
    fit("good day", ["+"])


def empty_texts(folder):
    fit([*TEXTS[:3], "  "])


def no_texts(folder):
    fit([], [])


def text_is_none(folder):
    fit([*TEXTS[:3], None])


def text_is_a_number(folder):
    fit([*TEXTS[:3], 42])


def nan_labels(folder):
    fit(labels=pd.Series([1.0, 2.0, np.nan, 1.0]))


def one_class_only(folder):
    fit(labels=["+"] * 4)


def mixed_labels(folder):
    fit(labels=["+", 1, "+", 1])


def unknown_column(folder):
    pd.DataFrame({"text": TEXTS}).to_csv(folder / "a.csv", index=False)
    column(read_table(folder / "a.csv"), "txt")


def wrong_kind_of_file(folder):
    (folder / "a.xlsx").write_bytes(b"PK")
    read_table(folder / "a.xlsx")


def broken_csv(folder):
    (folder / "a.csv").write_text('text,label\n"a,b\n')
    read_table(folder / "a.csv")


def broken_utf8(folder):
    (folder / "a.csv").write_bytes(b"text\ncaf\xe9\n")
    read_table(folder / "a.csv")


def missing_file(folder):
    read_table(folder / "nothing.csv")


def truncated_vectors(folder):
    row = b"word " + np.ones(50, dtype=np.float32).tobytes()
    (folder / "v.bin").write_bytes(b"2 50\n" + row + row[:-7])
    StaticEncoder(folder / "v.bin", cache=folder / "c").transform(["word"])


def lying_header(folder):
    (folder / "v.vec").write_bytes(b"900000000 300\nword 0.1 0.2\n")
    StaticEncoder(folder / "v.vec", cache=folder / "c").transform(["word"])


def pickled_model(folder):
    (folder / "v.model").write_bytes(b"\x80\x04\x95" + b"\0" * 40)
    StaticEncoder(folder / "v.model", cache=folder / "c").transform(["word"])


def unwritable_folder(folder):
    (folder / "file").write_text("")
    fit().save(folder / "file" / "m")


def folder_with_something_else(folder):
    (folder / "thesis").mkdir()
    (folder / "thesis" / "a.txt").write_text("x")
    fit().save(folder / "thesis")


def unknown_option(folder):
    fit(imbalance="balanсed")  # with a Cyrillic letter


def unknown_parameter(folder):
    TextClassifier().set_params(encodr="x")


def newer_version(folder):
    model = model_in(folder)
    record = json.loads((model / "manifest.json").read_text())
    (model / "manifest.json").write_text(json.dumps({**record, "schema": 99}))
    TextClassifier.load(model)


def flipped_byte(folder):
    model = model_in(folder)
    content = bytearray((model / "head.safetensors").read_bytes())
    content[-1] ^= 1
    (model / "head.safetensors").write_bytes(content)
    TextClassifier.load(model)


def missing_part(folder):
    model = model_in(folder)
    shutil.rmtree(model / "encoder")
    TextClassifier.load(model)


def wrong_encoder_name_offline(folder):
    TextClassifier("someone/no-such-model").fit(TEXTS, LABELS)


def label_never_seen(folder):
    fit().evaluate(TEXTS, ["+", "-", "+", "neutral"])


def half_a_character(folder):
    fit([*TEXTS[:3], "smile \ud83d"])


def head_for_word_counts(folder):
    fit(head=PrototypeHead())


def device_not_there(folder):
    fit(device="warp")


def nothing_learns_from_it(folder):
    TextClassifier(StaticEncoder(folder / "v.vec")).fit(TEXTS, LABELS, unlabeled=Corpus(["x"]))


def number_that_is_none(folder):
    TextRegressor(TfidfEncoder()).fit(TEXTS, [1.0, 2.0, np.nan, 4.0])


def labels_for_numbers(folder):
    TextRegressor(TfidfEncoder()).fit(TEXTS, LABELS)


def label_outside_the_order(folder):
    fit(head=OrdinalHead(("+", "0")))


DAMAGED = {newer_version, flipped_byte, missing_part}
CASES = {
    half_a_character: "index 3 holds '\\ud83d'",
    head_for_word_counts: "PrototypeHead cannot be fitted to",
    device_not_there: "device='warp' is not available",
    nothing_learns_from_it: "unlabeled=..., but this",
    number_that_is_none: "row 2 is nan",
    labels_for_numbers: "row 0 is '+'",
    label_outside_the_order: "'-' is not in order",
    wrong_lengths: "4 texts and 3 labels",
    one_string: "got one str of 8 characters",
    empty_texts: "1 of 4 texts are empty, first at index 3",
    no_texts: "got an empty list",
    text_is_none: "index 3 is None",
    text_is_a_number: "index 3 is 42",
    nan_labels: "row 2 is missing (nan)",
    one_class_only: "all 4 are '+'",
    mixed_labels: "mix int and str",
    unknown_column: "a.csv'. Did you mean 'text'",
    wrong_kind_of_file: ".xlsx",
    broken_csv: "a.csv",
    broken_utf8: "byte 0xe9",
    missing_file: "nothing.csv",
    truncated_vectors: "v.bin",
    lying_header: "declares 900000000 vectors of 300 numbers",
    pickled_model: "is a pickled file",
    unwritable_folder: "file/m",
    folder_with_something_else: "thesis",
    unknown_option: "Did you mean 'balanced'",
    unknown_parameter: "Did you mean 'encoder'",
    newer_version: "format 99",
    flipped_byte: "head.safetensors",
    missing_part: "encoder/",
    wrong_encoder_name_offline: "someone/no-such-model",
    label_never_seen: "'neutral' at row 3",
}


GIVEN = {"a.csv", "a.xlsx", "v.bin", "v.vec", "v.model", "file", "m", "thesis", "c"}
"""What the cases themselves put there; a model in m was saved whole before it was damaged."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_input_is_one_clear_line(case, tmp_path):
    with pytest.raises(NlptlError) as raised:
        case(tmp_path)
    said = str(raised.value)
    assert CASES[case] in said
    assert "\n" not in said
    assert len(said) > len(CASES[case]) + 20
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= GIVEN
    assert ("m" in left) == (case in DAMAGED)
    assert not list(tmp_path.glob("c/vectors/*")) and not list(tmp_path.rglob(".*draft*"))


def test_a_full_cache_is_one_warning_and_the_work_goes_on(tiny_encoder, tmp_path):
    encoder = TransformerEncoder(tiny_encoder, cache=FeatureCache(tmp_path, 1e-9))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert encoder.transform(["help"]).shape == (1, 32)
    said = [str(w.message) for w in caught if "cache" in str(w.message)]
    assert len(said) == 1
    assert "is full" in said[0] and "\n" not in said[0]
    assert not list(tmp_path.rglob("*.rows"))


def test_a_data_set_of_the_hub_that_is_not_to_be_had_is_one_line(capsys):
    assert main(["train", "someone/no-such-data"]) == 2
    err = capsys.readouterr().err
    assert "someone/no-such-data" in err
    assert err.count("\n") == 1
