import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.cli.main import main

TEXTS, LABELS = ["good", "great", "bad", "broken"] * 3, ["yes", "yes", "no", "no"] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model = TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)
    return str(model.save(tmp_path_factory.mktemp("saved") / "mood"))


@pytest.mark.parametrize(
    "ends", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_the_command_says_where_answers_and_ends_well(folder, ends):
    command = [sys.executable, "-m", "nlptl", "serve", folder, "--port", "0"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **piped) as process:
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
            body = json.dumps({"texts": ["great", "a secret that is broken"]}).encode()
            asked = urllib.request.Request(
                f"{url}/predict?text=secret", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(asked, timeout=300) as reply:
                found = json.load(reply)["predictions"]
            with urllib.request.urlopen(f"{url}/health", timeout=300) as reply:
                assert json.load(reply)["model"] == "mood"
            process.send_signal(ends)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert [one["label"] for one in found] == ["yes", "no"]
    assert process.returncode == 0
    assert "secret" not in out + err and "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "Cannot listen on 127.0.0.1:70000"),
        (["--max-texts", "0"], "max_texts must be above 0, got 0"),
        (["--max-texts", "2000"], "max_waiting must be at least max_texts=2000, got 1024"),
        (["--max-text", "2"], "Did you mean '--max-texts'"),
    ],
)
def test_options_that_make_no_sense_take_one_line(folder, capsys, options, said):
    assert main(["serve", folder, *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "defaults"),
    [
        ("serve", {"--port": "8000", "--max-batch": "64", "--timeout": "30"}),
        ("demo", {"--shots": "12", "--seed": "0"}),
        ("compare", {"--folds": "5", "--rounds": "2"}),
        ("export", {"--tolerance": "0.005", "--format": "onnx", "--precision": "fp32"}),
    ],
)
def test_the_help_of_a_command_shows_its_defaults(capsys, command, defaults):
    assert main([command, "--help"]) == 0
    lines = " ".join(capsys.readouterr().out.partition("options:")[2].split())
    for option, default in defaults.items():
        explanation = lines.partition(f" {option} ")[2].partition(" --")[0]
        assert f"(default {default})" in explanation, option


def test_without_a_model_nothing_is_served(capsys, tmp_path):
    assert main(["serve", str(tmp_path / "none"), "--port", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_missing_package_is_told_with_its_extra(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve", folder, "--port", "0"]) == 2
    assert "pip install 'nlptl[serve]'" in capsys.readouterr().err
