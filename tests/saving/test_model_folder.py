import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from nlptl import (
    Frozen,
    FusedEncoder,
    MLPHead,
    PrototypeHead,
    StaticEncoder,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import ConfigError, IntegrityError, StorageError
from nlptl.encoders import Pooling, ResidualFusion
from nlptl.saving import model_folder as folders
from nlptl.saving.model_folder import check_model_folder
from nlptl.storage.manifest import write_manifest
from nlptl.storage.tensors import load_arrays, save_arrays

QUICK = TrainingConfig(epochs=3)


def models(tiny_encoder, vectors_file):
    tiny = TransformerEncoder(tiny_encoder)
    static = StaticEncoder(vectors_file)
    return {
        "counts": TextClassifier(TfidfEncoder()),
        "vectors": TextClassifier(StaticEncoder(vectors_file, ("idf", "max"))),
        "distilled": TextClassifier(StaticEncoder()),
        "frozen": TextClassifier(tiny_encoder),
        "top": TextClassifier(tiny_encoder, transfer=Frozen("top"), head=PrototypeHead()),
        "reduced": TextClassifier(TransformerEncoder(tiny_encoder, Pooling(dimension=4))),
        "network": TextClassifier(tiny, head=MLPHead((4,)), training=QUICK, device="cpu"),
        "fused": TextClassifier(FusedEncoder((tiny, static))),
        "fusion": TextClassifier(
            FusedEncoder((tiny, static), fusion=ResidualFusion(8)), training=QUICK, device="cpu"
        ),
        "rare": TextClassifier(tiny, imbalance="logit_adjust", long_texts="cut"),
    }


KINDS = list(models("", ""))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_comes_back_equal(kind, tiny_encoder, vectors_file, few, tmp_path):
    texts, labels = few
    model = models(tiny_encoder, vectors_file)[kind].fit(texts, labels)
    model.save(tmp_path / "m")
    again = TextClassifier.load(tmp_path / "m")
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-4)
    assert again.classes_.tolist() == model.classes_.tolist()
    assert again.audit_ == model.audit_
    assert (again.seed, again.imbalance) == (model.seed, model.imbalance)
    suffixes = {path.suffix for path in (tmp_path / "m").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".txt"}


@pytest.mark.parametrize("kind", ["frozen", "network", "counts"])
def test_a_model_read_back_can_be_saved_again_and_fitted_anew(
    kind, tiny_encoder, vectors_file, few, tmp_path
):
    texts, labels = few
    models(tiny_encoder, vectors_file)[kind].fit(texts, labels).save(tmp_path / "a")
    loaded = TextClassifier.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    twice = TextClassifier.load(tmp_path / "b")
    np.testing.assert_allclose(twice.predict_proba(texts), loaded.predict_proba(texts), atol=1e-4)
    assert twice.fit(texts, labels).predict(texts).shape == (40,)


def test_pairs_several_labels_and_tuples_survive(tiny_encoder, few, tmp_path):
    texts, labels = few
    pairs = list(zip(texts, texts[::-1], strict=True))
    for given in ([[label] for label in labels], [(label, 1) for label in labels]):
        model = TextClassifier(tiny_encoder).fit(pairs, given)
        model.save(tmp_path / "m")
        again = TextClassifier.load(tmp_path / "m")
        assert list(again.predict(pairs)) == list(model.predict(pairs))


def test_a_new_process_without_the_original_encoder_reads_it(few, tmp_path, tiny_encoder):
    encoder = tmp_path / "enc"
    shutil.copytree(tiny_encoder, encoder)
    texts, labels = few
    model = TextClassifier(encoder).fit(texts, labels)
    model.save(tmp_path / "m")
    wanted = model.predict(texts).tolist()
    shutil.rmtree(encoder)
    code = (
        "import json, sys; from nlptl import TextClassifier\n"
        "model = TextClassifier.load(sys.argv[1])\n"
        "print(json.dumps(model.predict(json.loads(sys.argv[2])).tolist()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m"), json.dumps(texts)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == wanted


@pytest.fixture
def saved(tiny_encoder, few, tmp_path):
    TextClassifier(tiny_encoder).fit(*few).save(tmp_path / "m")
    return tmp_path / "m"


def test_a_flipped_bit_in_any_file_names_the_file(saved):
    rng = np.random.default_rng(0)
    files = [p for p in saved.rglob("*") if p.is_file() and p.name != "manifest.json"]
    assert len(files) >= 5
    for path in files:
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(IntegrityError, match=path.name):
            TextClassifier.load(saved)
        path.write_bytes(whole)
    TextClassifier.load(saved)


def test_a_missing_file_and_a_newer_release_are_named(saved):
    (saved / "head.safetensors").rename(saved / "elsewhere")
    with pytest.raises(IntegrityError, match=r"'head\.safetensors'.*is missing"):
        TextClassifier.load(saved)
    (saved / "elsewhere").rename(saved / "head.safetensors")
    record = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps({**record, "schema": 99, "nlptl": "7.0"}))
    with pytest.raises(StorageError, match=r"written by nlptl 7\.0 \(format 99\)"):
        TextClassifier.load(saved)


