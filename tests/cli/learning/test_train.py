import json
import warnings

import pandas as pd
import pytest

from nlptl import Contrastive, Frozen, FullFineTune, SelfTraining, TextClassifier, TextRegressor
from nlptl.base.errors import AuditWarning
from nlptl.cli.learning import train as train_module
from nlptl.cli.learning import training_report
from nlptl.cli.main import main
from nlptl.config.part import Part
from nlptl.config.run import RunConfig
from nlptl.estimators import auto
from nlptl.evaluation.choice import Choice
from nlptl.training.networks.text_feed import TextFeed


@pytest.fixture
def data(few, tmp_path):
    texts, labels = few
    path = tmp_path / "data.csv"
    pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)
    return path


def train(capsys, *arguments):
    code = main(["train", *map(str, arguments)])
    return code, capsys.readouterr()


def test_a_model_is_trained_measured_and_saved(capsys, data, tiny_encoder, tmp_path):
    code, shown = train(capsys, data, "--encoder", tiny_encoder, "--output", tmp_path / "m")
    assert code == 0
    for part in ("Audit of the training data", "accuracy", "Saved and read back", "Frozen()"):
        assert part in shown.out
    lines = " ".join(shown.out.split())
    assert "held-out rows of" in lines and "trained on the other" in lines
    assert "--test-share 0 trains on all." in lines
    model = TextClassifier.load(tmp_path / "m")
    assert model.classes_.tolist() == ["billing", "how_to"]
    assert model.notes_["run"]["text_column"] == ["text"]


def test_again_on_a_finished_run_does_nothing_and_other_settings_are_refused(
    capsys, data, tiny_encoder, tmp_path
):
    base = (data, "--encoder", tiny_encoder, "--output", tmp_path / "m")
    assert train(capsys, *base)[0] == 0
    before = (tmp_path / "m" / "manifest.json").stat().st_mtime_ns
    code, shown = train(capsys, *base)
    assert code == 0
    assert "nothing to do" in shown.out
    assert (tmp_path / "m" / "manifest.json").stat().st_mtime_ns == before
    code, shown = train(capsys, *base, "--seed", 4)
    assert code == 2
    assert "differ in seed" in shown.err
    assert train(capsys, *base, "--seed", 4, "--overwrite")[0] == 0
    assert TextClassifier.load(tmp_path / "m").seed == 4


def test_changed_data_are_other_settings(capsys, data, tiny_encoder, tmp_path):
    base = (data, "--encoder", tiny_encoder, "--output", tmp_path / "m")
    train(capsys, *base)
    data.write_text(data.read_text() + "one more text,billing\n")
    code, shown = train(capsys, *base)
    assert code == 2
    assert "differ in sha256" in shown.err


