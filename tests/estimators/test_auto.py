import json

import numpy as np
import pytest

from nlptl import (
    Auto,
    Contrastive,
    Corpus,
    Frozen,
    FullFineTune,
    LabelMeaning,
    MLPHead,
    SelfTraining,
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    WordEdits,
    k_shot,
)
from nlptl.base import clock
from nlptl.base.errors import ConfigError, InputError
from nlptl.cli.main import main
from nlptl.data.rows import Rows
from nlptl.estimators import auto as module
from nlptl.estimators.auto import _Search
from nlptl.estimators.plans import plan_of
from nlptl.estimators.text_classifier import TextClassifier as Real
from nlptl.fitting.contrastive_stage import CONTRAST
from nlptl.fitting.transfers import as_transfers

QUICK = TrainingConfig(max_steps=3)


@pytest.fixture(autouse=True)
def one_round(monkeypatch):
    """Deal the rows once instead of four times: what is tested is the way, not the figures."""
    monkeypatch.setattr(module, "MAX_ROWS_FOR_SEVERAL_ROUNDS", 0)
    monkeypatch.setattr(module, "_MAX_ROUNDS", 1)


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """A clock that only the test moves, and an encoder that is expected to be fast."""
    seconds = [0.0]
    monkeypatch.setattr(clock, "seconds", lambda: seconds[0])
    monkeypatch.setattr(module, "forward_seconds", lambda *_: 1e-6)
    return seconds


@pytest.fixture
def slow_encoder(monkeypatch):
    """An encoder that is expected to be slow: there is no time for tuning."""
    monkeypatch.setattr(module, "forward_seconds", lambda *_: 0.1)


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
    assert (names.name, drawn.name, edits.name) == ("meaning", "contrastive", "edits")
    assert names.verdict.scores.shape == (5, 2) and drawn.verdict.scores.shape[0] >= 2
    assert names.used is names.verdict.accepted and drawn.used is drawn.verdict.accepted
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
    assert model.transfer_verdict_.verdicts["meaning"] == "hurts"
    assert "LabelMeaning" not in repr(model.transfer_)


def test_without_time_only_cheap_things_are_tried(tiny_encoder, some, monkeypatch):
    monkeypatch.setattr(module, "forward_seconds", lambda *_: 1.0)
    model = fitted(tiny_encoder, some, budget=5.0)
    assert model.transfer_verdict_.verdicts["contrastive"] == "not tried"
    note = model.transfer_verdict_.trials[1].note
    assert note == "no time for it (it needs 288 seconds, 5.0 are left)"
    assert "Contrastive" not in repr(model.transfer_)


def test_with_time_for_one_fit_experience_decides(tiny_encoder, some, monkeypatch):
    n_rows = len(some[0]) + 4 * len(LabelMeaning().templates)
    seen = module._FORWARD_PASSES_PER_STEP * QUICK.max_steps * n_rows
    monkeypatch.setattr(module, "forward_seconds", lambda *_: 50.0 / seen)
    model = fitted(tiny_encoder, some, budget=60.0)
    note = model.transfer_verdict_.trials[1].note
    assert note == "no time to try it (it needs 121 seconds, 60 are left); it mostly helps"
    assert "Contrastive" in repr(model.transfer_)


@pytest.mark.parametrize(
    ("budget", "passes", "is_tried"), [(40.0, 8, True), (24.0, 4, True), (15.0, 6, False)]
)
def test_contrastive_tuning_is_shortened_if_time_is_short(
    tiny_encoder, some, monkeypatch, budget, passes, is_tried
):
    monkeypatch.setattr(module, "forward_seconds", lambda *_: 0.05)  # 24 s for 10 passes
    monkeypatch.setattr(_Search, "weigh_names", lambda *_, **__: None)
    model = TextClassifier(tiny_encoder, transfer=Auto(budget)).fit(*some)
    trial = model.transfer_verdict_.trials[0]
    assert (trial.name, trial.verdict is not None) == ("contrastive", is_tried)
    if trial.used:
        assert as_transfers(model.transfer_).others == (Contrastive(steps=passes),)
    assert trial.used or is_tried


def test_a_shorter_tuning_counts_the_steps_of_the_users_batches(some):
    model = TextClassifier(training=TrainingConfig(batch_size=4, quiet=True))
    search = module._Search(model, plan_of(model), Rows(some[0]), some[1], 15.0)
    search.forward = 0.05
    shorter, _ = search.contrastive(lambda n: CONTRAST)
    assert shorter == Contrastive(steps=6 * 4)


