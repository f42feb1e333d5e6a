import pytest

from nlptl import CoTraining
from nlptl.base.errors import ConfigError


@pytest.mark.parametrize(
    "options",
    [
        {"share": ()},
        {"share": (0.5, 0.0)},
        {"weight": 0},
        {"class_shares": "predicted"},
        {"teachers": "mine"},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        CoTraining(**options)


def test_a_list_of_shares_is_a_tuple():
    assert CoTraining([0.2, 0.4]) == CoTraining((0.2, 0.4))


@pytest.mark.parametrize(
    ("teachers", "frozen", "tuned"),
    [("auto", False, True), ("others", False, False), ("all", True, True)],
)
def test_a_view_labels_texts_for_itself_after_a_tuning_or_if_asked(teachers, frozen, tuned):
    transfer = CoTraining(teachers=teachers)
    assert transfer.labelled_by_all(tuned=False) is frozen
    assert transfer.labelled_by_all(tuned=True) is tuned
