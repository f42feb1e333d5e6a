import numpy as np
import pandas as pd
import pytest

from nlptl import FusedEncoder, StaticEncoder, TfidfEncoder, TransformerEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders import ResidualFusion

TABLE = pd.DataFrame(
    {
        "text": ["the parcel came late", "help with password", "cancel my contract"],
        "price": [10.0, np.nan, 30.0],
        "same": [1, 1, 1],
    }
)


@pytest.fixture
def encoders(tiny_encoder, vectors_file):
    return TransformerEncoder(tiny_encoder, cache=None), StaticEncoder(vectors_file)


def test_encoders_stand_side_by_side(encoders):
    fused = FusedEncoder(encoders).fit(TABLE["text"])
    found = fused.transform(TABLE["text"])
    assert found.shape == (3, 40)
    assert [width for _, width in fused.groups] == [32, 8]
    np.testing.assert_array_equal(found[:, :32], encoders[0].transform(TABLE["text"].tolist()))


def test_numbers_are_centred_scaled_and_missing_ones_count_as_the_mean(encoders):
    fused = FusedEncoder(
        encoders[:1], numeric_columns=("price", "same"), text_columns=("text",)
    ).fit(TABLE)
    numbers = fused.transform(TABLE)[:, 32:]
    np.testing.assert_allclose(numbers[:, 0], np.array([-1, 0, 1]) / np.sqrt(2), atol=1e-6)
    np.testing.assert_array_equal(numbers[:, 1], [0, 0, 0])
    assert fused.groups[-1] == ("numbers", 2)


def test_a_list_of_texts_has_no_numbers_to_give(encoders):
    spec = FusedEncoder(encoders[:1], numeric_columns=("price",), text_columns=("text",))
    with pytest.raises(InputError, match="need a table"):
        spec.fit(["a", "b"])
    with pytest.raises(InputError, match="call fit before transform"):
        spec.transform(TABLE)


def test_what_is_saved_encodes_alike(encoders, tmp_path):
    fused = FusedEncoder(
        (*encoders, TfidfEncoder()),
        numeric_columns=("price",),
        text_columns=("text",),
        fusion=ResidualFusion(width=16),
    ).fit(TABLE)
    again = FusedEncoder.load(tmp_path, fused.save(tmp_path))
    np.testing.assert_allclose(again.transform(TABLE), fused.transform(TABLE), atol=2e-2)
    assert again.fusion == ResidualFusion(width=16)
    assert again.groups == fused.groups


def test_one_thing_alone_is_not_joined(encoders):
    with pytest.raises(ConfigError, match="at least two encoders.*got 1 encoders and 0"):
        FusedEncoder(encoders[:1])
    with pytest.raises(ConfigError, match="dropout"):
        ResidualFusion(dropout=1.0)


def test_a_number_too_far_from_the_training_numbers_is_refused_with_its_column(vectors_file):
    encoder = FusedEncoder(
        (StaticEncoder(vectors_file),), numeric_columns=("price",), text_columns=("text",)
    ).fit(TABLE)
    with pytest.raises(InputError, match=r"Column 'price' holds 1e\+300 at row 2, too far"):
        encoder.transform(TABLE.assign(price=[1.0, 2.0, 1e300]))


@pytest.mark.parametrize("price", [0.1, 4.7, 19.99])
def test_a_constant_number_stays_small_if_it_changes_later(price):
    encoder = FusedEncoder((TfidfEncoder(),), numeric_columns=("price",), text_columns=("text",))
    table = pd.DataFrame({"text": ["a word", "other words"] * 30, "price": [price] * 60})
    later = pd.DataFrame({"text": ["a word"], "price": [price * 0.99]})
    assert abs(encoder.fit(table).transform(later)[0, -1]) < 1
