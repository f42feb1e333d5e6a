"""Write the golden folders: one saved model of every kind, with texts and what it answers.

    python tests/contracts/golden/make.py [--only KIND ...]

Every later release has to read these folders and to answer the same. A folder that is there is
never written again; a new kind of model gets a new folder. Encoders are tiny and of random
weights. Precision is float32, so that every processor gives nearly the same figures.

``0.1/KIND/model`` is what ``save`` or ``export`` wrote (an adapter stack has one folder per
adapter there). ``0.1/KIND/answers.json`` says how it is loaded, what it is asked and what it
answers.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import numpy as np
import pandas as pd
from ask import ask

from nlptl import (
    CORAL,
    L2SP,
    MMD,
    Auto,
    BlendHead,
    ClassConfusion,
    ContinuedPretraining,
    Contrastive,
    Corpus,
    CoTraining,
    DensityRatioWeights,
    DiscriminantHead,
    DomainAdversarial,
    FineTuneFirst,
    Frozen,
    FullFineTune,
    FusedEncoder,
    KernelMeanMatching,
    LabelMeaning,
    LanguageClassifier,
    LanguageStudent,
    LogisticHead,
    LoRA,
    MeanAlignment,
    MLPHead,
    MultiTaskModel,
    OrdinalHead,
    PrivateLayers,
    PrototypeHead,
    SelfTraining,
    SourceHead,
    SourceRows,
    SourceTask,
    StaticEncoder,
    Task,
    TaskAdapters,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    TrAdaBoost,
    TrainingConfig,
    TransformerEncoder,
    WordEdits,
)
from nlptl.encoders import Pooling
from nlptl.encoders.fused import Concatenation, ResidualFusion

Make: TypeAlias = Callable[[Path], dict[str, Any]]

FOLDER = Path(__file__).parent / "0.1"
TOPICS = {
    "billing": "charged twice card money refund invoice price pay".split(),
    "delivery": "parcel late box broken courier address lost arrived".split(),
    "access": "password reset login account locked phone code app".split(),
}
FILLER = "my the a please help with is was again today".split()
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
SHORT = TrainingConfig(max_steps=12, batch_size=8, learning_rate=1e-3, refit=False, quiet=True)


def rows(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Write texts at random, most of whose words are of their topic."""
    rng, names = np.random.default_rng(seed), list(TOPICS)
    labels = [names[i % 3] for i in range(n)]
    texts = []
    for label in labels:
        topic = rng.choice(TOPICS[label], int(rng.integers(2, 5)))
        other = rng.choice(TOPICS[str(rng.choice(names))], int(rng.integers(0, 2)))
        words = [*topic, *other, *rng.choice(FILLER, int(rng.integers(1, 5)))]
        texts.append(" ".join(str(word) for word in rng.permutation(words)))
    return texts, labels


TEXTS, LABELS = rows(72, 0)
ASKED = [
    *rows(9, 1)[0],
    "Something else entirely?",
    "PASSWORD, parcel and money!",
    "card " * 40 + "password",
]
LENGTHS = [float(len(text)) for text in TEXTS]
SEVERAL = [
    [label, "long"] if len(text) > 30 else [label]
    for text, label in zip(TEXTS, LABELS, strict=True)
]
SEVERAL[5] = []
PARTNERS = np.random.default_rng(2).permutation(len(TEXTS)).tolist()
PAIRS = [(text, TEXTS[other]) for text, other in zip(TEXTS, PARTNERS, strict=True)]
PAIR_LABELS = [label == LABELS[other] for label, other in zip(LABELS, PARTNERS, strict=True)]
ASKED_PAIRS = list(zip(ASKED, ASKED[::-1], strict=True))
NAMES = {label: f"{label} of my order" for label in TOPICS}
ORDER = ["low", "high", "urgent"]
ORDERED = [ORDER[list(TOPICS).index(label)] for label in LABELS]


def transformer(folder: Path) -> TransformerEncoder:
    """Write a BERT of two layers that knows the words of the texts."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*marks, *sorted({word for text in TEXTS for word in text.split()})]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = {f"{mark.strip('[]').lower()}_token": mark for mark in marks}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, **names
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), num_attention_heads=2, max_position_embeddings=32, **SIZES
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return TransformerEncoder(folder, cache=None, precision="float32")


def word_vectors(path: Path) -> str:
    """Write a file of random word vectors."""
    rng, words = np.random.default_rng(0), sorted({word for text in TEXTS for word in text.split()})
    lines = [f"{word} {' '.join(f'{x:.3f}' for x in rng.normal(size=8))}" for word in words]
    path.write_text("\n".join([f"{len(words)} 8", *lines, ""]))
    return str(path)


def classifiers(encoder: TransformerEncoder, static: StaticEncoder) -> dict[str, tuple[Any, ...]]:
    """Return for each kind the estimator, its texts, its labels and options of ``fit``."""

    def tuned(transfer: Any, **options: Any) -> TextClassifier:
        return TextClassifier(
            encoder, transfer=transfer, training=SHORT, device="cpu", **{"seed": 0, **options}
        )

    pairs = {"several": SEVERAL, "flags": PAIR_LABELS}
    codes = [list(TOPICS).index(label) for label in LABELS]
    tuples = [(label, code) for label, code in zip(LABELS, codes, strict=True)]
    rare = [i for i, label in enumerate(LABELS) if label != "access" or not i % 6]
    top = TransformerEncoder(encoder.name_or_path, Pooling("cls", dimension=6), precision="float32")
    unlabeled, _ = rows(30, 3)
    source = Corpus(*rows(30, 4))
    frozen = TextClassifier(encoder)
    return {
        "words": (TextClassifier(TfidfEncoder()), TEXTS, LABELS),
        "words-several": (TextClassifier(TfidfEncoder()), TEXTS, SEVERAL),
        "words-flags": (TextClassifier(TfidfEncoder()), PAIRS, PAIR_LABELS),
        "static": (TextClassifier(static), TEXTS, codes),
        "static-poolings": (
            TextClassifier(StaticEncoder(static.vectors, ("idf", "max")), head=DiscriminantHead()),
            TEXTS,
            tuples,
        ),
        "static-blend": (TextClassifier(static, head=BlendHead()), TEXTS, LABELS),
        "frozen": (frozen, TEXTS, LABELS),
        "frozen-layers": (TextClassifier(encoder, transfer=Frozen("weighted")), TEXTS, LABELS),
        "frozen-pairs": (TextClassifier(encoder), PAIRS, pairs["flags"]),
        "frozen-several": (TextClassifier(encoder), TEXTS, pairs["several"]),
        "frozen-prototypes": (TextClassifier(top, head=PrototypeHead()), TEXTS, codes),
        "frozen-network": (tuned(Frozen(), head=MLPHead((4,))), TEXTS, LABELS),
        "frozen-fixed": (TextClassifier(encoder, head=LogisticHead(C=1.0)), TEXTS, LABELS),
        "frozen-order": (TextClassifier(encoder, head=OrdinalHead(ORDER)), TEXTS, ORDERED),
        "frozen-rare": (
            TextClassifier(encoder, imbalance="logit_adjust", long_texts="cut"),
            [TEXTS[i] for i in rare],
            [LABELS[i] for i in rare],
        ),
        "frozen-names": (TextClassifier(encoder, transfer=LabelMeaning(NAMES)), TEXTS, LABELS),
        "frozen-source": (
            TextClassifier(static, transfer=[Frozen(), SourceRows(weight=0.5)]),
            TEXTS[:24],
            LABELS[:24],
            {"source": source},
        ),
        "frozen-unlabeled": (
            TextClassifier(static, transfer=[Frozen(), SelfTraining(), WordEdits()]),
            TEXTS[:24],
            LABELS[:24],
            {"unlabeled": Corpus(unlabeled)},
        ),
        **domains(encoder, static, source, Corpus(unlabeled)),
        "auto": (TextClassifier(static, transfer=Auto(budget_seconds=600.0)), TEXTS, LABELS),
        "contrastive": (tuned(Contrastive(steps=8)), TEXTS, LABELS),
        "contrastive-names": (
            tuned([Contrastive(steps=8), LabelMeaning(NAMES)]),
            TEXTS[:12],
            LABELS[:12],
        ),
        "full": (tuned(FullFineTune()), TEXTS, LABELS),
        "full-network": (tuned(FullFineTune(), head=MLPHead((4,))), TEXTS, LABELS),
        "full-several": (tuned(FullFineTune()), TEXTS, SEVERAL),
        "full-order": (tuned(FullFineTune(), head=OrdinalHead(ORDER)), TEXTS, ORDERED),
        "full-anchored": (tuned([FullFineTune(layers=1), L2SP(1e-3)]), TEXTS, LABELS),
        "full-pairs-joint": (
            tuned(FullFineTune(), pair_encoding="joint"),
            PAIRS,
            PAIR_LABELS,
        ),
        "full-pairs-separate": (
            tuned(FullFineTune(), pair_encoding="separate"),
            PAIRS,
            PAIR_LABELS,
        ),
        "lora-merged": (tuned(LoRA(rank=2)), TEXTS, LABELS),
        "lora-apart": (tuned(LoRA(rank=2, merge=False)), TEXTS, LABELS),
        "lora-magnitudes": (tuned(LoRA(rank=2, dora=True, merge=False)), TEXTS, LABELS),
    }


def domains(
    encoder: TransformerEncoder, static: StaticEncoder, source: Corpus, unlabeled: Corpus
) -> dict[str, tuple[Any, ...]]:
    """Return the models that are fitted to another domain."""
    both = FusedEncoder((static, TfidfEncoder()), fusion=Concatenation(sparse=True))
    none: tuple[Any, ...] = ([], [], {"source": source, "unlabeled": unlabeled})
    few = (TEXTS[:24], LABELS[:24], {"source": source})

    def tuned(transfer: Any) -> TextClassifier:
        return TextClassifier(encoder, transfer=transfer, training=SHORT, device="cpu")

    losses = [LoRA(rank=2), ClassConfusion(), MMD(), DomainAdversarial()]
    return {
        "domains-views": (TextClassifier(both, transfer=[MeanAlignment(), CoTraining()]), *none),
        "domains-weights": (
            TextClassifier(static, transfer=[CORAL(0.5), DensityRatioWeights()]),
            *none,
        ),
        "domains-matched": (TextClassifier(static, transfer=KernelMeanMatching()), *none),
        "domains-boosted": (TextClassifier(static, transfer=TrAdaBoost()), *few),
        "domains-head": (TextClassifier(static, transfer=SourceHead()), *few),
        "domains-losses": (tuned(losses), *none),
        "domains-task": (
            tuned([LoRA(rank=2), SourceTask()]),
            *few[:2],
            {"source": Corpus(TEXTS, [length / 7 for length in LENGTHS])},
        ),
        "tuned-first": (
            tuned([FineTuneFirst(adapter=True), MeanAlignment()]),
            *none,
        ),
        "pretrained": (
            tuned([ContinuedPretraining(), LoRA(rank=2)]),
            TEXTS,
            LABELS,
            {"unlabeled": unlabeled},
        ),
    }


def regressors(encoder: TransformerEncoder) -> dict[str, Any]:
    """Return the models of numbers."""
    tuned = TextRegressor(encoder, transfer=FullFineTune(), training=SHORT, device="cpu")
    return {
        "numbers-words": TextRegressor(TfidfEncoder()),
        "numbers-frozen": TextRegressor(encoder),
        "numbers-full": tuned,
    }


def task_model(encoder: TransformerEncoder, transfer: Any = None, **options: Any) -> MultiTaskModel:
    """Fit three tasks on one encoder."""
    tasks = {"topic": Task(), "length": Task("regression"), "tags": Task("multi_label")}
    model = MultiTaskModel(
        tasks, encoder=encoder, transfer=transfer, training=SHORT, device="cpu", **options
    )
    return model.fit(
        {"topic": (TEXTS, LABELS), "length": (TEXTS, LENGTHS), "tags": (TEXTS, SEVERAL)}
    )


def with_variant(encoder: TransformerEncoder, variant: str) -> MultiTaskModel:
    """Let one variant answer for every task."""
    model = task_model(encoder)
    for name, fitted in model.models_.items():
        fitted.fitted_ = model.variants_[name][variant]
    return model


def entailing(encoder: TransformerEncoder, folder: Path) -> str:
    """Write a cross-encoder of random weights that says whether a text entails a sentence."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(3)
    labels = dict(enumerate(("contradiction", "entailment", "neutral")))
    names = {"id2label": labels, "label2id": {name: i for i, name in labels.items()}}
    model = AutoModelForSequenceClassification.from_pretrained(encoder.name_or_path, **names)
    model.classifier.weight.data *= 50
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder.name_or_path).save_pretrained(folder)
    return str(folder)


def one_model(estimator: Any, texts: Any, labels: Any, options: Any = None) -> Make:
    """Fit a model of one task."""

    def save(folder: Path) -> dict[str, Any]:
        estimator.fit(texts, labels, **(options or {})).save(folder)
        asked = ASKED_PAIRS if texts and isinstance(texts[0], tuple) else ASKED
        return {"load": type(estimator).__name__, "texts": asked}

    return save


def with_numbers(encoder: TransformerEncoder) -> Make:
    """Fit a model that reads a column of numbers, too."""

    def save(folder: Path) -> dict[str, Any]:
        fused = FusedEncoder((encoder, TfidfEncoder()), ("size",), ("text",), ResidualFusion(8))
        model = TextClassifier(fused, training=SHORT, device="cpu")
        model.fit(pd.DataFrame({"text": TEXTS, "size": LENGTHS}), LABELS).save(folder)
        sizes = [None, *(float(len(text)) for text in ASKED[1:])]
        return {"load": "TextClassifier", "texts": {"text": ASKED, "size": sizes}}

    return save


def several_tasks(fit: Callable[[], MultiTaskModel]) -> Make:
    """Save a model of several tasks."""

    def save(folder: Path) -> dict[str, Any]:
        fit().save(folder)
        return {"load": "MultiTaskModel", "texts": ASKED}

    return save


