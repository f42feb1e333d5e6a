import pytest

from nlptl import Frozen, FullFineTune, LabelMeaning, LoRA, TextClassifier
from nlptl.base.errors import ConfigError
from nlptl.config.export_options import EXPORT_OPTIONS
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


def run_of(target, **flags):
    return read_run(None, {"data": "x.csv", **flags}, export_format=target)


def test_what_the_user_chose_stays(tmp_path):
    run = run_of("sentence-transformers", transfer="contrastive")
    assert (run.transfer.name, run.transfer.options) == ("contrastive", {})
    (tmp_path / "run.yaml").write_text("data: x.csv\ntransfer: {name: lora, rank: 4}\n")
    config = str(tmp_path / "run.yaml")
    model = read_run(config, {}, export_format="peft").model()
    assert model.transfer == LoRA(rank=4, merge=False)
    model = read_run(config, {}, export_format="transformers").model()
    assert model.transfer == LoRA(rank=4)
    assert model.encoder.pooling.tokens == "stock"
    run = run_of("transformers", transfer="full", **{"transfer.layers": 2})
    assert run.model().transfer == FullFineTune(layers=2)


def test_options_of_a_file_that_a_flag_replaces_do_not_count(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "data: x.csv\nencoder: {name: a/b, pooling: {tokens: mean}}\n"
        "transfer: {name: full, layers: 2}\n"
    )
    flags = {"encoder": "c/d"}
    run = read_run(str(tmp_path / "run.yaml"), flags, export_format="transformers")
    assert run.encoder.options == {"pooling": {"tokens": "stock", "normalize": False}}
    flags = {"transfer": "frozen"}
    run = read_run(str(tmp_path / "run.yaml"), flags, export_format="sentence-transformers")
    assert run.transfer.options == {"layers": "top"}


def test_an_option_with_another_value_is_refused_and_the_same_value_is_not():
    for value in ("false", False):
        run = run_of("peft", transfer="lora", **{"transfer.merge": value})
        assert run.model().transfer == LoRA(merge=False)
    with pytest.raises(ConfigError, match=r"needs transfer\.merge = False, got 'true'"):
        run_of("peft", transfer="lora", **{"transfer.merge": "true"})
    with pytest.raises(ConfigError, match=r"needs transfer\.layers = 'top', got 'all'"):
        run_of("sentence-transformers", **{"transfer.layers": "all"})
    with pytest.raises(ConfigError, match=r"needs encoder\.pooling = .*stock.*, got '{tok"):
        run_of("transformers", **{"encoder.pooling": "{tokens: cls}"})


def test_options_without_a_name_belong_to_the_transfer_of_the_format(tmp_path):
    (tmp_path / "run.yaml").write_text("data: x.csv\ntransfer: {rank: 4}\n")
    run = read_run(str(tmp_path / "run.yaml"), {}, export_format="peft")
    assert run.model().transfer == LoRA(rank=4, merge=False)


def test_joined_transfers_get_the_option_of_theirs():
    run = run_of("peft", transfer="contrastive + lora")
    assert run.transfer.options == {"merge": False}
    run = run_of("sentence-transformers", transfer="meaning")
    assert run.model().transfer == [Frozen("top"), LabelMeaning()]
    assert run_of("sentence-transformers", transfer="frozen+meaning").model().transfer[0] == Frozen(
        "top"
    )


def test_pairs_are_read_as_one_text():
    assert run_of("onnx", text_column=["a", "b"]).pair_encoding == "joint"
    assert run_of("onnx", text_column=["a"]).pair_encoding == "auto"
    with pytest.raises(ConfigError, match="needs single texts, got two text columns"):
        run_of("sentence-transformers", text_column=["a", "b"])


@pytest.mark.parametrize(
    ("target", "flags", "message"),
    [
        ("transformer", {}, "--for 'transformer' is not known.*transformers"),
        ("peft", {"transfer": "full"}, "peft needs --transfer lora, got --transfer full"),
        ("onnx", {"encoder": "static"}, "needs a transformer, got --encoder static"),
        ("onnx", {"task": "regression"}, "needs classes, got --task regression"),
        ("onnx", {"head": "mlp"}, "needs a linear head, got --head mlp"),
        ("transformers", {"transfer": "frozen"}, "tunes the encoder, got --transfer frozen"),
        ("sentence-transformers", {"transfer": "auto"}, "got --transfer auto"),
    ],
)
def test_what_contradicts_is_refused_before_the_training(target, flags, message):
    with pytest.raises(ConfigError, match=message):
        run_of(target, **flags)