def test_parts_and_their_options_come_from_flags_and_files(capsys, data, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(f"data: {data}\nencoder: tfidf\nhead: {{name: logistic, C: 3}}\n")
    code, _ = train(capsys, "--config", config, "--head.C", 5, "--output", tmp_path / "m")
    assert code == 0
    assert TextClassifier.load(tmp_path / "m").head.C == 5.0


def test_a_model_for_another_library_is_trained_and_exported(capsys, data, tiny_encoder, tmp_path):
    model, plain = tmp_path / "m", tmp_path / "plain"
    name = "sentence-transformers"
    base = (data, "--encoder", tiny_encoder, "--for", name, "--output", model)
    assert train(capsys, *base)[0] == 0
    assert main(["export", str(model), str(plain), "--format", name]) == 0
    assert (plain / "modules.json").is_file()
    assert "nothing to do" in train(capsys, *base)[1].out
    code, shown = train(capsys, data, "--for", "tensorflow")
    assert code == 2
    assert "--for 'tensorflow' is not known" in shown.err


def test_shots_and_a_test_table_are_used(capsys, data, tiny_encoder, tmp_path):
    code, shown = train(capsys, data, "--encoder", tiny_encoder, "--shots", 5, "--test", data)
    assert code == 0
    assert "rows of the test data also in training" in shown.out
    assert "Not saved" in shown.out


def test_names_alone_are_learnt_from_and_held_against_the_table(
    capsys, data, tiny_encoder, tmp_path, monkeypatch
):
    sizes, evaluate = [], training_report.evaluate_sharded
    counted = lambda *given: sizes.append(len(given[1])) or evaluate(*given)  # noqa: E731
    monkeypatch.setattr(training_report, "evaluate_sharded", counted)
    base = (data, "--encoder", tiny_encoder, "--shots", 0, "--transfer", "meaning")
    told = "{how_to: help with a calendar, gone: cancel my contract}"
    code, shown = train(capsys, *base, "--transfer.names", told, "--output", tmp_path / "m")
    assert code == 0, shown.err
    assert "accuracy" in shown.out and "Audit" not in shown.out
    assert sizes == [len(pd.read_csv(data))]  # all rows test
    model = TextClassifier.load(tmp_path / "m")
    assert model.classes_.tolist() == ["billing", "gone", "how_to"]
    texts = dict(model.transfer.names)
    assert texts["how_to"] == ("help with a calendar",) and texts["billing"] == ("billing",)


def test_without_a_table_the_names_are_the_classes(capsys, data, tiny_encoder, tmp_path):
    told = '{"billing": "money", "how_to": "help"}'
    base = ("--encoder", tiny_encoder, "--transfer", "meaning", "--transfer.names", told)
    code, shown = train(capsys, *base, "--test", data, "--output", tmp_path / "m")
    assert code == 0, shown.err
    assert "accuracy" in shown.out
    assert train(capsys, *base, "--shots", 0, "--imbalance", "balanced")[0] == 0
    code, shown = train(capsys, *base, "--shots", 2)
    assert code == 2 and "no data to train on" in shown.err
    assert TextClassifier.load(tmp_path / "m").classes_.tolist() == ["billing", "how_to"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "transfer 'frozen' cannot read them. Pass --transfer meaning"),
        (("--transfer", "meaning"), "needs a text with letters for each label, got '1'"),
        (("--transfer", "meaning", "--transfer.names", "stars"), "names must give a text for each"),
    ],
)
def test_what_cannot_be_learnt_from_no_row_is_said(capsys, tmp_path, flags, said):
    path = tmp_path / "stars.csv"
    pd.DataFrame({"text": ["fine", "bad"], "label": [3, 1]}).to_csv(path, index=False)
    code, shown = train(capsys, path, "--shots", 0, *flags)
    assert code == 2
    assert said in shown.err


def test_numbers_are_described_by_flags(capsys, tiny_encoder, tmp_path):
    path = tmp_path / "stars.parquet"
    pd.DataFrame({"text": ["fine", "bad"] * 9, "label": [3, 1] * 9}).to_parquet(path)
    base = (path, "--encoder", tiny_encoder, "--shots", 0, "--transfer", "meaning")
    told = '{"1": "very bad", "3": "very good"}'
    code, shown = train(capsys, *base, "--transfer.names", told, "--output", tmp_path / "m")
    assert code == 0, shown.err
    assert TextClassifier.load(tmp_path / "m").classes_.tolist() == [1, 3]


def test_of_few_rows_none_is_lost_to_the_test(capsys, few, tiny_encoder, tmp_path):
    path = tmp_path / "few.csv"
    table = pd.DataFrame({"text": few[0], "label": few[1]})
    shots = int(table["label"].value_counts().min())
    table.groupby("label").head(shots).to_csv(path, index=False)
    base = (path, "--encoder", tiny_encoder, "--output")
    code, shown = train(capsys, *base, tmp_path / "all", "--shots", shots)
    assert code == 0, shown.err
    assert "accuracy" not in shown.out  # every row was learnt from
    code, shown = train(capsys, *base, tmp_path / "some", "--shots", shots - 2)
    assert code == 0 and "accuracy" in shown.out
    assert "that are not among the" in " ".join(shown.out.split())


def test_problems_of_the_rows_are_printed_once_and_not_warned_of(capsys, tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    pd.DataFrame({"text": ["good tea", "bad day"] * 12, "label": ["a", "b"] * 12}).to_csv(path)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AuditWarning)
        code, shown = train(capsys, path, "--encoder", "tfidf", "--test-share", "0")
    assert code == 0 and shown.out.count("repeat an earlier row") == 2  # table and note
    assert "Auditing 24 rows" in shown.err


