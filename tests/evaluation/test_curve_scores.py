import numpy as np
import pytest

from nlptl.base.errors import InputError
from nlptl.evaluation.curve_scores import CurveScores, LabelCount

SIZES = (8, 16, 32, 64, 128, 256)


def curve(noise=0.0, sizes=SIZES, start=0.8, overlap=0.0, seed=0):
    """A source worth 0.8 without labels of the target, against a curve that reaches it at 128."""
    n = np.array(sizes, float)
    baseline = 0.9 - 0.4 * (n / 8) ** -0.5
    means = np.stack([np.full(len(n), start), baseline], axis=1)
    draws = np.random.default_rng(seed).normal(scale=noise, size=(5, *means.shape))
    return CurveScores(("source", "alone"), tuple(sizes), means + draws, [overlap] * len(n))


def test_start_slope_asymptote_and_break_even_are_those_of_the_curve():
    planted = curve()
    assert planted.start().value == pytest.approx(0.3)
    assert planted.slope().value == pytest.approx(0.0)
    assert planted.slope("alone").low > 0.05
    assert planted.asymptote("alone").value == pytest.approx(0.9, abs=0.02)
    assert planted.break_even().value == pytest.approx(128, rel=0.03)
    assert planted.labels_saved(16).value == pytest.approx(112, rel=0.03)
    assert str(planted.labels_saved(16)).startswith("11")


def test_what_was_not_reached_is_said_and_not_extrapolated():
    beyond = curve(start=0.88)
    assert beyond.break_even().value == np.inf
    assert str(beyond.break_even()) == "more than 256 [more than 256, more than 256]"
    assert str(beyond.labels_saved(56)).startswith("more than 200 [")
    assert str(LabelCount(100.4, 80.0, np.inf, 8, 256)) == "100 [80, more than 256]"
    with pytest.raises(InputError, match="outside of the measured 8 to 256"):
        beyond.labels_saved(512)


def test_a_source_that_hurts_has_no_break_even_number():
    harmful = curve(start=0.4)
    assert harmful.start().high < 0 and harmful.break_even().value == -np.inf
    assert str(harmful.break_even()) == "at most 8 [at most 8, at most 8]"
    assert str(harmful.labels_saved(64)).startswith("at most -56 [")
    slow = curve(start=0.6)  # the other method has this score with 15 labels
    assert slow.labels_saved(64).value == pytest.approx(14.2 - 64, abs=1)


def test_equal_methods_save_no_labels():
    scores = np.repeat(curve(noise=0.01).scores[:, :, 1:], 2, axis=2)
    same = CurveScores(("a", "b"), SIZES, scores)
    assert str(same.labels_saved(8)) == "at most 0 [at most 0, at most 0]"
    assert same.labels_saved(64).value == pytest.approx(0, abs=1)


def test_a_method_that_is_better_only_with_many_labels_has_no_break_even_number():
    means = np.array([[0.5, 0.65], [0.7, 0.75], [0.8, 0.79], [0.85, 0.81]])
    late = CurveScores(("late", "early"), (8, 16, 32, 64), np.stack([means, means + 0.001]))
    assert late.break_even().value == -np.inf and late.frame()["gain"].iloc[-2] > 0


def test_three_sizes_are_too_few_for_a_curve():
    short = curve(sizes=(8, 16, 32))
    assert short.start().value > 0 and short.slope("alone").value > 0
    for figure in (short.asymptote, short.break_even, lambda: short.labels_saved(16)):
        with pytest.raises(InputError, match="at least 4 sizes"):
            figure()
    assert "break_even" not in short.summary() and "break-even" not in str(short)
    with pytest.raises(InputError, match="at least two sizes"):
        curve(sizes=(8,)).slope()


def test_intervals_cover_the_truth_about_as_often_as_they_should():
    hits = [
        [low.low <= truth <= low.high for low, truth in ((c.break_even(), 128), (c.start(), 0.3))]
        for c in (curve(noise=0.02, seed=seed) for seed in range(40))
    ]
    assert (np.mean(hits, axis=0) >= 0.85).all()


