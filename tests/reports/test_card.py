from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from nlptl.evaluation.class_metrics import ClassScore
from nlptl.evaluation.intervals import Interval
from nlptl.reports.card import CardFacts, Evaluation, model_card

FOUND = Evaluation(
    "trec",
    500,
    {"accuracy": 0.9312, "macro_f1": 0.9, "log_loss": 0.2},
    Interval(0.9312, 0.905, 0.95),
    [ClassScore("a|b", 0.9, 0.8, 0.85, 20)],
)
FACTS = CardFacts(
    repo="user/questions",
    loads_by="TextClassifier",
    task="text-classification",
    says="Sorts texts into: a, b.",
    encoder="TransformerEncoder(org/base)",
    transfer="LoRA(rank=8)",
    base_model="org/base",
    base_revision="abc",
    labels={"a": 1200, "b": 3},
    rows=1203,
    repeated=4,
    conflicts=1,
    evaluation=FOUND,
    languages=["en"],
    license="mit",
    made_with={"nlptl": "0.1.0"},
)


def test_the_hub_reads_the_head():
    card = ModelCard(model_card(FACTS))
    told = card.data
    assert (told.library_name, told.pipeline_tag) == ("nlptl", "text-classification")
    assert told.base_model == "org/base" and told.to_dict()["base_model_relation"] == "finetune"
    assert (told.license, told.language) == ("mit", ["en"])
    assert {one.metric_type: one.metric_value for one in told.eval_results} == {
        "accuracy": 0.9312,
        "f1": 0.9,
    }
    assert all(one.dataset_name == "trec" for one in told.eval_results)


def test_the_card_says_what_a_reader_asks():
    card = model_card(FACTS)
    for told in (
        'from_pretrained("user/questions")',
        "nlptl predict user/questions",
        "1,203 rows. 4 of them repeat",
        "| a | 1,200 |",
        "| accuracy | 0.931 | 0.905 to 0.950 |",
        "| a\\|b | 0.900 | 0.800 | 0.850 | 20 |",
        "org/base at revision abc",
        "`LoRA(rank=8)`",
        "nlptl 0.1.0; seed 0",
    ):
        assert told in card, told


def test_what_is_not_known_is_left_out():
    card = model_card(CardFacts(repo="u/m", loads_by="TextRegressor", task="t", says="A number."))
    assert "has published no metrics" in card and "Training data" not in card
    head = ModelCard(card).data.to_dict()
    assert not {"base_model", "base_model_relation", "license", "model-index"} & set(head)


def test_the_most_frequent_mistakes_are_a_table_of_at_most_ten_pairs():
    confused = [(f"c{i}", "a|b", 1_200 - i) for i in range(12)]
    card = model_card(replace(FACTS, evaluation=replace(FOUND, confused=confused)))
    assert "Most frequent mistakes:\n\n| label | predicted | rows |\n|---|---|---:|" in card
    assert "| c0 | a\\|b | 1,200 |\n| c1 |" in card and "| c9 |" in card and "| c10 |" not in card
    assert "Most frequent mistakes" not in model_card(FACTS)


@pytest.mark.parametrize(
    ("format_", "command"),
    [
        ("nlptl", "pip install nlptl"),
        ("transformers", "pip install transformers torch"),
        ("peft", "pip install peft transformers torch"),
        ("onnx", "pip install 'nlptl[onnx]'"),
        ("sentence-transformers", "pip install sentence-transformers"),
    ],
)
def test_a_card_begins_with_the_packages_to_install(format_, command):
    for stock in (True, False):
        card = model_card(replace(FACTS, format=format_, stock=stock))
        use = card.partition("## Use\n\n")[2]
        assert use.startswith(f"```bash\n{command}\n```\n\n```python\n")


@pytest.mark.parametrize("format_", ["nlptl", "transformers", "onnx"])
def test_the_result_of_a_call_is_a_comment_below_it(format_):
    card = model_card(replace(FACTS, format=format_, answer="['a']"))
    assert '"The order arrived late."' in card and ")\n# ['a']\n```" in card
    assert "\n# " not in model_card(replace(FACTS, format=format_)).partition("## Use")[2]
