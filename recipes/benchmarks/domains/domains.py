"""Claims about models for a domain without labels: reviews of another domain are labelled.

    NLPTL_DATA=... python recipes/benchmarks/domains/domains.py [--quick] [--kept FILE]
                                    [--only frozen|sources|labels|accuracy] [--sets ...]

amazon_domains: reviews of books, dvd, electronics and kitchen, positive or negative. For each of
the 12 ordered pairs, the source has 1,600 labelled reviews, the target has 4,000 unlabelled ones
(of ``unlabeled``), and the accuracy is that on the 400 test reviews of the target. Every method is
compared with the same encoder and only the labels of the source. Word counts are those of the
source and of the unlabelled texts, in both cases. Nothing is chosen on test rows.

frozen: frozen encoder, three draws of 1,200 source rows, all methods. The default is what ``fit``
takes if no transfer is given. If a method refuses its weights, the source alone counts. sources:
three source domains for one target. labels: 20 to 400 labelled target rows together with the
source, five draws. accuracy: the expected accuracy, which needs no target labels, against the true
one. --quick takes two pairs, 400 source rows, one draw, and the first 300
characters of each text.
"""

import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.model_selection import cross_validate

from nlptl import (
    CORAL,
    Corpus,
    CoTraining,
    DensityRatioWeights,
    Frozen,
    FusedEncoder,
    KernelMeanMatching,
    MeanAlignment,
    SelfTraining,
    SourceHead,
    SourceRows,
    TextClassifier,
    TfidfEncoder,
    TransformerEncoder,
    expected_accuracy,
)
from nlptl.base.errors import ConfigError
from nlptl.encoders import Concatenation, Pooling
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, drawn, read

DOMAINS = ("books", "dvd", "electronics", "kitchen")
PAIRS = [(source, target) for source in DOMAINS for target in DOMAINS if source != target]
HELD = [("books", "kitchen"), ("dvd", "electronics"), ("electronics", "books"), ("kitchen", "dvd")]
"""Four pairs that have each domain once as the source and once as the target."""

UNLABELED = 4000
"""Unlabelled reviews of the target."""

SIZES, DRAWS = (20, 50, 100, 400), 5
FOLDS = 10
"""Folds of the expected accuracy, so that its models have nearly as many rows as the final one."""

GROWING = (0.2, 0.4, 0.6, 0.8)
STRENGTHS = (0.0, 0.25, 0.5, 1.0)
PARTS = ("frozen", "sources", "labels", "accuracy")

LAYERS = TransformerEncoder(pooling=Pooling(layers=(4, 6)))
FUSED = FusedEncoder((LAYERS, TfidfEncoder()), fusion=Concatenation(sparse=True))
"""The encoder that ``fit`` takes with a source if none is given."""

ENCODERS = {"fused": FUSED, "minilm": TransformerEncoder(), "tfidf": TfidfEncoder()}
FROZEN = {
    "source only": Frozen(),
    "default": None,
    "MeanAlignment": MeanAlignment(),
    **{f"CORAL {strength}": CORAL(strength) for strength in STRENGTHS},
    "CORAL auto": CORAL(),
    "DensityRatioWeights": DensityRatioWeights(),
    "KernelMeanMatching": KernelMeanMatching(),
    "SelfTraining, one round": SelfTraining(),
    "SelfTraining, growing": SelfTraining(GROWING),
    "SelfTraining, soft": SelfTraining(GROWING, soft=True),
    "SelfTraining, estimated shares": SelfTraining(GROWING, class_shares="estimated"),
    "CoTraining": CoTraining(),
}
PLAIN = ("source only", "SelfTraining, one round", "SelfTraining, growing")
"""Methods that are also measured with MiniLM or with word counts alone."""


def main() -> int:
    options = arguments(__doc__, in_parts=True, only=PARTS)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report = Report("domains")
    kept = report.ledger(options)
    for part in [options.only] if options.only else PARTS:
        globals()[part](report, kept, options)
    return report.finish()


def pairs_of(options) -> list[tuple[str, str]]:
    """Return the pairs to run: all, two, or those of ``--sets books-dvd``."""
    if options.sets:
        return [tuple(name.split("-")) for name in options.sets]
    return HELD[:2] if options.quick else PAIRS


def rows_of(split: str, domain: str, options):
    """Read the reviews of a domain; only their beginnings for a quick run."""
    rows = read("amazon_domains", split)
    rows = rows[rows["domain"] == domain]
    return rows.assign(text=rows["text"].str[:300]) if options.quick else rows


def corpus(domain: str, n: int, draw: int, options) -> Corpus:
    """Draw labelled reviews of a source domain."""
    rows = rows_of("train", domain, options)
    rows = rows.iloc[drawn(len(rows), n, draw)]
    return Corpus(rows["text"].tolist(), rows["label_text"].tolist(), name=domain)