def test_a_wrong_name_is_reported_before_an_existing_output(capsys, data, tiny_encoder, tmp_path):
    output = ("--encoder", tiny_encoder, "--output", tmp_path / "m")
    assert train(capsys, data, *output)[0] == 0
    code, shown = train(capsys, data, *output, "--transfer", "frozn")
    assert code == 2 and "Did you mean 'frozen'" in shown.err and "overwrite" not in shown.err


def test_pairs_are_trained_on_two_columns(capsys, few, tiny_encoder, tmp_path):
    texts, labels = few
    path = tmp_path / "pairs.tsv"
    table = pd.DataFrame({"a": texts, "b": texts[::-1], "same": labels})
    table.to_csv(path, sep="\t", index=False)
    code, _ = train(
        capsys,
        path,
        "--text-column",
        "a",
        "b",
        "--label-column",
        "same",
        "--encoder",
        tiny_encoder,
        "--output",
        tmp_path / "m",
        "--test-share",
        0,
    )
    assert code == 0
    assert TextClassifier.load(tmp_path / "m").predict([("a", "b")]).shape == (1,)


def test_a_place_that_cannot_be_written_is_one_line_and_leaves_nothing(
    capsys, data, tiny_encoder, tmp_path
):
    (tmp_path / "file").write_text("mine")
    code, shown = train(
        capsys, data, "--encoder", tiny_encoder, "--output", tmp_path / "file" / "m"
    )
    assert code == 2
    assert shown.err.count("\n") == 1
    assert "Cannot write" in shown.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.csv", "file"]


def test_an_encoder_is_tuned_by_name(capsys, data, tiny_encoder, tmp_path):
    code, shown = train(
        capsys, data, "--encoder", tiny_encoder, "--transfer", "full", "--transfer.layers", "1",
        "--training.epochs", "1", "--output", tmp_path / "m",
    )  # fmt: skip
    assert code == 0, shown.err
    assert TextClassifier.load(tmp_path / "m").transfer == FullFineTune(layers=1)


@pytest.fixture
def numbers(few, tmp_path):
    texts, _ = few
    path = tmp_path / "numbers.csv"
    pd.DataFrame({"text": texts, "length": [len(text) for text in texts]}).to_csv(path, index=False)
    return path


def test_numbers_are_trained_measured_and_saved(capsys, numbers, tiny_encoder, tmp_path):
    base = (numbers, "--task", "regression", "--label-column", "length", "--encoder", tiny_encoder)
    code, shown = train(capsys, *base, "--head.alpha", 2, "--output", tmp_path / "m")
    assert code == 0, shown.err
    for part in ("Pearson correlation", "root mean squared error", "Saved and read back"):
        assert part in shown.out
    assert "accuracy" not in shown.out
    model = TextRegressor.load(tmp_path / "m")
    assert model.head.get_params()["alpha"] == 2.0
    assert model.audit_.n_rows == 32  # a fifth was held out
    code, shown = train(capsys, *base, "--head.alpha", 2, "--output", tmp_path / "m")
    assert (code, "nothing to do" in shown.out) == (0, True)
    code, shown = train(capsys, *base, "--shots", 4)
    assert code == 2
    assert "is about classes" in shown.err


def test_what_is_no_number_is_one_line(capsys, data, tiny_encoder):
    code, shown = train(capsys, data, "--task", "regression", "--encoder", tiny_encoder)
    assert code == 2
    assert "'label' holds" in shown.err and shown.err.count("\n") == 1


def test_an_order_is_given_by_name(capsys, data, tiny_encoder, tmp_path):
    code, shown = train(
        capsys, data, "--encoder", tiny_encoder, "--head", "ordinal",
        "--head.order", "[how_to, billing]", "--output", tmp_path / "m",
    )  # fmt: skip
    assert code == 0, shown.err
    assert "mean error in ranks" in shown.out
    assert TextClassifier.load(tmp_path / "m").head.order == ("how_to", "billing")


