"""Train a classifier on a few labels per class, with the meaning of the class names.

    python recipes/fewshot.py
    accelerate launch recipes/fewshot.py reviews.csv --shots 4 --output model

First a classifier is fitted to the class names alone, then an encoder is trained on a few rows per
class. Both are evaluated on all other rows. Without a table, it uses shipped support requests.
"""

import shutil
import sys
from argparse import ArgumentParser

import numpy as np

from nlptl import (
    Contrastive,
    LabelMeaning,
    TextClassifier,
    TrainingConfig,
    is_main,
    k_shot,
    read_table,
    run_script,
    support_requests,
)

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", nargs="?", help="table with the columns text and label")
parser.add_argument("--shots", type=int, default=8, help="training rows per class")
parser.add_argument("--encoder", help="name or folder; by default all-MiniLM-L6-v2")
parser.add_argument("--output", default="model", help="folder for the model")


def main():
    options = parser.parse_args()
    if options.data:
        table = read_table(options.data)
        texts, labels = table["text"].to_numpy(), table["label"].to_numpy()
    else:
        texts, labels = map(np.array, support_requests())
    train = k_shot(labels, options.shots, seed=0)
    test = np.setdiff1d(np.arange(len(labels)), train)

    # Describe the classes here if their labels are not words: {"HUM": "a human being"}.
    names = {str(label): str(label).replace("_", " ") for label in np.unique(labels)}
    by_name = TextClassifier(options.encoder, transfer=LabelMeaning(names)).fit([], [])
    training = TrainingConfig(checkpoints=f"{options.output}.checkpoints")
    transfer = [Contrastive(), LabelMeaning(names)]
    tuned = TextClassifier(options.encoder, transfer=transfer, training=training)
    tuned.fit(texts[train], labels[train])
    if is_main():
        for name, model in {"class names": by_name, "names and labels": tuned}.items():
            print(f"{name:20} accuracy {model.score(texts[test], labels[test]):.3f}")
        print(f"Saved: {tuned.save(options.output)}")
        shutil.rmtree(training.checkpoints, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