def unlabeled(domain: str, options) -> Corpus:
    """Return unlabelled reviews of a target domain; fewer for a quick run."""
    texts = rows_of("unlabeled", domain, options)["text"].tolist()
    return Corpus(texts[: 1000 if options.quick else UNLABELED], name=domain)


def measured(
    model: TextClassifier, target: str, options, labelled=((), ()), **corpora
) -> dict[str, float]:
    """Fit a model; return its accuracy on the test rows and the seconds of the fit."""
    test = rows_of("test", target, options)
    wall, processor = time.perf_counter(), time.process_time()
    model.fit(*labelled, **corpora)
    seconds = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
    return {"accuracy": model.score(test["text"], test["label_text"]), **seconds}


def frozen(report: Report, kept, options) -> None:
    """Compare all methods on frozen features."""
    pairs, draws = pairs_of(options), range(1 if options.quick else 3)
    n = 400 if options.quick else 1200

    def run(source: str, target: str, draw: int, encoder: str, method: str) -> dict[str, float]:
        transfer = FROZEN[method]
        model = TextClassifier(
            None if method == "default" else ENCODERS[encoder], transfer=transfer
        )
        corpora = {"source": corpus(source, n, draw, options)}
        if (encoder, method) != ("minilm", "source only"):  # word counts use texts of the target
            corpora["unlabeled"] = unlabeled(target, options)
        try:
            return measured(model, target, options, **corpora)
        except ConfigError as refusal:  # weights of few rows: the source alone is left
            if "effective sample share" not in str(refusal):
                raise
            return {
                **measured(model.set_params(transfer=Frozen()), target, options, **corpora),
                "refused": 1,
            }

    def table_of(encoder: str, method: str) -> tuple[np.ndarray, np.ndarray]:
        figures = [
            kept.several(
                partial(run, source, target, draw, encoder, method),
                part="frozen", rows=n, source=source, target=target, draw=draw, encoder=encoder,
                method=method,
            )
            for source, target in pairs
            for draw in draws
        ]  # fmt: skip
        shape = len(pairs), len(draws)
        accuracy, wall = (np.array([f[k] for f in figures]) for k in ("accuracy", "wall"))
        return accuracy.reshape(shape), wall.reshape(shape)

    rows, means = [], {}
    for encoder, methods in {"fused": FROZEN, "minilm": PLAIN, "tfidf": PLAIN}.items():
        base = table_of(encoder, "source only")[0].mean(axis=1)
        for method in methods:
            accuracy, wall = table_of(encoder, method)
            means[encoder, method] = by_pair = accuracy.mean(axis=1)
            gains = by_pair - base
            rows.append(row_of(f"{encoder}: {method}", by_pair, gains, seconds=wall.mean()))
            report.record(**rows[-1])
            if (encoder, method) == ("fused", "default"):
                claim_default(report, by_pair, gains, wall)
    report.table(f"Frozen encoder, {len(pairs)} pairs, {len(draws)} draws of {n} rows", rows)
    fixed = max(means["fused", f"CORAL {strength}"].mean() for strength in STRENGTHS)
    behind = fixed - means["fused", "CORAL auto"].mean()
    report.claim(
        f"CORAL auto is {behind:+.3f} behind the best strength, at most .01", behind <= 0.01
    )


def row_of(name: str, accuracies: np.ndarray, gains: np.ndarray, **more: float) -> dict:
    """Return a row of a table: means over pairs, worst pair, gain with its interval."""
    row = {"method": name, "mean": float(accuracies.mean()), "worst": float(accuracies.min())}
    row["gain"] = str(paired_interval(gains)) if len(gains) > 1 else f"{gains[0]:+.3f}"
    return {**row, "worst gain": float(gains.min()), **{k: float(v) for k, v in more.items()}}


def claim_default(report: Report, accuracies, gains, wall) -> None:
    mean, worst, most = accuracies.mean(), accuracies.min(), float(wall.max())
    report.claim(f"default: mean accuracy {mean:.3f}, at least .81", mean >= 0.81)
    report.claim(f"default: worst pair {worst:.3f}, at least .72", worst >= 0.72)
    interval = paired_interval(gains)
    report.claim(
        f"default: gain {interval} over its source only, at least +.02 with the interval above 0",
        interval.value >= 0.02 and interval.low > 0,
    )
    report.claim(f"default: worst gain {gains.min():+.3f}, at least -.01", gains.min() >= -0.01)
    report.claim(f"default: at most {most:.0f} s per pair, vectors cached; bar 60", most <= 60)


