import io
from dataclasses import replace

import numpy as np
from rich.console import Console

from nlptl import audit
from nlptl.estimators.languages.translation_retrieval import Retrieval
from nlptl.evaluation.choice import Choice, Trial
from nlptl.evaluation.class_metrics import class_scores
from nlptl.evaluation.intervals import Interval, share_interval
from nlptl.evaluation.method_cost import MethodCost
from nlptl.evaluation.prior_gains import PriorGain
from nlptl.evaluation.task_affinity import Affinity
from nlptl.evaluation.verdict import Verdict
from nlptl.reports.terminal_tables import (
    MethodResult,
    affinity_table,
    audit_table,
    choice_table,
    classes_table,
    comparison_table,
    costs_table,
    facts_table,
    metrics_table,
    predictions_table,
    retrieval_table,
    verdict_table,
)


def shown(table):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_a_comparison_shows_accuracy_interval_and_time():
    rungs = [MethodResult("counts", "nothing", share_interval(40, 100), 0.25)]
    text = shown(comparison_table("Accuracy", rungs))
    for part in ("Accuracy", "counts", "nothing", "0.400", "0.309 to 0.498", "0.2"):
        assert part in text


def test_figures_show_the_interval_of_the_accuracy_only():
    text = shown(
        metrics_table({"accuracy": 0.5, "macro_f1": 0.4}, interval=Interval(0.5, 0.4, 0.6))
    )
    assert text.count("0.400 to 0.600") == 1
    assert "macro-F1" in text


def test_every_class_has_a_row():
    rows = class_scores(np.array([0, 1]), np.array([0, 0]), ["good", "bad"])
    text = shown(classes_table(rows))
    assert "good" in text and "bad" in text and "0.667" in text


def test_an_audit_shows_what_was_counted_and_what_not():
    report = audit(["a", "A", "b"], ["x", "x", "y"], others={"test": ["b"]})
    text = shown(audit_table(report))
    for part in ("rows that repeat an earlier row", "1 to 2", "rows of test also in training"):
        assert part in text
    assert "tokens" not in text
    windowed = audit(["a"], None, token_counts=np.array([9]), window=4)
    assert "1 (55.6% of tokens beyond this length)" in shown(audit_table(windowed))
    assert "no labels" in shown(audit_table(windowed))


def test_predictions_show_text_label_and_probability():
    text = shown(predictions_table(["hello"], ["greeting"], [0.875]))
    assert "hello" in text and "greeting" in text and "0.88" in text
    further = {"predicted_2": [0.002], "probability_2": [0.125]}
    text = shown(predictions_table(["hello"], [0.001], [0.875], further))
    assert "0.001" in text and "0.002" in text and "0.12" in text


def test_a_choice_says_why_a_loss_was_used():
    verdict = Verdict.decide(
        ["names", "frozen"], np.zeros((4, 2)), {"names": Interval(-0.03, -0.4, 0.34)}
    )
    told = verdict.with_prior(PriorGain(0.05, 0.05))
    text = shown(choice_table(Choice(None, trials=[Trial("names", told, told.accepted, 1.0)])))
    for part in ("no clear difference, but +0.050 on other data", "-0.030", "yes"):
        assert part in text


def test_a_choice_shows_the_baseline_the_time_and_its_note():
    scores, gains = np.array([[0.7, 0.6]] * 2), {"names": Interval(0.1, 0.05, 0.15)}
    verdict = Verdict.decide(["names", "frozen"], scores, gains)
    verdict = replace(
        verdict, costs={"frozen": MethodCost(1.0, 0.5), "names": MethodCost(2.0, 0.5)}
    )
    trials = [
        Trial("names", verdict, True, 10.0),
        Trial("full", None, False, 0.0, "no time for it (it needs 45 seconds, 24 are left)"),
    ]
    choice = Choice(None, "names", trials, budget_seconds=40.0, seconds=16.0, note="Codes.")
    lines = shown(choice_table(choice)).splitlines()
    assert lines[0].startswith("Chosen: names (16.0 of 40 seconds used)")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert cells[0] == ["frozen", "baseline of the comparison", "", "", "no", "3.0"]
    assert cells[1][0] == "names" and cells[1][-2:] == ["yes", "7.0"]
    assert "it needs 45 seconds" in cells[2][1] and lines[-1].startswith("Codes.")
    assert "frozen" not in shown(choice_table(Choice(None, "names", [trials[1]])))


def test_tasks_are_shown_with_how_their_gradients_agree():
    affinity = Affinity.of(["mood", "topic"], [[[1, 0.4], [0.4, 1]], [[1, -0.6], [-0.6, 1]]])
    text = shown(affinity_table(affinity))
    assert text.count("-0.10") == 2 and "1.00" not in text


def test_costs_stand_side_by_side():
    costs = {"together": {"passes": 1, "MiB": 86.6}, "separate": {"passes": 4, "MiB": 346.4}}
    text = shown(costs_table(costs))
    for part in ("together", "separate", "passes", "87", "346"):
        assert part in text


def test_languages_are_shown_before_and_after():
    before, after = {"de": Retrieval(0.1, 0.2, 40)}, {"de": Retrieval(0.8, 0.9, 40)}
    text = shown(retrieval_table(before, after))
    for part in ("de", "40", "15.0%", "85.0%"):
        assert part in text


def test_facts_are_shown_and_long_ones_are_shortened():
    text = shown(facts_table({"training_rows": 7, "classes": [f"c{i}" for i in range(23)]}))
    assert "training rows" in text and "c19, and 3 more" in text and "c20" not in text


def test_a_leaderboard_leaves_out_what_was_not_measured():
    scores, gains = np.array([[0.8, 0.5]]), {"new": Interval(0.3, -0.1, 0.7)}
    verdict = Verdict.decide(["new", "old"], scores, gains, metric="accuracy", n_rows=9)
    text = shown(verdict_table(verdict))
    assert "compared with old" in text and "-0.100" in text and "baseline" in text
    assert "MiB" not in text and "nan" not in text