@pytest.mark.slow
def test_many_rows_let_all_weights_be_tried(tiny_encoder, support, monkeypatch):
    monkeypatch.setattr(module, "MIN_ROWS_TO_TUNE", 60)
    texts, labels = support
    model = fitted(tiny_encoder, (texts[::8], labels[::8]))
    assert [trial.name for trial in model.transfer_verdict_.trials] == [
        "meaning",
        "contrastive",
        "edits",
        "full",
    ]
    if model.transfer_verdict_.trials[-1].used:
        assert any(isinstance(one, FullFineTune) for one in model.transfer_)


@pytest.mark.slow
def test_labels_that_say_nothing_are_no_names(tiny_encoder, some):
    codes = np.unique(some[1], return_inverse=True)[1]
    model = fitted(tiny_encoder, (some[0], codes))
    assert "needs a text with letters" in model.transfer_verdict_.trials[0].note
    assert model.predict(some[0][:2]).dtype.kind == "i"


def test_other_encoders_and_numbers_have_fewer_choices(some, tiny_encoder):
    model = TextClassifier(TfidfEncoder(), transfer="auto").fit(*some)
    assert [t.name for t in model.transfer_verdict_.trials] == ["meaning", "edits"]
    assert not model.transfer_verdict_.trials[0].used
    assert "word counts" in model.transfer_verdict_.trials[0].note
    numbers = TextRegressor(tiny_encoder, transfer="auto").fit(some[0], list(range(16)))
    assert numbers.transfer_ == Frozen() and numbers.transfer_verdict_.trials == []


def test_trials_end_with_their_part_of_the_budget_and_the_rest_is_left_out(
    tiny_encoder, some, now, monkeypatch
):
    plain = Real.score

    def ten_seconds(self, texts, labels):
        now[0] += 10.0
        return plain(self, texts, labels)

    monkeypatch.setattr(Real, "score", ten_seconds)
    choice = fitted(tiny_encoder, some, budget=60.0).transfer_verdict_
    names, drawn, edits = choice.trials
    assert (choice.seconds, choice.time_used) == (80.0, "80.0 of 60 seconds used")
    assert choice.seconds_of(names) == (20.0, 20.0)
    assert (names.seconds, len(names.verdict.scores)) == (40.0, 2)
    assert (drawn.seconds, len(drawn.verdict.scores)) == (40.0, 2)
    assert edits.verdict is None and edits.note.startswith("no time for it (it needs 0.0 seconds,")
    assert "none are left" in edits.note


@pytest.mark.parametrize(
    ("names", "is_noted"),
    [
        (["C0", "C1", "C2", "C3"], True),
        (["ABBR", "DESC", "ENTY", "HUM"], True),
        (["Sport", "World", "EU", "Money"], False),
        (["food", "how_to", "a b", "x-ray"], False),
    ],
)
def test_class_names_that_look_like_codes_are_noted(some, names, is_noted):
    kinds = sorted(set(some[1]))
    labels = [names[kinds.index(label)] for label in some[1]]
    choice = TextClassifier(TfidfEncoder(), transfer="auto").fit(some[0], labels).transfer_verdict_
    assert bool(choice.note) is is_noted
    assert choice.note.startswith(f"Class names look like codes ({names[0]},") is is_noted
    assert f'--transfer.names \'{{"{names[0]}": ' in choice.note or not is_noted


def test_numbers_are_codes_unless_they_are_described(some):
    codes = np.unique(some[1], return_inverse=True)[1].tolist()
    model = TextClassifier(TfidfEncoder(), transfer="auto").fit(some[0], codes)
    assert "Auto(names={0: '...'})" in model.transfer_verdict_.note
    model.set_params(transfer=Auto(60, dict(enumerate(["a word", "two", "three", "four"]))))
    assert not model.fit(some[0], codes).transfer_verdict_.note


def test_without_rows_texts_without_labels_are_used(tiny_encoder, few):
    auto = Auto(names={"a": "parcel", "b": "money"})
    model = TextClassifier(tiny_encoder, transfer=auto)
    model.fit([], [], unlabeled=Corpus(few[0]))
    assert [trial.name for trial in model.transfer_verdict_.trials] == ["meaning", "selftraining"]
    assert SelfTraining() in model.transfer_ and model.transfer_verdict_.trials[1].used
    assert not isinstance(model.fit([], []).transfer_, list)
    model.set_params(head=MLPHead((8,)))  # which knows no names, so that none can be labelled by
    model.fit([], [], unlabeled=Corpus(few[0]))
    assert [trial.used for trial in model.transfer_verdict_.trials] == [True, False]


