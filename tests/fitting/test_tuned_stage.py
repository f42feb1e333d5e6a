"""Training with losses that compare domains: planted tasks, several processes, resumed runs."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from nlptl import (
    CORAL,
    MMD,
    ClassConfusion,
    Contrastive,
    Corpus,
    DomainAdversarial,
    FullFineTune,
    LoRA,
    MLPHead,
    TextClassifier,
    TextRegressor,
    TrainingConfig,
)
from nlptl.data.rows import Rows
from nlptl.training.checkpoints import Keeper
from nlptl.transfer.features.coral import coral_loss
from nlptl.transfer.features.mmd import squared_mmd

LOSSES = [
    MMD(),
    ClassConfusion(),
    CORAL(),
    DomainAdversarial(),
    DomainAdversarial(conditional=True),
]
SHORT = TrainingConfig(max_steps=6, batch_size=8, refit=False, quiet=True, precision="float32")
LONG = TrainingConfig(
    epochs=10,
    batch_size=16,
    learning_rate=3e-3,
    validation_share=0.0,
    quiet=True,
    precision="float32",
)
WORDS = ["late", "help"]


def domain(name, n, seed):
    """Return texts of a domain with their labels.

    A word of the domain occurs in half of the texts. In the source, the word of the class is wrong
    in a tenth of the texts. In the target, it is missing in 40 %, but another word is always there.
    """
    rng = np.random.default_rng(seed)
    texts, labels = [], rng.integers(2, size=n)
    for label in labels:
        words = list(rng.choice(["please", "my", "it", "was", "is", "a"], 4))
        if rng.random() < 0.5:
            words.append(rng.choice(["parcel", "box"] if name == "source" else ["money", "card"]))
        if name == "source":
            words.append(WORDS[label if rng.random() > 0.1 else 1 - label])
        else:
            words += [WORDS[label]] if rng.random() < 0.6 else []
            words.append(["thank", "charged"][label])
        texts.append(" ".join(rng.permutation(words)))
    return texts, [WORDS[label] for label in labels]


SOURCE, TARGET, TEST = (
    domain(name, n, seed)
    for name, n, seed in [("source", 160, 0), ("target", 160, 1), ("target", 200, 2)]
)


def fitted(encoder, *losses, training=LONG, **options):
    """Fit a model to source texts and unlabelled target texts."""
    model = TextClassifier(
        encoder, transfer=[FullFineTune(), *losses], training=training, device="cpu", **options
    )
    data = {"unlabeled": Corpus(TARGET[0])} if losses else {}
    return model.fit(*SOURCE, **data)


@pytest.fixture(scope="module")
def source_only(tiny_encoder):
    return fitted(tiny_encoder)


def features_by_domain(model):
    """Return the features of all source and target texts, with a mean variance of 1."""
    parts = [model.fitted_.features.transform(Rows(texts)) for texts in (SOURCE[0], TARGET[0])]
    scale = np.sqrt(np.concatenate(parts).var(axis=0).mean())
    return [torch.from_numpy(part / scale).double() for part in parts]


def mmd_of(model):
    return float(squared_mmd(*features_by_domain(model), bandwidths=(0.5, 1.0, 2.0)))


def coral_of(model):
    return float(coral_loss(*features_by_domain(model)))


def test_class_confusion_finds_the_classes_of_the_target(tiny_encoder, source_only):
    model = fitted(tiny_encoder, ClassConfusion())
    assert model.score(*TEST) > source_only.score(*TEST) + 0.05
    assert model.history_.domains.entropy_after < model.history_.domains.entropy_before


def test_mmd_makes_the_distributions_alike(tiny_encoder, source_only):
    model = fitted(tiny_encoder, MMD())
    assert mmd_of(model) < 0.2 * mmd_of(source_only)
    assert model.score(*TEST) > source_only.score(*TEST)


def test_coral_makes_the_covariances_alike(tiny_encoder, source_only):
    model = fitted(tiny_encoder, CORAL())
    assert coral_of(model) < 0.5 * coral_of(source_only)
    assert model.score(*TEST) > source_only.score(*TEST)


def test_a_conditional_adversary_finds_the_classes_of_the_target(tiny_encoder, source_only):
    model = fitted(tiny_encoder, DomainAdversarial(conditional=True))
    assert model.score(*TEST) > source_only.score(*TEST)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("main", [FullFineTune(), LoRA(rank=2, merge=False)], ids=["full", "lora"])
def test_every_loss_is_saved_with_its_record(tiny_encoder, tmp_path, loss, main):
    model = TextClassifier(tiny_encoder, transfer=[main, loss], training=SHORT, device="cpu")
    model.fit([], [], source=Corpus(*SOURCE), unlabeled=Corpus(TARGET[0]))
    shift = model.history_.domains
    assert 0.5 < shift.domain_accuracy_before <= 1 and 0.5 < shift.domain_accuracy_after <= 1
    assert sum(shift.class_shares_after) == pytest.approx(1)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert again.transfer == [main, loss] and again.history_.domains == shift
    texts = TEST[0][:20]
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-5)


def test_without_a_loss_between_domains_there_is_no_record(source_only):
    assert source_only.history_.domains is None


def test_a_few_target_labels_several_sources_and_several_losses(tiny_encoder):
    half = len(SOURCE[0]) // 2
    sources = {
        "first": Corpus(SOURCE[0][:half], SOURCE[1][:half]),
        "second": Corpus(SOURCE[0][half:], SOURCE[1][half:]),
    }
    transfer = [FullFineTune(), MMD(), ClassConfusion()]
    model = TextClassifier(tiny_encoder, transfer=transfer, training=SHORT, device="cpu")
    data = {"source": sources, "unlabeled": Corpus(TARGET[0])}
    model.fit(TEST[0][:10], TEST[1][:10], **data)
    assert model.history_.domains.source_class_shares == pytest.approx((0.55, 0.45))
    assert len(model.history_.steps) == 6


def test_numbers_and_pairs_have_domains_too(tiny_encoder):
    pairs = [[(text, "help me please") for text in texts] for texts in (SOURCE[0], TARGET[0])]
    losses = [FullFineTune(), MMD(), CORAL(), DomainAdversarial()]
    model = TextClassifier(tiny_encoder, transfer=losses, training=SHORT, device="cpu")
    model.fit(pairs[0], SOURCE[1], unlabeled=Corpus(pairs[1]))
    assert model.history_.domains.domain_accuracy_after > 0.5
    numbers = TextRegressor(tiny_encoder, transfer=losses, training=SHORT, device="cpu")
    numbers.fit(SOURCE[0], np.arange(len(SOURCE[0])), unlabeled=Corpus(TARGET[0]))
    shift = numbers.history_.domains
    assert shift.domain_accuracy_after > 0.5 and shift.class_shares_after == ()


@pytest.mark.parametrize("head", [None, MLPHead()], ids=["default", "network"])
def test_domains_are_compared_before_a_head_is_fitted(tiny_encoder, head):
    transfer = [Contrastive(steps=4), FullFineTune(), MMD()]
    training = replace(SHORT, max_steps=None)
    model = TextClassifier(tiny_encoder, transfer=transfer, head=head, training=training)
    model.set_params(device="cpu").fit(*SOURCE, unlabeled=Corpus(TARGET[0]))
    shift = model.history_.domains
    assert shift.class_shares_before == () and sum(shift.class_shares_after) == pytest.approx(1)


class Killed(Exception):
    pass


def weights_of(model):
    state = model.fitted_.features.encoder.weights.model.state_dict()
    arrays = [*(w.numpy() for w in state.values()), *model.fitted_.scorer.arrays().values()]
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_run_that_stops_goes_on_as_if_it_had_not(tiny_encoder, tmp_path, loss, monkeypatch):
    training = replace(SHORT, save_steps=2, checkpoints=str(tmp_path / "whole"))
    whole = fitted(tiny_encoder, loss, training=training)
    save = Keeper.save

    def save_and_stop(self, step, *rest):
        save(self, step, *rest)
        if step == 4:
            raise Killed

    monkeypatch.setattr(Keeper, "save", save_and_stop)
    training = replace(training, checkpoints=str(tmp_path / "stopped"))
    with pytest.raises(Killed):
        fitted(tiny_encoder, loss, training=training)
    monkeypatch.undo()
    resumed = fitted(tiny_encoder, loss, training=training)
    assert resumed.history_.resumed_from == 4
    assert weights_of(resumed) == weights_of(whole)


SCRIPT = """
import sys

