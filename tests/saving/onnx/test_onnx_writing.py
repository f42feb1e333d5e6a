import json
import shutil

import numpy as np
import pytest

from nlptl import (
    Contrastive,
    Frozen,
    FullFineTune,
    LogisticHead,
    LoRA,
    MLPHead,
    OnnxClassifier,
    PrototypeHead,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, StorageError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual.onnx import quantization, tracing

CONFIG = TrainingConfig(epochs=1, batch_size=8, learning_rate=3e-4)
STOCK = Pooling(tokens="stock", normalize=False)
TEXTS = ["late help phone", "help late card please", "money late app", "app help"] * 6
LABELS = ["it's late", "help!", "it's late", "help!"] * 5 + ["help!", "it's late"] * 2
SEVERAL = [["late"], ["help", "late"], ["late", "money"], ["help"]] * 6
LONG = [" ".join(TEXTS[:12]), "money", " ".join(TEXTS[3:20]), "late late"]


def fitted(encoder, labels=LABELS, texts=TEXTS, **options):
    given = {"head": LogisticHead(C=1.0), "training": CONFIG, "device": "cpu", **options}
    return TextClassifier(encoder, **given).fit(texts, labels)


def encoder_of(folder, pooling=None, **options):
    return TransformerEncoder(folder, pooling=pooling, cache=None, precision="float32", **options)


def same(model, folder, texts, atol=1e-4):
    graph = OnnxClassifier.load(folder, threads=1)
    assert np.array_equal(graph.classes_, model.classes_)
    np.testing.assert_allclose(graph.predict_proba(texts), model.predict_proba(texts), atol=atol)
    expected, found = model.predict(texts), graph.predict(texts)
    assert list(map(str, found)) == list(map(str, expected))
    return graph


def test_every_family_gives_the_same_probabilities(any_encoder, tmp_path):
    model = fitted(encoder_of(any_encoder))
    graph = same(model, model.export(tmp_path / "g", format="onnx"), [*TEXTS[:4], *LONG])
    assert graph.check_.apart <= 1e-4 and graph.check_.texts == "built-in sentences"


@pytest.mark.slow
def test_every_family_is_written_in_eight_bits(any_encoder, tmp_path):
    model = fitted(encoder_of(any_encoder))
    rounded = OnnxClassifier.load(model.export(tmp_path / "r", format="onnx", precision="int8"))
    # Processors without VNNI add up in 16 bits, which overflow for random weights.
    assert 1e-6 < rounded.check_.apart < 0.3


@pytest.mark.parametrize("kinds", [True, False], ids=["told", "untold"])
def test_pairs_are_read_as_one_text(tiny_encoder, tmp_path, kinds):
    place = shutil.copytree(tiny_encoder, tmp_path / "e")
    told = json.loads((place / "tokenizer_config.json").read_text())
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if kinds else [])]
    (place / "tokenizer_config.json").write_text(json.dumps(told | {"model_input_names": names}))
    pairs = [(text, text[::-1]) for text in TEXTS]
    model = fitted(encoder_of(place, STOCK), texts=pairs, transfer=FullFineTune())
    long = [(LONG[0], LONG[2]), ("late", LONG[2])]
    graph = same(model, model.export(tmp_path / "g", format="onnx"), [*pairs[:4], *long])
    assert graph.reading.kinds == kinds


@pytest.mark.parametrize(
    "options",
    [
        {"transfer": LoRA()},
        {"transfer": LoRA(merge=False)},
        {"transfer": Contrastive(steps=2)},
        {"transfer": Frozen("weighted")},
        {"imbalance": "logit_adjust"},
        {"long_texts": "cut"},
    ],
    ids=str,
)
def test_every_way_of_learning_is_written(tiny_encoder, tmp_path, options):
    model = fitted(encoder_of(tiny_encoder), **options)
    same(model, model.export(tmp_path / "g", format="onnx"), [*TEXTS[:4], *LONG])


@pytest.mark.parametrize(
    "pooling",
    [
        STOCK,
        Pooling(tokens="cls", normalize=False),
        Pooling(tokens="max", layers=(1, -1)),
        Pooling(layers=(0, 2, -1), join="mean"),
        Pooling(layers=(1, -1), dimension=5),
    ],
    ids=str,
)
def test_every_pooling_is_part_of_the_graph(tiny_encoder, tmp_path, pooling):
    model = fitted(encoder_of(tiny_encoder, pooling))
    same(model, model.export(tmp_path / "g", format="onnx"), [*TEXTS[:4], *LONG])