def one_more_task(encoder: TransformerEncoder, how: str) -> Make:
    """Fit several tasks, and add one."""

    def fit() -> MultiTaskModel:
        model = task_model(encoder, gate=False)
        return model.add_task("urgent", Task(), (TEXTS, ORDERED), how=how)

    return several_tasks(fit)


def student(encoder: TransformerEncoder) -> Make:
    """Teach an encoder another language, whose words are those of this one backwards."""

    def save(folder: Path) -> dict[str, Any]:
        pairs = [(text, text[::-1]) for text in TEXTS]
        LanguageStudent(encoder, training=SHORT, device="cpu").fit({"new": pairs}).save(folder)
        return {"load": "TransformerEncoder", "texts": [*ASKED, "drac ruoy"]}

    return save


def stack(encoder: TransformerEncoder) -> Make:
    """Fit three adapters of different sizes on one encoder."""

    def save(folder: Path) -> dict[str, Any]:
        labels = {"topic": LABELS, "urgency": ORDERED, "tags": SEVERAL}
        for rank, (name, answers) in enumerate(labels.items(), start=2):
            transfer = LoRA(rank=rank, merge=False)
            model = TextClassifier(encoder, transfer=transfer, training=SHORT, device="cpu")
            model.fit(TEXTS, answers).save(folder / name)
        return {"load": "AdapterStack", "texts": ASKED}

    return save


def graph(encoder: TransformerEncoder, labels: Any) -> Make:
    """Export a tuned model as an ONNX graph."""

    def save(folder: Path) -> dict[str, Any]:
        model = TextClassifier(encoder, transfer=FullFineTune(), training=SHORT, device="cpu")
        model.fit(TEXTS, labels).export(folder, format="onnx")
        return {"load": "OnnxClassifier", "texts": ASKED}

    return save


def languages(static: StaticEncoder) -> Make:
    """Fit a model of two languages."""

    def save(folder: Path) -> dict[str, Any]:
        codes = ["en" if i % 3 else "de" for i in range(len(TEXTS))]
        LanguageClassifier(TextClassifier(static), seed=0).fit(TEXTS, LABELS, codes).save(folder)
        asked = ["en", "de"] * (len(ASKED) // 2)
        return {"load": "LanguageClassifier", "texts": ASKED, "languages": asked}

    return save


def makers(room: Path) -> dict[str, Make]:
    """Return for each kind a function that saves a model; it returns how to load and to ask it."""
    encoder = transformer(room / "transformer")
    static = StaticEncoder(word_vectors(room / "words.vec"), ("sif", "idf"), cache=None)
    joined = TextClassifier(FusedEncoder((encoder, static)))
    entailed = LabelMeaning(NAMES, entailment=entailing(encoder, room / "entailing"))
    private = [FullFineTune(), PrivateLayers()]
    fits = {
        "private": lambda: task_model(encoder, private),
        "adapters": lambda: task_model(encoder, TaskAdapters(rank=2)),
        "lora": lambda: task_model(encoder, LoRA(rank=2), gate=False),
    }
    for name in ("joint", "frozen", "polished", "alone"):
        fits[name] = partial(with_variant, encoder, name)
    return {
        **{name: one_model(*parts) for name, parts in classifiers(encoder, static).items()},
        **{name: one_model(m, TEXTS, LENGTHS) for name, m in regressors(encoder).items()},
        "frozen-entailment": one_model(
            TextClassifier(encoder, transfer=entailed), TEXTS[:12], LABELS[:12]
        ),
        "fused": one_model(joined, TEXTS, LABELS),
        "fused-numbers": with_numbers(encoder),
        **{f"tasks-{name}": several_tasks(fit) for name, fit in fits.items()},
        "tasks-added-adapter": one_more_task(encoder, "adapter"),
        "tasks-added-head": one_more_task(encoder, "head"),
        "student": student(encoder),
        "stack": stack(encoder),
        "graph": graph(encoder, LABELS),
        "graph-several": graph(encoder, SEVERAL),
        "languages": languages(static),
    }


def main() -> int:
    """Write what is not there yet."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="kinds to write; all of them without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["NLPTL_CACHE"] = f"{place}/cache"
        for name, save in makers(Path(place)).items():
            folder = FOLDER / name
            if folder.exists() or (options.only and name not in options.only):
                continue
            draft = Path(place) / "draft"
            record = save(draft / "model")
            record["answers"] = ask(draft / "model", record)
            (draft / "answers.json").write_text(json.dumps(record, indent=1) + "\n")
            shutil.copytree(draft, folder)
            shutil.rmtree(draft)
            sys.stdout.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
