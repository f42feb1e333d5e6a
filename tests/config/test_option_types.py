import pytest

from nlptl import MLPHead, TrainingConfig, TransformerEncoder
from nlptl.config.option_types import expected_type


class Cup:
    """Vessel."""

    def __init__(
        self,
        sizes: "list[float] | None" = None,
        names: "dict[str, tuple[str, ...]]" = {},  # noqa: B006
        labels: "tuple[tuple[str, int], ...]" = (),
    ):
        pass


@pytest.mark.parametrize(
    ("kind", "option", "words"),
    [
        (TrainingConfig, "learning_rate", "a number or null"),
        (TrainingConfig, "quiet", "true or false"),
        (MLPHead, "hidden", "a list of whole numbers"),
        (TransformerEncoder, "pooling", "options of Pooling or null"),
        (Cup, "sizes", "a list of numbers or null"),
        (Cup, "names", "a mapping"),
        (Cup, "labels", "a list"),
    ],
)
def test_types_are_described_in_words(kind, option, words):
    assert expected_type(kind, option) == words
