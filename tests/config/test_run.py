import json

import pytest

from nlptl import Frozen, MLPHead, TextRegressor, TfidfEncoder
from nlptl.base.errors import ConfigError
from nlptl.config.part import Part
from nlptl.config.run import RunConfig, read_run

YAML = """
data: train.csv
text_column: [a, b]
label_column: kind
seed: 3
test_share: 0.1
encoder: tfidf
head: {name: mlp, hidden: [64], dropout: 0.1}
transfer: frozen
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "run.yaml").write_text(YAML)
    return str(tmp_path / "run.yaml")


def test_a_file_describes_a_run(config):
    run = read_run(config, {})
    assert (run.data, run.text_column, run.label_column) == ("train.csv", ("a", "b"), "kind")
    assert (run.seed, run.test_share) == (3, 0.1)
    classifier = run.model()
    assert classifier.encoder == TfidfEncoder()
    assert classifier.head == MLPHead((64,), 0.1)
    assert classifier.transfer == Frozen()


def test_flags_win_over_the_file_and_options_of_another_class_are_dropped(config):
    run = read_run(
        config,
        {"seed": "7", "head.dropout": "0.5", "transfer.layers": "all", "text_column": ["x"]},
    )
    assert (run.seed, run.text_column) == (7, ("x",))
    assert run.model().head == MLPHead((64,), 0.5)
    assert run.model().transfer == Frozen("all")
    other = read_run(config, {"head": "logistic", "head.C": "2"})
    assert other.head == Part("logistic", {"C": "2"})
    assert other.model().head.C == 2.0


def test_without_a_file_the_defaults_hold():
    classifier = read_run(None, {"data": "x.csv"}).model()
    assert classifier.encoder is classifier.transfer is classifier.head is None


def test_settings_are_plain_json_without_the_place_of_the_model(config):
    settings = read_run(config, {"output": "m"}).to_json()
    assert json.loads(json.dumps(settings)) == settings
    assert "output" not in settings
    assert isinstance(RunConfig(data="x").to_json(), dict)


@pytest.mark.parametrize(
    ("content", "flags", "said"),
    [
        (
            "data: x\nlable_column: y",
            {},
            "Unknown setting 'lable_column'.*Did you mean 'label_column'",
        ),
        ("- a\n- b", {}, "must hold settings"),
        ("data: [", {}, "Cannot read configuration"),
        ("seed: 3", {}, "no data to train on"),
        ("data: x\nhead: [mlp]", {}, "head must be a name or a mapping"),
        ("data: x", {"shots": "few"}, "shots must be a number, got 'few'"),
        ("data: x", {"test_share": "1.5"}, "test_share must be at least 0 and below 1, got 1.5"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, content, flags, said):
    (tmp_path / "run.yaml").write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_run(str(tmp_path / "run.yaml"), flags)


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"Cannot read configuration 'no\.yaml'"):
        read_run("no.yaml", {})


def test_the_task_decides_what_is_made():
    numbers = read_run(None, {"data": "x.csv", "task": "regression", "head.alpha": "2"})
    model = numbers.model()
    assert isinstance(model, TextRegressor)
    assert model.head.get_params()["alpha"] == 2
    assert numbers.numeric and not read_run(None, {"data": "x.csv"}).numeric
    assert numbers.to_json()["task"] == "regression"
    with pytest.raises(
        ConfigError, match="task='regresion' is not known. Did you mean 'regression'"
    ):
        read_run(None, {"data": "x.csv", "task": "regresion"})
    for name, value in (("imbalance", "balanced"), ("shots", "4")):
        with pytest.raises(ConfigError, match=f"{name}=.* is about classes"):
            read_run(None, {"data": "x.csv", "task": "regression", name: value})


def test_an_order_is_read_from_flags():
    run = read_run(None, {"data": "x.csv", "head": "ordinal", "head.order": "[low, high]"})
    assert run.model().head.order == ("low", "high")


def test_rows_that_are_left_out_are_a_setting_that_older_models_do_not_have(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("\ufeff" + YAML, encoding="utf-8")
    plain = read_run(str(path), {"drop_blank": None})
    assert plain.data == "train.csv" and not plain.drop_blank
    assert "drop_blank" not in plain.to_json()
    assert read_run(str(path), {"drop_blank": True}).to_json()["drop_blank"] is True
    path.write_text(YAML + "drop_blank: 1\n")
    with pytest.raises(ConfigError, match="drop_blank must be true or false, got 1"):
        read_run(str(path), {})