def test_texts_without_labels_are_learnt_from(capsys, data, few, tmp_path):
    more = tmp_path / "more.csv"
    pd.DataFrame({"text": few[0][:30]}).to_csv(more, index=False)
    base = (data, "--encoder", "tfidf", "--shots", 4, "--output", tmp_path / "m")
    given = (*base, "--transfer", "selftraining", "--transfer.share", 0.8, "--unlabeled", more)
    assert train(capsys, *given)[0] == 0
    assert TextClassifier.load(tmp_path / "m").transfer == SelfTraining(share=0.8)
    more.write_text(more.read_text() + "one more\n")
    code, shown = train(capsys, *given)
    assert code == 2 and "differ in sha256" in shown.err


@pytest.mark.parametrize("transfer", ["private", "adapters", "auto"])
def test_whatever_trains_the_encoder_writes_checkpoints_and_resumes(
    capsys, data, tiny_encoder, tmp_path, monkeypatch, transfer
):
    chosen = Choice([Contrastive(steps=6)], "contrastive")
    monkeypatch.setattr(auto, "choose_transfer", lambda *_, **__: chosen)
    steps = ("--training.max_steps", 6, "--training.save_steps", 2)
    base = (data, "--encoder", tiny_encoder, "--output", tmp_path / "m", *steps)
    passes, left = TextFeed.passes, iter(range(4))

    def dies(self, epoch, step):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return passes(self, epoch, step)

    with monkeypatch.context() as patched:
        patched.setattr(TextFeed, "passes", dies)
        assert train(capsys, *base, "--transfer", transfer)[0] == 130
    assert list((tmp_path / "m.checkpoints").rglob("step-*"))
    resumed = []
    fit = TextClassifier.fit

    def watched(self, *labelled, **options):
        model = fit(self, *labelled, **options)
        resumed.append(model.history_.resumed_from)
        return model

    monkeypatch.setattr(TextClassifier, "fit", watched)
    assert train(capsys, *base, "--transfer", transfer)[0] == 0
    assert resumed == [4]
    assert not (tmp_path / "m.checkpoints").exists()


def domains(tmp_path):
    """Write labelled texts of two domains, and unlabelled and labelled ones of a third domain."""
    words = [("good", "+"), ("fine", "+"), ("bad", "-"), ("dull", "-")] * 4
    paths = {}
    for name in ("film", "book", "tea", "tea-test"):
        paths[name] = tmp_path / f"{name}.csv"
        rows = [
            {"text": f"{word} {name} {i}", "label": label} for i, (word, label) in enumerate(words)
        ]
        pd.DataFrame(rows).to_csv(paths[name], index=False)
    return paths


def test_a_model_is_trained_on_the_labels_of_other_domains(capsys, tmp_path):
    paths, output = domains(tmp_path), tmp_path / "model"
    base = ("--source", paths["film"], paths["book"], "--unlabeled", paths["tea"])
    options = (*base, "--test", paths["tea-test"], "--encoder", "tfidf", "--output", output)
    code, shown = train(capsys, *options, "--transfer", "selftraining")
    assert code == 0, shown.err
    assert "accuracy" in shown.out and "Recommended" not in shown.out
    model = TextClassifier.load(output)
    assert model.predict(["good tea", "dull tea"]).tolist() == ["+", "-"]
    assert model.notes_["run"]["source"] == [str(paths["film"]), str(paths["book"])]
    assert "nothing to do" in train(capsys, *options, "--transfer", "selftraining")[1].out
    paths["book"].write_text(paths["book"].read_text() + "good book,+\n")
    assert "differ in sha256" in train(capsys, *options, "--transfer", "selftraining")[1].err


def test_the_recommended_transfer_is_printed(capsys, tmp_path):
    paths = domains(tmp_path)
    code, shown = train(capsys, paths["tea"], "--source", paths["film"], "--encoder", "tfidf")
    assert code == 0, shown.err
    assert "Recommended transfer: SourceRows(share='auto'" in shown.out


def test_without_data_or_a_source_the_command_says_what_to_pass(capsys):
    code, shown = train(capsys, "--encoder", "tfidf")
    assert code == 2 and "--source FILE" in shown.err