def test_the_command_line_tells_the_choice(tiny_encoder, support, tmp_path, capsys, slow_encoder):
    texts, labels = support
    rows = [json.dumps({"text": t, "label": k}) for t, k in zip(texts, labels, strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    given = ["train", str(tmp_path / "rows.jsonl"), "--encoder", str(tiny_encoder), "--shots", "4"]
    flags = ["--transfer", "auto", "--transfer.budget_seconds", "6", "--training.max_steps", "2"]
    assert main([*given, *flags, "--output", str(tmp_path / "model")]) == 0
    out = capsys.readouterr().out
    assert "meaning" in out and "Chosen: " in out


@pytest.mark.slow
def test_texts_without_labels_are_tried_where_there_are_some(tiny_encoder, some, support):
    model = TextClassifier(tiny_encoder, transfer=Auto(600.0), training=QUICK)
    model.fit(*some, unlabeled=Corpus(support[0][:60]))
    last = model.transfer_verdict_.trials[-1]
    assert last.name == "selftraining" and last.verdict is not None
    assert last.used is (SelfTraining() in as_list(model.transfer_))


def as_list(transfer):
    return transfer if isinstance(transfer, list) else [transfer]


def test_a_combination_has_a_name_of_its_own():
    search = module._Search(lambda _: None, None, [], [], 60.0)
    assert search.combined_with("edits", WordEdits()) == ("edits", [Frozen(), WordEdits()])
    search.choice.name, search.choice.transfer = "meaning", LabelMeaning()
    assert search.combined_with("edits", WordEdits())[0] == "meaning+edits"
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


def test_without_rows_the_names_decide(tiny_encoder):
    told = {"food": "food and drink", "money": "money and prices"}
    model = TextClassifier(tiny_encoder, transfer=Auto(names=told)).fit([], [])
    assert model.transfer_ == LabelMeaning(told)
    assert model.transfer_verdict_.trials[0].note == "there are classes without rows"
    assert set(model.predict(["soup", "rent"])) <= {"food", "money"}
    with pytest.raises(InputError):
        TextClassifier(tiny_encoder, transfer="auto").fit([], [])


def test_classes_without_rows_are_not_forgotten(tiny_encoder, some, slow_encoder):
    kinds = sorted(set(some[1]))
    told = {**{kind: kind.replace("_", " ") for kind in kinds}, "weather": "rain and sun"}
    model = TextClassifier(tiny_encoder, transfer=Auto(2.0, told), training=QUICK).fit(*some)
    assert sorted(model.classes_) == sorted(told)
    assert model.transfer_verdict_.trials[0].used


def test_rows_too_few_to_be_split_speak_for_names(tiny_encoder):
    texts, labels = ["my card is lost", "the parcel is late"], ["card", "parcel"]
    model = TextClassifier(tiny_encoder, transfer="auto").fit(texts, labels)
    assert model.transfer_ == LabelMeaning()
    assert [trial.verdict for trial in model.transfer_verdict_.trials] == [None] * 3
    assert "too few rows to try it" in model.transfer_verdict_.trials[1].note
    codes = TextClassifier(tiny_encoder, transfer="auto").fit(texts, [0, 1])
    assert codes.transfer_ == Frozen()
    assert "needs a text with letters" in codes.transfer_verdict_.trials[0].note


def test_zeros_and_ones_stay_what_they_are(tiny_encoder, some):
    marks = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]] * 4)
    model = TextClassifier(tiny_encoder, transfer=Auto(1e-3), training=QUICK)
    assert model.fit(some[0], marks).predict(some[0]).shape == marks.shape


def test_what_no_trial_uses_is_refused_at_once(tiny_encoder, some, monkeypatch):
    monkeypatch.setattr(module, "judge", None)
    corpus = Corpus(*some)
    for name in ("source", "validation"):
        with pytest.raises(ConfigError, match=f"{name}=.*Auto"):
            TextClassifier(tiny_encoder, transfer="auto").fit(*some, **{name: corpus})


