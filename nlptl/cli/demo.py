"""Compare five transfer methods on shipped data: no network, a few minutes.

The data are support requests of eight classes, with twelve labelled examples per class. The
methods are word counts, word vectors, a frozen transformer, class names, and a transformer tuned
on the examples and the class names.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np
from rich.console import Console

from nlptl.base import clock
from nlptl.cli.console import console
from nlptl.data.samples import support_requests
from nlptl.data.splits import k_shot
from nlptl.encoders.static.static_encoder import StaticEncoder
from nlptl.encoders.tfidf import TfidfEncoder
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.evaluation.intervals import share_interval
from nlptl.reports.terminal_tables import (
    MethodResult,
    audit_table,
    comparison_table,
    predictions_table,
)
from nlptl.transfer import Contrastive, LabelMeaning

EXAMPLES = """examples:
  nlptl demo
  nlptl demo --output /tmp/demo-model --shots 4
"""

_NEW_TEXTS = (
    "The calendar forgets every appointment I enter on my tablet.",
    "Could you add a way to colour single notes?",
    "You took the yearly fee although I pay by month.",
    "Nobody has answered my three mails, this is a disgrace.",
    "Which of your partners gets to read my notes?",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    for option, default, explanation in (
        ("--output", "nlptl-demo", "folder for the best model"),
        ("--shots", 12, "labelled examples per class"),
        ("--seed", 0, "seed for sampling the examples"),
    ):
        text = f"{explanation} (default %(default)s)"
        parser.add_argument(option, type=type(default), default=default, help=text)


def run(arguments: Namespace) -> int:
    """Compare five methods, predict a few new texts and save the best model."""
    out = console()
    texts, labels = support_requests()
    train = k_shot(labels, arguments.shots, seed=arguments.seed)
    test = np.setdiff1d(np.arange(len(texts)), train)
    out.print(
        f"Training on {len(train)} labelled support requests ({arguments.shots} per class, "
        f"{len(set(labels))} classes), testing on {len(test)} others.\n"
    )
    audit = None
    results: list[MethodResult] = []
    fitted: list[TextClassifier] = []
    for name, source, classifier in _methods():
        started = clock.seconds()
        classifier.fit([texts[i] for i in train], [labels[i] for i in train])
        seconds = clock.seconds() - started
        is_correct = classifier.predict([texts[i] for i in test]) == np.array(labels)[test]
        interval = share_interval(int(is_correct.sum()), len(is_correct))
        results.append(MethodResult(name, source, interval, seconds))
        fitted.append(classifier)
        audit = classifier.audit_
    if audit is not None:
        out.print(audit_table(audit))
    out.print(comparison_table(f"Accuracy on {len(test)} unseen requests", results))
    best = fitted[int(np.argmax([result.accuracy.value for result in results]))]
    _predict(best, out)
    folder = best.save(arguments.output)
    out.print(
        f"\nThe best model was saved in {folder} and read back. Next:\n"
        f'  nlptl predict {folder} --text "How do I share a list with my sister?"',
        soft_wrap=True,
    )
    return 0


def _methods() -> list[tuple[str, str, TextClassifier]]:
    names = LabelMeaning()
    tuning = [Contrastive(), names]
    return [
        ("word counts", "nothing", TextClassifier(TfidfEncoder())),
        ("word vectors", "distilled from MiniLM", TextClassifier(StaticEncoder())),
        ("frozen transformer", "MiniLM, unchanged", TextClassifier()),
        ("class names", "MiniLM and class names", TextClassifier(transfer=names)),
        ("contrastive tuning", "tuned MiniLM and names", TextClassifier(transfer=tuning)),
    ]


def _predict(classifier: TextClassifier, out: Console) -> None:
    texts = list(_NEW_TEXTS)
    probabilities = classifier.predict_proba(texts).max(axis=1).tolist()
    out.print(predictions_table(texts, classifier.predict(texts).tolist(), probabilities))
