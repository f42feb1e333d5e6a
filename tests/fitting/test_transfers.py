import pytest

from nlptl import (
    CORAL,
    MMD,
    ClassConfusion,
    Contrastive,
    CoTraining,
    DensityRatioWeights,
    DomainAdversarial,
    Frozen,
    FullFineTune,
    LabelMeaning,
    LoRA,
    MeanAlignment,
    SourceHead,
    SourceRows,
    SourceTask,
    TrAdaBoost,
    WordEdits,
)
from nlptl.base.errors import ConfigError
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.transfer import L2SP, LanguageDistillation


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, Transfers(Frozen())),
        ([], Transfers(Frozen())),
        (FullFineTune(layers=1), Transfers(FullFineTune(layers=1))),
        ([Frozen("all")], Transfers(Frozen("all"))),
        ([L2SP(0.1)], Transfers(FullFineTune(), (L2SP(0.1),))),
        (L2SP(0.1), Transfers(FullFineTune(), (L2SP(0.1),))),
        ((L2SP(0.1), FullFineTune(layers=1)), Transfers(FullFineTune(layers=1), (L2SP(0.1),))),
    ],
)
def test_one_or_several_are_read(given, wanted):
    assert as_transfers(given) == wanted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("frozen", "such as Frozen"),
        (FullFineTune, "such as Frozen"),
        ([Frozen(), FullFineTune()], r"Frozen\(\) and FullFineTune\(\) contradict"),
        ([Frozen(), L2SP()], r"Frozen\(\) trains none"),
    ],
)
def test_contradictions_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        as_transfers(given)


def test_only_some_tune():
    assert as_transfers(L2SP()).tunes
    assert not as_transfers(None).tunes


def test_what_learns_from_translations_is_refused_beside_labels():
    with pytest.raises(ConfigError, match="LanguageStudent"):
        as_transfers([LanguageDistillation(), FullFineTune()])
    assert as_transfers(LanguageDistillation(), translations=True).others


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        ([FullFineTune(), MMD(), MMD(weight=2.0)], r"MMD\(\) is passed 2 times"),
        ([Contrastive(), ClassConfusion()], r"ClassConfusion\(\) reads class scores in training"),
        (
            [Contrastive(), DomainAdversarial(conditional=True)],
            r"but Contrastive\(\) fits the head",
        ),
        ([FullFineTune(), MeanAlignment()], r"MeanAlignment\(\) moves frozen features"),
    ],
)
def test_losses_that_cannot_be_combined_are_refused(transfer, message):
    with pytest.raises(ConfigError, match=message):
        as_transfers(transfer)


def test_losses_that_compare_domains_are_combined_with_others():
    losses = (MMD(), ClassConfusion(), DomainAdversarial(conditional=True))
    assert as_transfers([LoRA(), *losses]) == Transfers(LoRA(), losses)
    assert as_transfers(MMD()) == Transfers(FullFineTune(), (MMD(),))
    assert as_transfers([Contrastive(), MMD()]).refits_head
    assert as_transfers(CORAL()).aligners == (CORAL(),) and not as_transfers(CORAL()).tunes
    assert as_transfers([FullFineTune(), CORAL()]).aligners == ()


def test_translations_have_no_domains():
    with pytest.raises(ConfigError, match=r"MMD\(\) compares a source with a target"):
        as_transfers([LanguageDistillation(), MMD()], translations=True)


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        ([MeanAlignment(), MMD()], r"MeanAlignment\(\) moves frozen features, but FullFineTune"),
        ([TrAdaBoost(), TrAdaBoost()], r"TrAdaBoost\(\) is passed 2 times"),
        ([TrAdaBoost(), DensityRatioWeights()], "both weigh the source rows"),
        ([FullFineTune(), SourceTask(), SourceTask()], r"SourceTask\(\) is passed 2 times"),
        ([MeanAlignment(), WordEdits()], "WordEdits.. changes texts"),
        ([SourceHead(), CoTraining()], "fit the head in two ways"),
        ([SourceRows(private=True), CoTraining()], "fit the head in two ways"),
        (
            [LabelMeaning({"a": "b", "c": "d"}), CoTraining()],
            "needs labels, but LabelMeaning.. has names",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(transfer, message):
    with pytest.raises(ConfigError, match=message):
        as_transfers(transfer)
