import pytest

from nlptl import FullFineTune, LoRA, TextClassifier
from nlptl.base.errors import ConfigError
from nlptl.config.export_options import EXPORT_OPTIONS, with_export_options
from nlptl.config.run import read_run
from nlptl.saving.exporting import FORMATS


def test_every_format_has_options():
    assert set(EXPORT_OPTIONS) == set(FORMATS)


@pytest.mark.parametrize("target", ["transformers", "peft", "sentence-transformers", "onnx"])
def test_the_model_can_be_exported(target, few, tiny_encoder, tmp_path):
    short = {"training.max_steps": 1} if target in ("transformers", "peft") else {}
    flags = {"data": "x.csv", "encoder": str(tiny_encoder), **short}
    model = read_run(None, flags, export_format=target).model()
    assert isinstance(model, TextClassifier)
    assert model.fit(*few).export(tmp_path / "out", format=target).is_dir()


def test_without_it_the_default_model_cannot_be_exported_to_others(few, tiny_encoder, tmp_path):
    model = read_run(None, {"data": "x.csv", "encoder": str(tiny_encoder)}).model().fit(*few)
    for target in ("transformers", "peft", "sentence-transformers"):
        with pytest.raises(ConfigError, match="nlptl train: .*--"):
            model.export(tmp_path / "out", format=target)


def test_what_the_user_chose_stays(tmp_path):
    flags = {"data": "x.csv", "transfer": "contrastive"}
    run = read_run(None, flags, export_format="sentence-transformers")
    assert (run.transfer.name, run.transfer.options) == ("contrastive", {})
    (tmp_path / "run.yaml").write_text("data: x.csv\ntransfer: {name: lora, rank: 4}\n")
    model = read_run(str(tmp_path / "run.yaml"), {}, export_format="peft").model()
    assert model.transfer == LoRA(rank=4, merge=False)
    model = read_run(str(tmp_path / "run.yaml"), {}, export_format="transformers").model()
    assert model.transfer == LoRA(rank=4)
    assert model.encoder.pooling.tokens == "stock"
    flags = {"data": "x.csv", "transfer": "full", "transfer.layers": 2}
    model = read_run(None, flags, export_format="transformers").model()
    assert model.transfer == FullFineTune(layers=2)


def test_a_joined_transfer_gets_its_option():
    flags = {"data": "x.csv", "transfer": "contrastive+lora"}
    run = read_run(None, flags, export_format="peft")
    assert run.transfer.options == {"merge": False}


def test_what_contradicts_is_refused():
    with pytest.raises(ConfigError, match="--for 'transformer' is not known.*transformers"):
        with_export_options("transformer", {}, {})
    with pytest.raises(ConfigError, match="peft needs --transfer lora, got 'full'"):
        with_export_options("peft", {}, {"transfer": "full"})
    with pytest.raises(ConfigError, match="needs a transformer, got --encoder static"):
        with_export_options("onnx", {"encoder": {"name": "static"}}, {})
