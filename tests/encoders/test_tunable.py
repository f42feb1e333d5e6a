import pytest

from nlptl import FusedEncoder, StaticEncoder, TfidfEncoder, TransformerEncoder
from nlptl.encoders.tunable import is_tunable


class Wrapped:
    """An encoder of somebody else with the attributes that count."""

    reader = with_layers = with_weights = lambda self: None


@pytest.mark.parametrize(
    ("encoder", "tunable"),
    [
        (TransformerEncoder("none"), True),
        (Wrapped(), True),
        (StaticEncoder(), False),
        (TfidfEncoder(), False),
        (FusedEncoder((TransformerEncoder("none"), TfidfEncoder())), False),
        (TransformerEncoder, False),
        (None, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_methods_of_an_encoder_count_and_not_its_class(encoder, tunable):
    assert is_tunable(encoder) is tunable
