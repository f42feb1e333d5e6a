import json

import numpy as np
import pytest

from nlptl.base.errors import ConfigError, IntegrityError
from nlptl.encoders.contextual import adapters
from nlptl.encoders.contextual.adapters import (
    Adapter,
    adapted,
    merged,
    peft_config,
    plain,
    taken_out,
)
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder

LORA = {"peft_type": "LORA", "r": 2, "target_modules": ["query"]}


def model_of(folder):
    return read_encoder(find_encoder(folder), "float32", "cpu").model


@pytest.fixture
def adapter(tiny_encoder):
    """An adapter whose weights were moved from where they start."""
    held = adapted(model_of(tiny_encoder), peft_config(LORA))
    found = taken_out(held)
    rng = np.random.default_rng(0)
    return Adapter(
        found.config,
        {n: rng.normal(size=a.shape).astype(np.float32) for n, a in found.arrays.items()},
    )


def states(model):
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([[2, 5, 7, 3]])).last_hidden_state.numpy()


def test_what_is_put_in_comes_out_again(adapter, tiny_encoder):
    again = taken_out(adapter.put_into(model_of(tiny_encoder)))
    assert again.config == adapter.config
    assert len(again.arrays) == 6
    for name, array in adapter.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_merging_gives_the_model_its_own_layers_back(adapter, tiny_encoder):
    plain_model = model_of(tiny_encoder)
    before = states(plain_model)
    held = adapter.put_into(model_of(tiny_encoder))
    beside = states(held.base_model.model)
    whole = merged(held)
    np.testing.assert_allclose(states(whole), beside, atol=1e-5)
    assert np.abs(beside - before).max() > 1e-3
    assert set(whole.state_dict()) == set(plain_model.state_dict())


def test_the_files_are_those_of_peft(adapter, tiny_encoder, tmp_path):
    from peft import PeftModel

    adapter.save(tmp_path / "a")
    told = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert told["inference_mode"] is True and told["target_modules"] == ["query"]
    read = PeftModel.from_pretrained(model_of(tiny_encoder), tmp_path / "a")
    own = adapter.merged_into(model_of(tiny_encoder))
    np.testing.assert_allclose(states(read.base_model.model), states(own), atol=1e-5)
    again = Adapter.load(tmp_path / "a")
    assert again.config == adapter.config and set(again.arrays) == set(adapter.arrays)


def test_what_does_not_fit_is_named(adapter, tiny_encoder):
    other = Adapter(adapter.config, {"base_model.model.nothing.lora_A.weight": np.zeros((2, 2))})
    with pytest.raises(IntegrityError, match="nothing"):
        other.put_into(model_of(tiny_encoder))
    with pytest.raises(ConfigError, match="peft has no adapter 'NONSENSE'"):
        peft_config({"peft_type": "NONSENSE"})
    with pytest.raises(ConfigError, match="cannot adapt BertModel"):
        adapted(model_of(tiny_encoder), peft_config({**LORA, "target_modules": ["nowhere"]}))


def test_settings_of_peft_become_plain_json():
    told = plain(peft_config({**LORA, "target_modules": ["value", "query"]}))
    assert json.loads(json.dumps(told)) == told
    assert told["target_modules"] == ["query", "value"]
    assert told["peft_type"] == "LORA"


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"lora_alpha": 3}])
def test_the_middle_of_two_adapters_changes_layers_by_the_mean(options, tiny_encoder):
    rng = np.random.default_rng(0)
    config = peft_config({**LORA, **options})
    fresh = taken_out(adapted(model_of(tiny_encoder), config))
    both = [
        Adapter(fresh.config, {n: rng.normal(size=a.shape).astype(np.float32) for n, a in some})
        for some in (fresh.arrays.items(), fresh.arrays.items())
    ]
    between = both[0].middle(both[1])
    assert between.config["r"] == 4
    found = dict(between.merged_into(model_of(tiny_encoder)).named_parameters())
    wanted = [dict(one.merged_into(model_of(tiny_encoder)).named_parameters()) for one in both]
    for name, weight in found.items():
        mean = (wanted[0][name] + wanted[1][name]) / 2
        np.testing.assert_allclose(weight.detach(), mean.detach(), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"use_dora": True}, {"rank_pattern": {"query": 3}}, {"init_lora_weights": "pissa_niter_2"}],
)
def test_adapters_that_do_not_add_up_have_no_middle(options, tiny_encoder):
    odd = taken_out(adapted(model_of(tiny_encoder), peft_config({**LORA, **options})))
    assert odd.middle(odd) is None
    other = {"peft_type": "IA3", "target_modules": ["query"], "feedforward_modules": []}
    ia3 = taken_out(adapted(model_of(tiny_encoder), peft_config(other)))
    assert ia3.middle(ia3) is None


def test_an_adapter_without_weights_or_with_too_few_is_refused(adapter, tiny_encoder, tmp_path):
    adapter.save(tmp_path / "a")
    (tmp_path / "a" / "adapter_model.safetensors").unlink()
    with pytest.raises(IntegrityError, match=r"has no adapter_model\.safetensors"):
        Adapter.load(tmp_path / "a")
    some = dict(list(adapter.arrays.items())[:-1])
    with pytest.raises(IntegrityError, match="has no weights"):
        Adapter(adapter.config, some).put_into(model_of(tiny_encoder))


def test_an_adapter_larger_than_its_weights_is_never_made(adapter, tiny_encoder, monkeypatch):
    monkeypatch.setattr(adapters, "MAX_SHARED", 0)
    larger = Adapter({**adapter.config, "r": 100_000}, adapter.arrays)
    with pytest.raises(IntegrityError, match="The adapter asks for more than"):
        larger.put_into(model_of(tiny_encoder))


@pytest.mark.parametrize(
    "settings",
    [
        {"peft_type": "IA3", "feedforward_modules": []},
        {"peft_type": "LOHA", "r": 2},
        {"peft_type": "VERA", "r": 8},
        {"peft_type": "OFT", "oft_block_size": 4},
        {"peft_type": "LORA", "r": 2, "use_dora": True},
        {"peft_type": "LORA", "r": 2, "init_lora_weights": "olora"},
    ],
)
def test_every_adapter_of_layers_comes_back_from_its_folder(settings, tiny_encoder, tmp_path):
    config = peft_config({**settings, "target_modules": ["query", "value"]})
    fresh = taken_out(adapted(model_of(tiny_encoder), config))
    fresh.save(tmp_path / "a")
    again = Adapter.load(tmp_path / "a")
    assert again.config == fresh.config
    np.testing.assert_allclose(
        states(again.merged_into(model_of(tiny_encoder))),
        states(fresh.merged_into(model_of(tiny_encoder))),
        atol=1e-6,
    )
