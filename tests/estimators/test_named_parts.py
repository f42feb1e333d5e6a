from typing import get_args

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from nlptl import (
    Contrastive,
    Corpus,
    Frozen,
    LabelMeaning,
    LogisticHead,
    LoRA,
    MultiTaskModel,
    StaticEncoder,
    Task,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError
from nlptl.base.inputs import EncoderName, HeadName, ImbalanceName, TransferName
from nlptl.config.components import build_encoder
from nlptl.estimators.named_parts import (
    kinds_of,
    named_encoder,
    named_head,
    named_transfer,
    with_objects,
)
from nlptl.heads.calibration.imbalance import IMBALANCE

TEXTS = ["good day", "bad day", "good night", "so bad", "fine", "poor"] * 4
LABELS = ["yes", "no", "yes", "no", "yes", "no"] * 4


@pytest.mark.parametrize(
    ("name", "transfer"),
    [
        ("lora", LoRA()),
        ("contrastive+lora", [Contrastive(), LoRA()]),
        ("contrastive + lora", [Contrastive(), LoRA()]),
        (["contrastive", LoRA(rank=4)], [Contrastive(), LoRA(rank=4)]),
        (LoRA(), LoRA()),
        (None, None),
    ],
)
def test_a_name_is_the_transfer_with_its_defaults(name, transfer):
    assert named_transfer(name) == transfer


def test_names_of_encoders_and_heads_are_those_of_the_command_line(tmp_path, monkeypatch):
    assert named_encoder("tfidf") == TfidfEncoder()
    assert isinstance(named_head("logistic"), LogisticHead)
    assert named_encoder("user/name") == "user/name"
    head, folder = LogisticHead(), tmp_path / "x"
    assert named_head(head) is head and named_encoder(folder) is folder
    (tmp_path / "tfidf").mkdir()
    monkeypatch.chdir(tmp_path)
    assert named_encoder("tfidf") == "tfidf"


@pytest.mark.parametrize("part", ["encoder", "transfer", "head"])
def test_every_name_has_default_settings(part):
    assert all(kind()() is not None for kind in kinds_of(part).values())


def test_other_parameters_stay():
    params = {"seed": 3, "encoder": "static", "head": None}
    assert with_objects(params) == {"seed": 3, "encoder": StaticEncoder(), "head": None}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"transfer": "lora2"}, "No transfer is called 'lora2'. Did you mean 'lora'"),
        ({"transfer": ["frozen", "ful"]}, "No transfer is called 'ful'. Did you mean 'full'"),
        ({"head": "logistics"}, "No head is called 'logistics'. Did you mean 'logistic'"),
        ({"head": "ordinal+mlp"}, "No head is called"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(options, said):
    with pytest.raises(ConfigError, match=said):
        TextClassifier("tfidf", **options).fit(TEXTS, LABELS)


def test_a_model_of_names_is_fitted_saved_and_cloned(tmp_path):
    named = TextClassifier("tfidf", transfer="frozen", head="logistic").fit(TEXTS, LABELS)
    plain = TextClassifier(TfidfEncoder(), transfer=Frozen(), head=LogisticHead())
    assert (named.predict_proba(TEXTS) == plain.fit(TEXTS, LABELS).predict_proba(TEXTS)).all()
    assert named.transfer_ == Frozen() and named.get_params()["transfer"] == "frozen"
    again = TextClassifier.load(named.save(tmp_path / "model"))
    assert (again.predict(TEXTS) == named.predict(TEXTS)).all() and again.transfer_ == Frozen()
    assert clone(named).encoder == "tfidf"


def test_names_are_values_of_a_grid_search():
    grid = {"head": ["logistic", "blend"], "encoder": ["tfidf", "static"]}
    search = GridSearchCV(TextClassifier(head="logistic"), grid, cv=2, error_score="raise")
    with pytest.raises(ConfigError, match="BlendHead cannot be fitted"):
        search.fit(TEXTS, LABELS)
    grid["head"] = ["logistic"]
    assert search.set_params(param_grid=grid).fit(TEXTS, LABELS).best_score_ > 0.5


def test_a_student_and_a_source_take_names():
    model = TextClassifier("static", transfer="meaning").fit(TEXTS, LABELS)
    student = model.distill(TEXTS, student=TextClassifier("tfidf", transfer="frozen"))
    assert (student.predict(TEXTS) == model.predict(TEXTS)).mean() > 0.7
    source = Corpus(TEXTS, LABELS)
    adapted = TextClassifier("tfidf", transfer="source").fit(TEXTS[:4], LABELS[:4], source=source)
    assert adapted.score(TEXTS, LABELS) > 0.9
    assert isinstance(model.transfer_, LabelMeaning)


def test_numbers_and_tasks_take_names(tiny_encoder, tmp_path):
    numbers = TextRegressor("tfidf", head="ridge").fit(TEXTS, [float(len(text)) for text in TEXTS])
    assert len(numbers.predict(TEXTS)) == 24
    tasks = {"mood": Task("single_label", head="logistic")}
    model = MultiTaskModel(tasks, encoder=tiny_encoder, transfer="lora", gate=())
    model.fit({"mood": (TEXTS, LABELS)})
    again = MultiTaskModel.load(model.save(tmp_path / "tasks"))
    assert (again.predict(TEXTS)["mood"] == model.predict(TEXTS)["mood"]).all()


@pytest.fixture
def sentences(tiny_encoder):
    return SentenceTransformer(str(tiny_encoder), device="cpu")


def test_an_object_of_sentence_transformers_is_the_encoder_of_its_folder(
    sentences, tiny_encoder, tmp_path
):
    model = TextClassifier(sentences).fit(TEXTS, LABELS)
    expected = TextClassifier(tiny_encoder).fit(TEXTS, LABELS)
    assert named_encoder(sentences) == TransformerEncoder(str(tiny_encoder))
    assert (model.predict_proba(TEXTS) == expected.predict_proba(TEXTS)).all()
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert (again.predict(TEXTS) == model.predict(TEXTS)).all()
    assert clone(model).fit(TEXTS, LABELS).score(TEXTS, LABELS) == model.score(TEXTS, LABELS)


def test_an_object_that_was_trained_or_has_no_folder_is_refused(sentences):
    with torch.no_grad():
        for weight in sentences.parameters():
            weight.add_(torch.arange(weight.numel()).reshape(weight.shape) / weight.numel())
    with pytest.raises(ConfigError, match=r"gives other vectors .* model\.save\(folder\)"):
        TextClassifier(sentences).fit(TEXTS, LABELS)
    sentences[0].auto_model.config._name_or_path = ""
    with pytest.raises(ConfigError, match=r"got SentenceTransformer without.* model\.save"):
        TextClassifier(sentences).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("name", "meant"), [("tfdf", "tfidf"), ("statc", "static"), ("transformers", "transformer")]
)
def test_a_mistyped_short_name_is_refused_before_the_network_is_asked(name, meant, tmp_path):
    for refuse in (named_encoder, lambda name: build_encoder(name, {})):
        with pytest.raises(ConfigError, match=f"Did you mean '{meant}'"):
            refuse(name)
    folder = tmp_path / name
    folder.mkdir()
    for other in (f"user/{name}", "bert-base-uncased", str(folder)):
        assert named_encoder(other) == other
        assert build_encoder(other, {}).name_or_path == other


@pytest.mark.parametrize(
    ("part", "names"), [("encoder", EncoderName), ("transfer", TransferName), ("head", HeadName)]
)
def test_editors_complete_the_names_of_all_registered_classes(part, names):
    assert sorted(get_args(names)) == sorted(kinds_of(part))


def test_editors_complete_the_treatments_of_rare_classes():
    assert sorted(get_args(ImbalanceName)) == sorted(IMBALANCE)