import numpy as np
import torch

from nlptl import *
from nlptl.encoders import Concatenation
torch.set_num_threads(1)
encoder, data, output, *folder = sys.argv[1:]
source, labels, target, test = (part.tolist() for part in np.load(data).values())
losses = {losses}
answers = []
for loss in losses:
    options = dict(checkpoints=folder[0], save_steps=2) if folder else {{}}
    training = TrainingConfig(max_steps=6, batch_size=8, learning_rate=3e-3, accumulation={passes},
                              refit=False, quiet=True, precision="float32", restarts=0, **options)
    several = loss if isinstance(loss, list) else [loss]
    model = TextClassifier(encoder, transfer=[FullFineTune(), *several], training=training)
    model.fit([], [], source=Corpus(source, labels), unlabeled=Corpus(target))
    answers.append(model.predict_proba(test))
    shift = model.history_.domains
    answers.append(np.tile([shift.domain_accuracy_after, shift.entropy_after], (len(test), 1)))
if not folder:
    both = [FullFineTune(), SourceTask(ratio=2.0)]
    task = TextClassifier(encoder, transfer=both, training=training)
    task.fit(source, labels, source=Corpus(target, [len(text) % 3 for text in target]))
    answers.append(task.predict_proba(test))
    fused = FusedEncoder(
        (TransformerEncoder(encoder), TfidfEncoder()), fusion=Concatenation(sparse=True)
    )
    first = [FineTuneFirst(), MeanAlignment(), CoTraining()]
    views = TextClassifier(fused, transfer=first, training=training)
    views.fit([], [], source=Corpus(source, labels), unlabeled=Corpus(target))
    answers.append(views.predict_proba(test))