def sources(report: Report, kept, options) -> None:
    """Fit the default recipe to three source domains."""
    n, draws = (400, 1) if options.quick else (1600, 1)

    def run(target: str, method: str) -> dict[str, float]:
        others = {name: corpus(name, n, draws, options) for name in DOMAINS if name != target}
        model = TextClassifier(FUSED, transfer=Frozen() if method == "source only" else None)
        return measured(model, target, options, source=others, unlabeled=unlabeled(target, options))

    accuracies = {
        method: np.array(
            [
                kept.several(
                    partial(run, t, method), part="sources", rows=n, target=t, method=method
                )["accuracy"]
                for t in (DOMAINS[:2] if options.quick else DOMAINS)
            ]
        )
        for method in ("source only", "default")
    }
    base = accuracies["source only"]
    rows = [row_of(name, part, part - base) for name, part in accuracies.items()]
    report.table(f"Three sources of {n} rows, one target", rows)
    mean = accuracies["default"].mean()
    report.claim(f"three sources: mean accuracy {mean:.3f}, at least .85", mean >= 0.85)


def labels(report: Report, kept, options) -> None:
    """Compare shares of the source with labelled rows in the target."""
    pairs, draws = pairs_of(options), range(1 if options.quick else DRAWS)
    n = 400 if options.quick else 1600
    methods = {
        "target only": Frozen(),
        "pooled": SourceRows(weight=1.0),
        "SourceRows": SourceRows(),
        "SourceRows(private=True)": SourceRows(private=True),
        "SourceHead": SourceHead(),
    }

    def run(
        source: str | None, target: str, n_labels: int, draw: int, method: str
    ) -> dict[str, float]:
        model = TextClassifier(FUSED, transfer=methods.get(method, Frozen()))
        more = {} if source is None else {"source": corpus(source, n, 0, options)}
        few = corpus(target, n_labels, draw, options) if n_labels else None
        return measured(model, target, options, (few.rows, few.labels) if few else ((), ()), **more)

    def figure(source: str, target: str, size: int, draw: int, method: str) -> float:
        of = {"source": source, "target": target, "n_labels": size, "draw": draw, "method": method}
        if method == "source only":
            of |= {"n_labels": 0, "draw": 0}
        if method == "target only":
            of |= {"source": None}
        return kept.several(partial(run, **of), part="labels", rows=n, **of)["accuracy"]

    rows, means = [], {}
    for method in ("source only", *methods):
        row = {"method": method}
        for size in SIZES:
            cells = [[figure(*pair, size, draw, method) for draw in draws] for pair in pairs]
            means[method, size] = np.array(cells).mean(axis=1)
            row[f"{size} labels"] = float(means[method, size].mean())
        rows.append(row)
        report.record(**row)
    report.table(f"Labelled rows in the target, {len(pairs)} pairs, {len(draws)} draws", rows)
    for size in SIZES:
        best = max(means[m, size].mean() for m in ("source only", "target only", "pooled"))
        behind = best - means["SourceRows", size].mean()
        report.claim(
            f"{size} labels: SourceRows() is {behind:+.3f} behind the best of the others, at most "
            ".005",
            behind <= 0.005,
        )
    gain = np.mean([means["SourceRows", s] - means["pooled", s] for s in (50, 100)], axis=0)
    interval = paired_interval(gain)
    report.claim(
        f"50 and 100 labels: SourceRows() gains {interval} over pooled, at least +.005 above 0",
        interval.value >= 0.005 and interval.low > 0,
    )
    alone = [means["target only", size].mean() for size in SIZES]
    level = means["source only", SIZES[0]].mean()
    report.record(break_even=float(np.interp(level, alone, SIZES)), source_only=float(level))


def accuracy(report: Report, kept, options) -> None:
    """Compare the expected accuracy, which needs no target labels, with the true one."""
    n = 400 if options.quick else 1600

    def run(source: str, target: str) -> dict[str, float]:
        rows, model = corpus(source, n, 0, options), TextClassifier(FUSED, transfer=Frozen())
        scorers = {"expected": expected_accuracy(unlabeled(target, options)), "source": "accuracy"}
        texts, truth = np.array(rows.rows.texts, dtype=object), np.array(rows.labels)
        parts = cross_validate(model, texts, truth, scoring=scorers, cv=FOLDS, error_score="raise")
        figures = {name: float(np.mean(parts[f"test_{name}"])) for name in scorers}
        return {**figures, "true": measured(model, target, options, source=rows)["accuracy"]}

    rows = [
        {"pair": f"{source}-{target}", **kept.several(
            partial(run, source, target), part="accuracy", rows=n, folds=FOLDS,
            source_domain=source, target=target,
        )}
        for source, target in pairs_of(options)
    ]  # fmt: skip
    report.table("Expected and true accuracy", rows)
    columns = {
        name: np.array([row[name] for row in rows]) for name in ("expected", "source", "true")
    }
    for name in ("expected", "source"):
        error = np.abs(columns[name] - columns["true"]).mean()
        rank = spearmanr(columns[name], columns["true"]).statistic
        report.record(estimate=name, mean_error=float(error), spearman=float(rank))
        if name == "expected":
            report.claim(f"expected accuracy: mean error {error:.3f}, at most .04", error <= 0.04)
            report.claim(f"expected accuracy: Spearman {rank:.2f}, at least .8", rank >= 0.8)


if __name__ == "__main__":
    sys.exit(main())
