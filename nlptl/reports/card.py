"""The card of a published model: what it does, what it is worth, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlptl.evaluation.class_metrics import ClassScore
from nlptl.evaluation.intervals import Interval

_METRICS = {"accuracy": "accuracy", "macro_f1": "f1", "matthews": "matthews_correlation"}
"""Figures that the Hub knows, by the names that it knows them by."""

CONFUSION, CURVE = "confusion.png", "curve.png"
_MARKS = re.compile(r"[\\`*_\[\]<>#|!$&~]")
_EXAMPLE = "The order arrived late."

_USAGE = {
    "nlptl": """## Use

```python
from nlptl import {loads_by}

model = {loads_by}.from_pretrained("{repo}")
{call}
```

From a folder:

```python
from huggingface_hub import snapshot_download

from nlptl import {loads_by}

model = {loads_by}.load(snapshot_download("{repo}"))
```

{command}Every file is held against its sha256; nothing that is fetched is run.""",
    "transformers": """## Use

```python
from transformers import pipeline

model = pipeline("text-classification", model="{repo}")
model({given})
```

The probability of every label:

```python
from transformers import pipeline

model = pipeline("text-classification", model="{repo}", top_k=None)
model([{given}])
```

Without a pipeline:

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("{repo}")
tokenizer = AutoTokenizer.from_pretrained("{repo}")
model(**tokenizer({texts}, return_tensors="pt")).logits.{decided}
```

It was made with nlptl, and needs only transformers.""",
    "onnx": """## Use

```python
from nlptl import OnnxClassifier

model = OnnxClassifier.from_pretrained("{repo}")
{call}
```

The graph needs `pip install 'nlptl[onnx]'`; torch is not loaded.""",
    "peft": """## Use

```python
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

config = AutoConfig.from_pretrained("{repo}")
base = AutoModelForSequenceClassification.from_pretrained("{base}", config=config)
model = PeftModel.from_pretrained(base, "{repo}").eval()
tokenizer = AutoTokenizer.from_pretrained("{repo}")
model(**tokenizer({texts}, return_tensors="pt")).logits.{decided}
```

It was made with nlptl, and needs only transformers and peft.""",
    "sentence-transformers": """## Use

```python
from huggingface_hub import hf_hub_download
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("{repo}")
head = load_file(hf_hub_download("{repo}", "nlptl_head.safetensors"))
logits = encoder.encode(["The order arrived late."]) @ head["weight"].T + head["bias"]
```

The names of the labels lie beside the head (`nlptl_head.json`), in the order of its rows. It was
made with nlptl, and needs only sentence-transformers.""",
    "peft-features": """## Use

```python
from peft import AutoPeftModelForFeatureExtraction

encoder = AutoPeftModelForFeatureExtraction.from_pretrained("{repo}")
```

It was made with nlptl. The adapter is read by peft alone; how its states are pooled, and the head
on top, lie beside it (`nlptl_head.json`, `nlptl_head.safetensors`).""",
}
"""How a published model is used, by what it was written for."""


@dataclass(frozen=True)
class Evaluation:
    """What a model was worth on labelled rows that it had not seen.

    Attributes
    ----------
    dataset : str
        What the rows are called.
    rows : int
    figures : mapping of str to float
    accuracy : Interval or None
    classes : sequence of ClassScore
    """

    dataset: str
    rows: int
    figures: Mapping[str, float]
    accuracy: Interval | None = None
    classes: Sequence[ClassScore] = ()


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card tells of a model.

    Attributes
    ----------
    repo : str
        ``"user/name"``.
    loads_by : str
        The class that reads it.
    format : {"nlptl", "transformers", "peft", "onnx", "sentence-transformers"}
        For whom it is written.
    task : str or None
        What the Hub calls such models, for example ``"text-classification"``.
    says : str
        What the model gives, in one sentence.
    call : str or None
        How it is asked, in Python; None is one text.
    command : bool
        Whether ``nlptl predict --text`` asks it.
    several : bool
        Whether a text may have several labels.
    pairs : bool
        Whether it reads pairs of texts.
    stock : bool
        Whether transformers has a classifier that pools as this model does.
    encoder, transfer : str
        What was carried over, and how.
    base_model : str or None
        Hub name of what it was made from.
    base_revision : str or None
    labels : mapping of str to int
        Rows of each class in training.
    rows : int
    repeated, conflicts : int
        What a look at the training rows found.
    verdict : str
        What was found on whether the transfer is worth it.
    evaluation : Evaluation or None
    languages : sequence of str
    license, base_license : str or None
        Of the model, and of what it was made from.
    settings : str
        What it was made with.
    cost : str
        What its training cost.
    pictures : mapping of str to bytes
        PNG files beside the card.
    made_with : mapping of str to str
        Versions.
    seed : int
    """

    repo: str
    loads_by: str
    says: str
    task: str | None = "text-classification"
    call: str | None = None
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
    """Write the card in Markdown, with the head in YAML that the Hub reads."""
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
        for name, known in _METRICS.items():
            if name in facts.evaluation.figures:
                results.append(
                    EvalResult(
                        task_type=facts.task,
                        dataset_type=facts.evaluation.dataset,
                        dataset_name=facts.evaluation.dataset,
                        metric_type=known,
                        metric_name=name,
                        metric_value=round(facts.evaluation.figures[name], 4),
                    )
                )
    told: dict[str, Any] = {
        "library_name": facts.format,
        "pipeline_tag": facts.task,
        "tags": ["nlptl", "transfer-learning", *([facts.task] if facts.task else [])],
        "base_model": facts.base_model,
        "license": facts.license,
        "language": list(facts.languages) or None,
    }
    if facts.base_model:
        told["base_model_relation"] = "adapter" if facts.format == "peft" else "finetune"
    if results:
        told |= {"eval_results": results, "model_name": facts.repo.partition("/")[2]}
    return str(ModelCardData(**told).to_yaml()).strip()


def _usage(facts: CardFacts) -> str:
    told_text = f'"{_EXAMPLE}"'
    shown = f'```bash\nnlptl predict {facts.repo} --text "{_EXAMPLE}"\n```\n\n'
    told = {
        "repo": facts.repo,
        "loads_by": facts.loads_by,
        "call": facts.call or f'model.predict(["{_EXAMPLE}"])',
        "command": shown if facts.command else "",
        "base": facts.base_model,
        "given": f'{{"text": "{_EXAMPLE}", "text_pair": "{_EXAMPLE}"}}'
        if facts.pairs
        else told_text,
        "texts": f"{told_text}, {told_text}" if facts.pairs else told_text,
        "decided": "sigmoid()" if facts.several else "softmax(-1)",
    }
    apart = facts.format == "peft" and not facts.stock
    return _USAGE["peft-features" if apart else facts.format].format(**told)


def _data(facts: CardFacts) -> str:
    if not facts.rows:
        return ""
    lines = [
        "## Training data",
        "",
        f"{facts.rows:,} rows; {facts.repeated:,} of them repeat an earlier one, and "
        f"{facts.conflicts:,} texts occur with several labels. No row of theirs is published here.",
    ]
    if facts.labels:
        lines += ["", "| label | rows |", "|---|---:|"]
        lines += [f"| {plain(label)} | {n:,} |" for label, n in facts.labels.items()]
    return "\n".join(lines)


def _evaluation(facts: CardFacts) -> str:
    found = facts.evaluation
    if found is None:
        return "## Evaluation\n\nThe author has published no figures of this model."
    lines = ["## Evaluation", "", f"On {found.rows:,} rows of {plain(found.dataset)}:", ""]
    lines += ["| figure | value | 95 % interval |", "|---|---:|---|"]
    for name, value in found.figures.items():
        span = found.accuracy if name == "accuracy" else None
        told = f"{span.low:.3f} to {span.high:.3f}" if span else ""
        lines.append(f"| {name} | {value:.3f} | {told} |")
    off = found.figures.get("calibration_error")
    if off is not None:
        lines += [
            "",
            f"Its probabilities are off by {100 * off:.1f} points in the mean of 15 bins.",
        ]
    if found.classes:
        lines += ["", "| label | precision | recall | F1 | rows |", "|---|---:|---:|---:|---:|"]
        lines += [
            f"| {plain(one.name)} | {one.precision:.3f} | {one.recall:.3f} | {one.f1:.3f} | "
            f"{one.rows:,} |"
            for one in found.classes
        ]
    if CONFUSION in facts.pictures:
        lines += ["", f"![Which class was taken for which]({CONFUSION})"]
    return "\n".join(lines)


def _origin(facts: CardFacts) -> str:
    base = facts.base_model or facts.encoder
    revision = f" at revision {facts.base_revision}" if facts.base_revision else ""
    lines = ["## Where it comes from", ""]
    license_told = f", license {facts.base_license or 'not known here'}"
    named = {"Encoder": facts.encoder, "Transfer": facts.transfer, "Settings": facts.settings}
    lines += [f"- Made from: {base}{revision}{license_told}"] if base else []
    lines += [f"- {name}: `{value}`" for name, value in named.items() if value]
    if facts.verdict:
        lines.append(f"- Was it worth it: {facts.verdict}")
    made = ", ".join(f"{name} {version}" for name, version in facts.made_with.items())
    lines.append(f"- Made with: {made}; seed {facts.seed}")
    if facts.cost:
        lines.append(f"- Training took {facts.cost}")
    if CURVE in facts.pictures:
        lines += ["", f"![How training went]({CURVE})"]
    return "\n".join(lines)


def _limits(facts: CardFacts) -> str:
    read = ", ".join(facts.languages) or "the language of its training data"
    return (
        "## Limits\n\n"
        f"It was made for texts like those it learnt from, in {read}. What it says of others is a "
        "guess that it cannot tell from knowledge. Measure it on your own rows first: "
        "`nlptl evaluate`."
    )


def plain(text: str) -> str:
    """Give a name of somebody else's so that Markdown shows it as it is, in one line."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))