def test_time_that_is_left_repeats_a_trial_and_time_that_is_not_ends_it(some, monkeypatch):
    monkeypatch.setattr(module, "_MAX_ROUNDS", 4)
    model = TextClassifier()
    search = module._Search(model, plan_of(model), Rows(some[0]), some[1], 100.0)

    def dealt(seconds, later=0.0):
        found = search._splits(lambda n: seconds * n / 16, later)
        return found and (found.folds, found.rounds)

    search.cost = lambda n: n / 16
    assert [dealt(seconds) for seconds in (1, 6, 24, 99)] == [(5, 4), (5, 1), (4, 1), None]
    # A fold that takes as long as all rows takes so in each round.
    search.cost = lambda _: 1.0
    found = search._splits(lambda _: 24.0)
    assert (found.folds, found.rounds) == (3, 1)


def test_names_and_limits_count_in_what_is_foretold(some):
    model = TextClassifier(training=TrainingConfig(epochs=2, batch_size=8))
    search = module._Search(model, plan_of(model), Rows(some[0]), some[1], 100.0)
    search.forward = 0.5

    def seconds(n, **options):
        return (
            search.training(lambda _: CONTRAST, **options)(n)
            / module._FORWARD_PASSES_PER_STEP
            / 0.5
        )

    assert seconds(16) == 2 * 16 and seconds(9, times=2) == 2 * 2 * 9
    search.choice.transfer = LabelMeaning()
    assert seconds(16) == 2 * (16 + 4 * len(LabelMeaning().templates))
    model.set_params(training=TrainingConfig(max_steps=1, batch_size=8))
    search.plan = plan_of(model)
    assert seconds(16) == 8
    search.cost = lambda n: 10.0 * n
    assert search.more(3, lambda n: 2 * n)(4) == 3 * 40 + 0.5 * 8


def test_what_takes_no_time_leaves_time_to_what_comes_later(some, now):
    model = TextClassifier()
    search = module._Search(model, plan_of(model), Rows(some[0]), some[1], 100.0)
    assert not search._splits(module._nothing, 100.0).goes_on()
    free = search._splits(module._nothing)
    assert free.goes_on()
    now[0] += 100.0 / module._QUICK_TRIALS_PER_BUDGET  # a part of the budget is over
    assert not free.goes_on()
    assert search._splits(module._nothing).goes_on()  # the next has a part of its own
    search.forward = 1e9
    assert search._splits(module._nothing) is None


def test_static_encoders_are_offered_what_needs_no_training(some, vectors_file):
    encoder = StaticEncoder(str(vectors_file))
    model = TextClassifier(encoder, transfer="auto")
    model.fit(*some, unlabeled=Corpus(some[0] * 4))
    assert [t.name for t in model.transfer_verdict_.trials] == [
        "meaning",
        "edits",
        "selftraining",
    ]
    assert all(t.verdict is not None for t in model.transfer_verdict_.trials)


def test_names_that_do_not_suit_the_rows_are_not_used_untried(tiny_encoder):
    pairs, labels = [("a card", "is lost"), ("the parcel", "is late")], ["card", "parcel"]
    model = TextClassifier(tiny_encoder, transfer="auto").fit(pairs, labels)
    assert model.transfer_ == Frozen()
    assert "single texts" in model.transfer_verdict_.trials[0].note


def test_a_class_of_one_row_does_not_end_all_trials(tiny_encoder, some, slow_encoder):
    texts, labels = some[0][:12], ["often"] * 11 + ["seldom"]
    model = TextClassifier(tiny_encoder, transfer=Auto(20.0), training=QUICK).fit(texts, labels)
    assert model.transfer_verdict_.trials[0].verdict.scores.shape[0] >= 2
    with pytest.raises(InputError):
        TextClassifier(tiny_encoder, transfer="auto").fit(texts, [{"a": 1}] * 12)


def test_several_labels_are_judged_by_all_decisions(tiny_encoder, some, monkeypatch):
    asked, plain = [], module.judge

    def watched(*given, score, **options):
        asked.append(score)
        return plain(*given, score=score, **options)

    monkeypatch.setattr(module, "judge", watched)
    several = [[label] for label in some[1]]
    TextClassifier(tiny_encoder, transfer=Auto(20.0), training=QUICK).fit(some[0], several)
    assert asked and all(score is module._micro_f1 for score in asked)
    model = TextClassifier(tiny_encoder).fit(some[0], several)
    assert (
        module._micro_f1(model, some[0], several) == (model.evaluate(some[0], several)["micro_f1"])
    )
