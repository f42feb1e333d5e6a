from io import BytesIO

import numpy as np
import pytest
from matplotlib import image

from nlptl.reports import pictures
from nlptl.reports.pictures import (
    confusion_picture,
    curve_picture,
    has_pictures,
    most_confused,
)

TRUTH, CHOSEN = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])


def pixels(png):
    return image.imread(BytesIO(png), format="png")


def test_matplotlib_is_found():
    assert has_pictures()


def test_the_same_figures_give_the_same_bytes():
    drawn = confusion_picture(TRUTH, CHOSEN, ["a", "b", "c"])
    assert drawn == confusion_picture(TRUTH, CHOSEN, ["a", "b", "c"])
    assert drawn != confusion_picture(CHOSEN, TRUTH, ["a", "b", "c"])
    curve = curve_picture([1.0, 0.5], [0.6, 0.7], 2)
    assert curve == curve_picture([1.0, 0.5], [0.6, 0.7], 2) != curve_picture([1.0, 0.5], [], 0)


def test_a_class_that_is_always_right_is_the_darkest():
    found = pixels(confusion_picture(np.array([0, 1]), np.array([0, 1]), ["a", "b"]))
    found = found[:, : found.shape[1] * 3 // 4]  # without the colour bar
    dark = found[..., :3].sum(axis=2) < 1.2
    rows, columns = np.nonzero(dark & (found[..., 2] > found[..., 0] + 0.2))
    # Two blue squares: above left and below right.
    middle = np.median(rows), np.median(columns)
    above = rows < middle[0]
    assert columns[above].mean() < middle[1] < columns[~above].mean()


@pytest.mark.parametrize(
    "name", ["$\\bad$", "100% $a%b$", "A^$ B^$", "a" * 300, "two\nlines", "\u732b", ""], ids=ascii
)
def test_any_name_is_drawn(name, recwarn):
    codes = np.arange(3)
    found = pixels(confusion_picture(codes, codes, [name, "b", "c"]))
    assert min(found.shape[:2]) > 300 and not recwarn.list


@pytest.fixture
def drawn(monkeypatch):
    """The figure itself instead of its bytes."""
    monkeypatch.setattr(pictures, "_png", lambda figure: figure)


def test_a_few_classes_are_drawn_with_names_counts_title_and_colour_bar(drawn):
    axes, bar = confusion_picture(TRUTH, CHOSEN, ["a", "b", "c"]).axes
    assert axes.get_title() == "Confusion matrix of 5 rows"
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["a", "b", "c"]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "1", "1", "2"]
    assert bar.get_ylabel() == "share of the rows of the true class"


def test_of_many_classes_the_most_confused_are_drawn_and_the_others_are_counted(drawn):
    truth = np.repeat(np.arange(77), 3)
    chosen = truth.copy()
    chosen[[9, 10, 120]] = [60, 60, 50]  # class 3 as 60, and class 40 as 50
    assert {3, 40, 50, 60} < set(most_confused(truth, chosen, 77))
    axes, _ = confusion_picture(truth, chosen, [f"c{code}" for code in range(77)]).axes
    assert axes.get_title() == "The 15 most confused of 77 classes\n(62 classes are left out)"
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 15 and {"c3", "c40", "c50", "c60"} < set(names)
    row, column = names.index("c3"), names.index("c60")
    assert axes.images[0].get_array()[row, column] == pytest.approx(2 / 3)


@pytest.mark.parametrize("n", [2, 25, 150])
def test_any_number_of_classes_is_drawn(n):
    codes = np.arange(n)
    found = pixels(confusion_picture(codes, codes, [f"class {i}" for i in codes]))
    assert max(found.shape) <= 1_250
