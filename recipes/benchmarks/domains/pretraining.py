"""Claims about continued pretraining on unlabelled texts of the target.

    NLPTL_DATA=... python recipes/benchmarks/domains/pretraining.py [--quick] [--kept FILE]
                                    [--only gain|space] [--sets books newsgroups20] [--seeds ...]
                                    [--variants default ...]

all-MiniLM-L6-v2, texts cut at 64 tokens, 2,000 unlabelled texts. Texts that are equal or almost
equal to a test text are removed from them.

gain: 64 labelled texts, five draws. The head is fitted to the frozen encoder, with pretraining
before it and without; accuracy on at most 1,000 test rows. The first method is claimed, and is
pretrained again for each draw. The other methods are pretrained once. Sets: the books of
amazon_domains, and newsgroups20, where the unlabelled texts are other training rows.

space: books. The loss on held-back texts at the start, after the stage that trains only the head of
words, and at the end; the Spearman correlation on STS-B before and after, with the anchor and
without it.

Methods and settings were chosen on training rows. --quick takes books, one draw and 400 texts.
"""

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from nlptl import ContinuedPretraining, Corpus, Frozen, TextClassifier, TransformerEncoder
from nlptl.data.splits import stratified_sample
from nlptl.encoders import Pooling
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, drawn, read, test_rows

PARTS = ("gain", "space")
SETS = ("books", "newsgroups20")
N_LABELS, DRAWS, POOL, N_TOKENS = 64, 5, 2000, 64
WORDS = {"objective": "words", "epochs": 3, "learning_rate": 1e-4}
METHODS = {
    "default": ContinuedPretraining(),
    "all of the change": ContinuedPretraining(strength=1.0),
    "anchor": ContinuedPretraining(anchor=1.0),
    "adapter": ContinuedPretraining(adapter=True, learning_rate=5e-4),
    "words": ContinuedPretraining(**WORDS),
}
"""The first method is claimed."""

SPACES = {
    "pairs, anchor": ContinuedPretraining(anchor=1.0, strength=1.0),
    "pairs": ContinuedPretraining(strength=1.0),
    "words, anchor": ContinuedPretraining(anchor=1.0, strength=1.0, **WORDS),
    "words": ContinuedPretraining(strength=1.0, **WORDS),
}


def main() -> int:
    options = arguments(__doc__, in_parts=True, only=PARTS, variants=METHODS)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    report = Report("pretraining")
    kept = report.ledger(options)
    for part in [options.only] if options.only else PARTS:
        globals()[part](report, kept, options)
    return report.finish()


def rows_of(name: str, split: str):
    """Read labelled rows of a set; at most 1,000 test rows."""
    if name != "books":
        return test_rows(name) if split == "test" else read(name, split)
    rows = read("amazon_domains", split)
    return rows[rows["domain"] == "books"]


def material(name: str, options):
    """Return training rows to draw labelled ones from, the unlabelled texts, and test rows."""
    train, test = rows_of(name, "train"), rows_of(name, "test")
    if name == "books":
        texts = rows_of(name, "unlabeled")["text"].tolist()
    else:  # the labelled rows are drawn from the first part, the others are unlabelled
        train = train.iloc[drawn(len(train), len(train), 0)]
        train, texts = train.iloc[:1600], train.iloc[1600:]["text"].tolist()
    some = drawn(len(texts), 400 if options.quick else POOL, 0)
    return train, Corpus([texts[i] for i in some]).without(test["text"].tolist()), test


def fitted(train, draw: int, transfer, pool: Corpus, *, seed: int, **pooling) -> TextClassifier:
    """Fit a head to 64 texts, after pretraining or without it."""
    codes = train["label"].to_numpy()
    few = train.iloc[stratified_sample(codes, N_LABELS, seed=draw)]
    encoder = TransformerEncoder(max_length=N_TOKENS, **pooling)
    model = TextClassifier(encoder, transfer=transfer, long_texts="cut", seed=seed)
    unlabeled = {} if isinstance(transfer, Frozen) else {"unlabeled": pool}
    return model.fit(few["text"].tolist(), few["label_text"].tolist(), **unlabeled)


