import copy
import json
import shutil

import numpy as np
import pytest
from huggingface_hub import ModelCard

from nlptl import (
    Cascade,
    Contrastive,
    Frozen,
    FullFineTune,
    LabelMeaning,
    LanguageClassifier,
    LanguageStudent,
    LoRA,
    MultiTaskModel,
    StaticEncoder,
    Task,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
    support_requests,
)
from nlptl.base.errors import ConfigError, HubError, IntegrityError, StorageError
from nlptl.encoders import Pooling
from nlptl.estimators.loading import load_every
from nlptl.hub.model_place import place_of
from nlptl.saving import model_publication
from nlptl.saving.model_publication import CARD, card_files

REPO = "user/requests"
TEXTS, LABELS = (column[::12] for column in support_requests())
SHORT = TrainingConfig(max_steps=2, quiet=True)
PAIRS = [(f"late parcel {i}", f"parcel late {i}") for i in range(40)]
ASKED = ["where is my parcel", "i was charged twice"]


def models(encoder, vectors):
    """Give every kind of model there is."""
    own = TransformerEncoder(encoder, cache=None)
    tuned = {"training": SHORT, "device": "cpu"}
    return {
        "counts": TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS),
        "static": TextClassifier(StaticEncoder(vectors)).fit(TEXTS, LABELS),
        "frozen": TextClassifier(own, transfer=Frozen("top")).fit(TEXTS, LABELS),
        "names": TextClassifier(own, transfer=LabelMeaning()).fit(TEXTS, LABELS),
        "full": TextClassifier(own, transfer=FullFineTune(), **tuned).fit(TEXTS, LABELS),
        "adapter": TextClassifier(own, transfer=LoRA(rank=2, merge=False), **tuned).fit(
            TEXTS, LABELS
        ),
        "merged": TextClassifier(own, transfer=LoRA(rank=2), **tuned).fit(TEXTS, LABELS),
        "contrastive": TextClassifier(own, transfer=Contrastive(), **tuned).fit(TEXTS, LABELS),
        "adapted": TextClassifier(own, transfer=Frozen("top"))
        .fit(TEXTS, LABELS)
        .with_encoder(
            LanguageStudent(own, training=SHORT, device="cpu").fit({"de": PAIRS}).encoder_
        ),
        "numbers": TextRegressor(TfidfEncoder()).fit(TEXTS, [float(len(t)) for t in TEXTS]),
        "languages": LanguageClassifier(TextClassifier(TfidfEncoder())).fit(
            TEXTS, LABELS, ["en"] * len(TEXTS)
        ),
        "tasks": MultiTaskModel(
            {"kind": Task(), "long": Task("regression")}, encoder=own, gate=False, training=SHORT
        ).fit({"kind": (TEXTS, LABELS), "long": (TEXTS, [float(len(t)) for t in TEXTS])}),
    }


def answers(model):
    if isinstance(model, MultiTaskModel):
        return np.concatenate([one for _, one in sorted(model.outputs(ASKED).items())], axis=1)
    if isinstance(model, LanguageClassifier):
        return model.predict_proba(ASKED, ["en", "de"])
    return model.fitted_.outputs(ASKED)


@pytest.mark.slow
def test_every_kind_of_model_comes_back_equal(hub, tiny_encoder, vectors_file, monkeypatch):
    for name, model in models(tiny_encoder, vectors_file).items():
        repo = f"user/{name}"
        done = model.push_to_hub(repo)
        assert done.changed and "README.md" in hub.files(repo), name
        assert not model.push_to_hub(repo).changed, f"{name}: the same again is no commit"
        again = type(model).from_pretrained(repo, revision=done.commit)
        np.testing.assert_allclose(answers(again), answers(model), atol=1e-4, err_msg=name)
        paths = str(tiny_encoder.parent).encode()
        told = [path for path, content in hub.files(repo).items() if paths in content]
        assert not told, f"{name}: no path of this machine"


@pytest.fixture(scope="module")
def model():
    return TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS)


def test_the_card_tells_figures_of_rows_it_is_given(hub, model):
    about = {"license": "mit", "languages": ["en"], "dataset": "requests"}
    rows = support_requests()
    test = rows[0][5::12], rows[1][5::12]
    model.push_to_hub(REPO, test=test, about=about)
    card = ModelCard(hub.files(REPO)["README.md"].decode())
    found = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert found["accuracy"] == round(model.score(*test), 4)
    assert "On 40 rows of requests" in card.text and card.data.license == "mit"
    assert not any(text in card.content for text in (*TEXTS, *test[0]))