def test_scores_without_a_lower_limit_are_not_clipped():
    scores = np.array([[[-1.6, 0.1]], [[-1.4, 0.0]], [[-1.5, 0.2]]])
    numbers = CurveScores(("a", "b"), (8,), scores, lowest=-np.inf)
    assert numbers.start().low < -1.5 < numbers.start().high < -1
    shares = CurveScores(("a", "b"), (8,), np.array([[[0.99, 0.1]], [[0.9, 0.1]]]))
    assert shares.frame()["high"][0] == 1.0 and shares.start().high == 1.0


def test_few_test_rows_never_give_an_exact_interval():
    scores = np.repeat([[[0.8, 0.6]]], 2, axis=0)
    assert CurveScores(("a", "b"), (8,), scores).start().low == pytest.approx(0.2)
    assert CurveScores(("a", "b"), (8,), scores, resolution=0.2).start().low < 0


def test_draws_that_share_rows_widen_the_intervals():
    independent, overlapping = curve(noise=0.02), curve(noise=0.02, overlap=0.25)
    for name in ("start", "slope", "break_even"):
        narrow, wide = (getattr(part, name)() for part in (independent, overlapping))
        assert wide.high - wide.low > narrow.high - narrow.low


def test_tables_have_a_row_per_size_and_per_method():
    planted = curve(noise=0.01)
    frame = planted.frame()
    assert len(frame) == 12 and set(frame["method"]) == {"source", "alone"}
    assert (frame["low"] <= frame["score"]).all() and (frame["score"] <= frame["high"]).all()
    summary = planted.summary()
    assert summary["method"].tolist() == ["source", "alone"]
    assert summary["break_even"].isna().tolist() == [False, True]
    assert "break_even" in planted._repr_html_()
    assert str(planted).startswith("source against alone: 0.29")


def test_a_plot_has_a_line_per_method_and_marks_the_break_even_number():
    from matplotlib.figure import Figure

    axes = curve(noise=0.01).plot(Figure().subplots())
    labels = [line.get_label() for line in axes.get_lines()]
    assert labels[:2] == ["source", "alone"] and len(labels) == 3
    assert axes.get_lines()[2].get_xdata()[0] == pytest.approx(128, rel=0.1)


def test_scores_come_back_from_json():
    planted = curve(noise=0.01, overlap=0.25)
    again = CurveScores.from_json(planted.to_json())
    assert (again.methods, again.sizes, again.lowest) == (planted.methods, SIZES, 0.0)
    np.testing.assert_array_equal(again.scores, planted.scores)
    assert again.break_even() == planted.break_even()


@pytest.mark.parametrize(
    ("methods", "sizes", "shape", "problem"),
    [
        (("a",), (8, 16), (5, 2, 1), "two methods"),
        (("a", "b"), (8, 16), (1, 2, 2), "two draws"),
        (("a", "b"), (8, 16), (5, 3, 2), "got scores of shape"),
        (("a", "b"), (16, 8), (5, 2, 2), "must be above 0 and ascend"),
        (("a", "b"), (-5,), (5, 1, 2), "must be above 0 and ascend"),
        (("a", "b"), (), (5, 0, 2), "must be above 0 and ascend"),
    ],
)
def test_scores_that_do_not_fit_are_refused(methods, sizes, shape, problem):
    with pytest.raises(InputError, match=problem):
        CurveScores(methods, sizes, np.zeros(shape))
    with pytest.raises(InputError, match="not finite"):
        CurveScores(("a", "b"), (8, 16), np.full((5, 2, 2), np.nan))
    with pytest.raises(InputError, match="needs an overlap"):
        CurveScores(("a", "b"), (8, 16), np.zeros((5, 2, 2)), [0.5, 1.0])


def test_an_unknown_method_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="Did you mean 'source'"):
        curve().start("sorce")
