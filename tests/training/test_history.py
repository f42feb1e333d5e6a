"""The history of a training as a table, as a plot and as text."""

import math

import matplotlib.pyplot as plt
import pytest

from nlptl.base.errors import ConfigError
from nlptl.training.history import History

SCORED = History([1.0, 0.5], [-0.9, -0.6, -0.7], best_epoch=2, steps=[1.2, 0.8, 0.5, 0.5])


def test_the_table_has_a_row_per_epoch():
    frame = SCORED.frame()
    assert frame["epoch"].tolist() == [1, 2, 3]
    assert frame["loss"].tolist()[:2] == [1.0, 0.5] and math.isnan(frame["loss"][2])
    assert frame["score"].tolist() == [-0.9, -0.6, -0.7]
    assert frame["best"].tolist() == [False, True, False]


def test_without_held_out_rows_or_epochs_there_is_less_to_show():
    assert list(History([1.0]).frame()) == ["epoch", "loss", "best"]
    assert len(History().frame()) == 0 and repr(History()) == "History(0 epochs)"


def test_it_is_shown_in_one_line_and_as_html():
    assert repr(SCORED) == "History(2 epochs, loss 1.000 to 0.500, best epoch 2)"
    assert "<td>-0.6000</td>" in SCORED._repr_html_() and "NaN" not in SCORED._repr_html_()


def test_the_plot_has_losses_scores_and_the_best_epoch():
    figure, axes = plt.subplots()
    assert SCORED.plot(axes) is axes
    losses, best = axes.get_lines()
    assert losses.get_ydata().tolist() == [1.0, 0.5] and best.get_xdata()[0] == 2
    right = figure.axes[1]
    assert right.get_lines()[0].get_ydata().tolist() == [-0.9, -0.6, -0.7]
    plt.close(figure)
    new = History([1.0]).plot()
    assert new.figure.axes == [new]
    plt.close(new.figure)


def test_a_plot_without_matplotlib_is_refused_in_one_line(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr("nlptl.base.optional_packages.import_module", missing)
    with pytest.raises(ConfigError, match=r"needs matplotlib.*pip install 'nlptl\[plots\]'$"):
        SCORED.plot()
