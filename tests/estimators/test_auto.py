import json
import time

import numpy as np
import pytest

from nlptl import (
    Auto,
    Contrastive,
    Corpus,
    Frozen,
    FullFineTune,
    LabelMeaning,
    SelfTraining,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    WordEdits,
    k_shot,
)
from nlptl.base.errors import ConfigError
from nlptl.cli.main import main
from nlptl.estimators import auto as module
from nlptl.estimators.fitting.transfers import as_transfers
from nlptl.estimators.text_classifier import TextClassifier as Real

QUICK = TrainingConfig(max_steps=3)


@pytest.fixture(autouse=True)
def one_round(monkeypatch):
    """Deal the rows once instead of four times: what is tested is the way, not the figures."""
    monkeypatch.setattr(module, "_FEW", 0)


@pytest.fixture
def some(support):
    """Four texts of each of four kinds."""
    texts, labels = support
    kinds = sorted(set(labels))[:4]
    rows = [i for i in k_shot(labels, 4, seed=0) if labels[i] in kinds]
    return [texts[i] for i in rows], [labels[i] for i in rows]


def fitted(encoder, some, budget=60.0, **options):
    model = TextClassifier(encoder, transfer=Auto(budget), training=QUICK, **options)
    return model.fit(*some)


def test_each_thing_is_tried_and_the_choice_is_told(tiny_encoder, some, tmp_path):
    model = fitted(tiny_encoder, some)
    names, drawn, edits = model.transfer_verdict_.trials
    assert (names.name, drawn.name, edits.name) == ("names", "contrastive", "word edits")
    assert names.verdict.scores.shape == (5, 2) and drawn.verdict.scores.shape[0] >= 2
    assert names.used is names.verdict.opens and drawn.used is drawn.verdict.opens
    wanted = [Contrastive()] * drawn.used + [LabelMeaning()] * names.used
    if not wanted:
        wanted = [Frozen()]
    if edits.used:
        assert model.transfer_ == [*wanted, WordEdits()]
    else:
        assert as_transfers(model.transfer_) == as_transfers(wanted)
    assert str(model.transfer_verdict_).endswith(f"chosen: {model.transfer_verdict_.name}")
    assert model.transfer == Auto(60.0)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert again.transfer == model.transfer_ == again.transfer_
    assert str(again.transfer_verdict_) == str(model.transfer_verdict_)
    np.testing.assert_allclose(
        again.predict_proba(some[0]), model.predict_proba(some[0]), atol=1e-4
    )


@pytest.mark.slow
def test_what_loses_on_the_rows_is_left_out(tiny_encoder, some, monkeypatch):
    plain = Real.score

    def worse_with_names(self, texts, labels):
        score = plain(self, texts, labels)
        return score - 0.5 * (
            self.transfer_verdict_ is None and "LabelMeaning" in repr(self.transfer)
        )

    monkeypatch.setattr(Real, "score", worse_with_names)
    model = fitted(tiny_encoder, some)
    assert model.transfer_verdict_.verdicts["names"] == "hurts"
    assert "LabelMeaning" not in repr(model.transfer_)


def test_without_time_only_cheap_things_are_tried(tiny_encoder, some, monkeypatch):
    monkeypatch.setattr(module, "_forward_seconds", lambda *_: 1.0)
    model = fitted(tiny_encoder, some, budget=5.0)
    assert model.transfer_verdict_.verdicts["contrastive"] == "not tried"
    assert model.transfer_verdict_.trials[1].note == "no time for it"
    assert "Contrastive" not in repr(model.transfer_)


def test_with_time_for_one_fit_experience_decides(tiny_encoder, some, monkeypatch):
    seen = 25 * len(some[0]) * 4.0
    monkeypatch.setattr(module, "_forward_seconds", lambda *_: 50.0 / seen)
    model = fitted(tiny_encoder, some, budget=60.0)
    assert model.transfer_verdict_.trials[1].note == "no time to try it; it mostly helps"
    assert "Contrastive" in repr(model.transfer_)