def test_a_model_that_would_read_back_differently_is_not_saved(
    tiny_encoder, few, tmp_path, monkeypatch
):
    model = TextClassifier(tiny_encoder).fit(*few)
    real = folders.save_arrays

    def scrambled(path, arrays):
        real(path, {name: -array for name, array in arrays.items()})

    monkeypatch.setattr(folders, "save_arrays", scrambled)
    with pytest.raises(StorageError, match="was not saved.*its outputs differ"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_a_model_is_ever_replaced(saved, tiny_encoder, few, tmp_path):
    model = TextClassifier(tiny_encoder, seed=9).fit(*few)
    model.save(saved)
    assert TextClassifier.load(saved).seed == 9
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    for target in (tmp_path / "thesis", tmp_path / "thesis" / "chapter.txt"):
        with pytest.raises(StorageError, match="is not a model saved by nlptl"):
            model.save(target)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_a_model_with_other_files_beside_it_is_not_replaced(saved, few):
    model = TextClassifier("tfidf").fit(*few)
    (saved / ".DS_Store").touch()
    for name in ("notes.csv", "runs/a.txt", "encoder/more.txt"):
        path = saved / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("years of work")
        with pytest.raises(StorageError, match=f"also holds {name!r}, which would be lost"):
            model.save(saved)
        with pytest.raises(StorageError, match="which would be lost"):
            check_model_folder(saved, overwrite=True)
        path.unlink()
    model.save(saved)


def test_notes_with_names_of_files_that_are_not_utf8_come_back(few, tmp_path):
    name = b"caf\xe9.csv".decode("utf-8", "surrogateescape")
    model = TextClassifier("tfidf").fit(*few)
    model.save(tmp_path / "m", notes={"data": name})
    assert TextClassifier.load(tmp_path / "m").notes_["data"] == name


@pytest.mark.parametrize("seed", [None, -1, 1.5])
def test_a_seed_that_could_not_be_saved_is_refused_by_fit(few, seed):
    with pytest.raises(ConfigError, match=f"at least 0, got {seed}"):
        TextClassifier("tfidf", seed=seed).fit(*few)


def test_a_foreign_head_is_refused_and_leaves_nothing(tiny_encoder, few, tmp_path):
    model = TextClassifier(tiny_encoder, head=LinearSVC()).fit(*few)
    with pytest.raises(StorageError, match="LinearSVC cannot be saved"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_no_text_of_the_user_is_in_the_folder(saved, few):
    stored = b"".join(p.read_bytes() for p in saved.rglob("*.json"))
    assert not any(text.encode() in stored for text in few[0])


def test_notes_are_kept(tiny_encoder, few, tmp_path):
    TextClassifier(tiny_encoder).fit(*few).save(tmp_path / "m", notes={"ticket": 12})
    assert TextClassifier.load(tmp_path / "m").notes_ == {"ticket": 12}


def test_choices_that_matter_later_come_back(tiny_encoder, few, tmp_path):
    model = TextClassifier(
        TransformerEncoder(tiny_encoder, cache=None),
        transfer=[Frozen("top")],
        training=TrainingConfig(epochs=3),
        head=MLPHead((4,)),
    ).fit(*few)
    again = TextClassifier.load(model.save(tmp_path / "m"))
    assert again.encoder.cache is None
    assert again.transfer == [Frozen("top")]
    assert again.training == TrainingConfig(epochs=3)


def test_the_proof_runs_the_weights_that_were_written(tiny_encoder, few, tmp_path, monkeypatch):
    model = TextClassifier(TransformerEncoder(tiny_encoder, cache=tmp_path / "c")).fit(*few)
    asked = []
    encode = TransformerEncoder._encode
    monkeypatch.setattr(
        TransformerEncoder,
        "_encode",
        lambda self, *given: asked.append(self.name_or_path) or encode(self, *given),
    )
    model.save(tmp_path / "m")
    assert any(str(place).endswith("encoder") for place in asked)


def test_a_folder_below_the_home_folder_lies_there(few, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    model = TextClassifier(TfidfEncoder()).fit(*few)
    assert model.save("~/models/one") == tmp_path / "home" / "models" / "one"
    assert model.save(Path("~/two")) == tmp_path / "home" / "two"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    for place in ("~/models/one", Path("~/two")):
        assert TextClassifier.load(place).classes_.tolist() == model.classes_.tolist()


def test_without_room_the_older_model_stays_and_the_error_names_folder_and_size(
    tmp_path, in_small_files
):
    code = (
        "from nlptl import NlptlError, TextClassifier, TfidfEncoder\n"
        "texts, folder = ['good day', 'bad day'] * 4, sys.argv[1]\n"
        "TextClassifier(TfidfEncoder()).fit(texts, ['a', 'b'] * 4).save(folder)\n"
        "model = TextClassifier(TfidfEncoder()).fit(texts, ['c', 'd'] * 4)\n"
        "limit(300)\n"
        "try: model.save(folder)\n"
        "except NlptlError as problem: print(type(problem).__name__, problem)\n"
        "print(TextClassifier.load(folder).classes_.tolist())\n"
        "limit(10**9); model.save(folder)\n"
        "print(TextClassifier.load(folder).classes_.tolist())\n"
    )
    done = in_small_files(code, tmp_path / "m")
    error, old, new = done.stdout.splitlines()
    assert error.startswith(f"StorageError Cannot write '{tmp_path}/m': File too large. At least")
    assert (old, new) == ("['a', 'b']", "['c', 'd']")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_loading_sweeps_what_a_killed_save_left(few, tmp_path):
    model = TextClassifier(TfidfEncoder()).fit(*few)
    model.save(tmp_path / "m")
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nlptl.storage.atomic import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as draft: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "m")], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    TextClassifier.load(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def seal(folder):
    """Record the sha256 of every file, as somebody who hands out a folder can."""
    manifest = folder / "manifest.json"
    manifest.unlink(missing_ok=True)
    write_manifest(folder, kind="text-classifier", version="1.0")


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts") / "m"
    texts = ["good day", "great day", "bad day", "broken day"]
    return TextClassifier(TfidfEncoder()).fit(texts, [1, 1, 0, 0]).save(folder)


def spoilt(counts, tmp_path, name, change):
    """Copy a model with something else in its JSON, every hash being right."""
    shutil.copytree(counts, tmp_path / "m")
    described = json.loads((counts / name).read_text())
    (tmp_path / "m" / name).write_text(json.dumps(change(described)))
    seal(tmp_path / "m")
    return tmp_path / "m"


def within(*names, value):
    def change(described):
        part = described
        for name in names[:-1]:
            part = part[name]
        part[names[-1]] = value
        return described

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda told: [told],
        lambda told: {},
        within("codec", "classes", value=["a"]),
        within("codec", "classes", value=["a", "a"]),
        within("codec", "form", value="lists"),
        within("codec", "dtype", value="<U900000000"),
        within("features", "encoder", "kind", value="SomeEncoder"),
        within("features", "encoder", "longest", value="2"),
        within("features", "encoder", "longest", value=1.5),
        within("features", "weights", value=[1.0, 1.0]),
        within("features", "weights", value=[float("nan")]),
        within("features", "joint", value="no"),
        within("scorer", "head", "kind", value="SomeHead"),
        within("scorer", "head", "params", value={"other": 1}),
        within("scorer", "decision", "temperature", value=0),
        within("scorer", "decision", "temperature", value="hot"),
        within("scorer", "decision", "offsets", value=[1.0]),
        within("scorer", "decision", "thresholds", value=[0.5, 0.5]),
        within("transfer", value={"kind": "SomeTransfer"}),
        within("training", value={"epochs": "many"}),
        within("options", "seed", value="x"),
        within("options", "encoder", value="x"),
        within("pairs", value="no"),
        within("audit", "n_rows", value=[]),
        within("cost", value={"seconds": "x"}),
        within("notes", value=[]),
    ],
)
def test_a_description_that_fits_no_model_is_refused_at_load(counts, tmp_path, change):
    folder = spoilt(counts, tmp_path, "model.json", change)
    with pytest.raises(StorageError):
        TextClassifier.load(folder)


