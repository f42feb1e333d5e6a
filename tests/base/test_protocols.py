import pytest

from nlptl import BlendHead, DiscriminantHead, FusedEncoder, LogisticHead, MLPHead, PrototypeHead
from nlptl.base.protocols import ModuleFusion, ModuleHead, SolverHead
from nlptl.encoders import (
    Concatenation,
    ResidualFusion,
    StaticEncoder,
    TfidfEncoder,
    TransformerEncoder,
)


@pytest.mark.parametrize("head", [LogisticHead(), BlendHead(), PrototypeHead(), DiscriminantHead()])
def test_solvers_are_recognised(head):
    assert isinstance(head, SolverHead)


def test_a_logistic_head_can_be_solved_and_trained_but_an_mlp_only_trained():
    assert isinstance(LogisticHead(), ModuleHead)
    assert isinstance(MLPHead(), ModuleHead)
    assert not isinstance(MLPHead(), SolverHead)


def test_only_a_network_is_a_fusion_to_be_trained():
    assert isinstance(ResidualFusion(), ModuleFusion)
    assert not isinstance(Concatenation(), ModuleFusion)


@pytest.mark.parametrize("kind", [StaticEncoder, TfidfEncoder, TransformerEncoder, FusedEncoder])
def test_every_encoder_keeps_the_contract(kind):
    for name in ("fit", "transform", "groups", "learns_from_text", "save", "load"):
        assert hasattr(kind, name)
