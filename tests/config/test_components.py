import pytest

from nlptl import (
    Contrastive,
    Frozen,
    LabelMeaning,
    LogisticHead,
    LoRA,
    MLPHead,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError
from nlptl.config.components import (
    PARTS,
    build,
    build_encoder,
    build_joined,
    find_class,
    names_of,
    options_among,
    options_of,
)
from nlptl.encoders import StaticEncoder


def test_every_name_leads_to_a_class_with_options():
    for part in PARTS:
        assert names_of(part)
        for name in names_of(part):
            assert isinstance(options_of(find_class(part, name)), dict)


def test_strings_are_read_as_the_type_asked_for():
    assert build("head", "mlp", {"hidden": "[64, 3]", "dropout": "0.1"}) == MLPHead((64, 3), 0.1)
    assert build("head", "logistic", {"C": "3"}).C == 3.0
    assert build("head", "logistic", {"C": "cv"}).C == LogisticHead().C
    assert build("transfer", "frozen", {"layers": "all"}) == Frozen("all")
    assert build("training", "training", {"epochs": "7"}) == TrainingConfig(epochs=7)


def test_names_joined_are_a_list_and_options_find_their_owner():
    options = {"rank": "4", "steps": "7", "names": '{"a": "one", "b": ["two", "three"]}'}
    made = build_joined("transfer", "contrastive + lora+meaning", options)
    names = LabelMeaning({"a": "one", "b": ["two", "three"]})
    assert made == [Contrastive(steps=7), LoRA(rank=4), names]
    assert build_joined("transfer", "meaning", {"names": {"a": "one"}}) == LabelMeaning(
        {"a": "one"}
    )
    with pytest.raises(ConfigError, match="no option 'stepz'. Did you mean 'steps'"):
        build_joined("transfer", "contrastive+lora", {"stepz": 3})
    with pytest.raises(ConfigError, match="'features' belongs to full and lora"):
        build_joined("transfer", "full+lora", {"features": "top"})
    with pytest.raises(ConfigError, match="No transfer is called 'contrastve'"):
        build_joined("transfer", "contrastve+lora", {})


def test_an_encoder_is_a_name_of_the_table_or_of_the_hub():
    assert build_encoder(None, {}) is None
    assert build_encoder("org/model", {}) == TransformerEncoder("org/model")
    assert build_encoder(None, {"max_length": "64"}) == TransformerEncoder(max_length=64)
    static = build_encoder("static", {"vectors": "a.vec", "pooling": ["sif", "max"]})
    assert static == StaticEncoder("a.vec", ("sif", "max"))


@pytest.mark.parametrize(
    ("part", "name", "options", "said"),
    [
        ("head", "logistc", {}, "No head is called 'logistc'. Did you mean 'logistic'"),
        ("head", "os.system", {}, "No head is called 'os.system'"),
        ("transfer", "frozen", {"layer": "all"}, "no option 'layer'. Did you mean 'layers'"),
        (
            "training",
            "training",
            {"epochs": "many"},
            "epochs takes a whole number or null, got 'many'",
        ),
        ("training", "training", {"epochs": 0}, "epochs must be at least 1, got 0"),
        ("encoder", "tfidf", {"fitted": "x"}, "no option 'fitted'"),
    ],
)
def test_unknown_names_options_and_values_are_named(part, name, options, said):
    with pytest.raises(ConfigError, match=said):
        build(part, name, options)


def test_options_go_to_the_other_side_where_they_mean_the_same():
    assert options_among("frozen", "full", {"layers": "2"}) == {}
    assert options_among("contrastive", "contrastive+lora", {"temperature": 0.2, "rank": 3}) == {
        "temperature": 0.2
    }
    assert options_among("meaning", "auto", {"names": "{}", "budget_seconds": 3}) == {"names": "{}"}