@pytest.mark.slow
def test_many_rows_let_all_weights_be_tried(tiny_encoder, support, monkeypatch):
    monkeypatch.setattr(module, "_MANY", 60)
    texts, labels = support
    model = fitted(tiny_encoder, (texts[::8], labels[::8]))
    assert [trial.name for trial in model.transfer_verdict_.trials] == [
        "names",
        "contrastive",
        "word edits",
        "all weights",
    ]
    if model.transfer_verdict_.trials[-1].used:
        assert any(isinstance(one, FullFineTune) for one in model.transfer_)


@pytest.mark.slow
def test_labels_that_say_nothing_are_no_names(tiny_encoder, some):
    codes = np.unique(some[1], return_inverse=True)[1]
    model = fitted(tiny_encoder, (some[0], codes))
    assert "says nothing of its texts" in model.transfer_verdict_.trials[0].note
    assert model.predict(some[0][:2]).dtype.kind == "i"


def test_other_encoders_and_numbers_have_fewer_choices(some, tiny_encoder):
    model = TextClassifier(TfidfEncoder(), transfer="auto").fit(*some)
    assert [trial.used for trial in model.transfer_verdict_.trials] == [False]
    assert "word counts" in model.transfer_verdict_.trials[0].note
    numbers = TextRegressor(tiny_encoder, transfer="auto").fit(some[0], list(range(16)))
    assert numbers.transfer_ == Frozen() and numbers.transfer_verdict_.trials == []


def test_the_budget_is_kept(some):
    began = time.perf_counter()
    model = TextClassifier(transfer=Auto(1.0)).fit(*some)
    assert time.perf_counter() - began < 30  # of which the encoder takes some to be read
    assert model.transfer_verdict_.verdicts["contrastive"] == "not tried"


def test_the_command_line_tells_the_choice(tiny_encoder, support, tmp_path, capsys):
    texts, labels = support
    rows = [json.dumps({"text": t, "label": k}) for t, k in zip(texts, labels, strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    given = ["train", str(tmp_path / "rows.jsonl"), "--encoder", str(tiny_encoder), "--shots", "4"]
    flags = ["--transfer", "auto", "--transfer.budget_seconds", "30", "--training.max_steps", "2"]
    assert main([*given, *flags, "--output", str(tmp_path / "model")]) == 0
    out = capsys.readouterr().out
    assert "names" in out and "Chosen: " in out


@pytest.mark.slow
def test_texts_without_labels_are_tried_where_there_are_some(tiny_encoder, some, support):
    model = TextClassifier(tiny_encoder, transfer=Auto(600.0), training=QUICK)
    model.fit(*some, unlabeled=Corpus(support[0][:60]))
    last = model.transfer_verdict_.trials[-1]
    assert last.name == "self-training" and last.verdict is not None
    assert last.used is (SelfTraining() in as_list(model.transfer_))


def as_list(transfer):
    return transfer if isinstance(transfer, list) else [transfer]


def test_what_is_beside_has_a_name_of_its_own():
    search = module._Search(lambda _: None, [], [], 60.0)
    assert search.beside("edits", WordEdits()) == ("edits", [Frozen(), WordEdits()])
    search.choice.name, search.choice.transfer = "meaning", LabelMeaning()
    assert search.beside("edits", WordEdits())[0] == "meaning+edits"
    assert search.named("full") == "full+meaning"


@pytest.mark.slow
def test_names_are_those_given(tiny_encoder, some):
    codes = np.unique(some[1], return_inverse=True)[1].tolist()
    named = dict(zip(codes, some[1], strict=True))
    model = TextClassifier(tiny_encoder, transfer=Auto(60, named), training=QUICK)
    model.fit(some[0], codes)
    assert model.transfer_verdict_.trials[0].verdict is not None


def test_a_budget_has_to_be_one():
    with pytest.raises(ConfigError, match="budget_seconds must be above 0"):
        Auto(0)
