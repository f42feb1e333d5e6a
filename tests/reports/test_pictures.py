from io import BytesIO

import numpy as np
import pytest
from matplotlib import image

from nlptl.reports.pictures import confusion_picture, curve_picture, has_pictures

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


@pytest.mark.parametrize("n", [2, 25, 150])
def test_any_number_of_classes_is_drawn(n):
    codes = np.arange(n)
    found = pixels(confusion_picture(codes, codes, [f"class {i}" for i in codes]))
    assert max(found.shape) <= 1_250
