import json

import pytest

from nlptl.evaluation.cascade_report import CascadeReport

REPORT = CascadeReport(1000, True, 0.25, 0.002, 0.005, 1000.0, 100.0)


def test_the_expected_speed_counts_both_models():
    assert REPORT.speed == pytest.approx(1 / (0.001 + 0.0025))
    assert CascadeReport(1000, True, 1.0, 0.0, 0.0, 1000.0, 100.0).speed == 100


def test_it_shows_what_is_passed_on_what_it_costs_and_what_it_saves():
    shown = str(REPORT)
    assert "25% of 1,000 held-out texts" in shown and "2.9 times" in shown
    assert "Loss of accuracy: 0.20 points, at most 0.50." in shown
    assert "differ: 0.20 points" in str(CascadeReport(1000, False, 0.25, 0.002, 0.005, 1e3, 1e2))


def test_it_is_plain_json():
    assert CascadeReport.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT
