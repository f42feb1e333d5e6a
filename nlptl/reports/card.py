"""Model card of a published model: usage, training data, evaluation, origin and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlptl.evaluation.class_metrics import ClassScore
from nlptl.evaluation.intervals import Interval

_METRICS = {"accuracy": "accuracy", "macro_f1": "f1", "matthews": "matthews_correlation"}
"""Metrics that the Hub supports, with their names on the Hub."""

CONFUSION, CURVE = "confusion.png", "curve.png"
_MARKS = re.compile(r"[\\`*_\[\]<>#|!$&~]")
_MAX_PAIRS = 10
"""Maximum number of confused pairs of labels."""
EXAMPLE = "The order arrived late."
"""Text of the calls that a card shows."""

_USAGE = {
    "nlptl": """## Use

```bash
pip install nlptl
```

```python
from nlptl import {loads_by}

model = {loads_by}.from_pretrained("{repo}")
{call}{answer}
```

From a folder:

```python
from huggingface_hub import snapshot_download

from nlptl import {loads_by}

model = {loads_by}.load(snapshot_download("{repo}"))
```

{command}nlptl checks the sha256 of every file. It runs no downloaded code.""",
    "transformers": """## Use

```bash
pip install transformers torch
```

```python
from transformers import pipeline

model = pipeline("text-classification", model="{repo}")
model({call_input}){answer}
```

The probability of every label:

```python
from transformers import pipeline

model = pipeline("text-classification", model="{repo}", top_k=None)
model([{call_input}])
```

Without a pipeline:

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("{repo}")
tokenizer = AutoTokenizer.from_pretrained("{repo}")
model(**tokenizer({texts}, return_tensors="pt")).logits.{decided}
```

The model was made with nlptl and needs only transformers.""",
    "onnx": """## Use

```bash
pip install 'nlptl[onnx]'
```

```python
from nlptl import OnnxClassifier

model = OnnxClassifier.from_pretrained("{repo}")
{call}{answer}
```

onnxruntime computes the predictions; torch is not loaded.""",
    "peft": """## Use

```bash
pip install peft transformers torch
```

```python
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

config = AutoConfig.from_pretrained("{repo}")
base = AutoModelForSequenceClassification.from_pretrained("{base}", config=config)
model = PeftModel.from_pretrained(base, "{repo}").eval()
tokenizer = AutoTokenizer.from_pretrained("{repo}")
model(**tokenizer({texts}, return_tensors="pt")).logits.{decided}
```

The model was made with nlptl and needs only transformers and peft.""",
    "sentence-transformers": """## Use

```bash
pip install sentence-transformers
```

```python
from huggingface_hub import hf_hub_download
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("{repo}")
head = load_file(hf_hub_download("{repo}", "nlptl_head.safetensors"))
logits = encoder.encode(["The order arrived late."]) @ head["weight"].T + head["bias"]
```

`nlptl_head.json` contains the label names in the order of the rows of the head. The model was made
with nlptl and needs only sentence-transformers.""",
    "peft-features": """## Use

```bash
pip install peft transformers torch
```

```python
from peft import AutoPeftModelForFeatureExtraction

