"""Development: weight of DomainAdversarial, chosen on labelled training rows of the target.

    NLPTL_DATA=... python recipes/benchmarks/domains/adversarial_weight.py [--sets books-dvd ...]
                                                                      [--variants ...] [--quick]

400 labelled source rows, 400 unlabelled texts of the target, texts cut at 64 tokens, three passes.
The accuracy is that on 400 training rows of the target, so that no test row is used. The default
pair is electronics to books.
"""

import sys
import warnings
from pathlib import Path

from nlptl import (
    Corpus,
    DomainAdversarial,
    FullFineTune,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from domains import rows_of
from material import Report, arguments

VARIANTS = {
    "source only": None,
    "weight 0.02": DomainAdversarial(weight=0.02),
    "weight 0.1": DomainAdversarial(weight=0.1),
    "weight 0.3": DomainAdversarial(weight=0.3),
    "weight 1": DomainAdversarial(weight=1.0),
    "conditional, weight 0.1": DomainAdversarial(conditional=True, weight=0.1),
}
N_ROWS = 400


def main() -> int:
    options = arguments(__doc__, in_parts=True, variants=VARIANTS)
    warnings.filterwarnings("ignore")
    report = Report("adversarial_weight")
    kept, rows = report.ledger(options), []
    for pair in options.sets or ["electronics-books"]:
        for variant in options.variants:
            names = {"pair": pair, "variant": variant}
            figures = kept.several(lambda n=names: measured(**n, options=options), **names)
            rows.append({**names, **figures})
    report.table("Weight of DomainAdversarial, training rows of the target", rows)
    return report.finish()


def measured(pair: str, variant: str, options) -> dict[str, float]:
    """Fit one variant; return its accuracy and the domain accuracy of its features."""
    source, target = pair.split("-")
    n = 100 if options.quick else N_ROWS
    labelled = rows_of("train", source, options).sample(n, random_state=0)
    test = rows_of("train", target, options).sample(n, random_state=1)
    texts = rows_of("unlabeled", target, options)["text"].tolist()[:n]
    transfer = VARIANTS[variant]
    model = TextClassifier(
        TransformerEncoder(max_length=64),
        transfer=[FullFineTune(), *([transfer] if transfer else [])],
        training=TrainingConfig(epochs=3, refit=False, quiet=True),
        long_texts="cut",
    )
    corpora = {"source": Corpus(labelled["text"].tolist(), labelled["label_text"].tolist())}
    if transfer is not None:
        corpora["unlabeled"] = Corpus(texts)
    model.fit([], [], **corpora)
    figures = {"accuracy": model.score(test["text"].tolist(), test["label_text"].tolist())}
    figures["last loss"] = model.history_.losses[-1]
    if transfer is not None:
        figures["domain accuracy"] = model.history_.domains.domain_accuracy_after
    return figures


if __name__ == "__main__":
    sys.exit(main())
