"""The ledgers of the benchmarks: which figures are reused, and what a reader learns about them."""

import argparse
import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "recipes" / "benchmarks"
LEDGERS = sorted(BENCHMARKS.glob("*/kept/*.jsonl"))


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("ledger")


@pytest.fixture
def report(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("material").Report("example")


def must_not_measure():
    raise AssertionError("the figure is there already")


def measured_before(ledger, path, **changes):
    """Write a ledger with one figure, 0.5, of another origin."""
    measured = {**ledger.origin(), "commit": "abc1234", "date": "2026-11-01", **changes}
    lines = [{"run": "before", **measured}, {"seed": 1, "figure": 0.5, "run": "before"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_new_figure_carries_its_origin(ledger, tmp_path):
    path = tmp_path / "kept.jsonl"
    assert ledger.Kept(path).once(lambda: 0.25, seed=0) == 0.25
    origin, figure = map(json.loads, path.read_text().splitlines())
    assert figure == {"seed": 0, "figure": 0.25, "run": origin["run"]}
    assert set(origin) == {"run", "code", "commit", "date", "machine", "threads", "versions"}
    assert "bfloat16" in origin["machine"] or origin["machine"]
    assert set(origin["versions"]) == {"nlptl", "torch", "transformers", "scikit-learn", "numpy"}


def test_an_interrupted_run_continues_with_its_figures(ledger, tmp_path, capsys):
    path = tmp_path / "kept.jsonl"
    ledger.Kept(path).several(lambda: {"a": 1.0, "b": 2.0}, seed=0)
    again = ledger.Kept(path)
    assert again.several(must_not_measure, seed=0) == {"a": 1.0, "b": 2.0}
    again.once(lambda: 3.0, seed=1)
    assert len(path.read_text().splitlines()) == 3  # one origin, two figures
    assert again.note() is None
    assert capsys.readouterr().err == ""


def test_another_commit_and_day_of_the_same_code_are_reused(ledger, tmp_path):
    measured_before(ledger, tmp_path / "kept.jsonl")
    assert ledger.Kept(tmp_path / "kept.jsonl").once(must_not_measure, seed=1) == 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "0123456789"},
        {"machine": "AVX-512, with bfloat16 of another"},
        {"threads": 64},
        {"versions": {"nlptl": "0.0.1"}},
        {"code": "unknown", "machine": "unknown", "threads": "unknown", "versions": "unknown"},
    ],
    ids=["code", "machine", "threads", "versions", "unknown"],
)
def test_a_figure_of_another_origin_is_measured_again(ledger, tmp_path, capsys, changes):
    path = tmp_path / "kept.jsonl"
    measured_before(ledger, path, **changes)
    kept = ledger.Kept(path)
    message = capsys.readouterr().err
    assert "1 figures" in message and "--reuse-older" in message
    assert "commit abc1234 of 2026-11-01" in message
    assert kept.once(lambda: 0.75, seed=1) == 0.75
    assert kept.note() is None
    assert ledger.Kept(path).once(must_not_measure, seed=1) == 0.75  # the new one counts
    assert ledger.Kept(path, reuse_older=True).once(must_not_measure, seed=1) == 0.75


def test_a_line_without_an_origin_is_measured_again(ledger, tmp_path, capsys):
    path = tmp_path / "kept.jsonl"
    path.write_text('{"seed": 1, "figure": 0.5}\n')
    kept = ledger.Kept(path)
    assert "commit unknown of unknown date" in capsys.readouterr().err
    assert kept.once(lambda: 0.75, seed=1) == 0.75


def test_older_figures_are_reused_on_request_and_the_report_names_them(
    ledger, report, tmp_path, capsys
):
    path = tmp_path / "kept.jsonl"
    measured_before(ledger, path, code="0123456789")
    kept = report.ledger(argparse.Namespace(kept=str(path), reuse_older=True))
    assert kept.once(must_not_measure, seed=1) == 0.5
    assert report.finish() == 0
    printed = capsys.readouterr()
    assert "reused if needed" in printed.err
    assert "1 figures of this report are older" in printed.out
    assert "commit abc1234 of 2026-11-01" in printed.out


def test_without_a_file_nothing_is_kept(ledger):
    kept = ledger.Kept(None)
    assert [kept.once(lambda v=value: v, seed=0) for value in (1.0, 2.0)] == [1.0, 2.0]


def test_the_code_is_that_of_the_package_alone(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    before = ledger.package_digest()
    (tmp_path / "notes.txt").write_text("a note")
    assert ledger.package_digest() == before
    (tmp_path / "a.py").write_text("x = 2\n")
    assert ledger.package_digest() != before


@pytest.mark.parametrize("path", LEDGERS, ids=lambda path: path.stem)
def test_every_shipped_figure_names_an_origin(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    origins = {line["run"] for line in lines if "versions" in line}
    assert {line["run"] for line in lines if "versions" not in line} == origins
    assert (path.parents[1] / f"{path.stem}.py").is_file()


def teardown_module():
    for name in ("ledger", "material"):
        sys.modules.pop(name, None)
