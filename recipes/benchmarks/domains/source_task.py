"""Figures: a source with other labels trains the encoder together with the target.

    NLPTL_DATA=... python recipes/benchmarks/domains/source_task.py [--quick] [--kept FILE]
                                                         [--sets ...] [--seeds ...]

64 labelled texts of the target, 2,000 labelled texts of a source with other labels, accuracy on at
most 1,000 test rows, three draws. tweet_emotion (anger, joy, optimism, sadness) with
tweet_sentiment (negative, neutral, positive) as the source; trec (types of questions) with
banking77 (77 intents); and tweet_irony with tweet_emotion. Methods: a frozen encoder, all weights
tuned on the target alone, and [FullFineTune(), SourceTask()], which is the recommendation for such
a source. MiniLM, texts cut at 64 tokens. The gain is that over tuning on the target alone. --quick
takes one set and one draw.
"""

import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nlptl import (
    Corpus,
    Frozen,
    FullFineTune,
    SourceTask,
    TextClassifier,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.data.splits import stratified_sample
from nlptl.evaluation.intervals import paired_interval

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py

from material import Report, arguments, drawn, read, test_rows

SOURCES = {"tweet_emotion": "tweet_sentiment", "trec": "banking77", "tweet_irony": "tweet_emotion"}
N_LABELS, N_SOURCE, DRAWS = 64, 2000, 3
METHODS = {
    "frozen": Frozen(),
    "target alone": FullFineTune(),
    "SourceTask": [FullFineTune(), SourceTask()],
}


def main() -> int:
    options = arguments(__doc__, in_parts=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    draws = options.seeds or range(1 if options.quick else DRAWS)
    report, rows = Report("source_task"), []
    kept = report.ledger(options)
    for target in options.sets or list(SOURCES)[: 1 if options.quick else None]:
        scores = {
            method: np.array(
                [
                    kept.once(partial(accuracy, target, draw, method), set=target, draw=draw,
                              method=method)
                    for draw in draws
                ]
            )
            for method in METHODS
        }  # fmt: skip
        gains = scores["SourceTask"] - scores["target alone"]
        row = {"target": target, "source": SOURCES[target]}
        row |= {method: float(each.mean()) for method, each in scores.items()}
        row["gain"] = str(paired_interval(gains)) if len(gains) > 1 else f"{gains[0]:+.3f}"
        rows.append(row)
        report.record(**row)
    report.table(f"{N_LABELS} labels, {len(draws)} draws", rows)
    return report.finish()


def accuracy(target: str, draw: int, method: str) -> float:
    """Fit one model and return its accuracy on the test rows."""
    train, test = read(target, "train"), test_rows(target)
    few = train.iloc[stratified_sample(train["label"].to_numpy(), N_LABELS, seed=draw)]
    corpora = {}
    if method == "SourceTask":
        source = read(SOURCES[target], "train")
        source = source.iloc[drawn(len(source), N_SOURCE, draw)]
        corpora["source"] = Corpus(source["text"].tolist(), source["label_text"].tolist())
    model = TextClassifier(
        TransformerEncoder(max_length=64),
        transfer=METHODS[method],
        training=TrainingConfig(refit=False, quiet=True),
        long_texts="cut",
        seed=draw,
    )
    model.fit(few["text"].tolist(), few["label_text"].tolist(), **corpora)
    return model.score(test["text"].tolist(), test["label_text"].tolist())


if __name__ == "__main__":
    sys.exit(main())