def test_several_labels_come_back_as_lists(tiny_encoder, tmp_path):
    always = [[*row, "always"] for row in SEVERAL]
    model = fitted(encoder_of(tiny_encoder), always)
    graph = same(model, model.export(tmp_path / "g", format="onnx"), TEXTS[:4])
    assert isinstance(graph.predict(TEXTS[:1])[0], list)
    config = json.loads((tmp_path / "g" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"


def test_a_saved_model_is_written_as_the_fitted_one(tiny_encoder, tmp_path):
    model = fitted(encoder_of(tiny_encoder), transfer=FullFineTune())
    again = TextClassifier.load(model.save(tmp_path / "m", notes={"run": {"text_column": ["t"]}}))
    graph = same(model, again.export(tmp_path / "g", format="onnx"), TEXTS[:4])
    assert graph.notes_ == {"run": {"text_column": ["t"]}}


def test_a_model_in_half_precision_is_written_in_full(tiny_encoder, tmp_path):
    model = fitted(TransformerEncoder(tiny_encoder, precision="bfloat16", cache=None))
    graph = OnnxClassifier.load(model.export(tmp_path / "g", format="onnx"))
    assert graph.check_.apart <= 1e-4
    np.testing.assert_allclose(
        graph.predict_proba(TEXTS[:4]), model.predict_proba(TEXTS[:4]), atol=0.05
    )


def test_eight_bits_agree_and_are_checked_on_the_probe(tiny_encoder, tmp_path):
    model = fitted(encoder_of(tiny_encoder), transfer=FullFineTune())
    exact = model.export(tmp_path / "exact", format="onnx")
    folder = model.export(
        tmp_path / "g", format="onnx", precision="int8", probe=(TEXTS, LABELS), tolerance=0.1
    )
    check = OnnxClassifier.load(folder).check_
    assert check.rows == len(TEXTS) and check.texts == "probe" and check.agreement >= 0.9
    assert check.before == pytest.approx(model.score(TEXTS, LABELS))
    assert 0 < check.apart < 0.1
    rounded = [b"MatMulInteger" in (at / "model.onnx").read_bytes() for at in (exact, folder)]
    assert rounded == [False, True]
    same(model, folder, TEXTS[:4], atol=0.1)


def test_a_graph_that_lost_accuracy_is_refused_and_nothing_is_left(
    tiny_encoder, tmp_path, monkeypatch
):
    model = fitted(encoder_of(tiny_encoder), transfer=FullFineTune())
    monkeypatch.setattr(quantization, "quantise", damaged)
    options = {"format": "onnx", "precision": "int8", "probe": (TEXTS, model.predict(TEXTS))}
    with pytest.raises(StorageError, match=r"falls from 1.0000 to 0.\d+ on 24 probe rows"):
        model.export(tmp_path / "out" / "g", **options)
    assert not list((tmp_path / "out").iterdir())
    folder = model.export(tmp_path / "out" / "g", **options, tolerance=1)
    assert OnnxClassifier.load(folder).check_.after < 1


def damaged(source, target):
    """Write a graph whose head says the opposite."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(source)
    for part in graph.graph.initializer:
        if part.name.startswith("head."):
            part.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(part), part.name))
    onnx.save(graph, target)


def test_a_graph_in_full_precision_that_answers_otherwise_is_refused(
    tiny_encoder, tmp_path, monkeypatch
):
    model, write = fitted(encoder_of(tiny_encoder)), tracing.write_graph

    def wrong(made, *rest, **options):
        made.head.bias.data[0] += 1
        write(made, *rest, **options)

    monkeypatch.setattr(tracing, "write_graph", wrong)
    with pytest.raises(StorageError, match="probabilities differ by up to 0."):
        model.export(tmp_path / "g", format="onnx")
    assert not list(tmp_path.iterdir())


def test_what_no_graph_holds_is_refused(tiny_encoder, tmp_path):
    encoder = encoder_of(tiny_encoder)
    for head in (MLPHead(), PrototypeHead()):
        with pytest.raises(ConfigError, match=f"{type(head).__name__} is not linear"):
            fitted(encoder, head=head).export(tmp_path / "g", format="onnx")
    counts = TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="got TfidfEncoder"):
        counts.export(tmp_path / "g", format="onnx")
    pairs = fitted(encoder, texts=[(text, text) for text in TEXTS], pair_encoding="separate")
    with pytest.raises(ConfigError, match="pair_encoding='joint'"):
        pairs.export(tmp_path / "g", format="onnx")
    assert not list(tmp_path.iterdir())


def test_options_that_make_no_sense_are_named(tiny_encoder, tmp_path):
    model = fitted(encoder_of(tiny_encoder))
    with pytest.raises(ConfigError, match="precision='int4' is not known. Did you mean 'int8'"):
        model.export(tmp_path / "g", format="onnx", precision="int4")
    with pytest.raises(ConfigError, match="got a ndarray"):
        model.export(tmp_path / "g", format="onnx", probe=np.array(TEXTS))
    with pytest.raises(ConfigError, match="tolerance must be from 0"):
        model.export(tmp_path / "g", format="onnx", tolerance=-1)
    with pytest.raises(ConfigError, match="are for format='onnx', got format='peft'"):
        model.export(tmp_path / "g", format="peft", precision="int8")


def test_a_model_too_large_for_one_file_is_refused(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(tracing, "_MAX_GRAPH_BYTES", 1000)
    with pytest.raises(ConfigError, match="2 GB in one file"):
        fitted(encoder_of(tiny_encoder)).export(tmp_path / "g", format="onnx")