def test_a_folder_a_name_and_a_path_are_told_apart(hub, model, tmp_path):
    folder = model.save(tmp_path / "model")
    assert place_of(folder) == folder == place_of(str(folder))
    assert place_of("./user/name").as_posix() == "user/name"
    model.push_to_hub(REPO)
    assert load_every(REPO).predict(ASKED).tolist() == model.predict(ASKED).tolist()
    assert place_of("model/").as_posix() == "model" and place_of("C:/model").name == "model"
    with pytest.raises(HubError, match="no folder .* no such repository"):
        TextClassifier.from_pretrained("user/nothing")
    with pytest.raises(StorageError, match="not a text-regressor"):
        TextRegressor.from_pretrained(REPO)


def test_others_read_what_was_published_for_them(hub, tiny_encoder, tmp_path):
    from huggingface_hub import snapshot_download
    from transformers import pipeline

    pooling = Pooling(tokens="stock", normalize=False)
    encoder = TransformerEncoder(tiny_encoder, pooling=pooling, cache=None)
    clf = TextClassifier(encoder, transfer=FullFineTune(), training=SHORT, device="cpu")
    clf.fit(TEXTS, LABELS).push_to_hub(REPO, format="transformers")
    card = ModelCard(hub.files(REPO)["README.md"].decode())
    assert card.data.library_name == "transformers" and "import pipeline" in card.text
    reads = pipeline("text-classification", model=snapshot_download(REPO), top_k=None)
    for text, told in zip(ASKED, reads(ASKED), strict=True):
        shares = dict(zip(clf.classes_.tolist(), clf.predict_proba([text])[0], strict=True))
        for one in told:
            assert shares[one["label"]] == pytest.approx(one["score"], abs=1e-5)
    with pytest.raises(StorageError, match="export for transformers"):
        TextClassifier.from_pretrained(REPO)


def test_an_adapter_is_published_for_peft(hub, tiny_encoder, tmp_path):
    own = TransformerEncoder(tiny_encoder, cache=None)
    transfer = LoRA(rank=2, merge=False)
    clf = TextClassifier(own, transfer=transfer, training=SHORT, device="cpu").fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="by its name on the Hub"):
        clf.push_to_hub(REPO, format="peft")
    known = shutil.copytree(tiny_encoder, tmp_path / "known")
    (known / "origin.json").write_text('{"name": "org/tiny"}')
    clf.encoder = TransformerEncoder(known, cache=None)
    clf.fit(TEXTS, LABELS).push_to_hub(REPO, format="peft")
    files = hub.files(REPO)
    card = ModelCard(files["README.md"].decode())
    assert card.data.library_name == "peft" and card.data.base_model == "org/tiny"
    assert "ForFeatureExtraction" in card.text, "its pooling is not that of transformers"
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "org/tiny"
    assert not [path for path, content in files.items() if str(tmp_path).encode() in content]


def test_what_a_run_was_made_from_is_not_published(hub, model, tmp_path):
    run = {"label_column": "mood", "data": "/srv/secret.csv"}
    loaded = TextClassifier.load(model.save(tmp_path / "model", notes={"run": run}))
    loaded.push_to_hub(REPO)
    told = hub.files(REPO)["model.json"].decode()
    assert "secret" not in told and "mood" in told
    assert loaded.notes_["run"] == run


def test_stray_files_of_an_encoder_stay_at_home(hub, tiny_encoder, tmp_path):
    own = shutil.copytree(tiny_encoder, tmp_path / "own")
    for name in ("train.txt", "trainer_state.json"):
        (own / name).write_text("secret")
    clf = TextClassifier(TransformerEncoder(own, cache=None)).fit(TEXTS, LABELS)
    clf.push_to_hub(REPO)
    assert not any(b"secret" in content for content in hub.files(REPO).values())
    assert TextClassifier.from_pretrained(REPO).predict(ASKED).size == 2


def test_a_vocabulary_of_sentencepiece_is_no_hindrance(hub, tiny_encoder, tmp_path):
    own = shutil.copytree(tiny_encoder, tmp_path / "own")
    (own / "sentencepiece.bpe.model").write_bytes(b"pieces")
    clf = TextClassifier(TransformerEncoder(own, cache=None)).fit(TEXTS, LABELS)
    assert clf.push_to_hub(REPO).changed
    assert not any(path.endswith(".model") for path in hub.files(REPO))


