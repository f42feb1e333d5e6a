import pytest
import yaml

from nlptl import FullFineTune, LogisticHead, LoRA, Mixing, PrivateLayers
from nlptl.base.errors import ConfigError
from nlptl.config.tasks import read_tasks

TOLD = {
    "tasks": {
        "mood": {"data": "a.csv", "text_column": "tweet", "weight": "2", "metric": "macro_f1"},
        "same": {"data": "b.csv", "text_column": ["x", "y"], "head": {"name": "logistic", "C": 3}},
    },
    "mixing": {"way": "uniform", "mixed": True},
    "transfer": {"name": "full+private", "layers": None},
    "training": {"epochs": 3},
    "seed": "4",
    "output": "model/",
}


@pytest.fixture
def read(tmp_path):
    def reader(flags=None, **changes):
        told = {**TOLD, "transfer": "full+private", **changes}
        (tmp_path / "tasks.yaml").write_text(yaml.safe_dump(told))
        return read_tasks(str(tmp_path / "tasks.yaml"), flags or {})

    return reader


def test_a_file_becomes_a_model(read):
    config = read()
    model = config.model()
    assert model.mixing == Mixing("uniform", mixed=True) and model.seed == 4 and model.gate
    assert model.transfer == [FullFineTune(), PrivateLayers()]
    assert model.training.epochs == 3 and model.training.checkpoints == "model.checkpoints"
    mood, same = model.tasks["mood"], model.tasks["same"]
    assert mood.weight == 2.0 and mood.metric == "macro_f1" and mood.head is None
    assert isinstance(same.head, LogisticHead) and same.head.C == 3
    assert config.tasks["mood"].text_column == ("tweet",)
    assert config.tasks["same"].text_column == ("x", "y")


def test_flags_win_over_the_file(read):
    config = read({"transfer": "lora", "seed": 7, "output": None, "balance": "pcgrad"})
    model = config.model()
    assert isinstance(model.transfer, LoRA) and model.seed == 7 and model.balance == "pcgrad"
    assert config.output == "model/"


def test_settings_are_plain_and_say_nothing_of_where_the_model_goes(read):
    told = read().to_json()
    assert "output" not in told and told["tasks"]["same"]["text_column"] == ["x", "y"]


def test_checkpoints_are_forgotten_once_the_model_is_there(read, tmp_path):
    config = read(output=str(tmp_path / "m"))
    config.checkpoints.mkdir()
    config.forget_checkpoints()
    assert not config.checkpoints.exists()
    assert read(training={"checkpoints": "here"}).checkpoints is None
    assert read(output=None).model().training.checkpoints is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": {}}, "task"),
        ({"tasks": []}, "must describe at least one task, got tasks="),
        ({"tasks": {"a": "b.csv"}}, "needs data"),
        ({"tasks": {"a": {"data": "x", "datas": 1}}}, "datas"),
        ({"tasks": {"a": {"data": "x", "weight": "much"}}}, "weight must be a number"),
        ({"test_share": "most"}, "test_share must be a number"),
    ],
)
def test_what_cannot_be_understood_is_refused(read, changes, message):
    with pytest.raises(ConfigError, match=message):
        read(**changes)


def test_options_of_mixing_are_known(read):
    with pytest.raises(ConfigError, match="ways"):
        read(mixing={"ways": "uniform"}).model()


def test_without_a_file_there_is_nothing_to_learn():
    with pytest.raises(ConfigError, match="--config"):
        read_tasks(None, {})
