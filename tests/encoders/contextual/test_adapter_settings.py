import json

import numpy as np
import pytest

from nlptl import LoRA, TextClassifier, TrainingConfig
from nlptl.base.errors import IntegrityError
from nlptl.encoders.contextual.adapter_settings import checked_settings
from nlptl.encoders.contextual.adapters import peft_config, plain

ARRAYS = {"base_model.model.a.lora_A.weight": np.zeros((4, 32), np.float32)}
OWN = {"peft_type": "LORA", "r": 4, "target_modules": ["query"]}
CONFIG = TrainingConfig(epochs=1, batch_size=8)


def test_what_nlptl_writes_is_read_as_it_was():
    settings = plain(peft_config(OWN))
    assert checked_settings(settings, ARRAYS, "x") == settings
    regular = {**settings, "exclude_modules": ".*pooler.*", "rank_pattern": {"query": 8}}
    assert checked_settings(regular, ARRAYS, "x") == regular


def test_names_of_places_elsewhere_are_dropped():
    elsewhere = {
        "base_model_name_or_path": "somebody/encoder",
        "revision": "main",
        "auto_mapping": {"base_model_class": "Own", "parent_library": "own"},
    }
    kept = checked_settings({**OWN, **elsewhere}, ARRAYS, "x")
    assert kept == {**OWN, **dict.fromkeys(elsewhere)}
    drawn = checked_settings({**OWN, "init_lora_weights": "eva"}, ARRAYS, "x")
    assert drawn["init_lora_weights"] is True
    moved = checked_settings({**OWN, "init_lora_weights": "pissa_niter_4"}, ARRAYS, "x")
    assert moved["init_lora_weights"] == "pissa_niter_4"


@pytest.mark.parametrize(
    "kind",
    ["PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "XLORA", "POLY", "nonsense", 3, None, ["LORA"]],
)
def test_adapters_of_other_kinds_are_refused(kind):
    with pytest.raises(IntegrityError, match="must describe an adapter of layers"):
        checked_settings({**OWN, "peft_type": kind}, ARRAYS, "x")


def test_settings_that_are_no_dictionary_are_refused():
    with pytest.raises(IntegrityError, match="got 'LORA'"):
        checked_settings("LORA", ARRAYS, "x")
    with pytest.raises(IntegrityError, match=r"got .\['LORA'\]"):
        checked_settings(["LORA"], ARRAYS, "x")


@pytest.mark.parametrize(
    "entries",
    [
        {"tokenizer_name_or_path": "somebody/tokenizer"},
        {"megatron_core": "antigravity"},
        {"megatron_config": {"a": 1}},
        {"eva_config": {"rho": 2}},
        {"corda_config": {"cache_file": "/etc/passwd"}},
        {"layer_replication": [[0, 10**8]]},
        {"adapters": {"a": "somebody/adapter"}},
        {"r": 10**9},
        {"r": -4},
        {"rank_pattern": {"query": 10**8}},
        {"lora_alpha": float("inf")},
        {"target_modules": "(a+)+$"},
        {"exclude_modules": "(.*)*(.*)*x"},
        {"layers_pattern": "(a|a)*b"},
        {"rank_pattern": {"(x+x+)+y": 4}},
        {"target_modules": ["../elsewhere"]},
        {"target_modules": ["/elsewhere"]},
        {"layers_to_transform": list(range(20_000))},
        {"loftq_config": {"loftq_iter": 1_000}},
        {"use_dora": {"a": 1}},
    ],
)
def test_settings_that_are_not_known_or_too_large_are_refused_by_name(entries):
    with pytest.raises(IntegrityError, match=f"sets {next(iter(entries))!r}"):
        checked_settings({**OWN, **entries}, ARRAYS, "x")


@pytest.mark.parametrize(
    "entries",
    [
        {"r": 1_000},
        {"r": 2},
        {"target_modules": ["query", "key"]},
        {"target_modules": ["value"]},
        {"use_dora": True},
        {"lora_alpha": "x"},
        {"base_model_name_or_path": "somebody/encoder", "peft_type": "PROMPT_TUNING"},
    ],
)
def test_an_adapter_that_its_settings_do_not_describe_is_refused_at_load(
    tiny_encoder, few, tmp_path, reseal, entries
):
    texts, labels = few
    transfer = LoRA(rank=4, merge=False, config={**OWN, "task_type": "FEATURE_EXTRACTION"})
    model = TextClassifier(tiny_encoder, transfer=transfer, training=CONFIG, device="cpu")
    folder = model.fit(texts, labels).save(tmp_path / "model")
    TextClassifier.load(folder)
    path = folder / "encoder" / "encoder" / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    reseal(folder)
    with pytest.raises(IntegrityError, match="adapter"):
        TextClassifier.load(folder)