encoder = AutoPeftModelForFeatureExtraction.from_pretrained("{repo}")
```

The model was made with nlptl. peft alone can load the adapter. `nlptl_head.json` describes the
pooling and `nlptl_head.safetensors` contains the head.""",
}
"""Usage section of the card, by format."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model on labelled rows that were not used for training.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    rows : int
        Number of rows.
    figures : mapping of str to float
        Metrics by name.
    accuracy : Interval or None
        Accuracy with its 95 % interval.
    classes : sequence of ClassScore
        Scores of each class.
    confused : sequence of (str, str, int)
        True label, predicted label and number of such rows, the most frequent pair first.
    """

    dataset: str
    rows: int
    figures: Mapping[str, float]
    accuracy: Interval | None = None
    classes: Sequence[ClassScore] = ()
    confused: Sequence[tuple[str, str, int]] = ()


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """Contents of a model card.

    Attributes
    ----------
    repo : str
        ``"user/name"``.
    loads_by : str
        Name of the class that loads the model.
    format : {"nlptl", "transformers", "peft", "onnx", "sentence-transformers"}
        Format of the published files.
    task : str or None
        Task name of the Hub, for example ``"text-classification"``.
    says : str
        What the model predicts, in one sentence.
    call : str or None
        Python code of a prediction. None is a prediction for one text.
    answer : str
        Result of that prediction as Python code. Empty if the card does not show it.
    command : bool
        True if ``nlptl predict --text`` works with the model.
    several : bool
        True if a text may have several labels.
    pairs : bool
        True if the model takes pairs of texts.
    stock : bool
        True if transformers has a classifier with the same pooling.
    encoder, transfer : str
        Encoder and transfer method, as text.
    base_model : str or None
        Hub name of the base model.
    base_revision : str or None
        Commit of the base model.
    labels : mapping of str to int
        Number of training rows per class.
    rows : int
        Number of training rows.
    repeated, conflicts : int
        Number of repeated training rows, and of texts with different labels.
    verdict : str
        Measured effect of the transfer.
    evaluation : Evaluation or None
        Metrics on test rows.
    languages : sequence of str
        Languages of the texts.
    license, base_license : str or None
        License of the model and of the base model.
    settings : str
        Parameters of the model.
    cost : str
        Time and energy of the training.
    pictures : mapping of str to bytes
        PNG files, by file name, that are published together with the card.
    made_with : mapping of str to str
        Versions of packages.
    seed : int
        Random seed of the training.
    """

    repo: str
    loads_by: str
    says: str
    task: str | None = "text-classification"
    call: str | None = None
    answer: str = ""
    command: bool = True
    several: bool = False
    pairs: bool = False
    stock: bool = False
    format: str = "nlptl"
    encoder: str = ""
    transfer: str = ""
    base_model: str | None = None
    base_revision: str | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    repeated: int = 0
    conflicts: int = 0
    verdict: str = ""
    evaluation: Evaluation | None = None
    languages: Sequence[str] = ()
    license: str | None = None
    base_license: str | None = None
    settings: str = ""
    cost: str = ""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


def model_card(facts: CardFacts) -> str:
    """Return the card in Markdown, with a YAML header for the Hub."""
    parts = [
        f"# {facts.repo.partition('/')[2]}\n\n{facts.says}",
        _usage(facts),
        _data(facts),
        _evaluation(facts),
        _origin(facts),
        _limits(facts),
    ]
    return f"---\n{_head(facts)}\n---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _head(facts: CardFacts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    if facts.evaluation is not None and facts.task is not None:
        for name, hub_name in _METRICS.items():
            if name in facts.evaluation.figures:
                results.append(
                    EvalResult(
                        task_type=facts.task,
                        dataset_type=facts.evaluation.dataset,
                        dataset_name=facts.evaluation.dataset,
                        metric_type=hub_name,
                        metric_name=name,
                        metric_value=round(facts.evaluation.figures[name], 4),
                    )
                )
    header: dict[str, Any] = {
        "library_name": facts.format,
        "pipeline_tag": facts.task,
        "tags": ["nlptl", "transfer-learning", *([facts.task] if facts.task else [])],
        "base_model": facts.base_model,
        "license": facts.license,
        "language": list(facts.languages) or None,
    }
    if facts.base_model:
        header["base_model_relation"] = "adapter" if facts.format == "peft" else "finetune"
    if results:
        header |= {"eval_results": results, "model_name": facts.repo.partition("/")[2]}
    return str(ModelCardData(**header).to_yaml()).strip()


def _usage(facts: CardFacts) -> str:
    text = f'"{EXAMPLE}"'
    command = (
        f'On the command line:\n\n```bash\nnlptl predict {facts.repo} --text "{EXAMPLE}"\n```\n\n'
    )
    fields = {
        "repo": facts.repo,
        "loads_by": facts.loads_by,
        "call": facts.call or f'model.predict(["{EXAMPLE}"])',
        "answer": f"\n# {facts.answer}" if facts.answer else "",
        "command": command if facts.command else "",
        "base": facts.base_model,
        "call_input": f'{{"text": "{EXAMPLE}", "text_pair": "{EXAMPLE}"}}' if facts.pairs else text,
        "texts": f"{text}, {text}" if facts.pairs else text,
        "decided": "sigmoid()" if facts.several else "softmax(-1)",
    }
    only_features = facts.format == "peft" and not facts.stock
    return _USAGE["peft-features" if only_features else facts.format].format(**fields)


def _data(facts: CardFacts) -> str:
    if not facts.rows:
        return ""
    lines = [
        "## Training data",
        "",
        f"{facts.rows:,} rows. {facts.repeated:,} of them repeat an earlier row. "
        f"{facts.conflicts:,} texts occur with different labels. The rows are not published here.",
    ]
    if facts.labels:
        lines += ["", "| label | rows |", "|---|---:|"]
        lines += [f"| {plain(label)} | {n:,} |" for label, n in facts.labels.items()]
    return "\n".join(lines)


def _evaluation(facts: CardFacts) -> str:
    evaluation = facts.evaluation
    if evaluation is None:
        return "## Evaluation\n\nThe author has published no metrics of this model."
    lines = [
        "## Evaluation",
        "",
        f"On {evaluation.rows:,} rows of {plain(evaluation.dataset)}:",
        "",
    ]
    lines += ["| metric | value | 95 % interval |", "|---|---:|---|"]
    for name, value in evaluation.figures.items():
        interval = evaluation.accuracy if name == "accuracy" else None
        limits = f"{interval.low:.3f} to {interval.high:.3f}" if interval else ""
        lines.append(f"| {name} | {value:.3f} | {limits} |")
    calibration_error = evaluation.figures.get("calibration_error")
    if calibration_error is not None:
        lines += [
            "",
            f"Probabilities differ from frequencies by {100 * calibration_error:.1f} percentage "
            "points on average (15 bins).",
        ]
    if evaluation.classes:
        lines += ["", "| label | precision | recall | F1 | rows |", "|---|---:|---:|---:|---:|"]
        lines += [
            f"| {plain(row.name)} | {row.precision:.3f} | {row.recall:.3f} | {row.f1:.3f} | "
            f"{row.rows:,} |"
            for row in evaluation.classes
        ]
    if evaluation.confused:
        lines += ["", "Most frequent mistakes:", ""]
        lines += ["| label | predicted | rows |", "|---|---|---:|"]
        pairs = evaluation.confused[:_MAX_PAIRS]
        lines += [f"| {plain(label)} | {plain(other)} | {n:,} |" for label, other, n in pairs]
    if CONFUSION in facts.pictures:
        lines += ["", f"![Confusion matrix]({CONFUSION})"]
    return "\n".join(lines)


def _origin(facts: CardFacts) -> str:
    base = facts.base_model or facts.encoder
    revision = f" at revision {facts.base_revision}" if facts.base_revision else ""
    lines = ["## Origin", ""]
    base_license = f", license {facts.base_license or 'unknown'}"
    named = {"Encoder": facts.encoder, "Transfer": facts.transfer, "Settings": facts.settings}
    lines += [f"- Base model: {base}{revision}{base_license}"] if base else []
    lines += [f"- {name}: `{value}`" for name, value in named.items() if value]
    if facts.verdict:
        lines.append(f"- Effect of the transfer: {facts.verdict}")
    packages = ", ".join(f"{name} {version}" for name, version in facts.made_with.items())
    lines.append(f"- Made with: {packages}; seed {facts.seed}")
    if facts.cost:
        lines.append(f"- Cost of training: {facts.cost}")
    if CURVE in facts.pictures:
        lines += ["", f"![Training curve]({CURVE})"]
    return "\n".join(lines)


def _limits(facts: CardFacts) -> str:
    languages = ", ".join(facts.languages) or "the language of its training data"
    return (
        "## Limits\n\n"
        f"The model is meant for texts that are similar to its training data, in {languages}. On "
        "other texts its predictions may be wrong although their probability is high. Evaluate the "
        "model on your own rows first: `nlptl evaluate`."
    )


def plain(text: str) -> str:
    """Escape a text so that Markdown shows it unchanged, in one line."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))
