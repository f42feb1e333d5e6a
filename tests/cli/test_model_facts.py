from nlptl import Auto, MultiTaskModel, Task, TextClassifier, TfidfEncoder, TrainingConfig
from nlptl.cli.model_facts import about_model

TEXTS, LABELS = ["good tea", "bad day"] * 12, ["yes", "no"] * 12


def test_facts_that_a_model_does_not_have_are_left_out():
    about = about_model(TextClassifier(TfidfEncoder()).fit(TEXTS, LABELS))
    assert about["rows_per_class"] == {"no": 12, "yes": 12} and "choice" not in about
    assert about["encoder"] == "TfidfEncoder" and "second" in about["training_cost"]


def test_a_choice_and_several_tasks_are_described(tiny_encoder):
    chosen = TextClassifier(str(tiny_encoder), transfer=Auto(1)).fit(TEXTS, LABELS)
    assert "chosen by comparison" in about_model(chosen)["choice"]
    several = MultiTaskModel(
        {"mood": Task(), "length": Task()},
        encoder=str(tiny_encoder),
        gate=False,
        training=TrainingConfig(max_steps=1, quiet=True),
    ).fit({"mood": (TEXTS, LABELS), "length": (TEXTS, LABELS[::-1])})
    assert "Answers several questions: length, mood." in about_model(several)["predicts"]
