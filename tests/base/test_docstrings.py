from nlptl import LoRA, TrainingConfig
from nlptl.base.docstrings import sentences_of_options, summary_of
from nlptl.config.components import PARTS, find_class, names_of, options_of


class Cup:
    """Hold tea [1]_.

    A cup has a handle.

    Parameters
    ----------
    size, weight : float
        Volume in litres [1]_, e.g. 0.2. At least 0.
    colour : str
        "red" is the default.

    References
    ----------
    .. [1] A paper.
    """


def test_the_summary_is_the_first_line_without_citations():
    assert summary_of(Cup) == "Hold tea."
    assert summary_of(LoRA).startswith("Train a low-rank update")
    Cup.bare = type("Bare", (), {})
    assert summary_of(Cup.bare) == ""


def test_each_option_has_the_first_sentence_about_it():
    assert sentences_of_options(Cup) == {
        "size": "Volume in litres, e.g. 0.2.",
        "weight": "Volume in litres, e.g. 0.2.",
        "colour": '"red" is the default.',
    }
    assert sentences_of_options(Cup.bare) == {}
    assert "learning_rate" in sentences_of_options(TrainingConfig)


def test_every_option_of_the_command_line_has_a_sentence():
    for part in PARTS:
        for name in names_of(part):
            kind = find_class(part, name)
            missing = options_of(kind).keys() - sentences_of_options(kind).keys()
            assert not missing, (kind, missing)
