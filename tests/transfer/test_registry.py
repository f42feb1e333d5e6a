from dataclasses import is_dataclass

import pytest

from nlptl import Auto, LoRA
from nlptl.transfer.registry import METHODS, method_of, methods_by_name

NEEDS = {"labels", "unlabeled", "source", "links"}


def test_every_method_has_one_name_and_one_class():
    assert len({method.name for method in METHODS}) == len(METHODS)
    assert len({method.kind for method in METHODS}) == len(METHODS)
    assert list(methods_by_name()) == [method.name for method in METHODS]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_method_says_what_it_is(method):
    assert is_dataclass(method.kind) and method.kind.__hash__ is not None
    assert method.kind.needs <= NEEDS and method.accepts <= NEEDS
    assert method.kind.carries and method.kind.setting and method.kind.paper
    if method.prior_gain is not None:
        assert method.prior_gain[1] > 0


def test_a_transfer_leads_to_its_record():
    assert method_of(LoRA(rank=2)).name == "lora" and method_of(LoRA()).trains_encoder
    assert method_of(Auto()).accepts == {"unlabeled"}
    assert method_of("lora") is None