if is_main():
    np.save(output, np.array(answers))
"""


@pytest.fixture
def room(tmp_path, tiny_encoder):
    """A folder with the texts, and an encoder without dropout."""
    names = ("source", "labels", "target", "test")
    values = (*SOURCE, TARGET[0], TEST[0][:40])
    np.savez(tmp_path / "data.npz", **dict(zip(names, map(np.array, values), strict=True)))
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    config = json.loads((tmp_path / "encoder" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "encoder" / "config.json").write_text(json.dumps({**config, **still}))
    return tmp_path


@pytest.mark.slow
def test_two_processes_end_where_one_does(room, launch):
    script = room / "fit.py"
    script.write_text(SCRIPT.format(losses=repr(LOSSES), passes=1))
    answers = []
    for processes in (1, 2):
        output = room / f"{processes}.npy"
        done = launch(script, room / "encoder", room / "data.npz", output, processes=processes)
        assert done.returncode == 0, done.err
        answers.append(np.load(output))
    np.testing.assert_allclose(answers[1], answers[0], atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_ends_as_if_it_was_not(room, launch, processes, tiny_encoder):
    script = room / "fit.py"
    script.write_text(SCRIPT.format(losses=repr([LOSSES[:3] + LOSSES[4:]]), passes=2))
    dropping = (tiny_encoder, room / "data.npz")  # chance has to be resumed too
    done = launch(script, *dropping, room / "whole.npy", room / "whole", processes=processes)
    assert done.returncode == 0, done.err
    stopped = (script, *dropping, room / "again.npy", room / "stopped")
    folder = room / "stopped" / "attempt-0"
    launch.kill_at_step(*stopped, step=4, folder=folder, processes=processes)
    assert not (room / "again.npy").exists()
    again = launch(*stopped, processes=processes)
    assert again.returncode == 0, again.err
    assert "Resumed from the checkpoint at step 4" in again.err
    np.testing.assert_array_equal(np.load(room / "again.npy"), np.load(room / "whole.npy"))


def test_the_command_line_takes_every_loss_by_its_name(tiny_encoder, tmp_path):
    from nlptl.cli.main import main
    from nlptl.config.components import build

    built = [build("transfer", name, {}) for name in ("mmd", "confusion", "coral", "adversarial")]
    assert built == LOSSES[:4]
    assert build("transfer", "coral", {"strength": "0.5"}) == CORAL(0.5)
    assert build("transfer", "mmd", {"bandwidths": [1.0, 2.0]}) == MMD((1.0, 2.0))
    assert build("transfer", "adversarial", {"conditional": "true"}) == LOSSES[4]
    pd.DataFrame({"text": SOURCE[0], "label": SOURCE[1]}).to_csv(tmp_path / "source.csv")
    pd.DataFrame({"text": TARGET[0]}).to_csv(tmp_path / "target.csv")
    options = [
        *("train", "--source", tmp_path / "source.csv", "--unlabeled", tmp_path / "target.csv"),
        *("--transfer", "lora+mmd+confusion", "--transfer.rank", 2, "--encoder", tiny_encoder),
        *("--training.max_steps", 2, "--output", tmp_path / "model"),
    ]
    assert main([str(part) for part in options]) == 0
    model = TextClassifier.load(tmp_path / "model")
    assert model.transfer == [LoRA(rank=2), MMD(), ClassConfusion()]
    assert model.history_.domains.domain_accuracy_after > 0.5