@pytest.mark.parametrize(
    "change", [lambda words: words[:-1], lambda words: [*words[:-1], words[0]], lambda words: "x"]
)
def test_a_vocabulary_that_does_not_fit_its_weights_is_refused_at_load(counts, tmp_path, change):
    folder = spoilt(counts, tmp_path, "encoder/words.json", change)
    with pytest.raises(IntegrityError):
        TextClassifier.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {**a, "coef_": a["coef_"][:-1]},
        lambda a: {**a, "coef_": a["coef_"][:, :-1]},
        lambda a: {**a, "coef_": a["coef_"].astype(np.int64)},
        lambda a: {**a, "coef_": a["coef_"] * np.nan},
        lambda a: {**a, "intercept_": a["intercept_"][:-1]},
        lambda a: {**a, "more": a["coef_"]},
        lambda a: {"coef_": a["coef_"]},
        lambda a: {},
    ],
)
def test_arrays_that_do_not_fit_the_head_are_refused_at_load(counts, tmp_path, change):
    shutil.copytree(counts, tmp_path / "m")
    save_arrays(tmp_path / "m/head.safetensors", change(load_arrays(counts / "head.safetensors")))
    seal(tmp_path / "m")
    with pytest.raises(IntegrityError, match="cannot be understood"):
        TextClassifier.load(tmp_path / "m")


def test_layers_larger_than_their_arrays_take_no_memory(vectors_file, few, tmp_path):
    model = TextClassifier(StaticEncoder(vectors_file), head=MLPHead((4,)), training=QUICK)
    folder = model.fit(*few).save(tmp_path / "network")
    for hidden in ([2**40], [1] * 500_000, [4, 4]):
        change = within("scorer", "head", "params", "hidden", value=hidden)
        broken = spoilt(folder, tmp_path / str(len(hidden)), "model.json", change)
        with pytest.raises(IntegrityError, match=r"head\.safetensors' cannot be understood"):
            TextClassifier.load(broken)