def test_a_card_shows_a_call_that_runs(hub, model):
    pairs = TextClassifier(TfidfEncoder()).fit([("a", "b"), ("c", "d")] * 4, [0, 1] * 4)
    several = LanguageClassifier(TextClassifier(TfidfEncoder()), gate=False)
    several.fit(TEXTS, LABELS, ["en"] * len(TEXTS))
    for name, one in (("plain", model), ("pairs", pairs), ("languages", several)):
        one.push_to_hub(f"user/{name}")
        card = ModelCard(hub.files(f"user/{name}")["README.md"].decode())
        code = card.text.split("```python\n")[1].split("```")[0]
        exec(compile(code, name, "exec"), {})
        assert ("nlptl predict" in card.text) == (name == "plain")
        assert "``" not in card.text.replace("```", "")
    assert "Sorts texts into" in card.text and card.data.language == ["en"]
    numbers = TextRegressor(TfidfEncoder()).fit(["a", "b", "a b"], [1.0, 2.0, 3.0])
    numbers.push_to_hub("user/numbers")
    assert ModelCard(hub.files("user/numbers")["README.md"].decode()).data.pipeline_tag is None


def test_a_card_shows_the_result_of_its_call(hub, model, tiny_encoder):
    code = card_files(model, REPO, about={})[CARD].decode().split("```python\n")[1].split("```")[0]
    label = model.predict(["The order arrived late."]).tolist()[0]
    assert code.endswith(f'(["The order arrived late."])\n# [{label!r}]\n')
    numbers = TextRegressor(TfidfEncoder()).fit(["a", "b", "a b"], [1.0, 2.0, 3.0])
    assert card_files(numbers, REPO, about={})[CARD].count(b"\n# [2.0]\n") == 1
    fence = TextClassifier(TfidfEncoder()).fit(["a", "b"] * 4, ["```", "x"] * 4)
    assert card_files(fence, REPO, about={})[CARD].decode().count("```") % 2 == 0
    stock = Pooling(tokens="stock", normalize=False)
    tuned = TextClassifier(TransformerEncoder(tiny_encoder, pooling=stock, cache=None))
    tuned.fit(TEXTS, LABELS)
    card = card_files(tuned, REPO, about={"format": "transformers"})[CARD].decode()
    score = tuned.predict_proba(["The order arrived late."]).max()
    assert f"'score': {score:.3f}".rstrip("0") in card and "pip install transformers" in card


def test_an_entailment_model_of_either_model_of_a_cascade_is_named(model, tiny_encoder):
    local = copy.copy(model)
    local.transfer_ = LabelMeaning(entailment=str(tiny_encoder))
    for parts in ((local, model), (model, local)):
        with pytest.raises(ConfigError, match="entailment"):
            model_publication._check_entailment(Cascade(*parts))


def test_an_entailment_model_in_a_folder_is_named(model, tiny_encoder):
    model = copy.copy(model)
    model.transfer_ = [Frozen(), LabelMeaning(entailment=str(tiny_encoder))]
    with pytest.raises(ConfigError, match="entailment"):
        model.push_to_hub(REPO, dry_run=True)


def test_a_changed_byte_on_the_way_is_found(hub, model):
    model.push_to_hub(REPO)
    hub.fail("GET", "/model.json", "flip")
    with pytest.raises(IntegrityError, match=r"model\.json"):
        TextClassifier.from_pretrained(REPO)


def test_a_rehearsal_publishes_nothing(hub, model):
    found = model.push_to_hub(REPO, dry_run=True)
    assert {"README.md", "model.json"} <= {one.path for one in found.files}
    assert not hub.repos and not hub.log


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"about": {"licence": "mit"}}, "license"),
        ({"repo": "name"}, "user/name"),
        ({"format": "onxx"}, "onxx"),
    ],
)
def test_what_cannot_be_told_is_refused(model, given, message):
    with pytest.raises(ConfigError, match=message):
        model.push_to_hub(**{"repo": REPO, "dry_run": True} | given)


def test_a_picture_of_an_earlier_publication_goes(hub, model):
    model.push_to_hub(REPO, test=(TEXTS, LABELS))
    assert "confusion.png" in hub.files(REPO)
    model.push_to_hub(REPO)
    assert "confusion.png" not in hub.files(REPO)


def test_no_folder_of_a_machine_gets_onto_the_card(hub, model):
    other = copy.copy(model)
    other.transfer_ = LabelMeaning(entailment="/srv/gone/nli")
    with pytest.raises(ConfigError, match="/srv/gone/nli"):
        other.push_to_hub(REPO, dry_run=True)
