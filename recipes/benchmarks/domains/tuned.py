"""Claims about tuned encoders for a domain without labels.

    NLPTL_DATA=... python recipes/benchmarks/domains/tuned.py [--quick] [--kept FILE]
                            [--models FOLDER] [--variants ...] [--sets ...] [--seeds ...]

Data, pairs and test rows are those of domains.py: 1,600 labelled source rows, the first 2,000
unlabelled texts of the target. All weights of MiniLM are trained, three passes, texts cut at 128
tokens, one seed. Each method is compared with the encoder that was tuned on the source alone.

"FineTuneFirst, ..." methods adapt the tuned encoder afterwards, together with word counts, on all
12 pairs. The encoder of a source is tuned once for its three targets; --models keeps it for later
runs. A test shows that FineTuneFirst() predicts the same. The other methods train on the unlabelled
texts as well, which takes longer. They are measured on four pairs that have each domain once as the
source and once as the target. With --models, an interrupted fit continues from its checkpoint; its
seconds are then too few.

CoTraining(teachers="all") is the default after FineTuneFirst(). It was chosen on training rows of
the target. --quick takes two pairs, 400 source rows, one pass, and the first 300 characters of each
text.
"""

import shutil
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nlptl import (
    CORAL,
    MMD,
    ClassConfusion,
    ContinuedPretraining,
    Corpus,
    CoTraining,
    DomainAdversarial,
    FullFineTune,
    FusedEncoder,
    MeanAlignment,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.transfer import Transfer
from nlptl.encoders import Concatenation
from nlptl.evaluation.intervals import paired_interval

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from domains import DOMAINS, HELD, corpus, measured, pairs_of, row_of, rows_of, unlabeled
from material import Report, arguments

N_UNLABELED = 2000
AFTERWARDS = {
    "FineTuneFirst, CoTraining(all)": [MeanAlignment(), CoTraining(teachers="all")],
    "FineTuneFirst, CoTraining": [MeanAlignment(), CoTraining(teachers="others")],
}
TOGETHER = {
    "ContinuedPretraining": ContinuedPretraining(),
    "ClassConfusion": ClassConfusion(),
    "CORAL": CORAL(),
    "MMD": MMD(),
    "DomainAdversarial": DomainAdversarial(),
    "DomainAdversarial, conditional": DomainAdversarial(conditional=True),
    "DomainAdversarial, weight 0.1": DomainAdversarial(weight=0.1),
    "DomainAdversarial, weight 1": DomainAdversarial(weight=1.0),
    "DomainAdversarial, conditional, weight 1": DomainAdversarial(conditional=True, weight=1.0),
}
"""Transfers that are added to FullFineTune()."""

ALONE = "source only"
CLAIMED = "FineTuneFirst, CoTraining(all)"


def main() -> int:
    variants = (*AFTERWARDS, *TOGETHER)
    options = arguments(__doc__, in_parts=True, variants=variants, keeps_models=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report, rows = Report("tuned"), []
    bench = Bench(options, report.ledger(options), Path(options.models or tempfile.mkdtemp()))
    seeds = options.seeds or [0]
    for method in (ALONE, *([CLAIMED] if options.quick else options.variants)):
        pairs = HELD if method in TOGETHER and not options.sets else pairs_of(options)
        accuracies, base = (bench.accuracies(m, pairs, seeds) for m in (method, ALONE))
        rows.append(row_of(method, accuracies, accuracies - base, pairs=len(pairs)))
        rows[-1] |= {"source only": float(base.mean())}
        report.record(**rows[-1])
        if method == CLAIMED and not options.quick:
            interval = paired_interval(accuracies - base)
            report.claim(
                f"{method}: gain {interval}, at least +.01 with the interval above 0",
                interval.value >= 0.01 and interval.low > 0,
            )
    report.table(f"Tuned encoder, {len(seeds)} seeds", rows)
    return report.finish()


@dataclass
class Bench:
    """Fits and their figures.

    Attributes
    ----------
    options
        Options of the command line.
    kept
        Ledger of the figures.
    models : Path
        Folder for the models that were tuned on a source alone.
    """

    options: Any
    kept: Any
    models: Path

    @property
    def n(self) -> int:
        """Number of source rows."""
        return 400 if self.options.quick else 1600

    def accuracies(self, method: str, pairs: list[tuple[str, str]], seeds: list[int]) -> np.ndarray:
        """Return the mean accuracy over the seeds for each pair."""
        cells = [[self.accuracy(method, *pair, seed) for seed in seeds] for pair in pairs]
        return np.array(cells).mean(axis=1)

    def accuracy(self, method: str, source: str, target: str, seed: int) -> float:
        """Return the accuracy on the test rows of the target, from the ledger if it is there."""
        names = {"part": "tuned", "rows": self.n, "method": method, "source": source, "seed": seed}
        if method == ALONE:  # the targets share a fit
            figures = self.kept.several(partial(self.source_only, source, seed), **names)
            return figures[target]
        run = partial(self.adapted, method, source, target, seed)
        return self.kept.several(run, **names, target=target)["accuracy"]

    def source_only(self, source: str, seed: int) -> dict[str, float]:
        """Return the accuracies on all targets."""
        started = time.perf_counter()
        model = self.tuned_on(source, seed)
        seconds = {"seconds": time.perf_counter() - started}  # short if the model was kept
        tests = {t: rows_of("test", t, self.options) for t in DOMAINS if t != source}
        scores = {t: model.score(test["text"], test["label_text"]) for t, test in tests.items()}
        return {**scores, **seconds}

    def adapted(self, method: str, source: str, target: str, seed: int) -> dict[str, float]:
        """Fit one method to a pair of domains."""
        texts = unlabeled(target, self.options).rows.texts[:N_UNLABELED]
        labelled = corpus(source, self.n, 0, self.options)
        corpora = {"source": labelled, "unlabeled": Corpus(texts, name=target)}
        if method in TOGETHER:
            folder = self.models / "checkpoints" / f"{method}-{source}-{target}-{self.n}-{seed}"
            model = self.model(seed, TOGETHER[method], checkpoints=str(folder))
            figures = measured(model, target, self.options, **corpora)
            shutil.rmtree(folder, ignore_errors=True)
            return figures
        parts = (self.tuned_on(source, seed).fitted_.features.encoder, TfidfEncoder())
        encoder = FusedEncoder(parts, fusion=Concatenation(sparse=True))
        transfer = AFTERWARDS[method]
        model = TextClassifier(encoder, transfer=transfer, long_texts="cut", seed=seed)
        return measured(model, target, self.options, **corpora)

    def tuned_on(self, source: str, seed: int) -> TextClassifier:
        """Tune all weights on the source alone, or load the model of an earlier run."""
        folder = self.models / f"{source}-{self.n}-{seed}"
        if not folder.is_dir():
            model = self.model(seed).fit([], [], source=corpus(source, self.n, 0, self.options))
            folder.parent.mkdir(parents=True, exist_ok=True)
            model.save(folder)
        return TextClassifier.load(folder)

    def model(self, seed: int, *more: Transfer, checkpoints: str | None = None) -> TextClassifier:
        """Return an unfitted model whose weights are all trained."""
        epochs = 1 if self.options.quick else 3
        return TextClassifier(
            TransformerEncoder(max_length=128),
            transfer=[FullFineTune(), *more],
            training=TrainingConfig(
                epochs=epochs, refit=False, quiet=True, checkpoints=checkpoints
            ),
            long_texts="cut",
            seed=seed,
        )


if __name__ == "__main__":
    sys.exit(main())