def gain(report: Report, kept, options) -> None:
    """Measure the accuracy with 64 labels."""
    sets = options.sets or (SETS[:1] if options.quick else SETS)
    draws = options.seeds or range(1 if options.quick else DRAWS)
    methods = {name: METHODS[name] for name in (["default"] if options.quick else options.variants)}

    def run(name: str, draw: int, method: str) -> dict[str, float]:
        train, pool, test = material(name, options)
        seed = draw if method in ("without", "default") else 0
        started = time.perf_counter()
        model = fitted(train, draw, methods.get(method, Frozen()), pool, seed=seed)
        seconds = time.perf_counter() - started
        accuracy = model.score(test["text"].tolist(), test["label_text"].tolist())
        strength = {} if model.history_ is None else model.history_.figures.get("strength", [1.0])
        return {"accuracy": accuracy, "seconds": seconds, "strength": max(strength, default=0.0)}

    def accuracies(method: str, name: str) -> np.ndarray:
        names = {"part": "gain", "labels": N_LABELS, "pool": 400 if options.quick else POOL}
        figures = [
            kept.several(
                partial(run, name, draw, method), **names, set=name, draw=draw, method=method
            )
            for draw in draws
        ]
        return np.array([figure["accuracy"] for figure in figures])

    base = {name: accuracies("without", name) for name in sets}
    rows = []
    for method in methods:
        with_it = {name: accuracies(method, name) for name in sets}
        gains = np.mean([with_it[name] - base[name] for name in sets], axis=0)
        row = {"method": method}
        for name in sets:
            row[f"{name}: without"] = float(base[name].mean())
            row[f"{name}: with"] = float(with_it[name].mean())
            row[f"{name}: gain"] = _interval(with_it[name] - base[name])
        rows.append({**row, "mean gain": _interval(gains)})
        report.record(**rows[-1])
        if method == "default" and len(gains) > 1:
            interval = paired_interval(gains)
            report.claim(
                f"{method}: mean gain {interval}, at least +.01 with the interval above 0",
                interval.value >= 0.01 and interval.low > 0,
            )
    report.table(f"{N_LABELS} labels, {len(draws)} draws", rows)


def _interval(gains: np.ndarray) -> str:
    return str(paired_interval(gains)) if len(gains) > 1 else f"{gains[0]:+.3f}"


def space(report: Report, kept, options) -> None:
    """Measure the loss on held-back texts, and what is left of the old vectors."""
    pairs = read("stsb", "test")
    pairs = pairs.head(300) if options.quick else pairs

    def correlation(encoder) -> float:
        first, second = (encoder.transform(pairs[side].tolist()) for side in ("text_a", "text_b"))
        return float(spearmanr((first * second).sum(axis=1), pairs["score"]).statistic)

    def run(method: str) -> dict[str, float]:
        train, pool, _ = material("books", options)
        model = fitted(train, 0, SPACES.get(method, Frozen()), pool, seed=0, pooling=Pooling())
        figures = {} if model.history_ is None else model.history_.figures
        losses = figures.get("masked_word_loss") or figures.get("pair_loss") or []
        kind = "words" if "masked_word_loss" in figures else "pairs"
        return {
            "stsb": correlation(model.fitted_.features.encoder),
            **{f"{kind} loss {i}": loss for i, loss in enumerate(losses)},
        }

    names = {"part": "space", "pool": 400 if options.quick else POOL}
    methods = ("without", *(m for m in SPACES if "anchor" in m or not options.quick))
    figures = {m: kept.several(partial(run, m), **names, method=m) for m in methods}
    columns = list(dict.fromkeys(key for part in figures.values() for key in part))
    report.table(
        "Loss on held-back texts and correlation on STS-B",
        [{"method": m, **{c: part.get(c, "") for c in columns}} for m, part in figures.items()],
    )
    for method, part in figures.items():
        report.record(method=method, **part)
    head, end = (figures["words, anchor"][f"words loss {i}"] for i in (1, 2))
    report.claim(
        f"words: loss of hidden words {head:.2f} after the head alone, {end:.2f} at the end: "
        f"{1 - end / head:.1%} lower, at least 15 %",
        end <= 0.85 * head,
    )
    for method in ("pairs, anchor", "words, anchor"):
        fall = figures["without"]["stsb"] - figures[method]["stsb"]
        report.claim(f"{method}: STS-B falls by {fall:.3f}, at most .02", fall <= 0.02)


if __name__ == "__main__":
    sys.exit(main())
