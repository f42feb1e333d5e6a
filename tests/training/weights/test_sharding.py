"""Weights in parts, by FSDP2 on two processes: Accelerate's own road, on gloo instead of GPUs."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from nlptl import FullFineTune, LoRA, MLPHead, TextClassifier, TrainingConfig
from nlptl.training.weights.sharding import as_spread, as_whole, gathered, is_sharded, whole

SCRIPT = """
import json, os, sys
from accelerate import FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

# Accelerate offers FSDP for accelerators only; torch itself spreads over processors too.
os.environ["ACCELERATE_USE_FSDP"] = "true"
made = AcceleratorState.__init__

def forced(self, *given, **options):
    made(self, *given, **options)
    self.distributed_type = DistributedType.FSDP
    self.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap"
    )

AcceleratorState.__init__ = forced

import pandas as pd
from nlptl import *
from nlptl.base.errors import NlptlError
from nlptl.training.loop import _Run
from nlptl.training.processes import is_main, leave_together
from nlptl.training.weights.sharding import is_sharded

seen = set()
step = _Run._one_step

def watched(self, *given):
    seen.add((is_sharded(self.learner.module), self.learner.shards))
    step(self, *given)
    if os.environ.get("STOP_AT") == str(self.taken):
        os._exit(3)

_Run._one_step = watched
folder, name, encoder, transfer, head, training = sys.argv[1:]
table = pd.read_csv(f"{folder}/train.csv")
model = TextClassifier(
    encoder,
    transfer=eval(transfer),
    head=eval(head),
    training=TrainingConfig(**json.loads(training)),
    device="cpu",
)
try:
    model.fit(table["text"], table["label"])
except NlptlError as problem:
    leave_together()
    sys.exit(f"{type(problem).__name__}: {problem}")
if is_main():
    model.save(f"{folder}/{name}")
    print(json.dumps(sorted(map(list, seen))))
leave_together()
"""
FULL = FullFineTune()
NETWORK = MLPHead((8,), dropout=0.0, batch_norm=False)
TRAINING = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "precision": "float32"}


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_encoder, support):
    """A table, a script that spreads weights, and an encoder without dropout."""
    folder = tmp_path_factory.mktemp("spread")
    texts, labels = support
    table = pd.DataFrame({"text": texts, "label": labels}).sample(frac=1, random_state=0)
    table.iloc[:120].to_csv(folder / "train.csv", index=False)
    shutil.copytree(tiny_encoder, folder / "encoder")
    config = json.loads((folder / "encoder" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps({**config, **still}))
    (folder / "spread.py").write_text(SCRIPT, encoding="utf-8")
    return folder


def spread(launch, room, name, transfer=FULL, head=None, environment=None, **training):
    told = json.dumps({**TRAINING, "refit": False, **training})
    given = (room, name, room / "encoder", repr(transfer), repr(head), told)
    return launch(room / "spread.py", *given, **(environment or {}))


def alone(room, transfer=FULL, head=None, **training):
    table = pd.read_csv(room / "train.csv")
    config = TrainingConfig(**{**TRAINING, "refit": False, **training})
    model = TextClassifier(
        room / "encoder", transfer=transfer, head=head, training=config, device="cpu"
    )
    return model.fit(table["text"].tolist(), table["label"].tolist())


def probabilities(room, model):
    return model.predict_proba(pd.read_csv(room / "train.csv")["text"].tolist())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("transfer", "head", "training"),
    [
        # A head that is a network is fitted first, whole in every process.
        (FullFineTune(layers=2), NETWORK, {"keep": "best", "average": "tail", "refit": True}),
        (LoRA(merge=False), None, {"accumulation": 2}),
    ],
    ids=["full", "lora"],
)
def test_weights_in_parts_end_where_whole_ones_do(room, launch, transfer, head, training):
    name = type(transfer).__name__
    done = spread(launch, room, name, transfer, head, **training)
    assert done.returncode == 0, done.err
    first = [] if head is None else [[False, False]]
    assert json.loads(done.out.splitlines()[-1]) == [*first, [True, True]]
    found = probabilities(room, TextClassifier.load(room / name))
    wanted = probabilities(room, alone(room, transfer, head, **training))
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.slow
def test_a_run_that_was_killed_ends_as_if_it_was_not(room, launch):
    training = {"average": "ema", "save_steps": 4, "epochs": 1}
    kept = {"checkpoints": str(room / "kept"), **training}
    whole_run = spread(launch, room, "whole", **training)
    killed = spread(launch, room, "again", environment={"STOP_AT": "10"}, **kept)
    assert whole_run.returncode == 0, whole_run.err
    assert killed.returncode != 0
    assert not (room / "again").exists()
    done = spread(launch, room, "again", **kept)
    assert done.returncode == 0, done.err
    assert "Resumed from the checkpoint at step 8" in done.err
    found, wanted = (TextClassifier.load(room / name) for name in ("again", "whole"))
    np.testing.assert_array_equal(probabilities(room, found), probabilities(room, wanted))


def test_whole_weights_are_left_as_they_are():
    module = torch.nn.Linear(2, 2)
    assert not is_sharded(module)
    assert whole(module.weight) is module.weight
    assert as_spread(module.bias, module.weight) is module.bias
    with gathered(module):
        assert module(torch.ones(1, 2)).shape == (1, 2)
    again = as_whole(module, lambda: torch.nn.Linear(2, 2))
    assert again is not module
    assert torch.equal(again.weight, module.weight)
