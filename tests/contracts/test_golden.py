"""Folders that an earlier release saved are read, and answer as they did then."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from nlptl.encoders.registry import encoder_classes
from nlptl.heads.registry import head_classes
from nlptl.transfer.registry import METHODS

GOLDEN = Path(__file__).parent / "golden"
FOLDERS = {path.parent.name: path.parent for path in sorted(GOLDEN.glob("*/*/answers.json"))}
MAX_DIFFERENCE = 1e-3
MIN_MARGIN = 0.01
"""Labels may differ where the two largest probabilities are closer than this."""


def ask(folder, record):
    spec = importlib.util.spec_from_file_location("golden_ask", GOLDEN / "ask.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ask(folder, record)


def agree(stored, answered):
    figures, again = np.array(stored["figures"]), np.array(answered["figures"])
    size = np.maximum(1.0, np.abs(figures))  # numbers and vectors may be large
    assert (np.abs(figures - again) <= MAX_DIFFERENCE * size).all()
    if not stored["labels"]:
        return
    top = np.sort(figures, axis=1)
    sure = top[:, -1] - top[:, -2] > MIN_MARGIN
    for label, now, clear in zip(stored["labels"], answered["labels"], sure, strict=True):
        assert label == now or not clear


@pytest.mark.parametrize("name", FOLDERS)
def test_a_golden_folder_answers_as_it_did(name):
    record = json.loads((FOLDERS[name] / "answers.json").read_text())
    stored, answered = record["answers"], ask(FOLDERS[name] / "model", record)
    assert stored.keys() == answered.keys()
    for part in [stored] if "figures" in stored else stored:
        if part is stored:
            agree(stored, answered)
        else:
            agree(stored[part], answered[part])


def test_another_answer_is_noticed():
    record = json.loads((FOLDERS["frozen"] / "answers.json").read_text())
    stored = record["answers"]
    moved = {**stored, "figures": (np.array(stored["figures"]) + 2 * MAX_DIFFERENCE).tolist()}
    with pytest.raises(AssertionError):
        agree(stored, moved)
    with pytest.raises(AssertionError):
        agree(stored, {**stored, "labels": stored["labels"][::-1]})


def kinds(value):
    """Collect every name of a kind in a description."""
    if isinstance(value, dict):
        own = {value["kind"]} if isinstance(value.get("kind"), str) else set()
        return own.union(*map(kinds, value.values()))
    return set().union(*map(kinds, value)) if isinstance(value, list) else set()


def test_every_method_head_and_encoder_has_a_golden_folder_and_all_are_small():
    files = [path for path in GOLDEN.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3e6
    described = (json.loads(path.read_text()) for path in GOLDEN.rglob("model.json"))
    saved = set().union(*map(kinds, described))
    methods = {method.kind.__name__ for method in METHODS}
    methods -= {"Auto", "LanguageDistillation"}  # saved as what was chosen, and as an encoder
    assert methods | set(head_classes()) | set(encoder_classes()) <= saved