def test_a_source_that_hurts_is_left_out(tmp_path, capsys):
    words = [f"{'good' if i % 2 else 'bad'} {i}" for i in range(24)]
    labels = ["+" if i % 2 else "-" for i in range(24)]
    few, old = tmp_path / "few.csv", tmp_path / "old.csv"
    pd.DataFrame({"text": words, "label": labels}).to_csv(few, index=False)
    others = [f"{'good' if i % 2 else 'bad'} {i + 100}" for i in range(24)]
    pd.DataFrame({"text": others * 4, "label": labels[::-1] * 4}).to_csv(old, index=False)
    output = tmp_path / "model"
    flags = ["--encoder", "tfidf", "--transfer", "source", "--transfer.weight", "5"]
    flags += ["--test-share", "0", "--output", str(output)]
    train = ["train", str(few), "--source", str(old), *flags]
    assert main([*train, "--on-harm", "roll-back"]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "Chosen: without" in out and "with the source" in out
    assert TextClassifier.load(output).transfer_ == Frozen()


def test_number_keys_and_another_encoder_are_noticed(tmp_path, tiny_encoder):
    settings = {"names": {0: "bad", 1: "good"}, "sha256": {"a": "1"}}
    model = TextClassifier("tfidf").fit(["good tea", "bad tea"] * 5, [1, 0] * 5)
    model.save(tmp_path / "m", notes={"run": json.loads(json.dumps(settings))})
    assert train_module.already_done(str(tmp_path / "m"), settings, overwrite=False)
    run = RunConfig(data="d.csv", encoder=Part(str(tiny_encoder)))
    assert str(tiny_encoder) in train_module._settings(run)["sha256"]


def test_test_labels_that_the_model_does_not_have_do_not_cost_the_training(
    capsys, data, few, tmp_path
):
    test, output = tmp_path / "test.csv", tmp_path / "model"
    pd.DataFrame({"text": few[0][:4], "label": ["never seen"] * 4}).to_csv(test, index=False)
    code, shown = train(capsys, data, "--encoder", "tfidf", "--test", test, "--output", output)
    assert code == 2 and "never seen" in shown.err and "Saved and read back" in shown.out
    assert len(TextClassifier.load(output).predict(few[0][:3])) == 3


def test_other_files_in_the_output_folder_are_noticed_before_the_training(
    capsys, data, tmp_path, monkeypatch
):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.txt").write_text("years of work")
    monkeypatch.setattr(TextClassifier, "fit", lambda *_: pytest.fail("trained"))
    flags = ("--encoder", "tfidf", "--output", tmp_path / "docs", "--overwrite")
    code, shown = train(capsys, data, *flags)
    assert code == 2 and "is not a model saved by nlptl" in shown.err


def test_a_file_beside_a_finished_model_does_no_harm(capsys, data, tmp_path):
    flags = (data, "--encoder", "tfidf", "--output", tmp_path / "model")
    assert train(capsys, *flags)[0] == 0
    (tmp_path / "model" / "README.md").write_text("about it")
    code, shown = train(capsys, *flags)
    assert code == 0 and "nothing to do" in shown.out
    code, shown = train(capsys, *flags, "--seed", "1", "--overwrite")
    assert code == 2 and "also holds 'README.md'" in shown.err


def test_names_of_sources_have_no_folders_in_the_saved_model(capsys, tmp_path):
    paths, output = domains(tmp_path), tmp_path / "model"
    twin = tmp_path / "secret" / paths["film"].name
    twin.parent.mkdir()
    twin.write_text(paths["film"].read_text())
    flags = ("--source", paths["film"], twin, "--encoder", "tfidf", "--output", output)
    code, shown = train(capsys, paths["tea"], *flags, "--on-harm", "warn", "--test-share", "0")
    assert code == 0, shown.err
    described = json.loads((output / "model.json").read_text())
    del described["notes"]  # these are left out of what is published
    assert "secret" not in json.dumps(described)
    assert f"the source '{paths['film'].name} (2)'" in json.dumps(described)
