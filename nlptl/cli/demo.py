"""Show the whole story on shipped data: no network, no arguments, a few minutes.

Eight kinds of support request, twelve labelled examples of each: what does a classifier learn
from them alone, with word vectors, with a pretrained transformer, with the names of the kinds, and
when the transformer is tuned on all of that?
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

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
    parser.add_argument("--output", default="nlptl-demo", help="where the best model goes")
    parser.add_argument("--shots", type=int, default=12, help="labelled examples of each class")
    parser.add_argument("--seed", type=int, default=0, help="which examples are drawn")


def run(given: Namespace) -> int:
    """Compare five rungs, predict a few new texts, save the best model."""
    out = console()
    texts, labels = support_requests()
    train = k_shot(labels, given.shots, seed=given.seed)
    test = np.setdiff1d(np.arange(len(texts)), train)
    out.print(
        f"{len(train)} labelled support requests ({given.shots} of each of "
        f"{len(set(labels))} kinds) to learn from, {len(test)} to be tested on.\n"
    )
    shown = None
    rungs: list[MethodResult] = []
    fitted: list[TextClassifier] = []
    for name, carries, classifier in _ladder():
        started = clock.seconds()
        classifier.fit([texts[i] for i in train], [labels[i] for i in train])
        seconds = clock.seconds() - started
        right = classifier.predict([texts[i] for i in test]) == np.array(labels)[test]
        interval = share_interval(int(right.sum()), len(right))
        rungs.append(MethodResult(name, carries, interval, seconds))
        fitted.append(classifier)
        shown = classifier.audit_
    if shown is not None:
        out.print(audit_table(shown))
    out.print(comparison_table(f"Accuracy on {len(test)} requests not seen", rungs))
    best = fitted[int(np.argmax([rung.accuracy.value for rung in rungs]))]
    _predict(best, out)
    folder = best.save(given.output)
    out.print(
        f"\nThe best model was saved in {folder} and read back. Next:\n"
        f'  nlptl predict {folder} --text "How do I share a list with my sister?"',
        soft_wrap=True,
    )
    return 0


def _ladder() -> list[tuple[str, str, TextClassifier]]:
    names = LabelMeaning()
    drawn = [Contrastive(steps=30), names]
    return [
        ("word counts", "nothing", TextClassifier(TfidfEncoder())),
        ("word vectors", "distilled from MiniLM", TextClassifier(StaticEncoder())),
        ("frozen transformer", "MiniLM as it is", TextClassifier()),
        ("names of classes", "and what they mean to it", TextClassifier(transfer=names)),
        ("contrastive tuning", "MiniLM, tuned, and names", TextClassifier(transfer=drawn)),
    ]


def _predict(classifier: TextClassifier, out: Any) -> None:
    texts = list(_NEW_TEXTS)
    sure = classifier.predict_proba(texts).max(axis=1).tolist()
    out.print(predictions_table(texts, classifier.predict(texts).tolist(), sure))
