"""Fine-tune an encoder together with its head, and measure it on held-out rows.

    python recipes/finetune.py
    accelerate launch recipes/finetune.py train.csv --label-column stars --output model

Without a table, the recipe uses the support requests that nlptl ships. If a run is interrupted,
run the same command again: it resumes from the last checkpoint. Every number of processes takes
the same training steps, because the rows of a step are divided among the processes.
"""

import shutil
import sys
from argparse import ArgumentParser

import pandas as pd
from sklearn.model_selection import train_test_split

from nlptl import (
    FullFineTune,
    TextClassifier,
    TrainingConfig,
    is_main,
    read_table,
    run_script,
    support_requests,
)

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", nargs="?", help="csv, tsv, jsonl or parquet file")
parser.add_argument("--text-column", default="text")
parser.add_argument("--label-column", default="label")
parser.add_argument("--encoder", help="name or folder; by default all-MiniLM-L6-v2")
parser.add_argument("--epochs", type=int, help="by default 6")
parser.add_argument("--output", default="model", help="folder for the model")


def main():
    options = parser.parse_args()
    text, label = options.text_column, options.label_column
    if options.data:
        table = read_table(options.data)
    else:
        table = pd.DataFrame(dict(zip([text, label], support_requests(), strict=True)))
    train, test = train_test_split(table, test_size=0.2, stratify=table[label], random_state=0)

    # Build the model. All weights are trained; FullFineTune(layers=3) trains the last three layers.
    training = TrainingConfig(epochs=options.epochs, checkpoints=f"{options.output}.checkpoints")
    model = TextClassifier(options.encoder, transfer=FullFineTune(), training=training)

    # Every process of a launch takes part in the fit. Only the main process prints and saves.
    model.fit(train[text], train[label])
    if is_main():
        for name, value in model.evaluate(test[text], test[label]).items():
            print(f"{name:20} {value:.3f}")
        print(f"Saved: {model.save(options.output)}")
        shutil.rmtree(training.checkpoints, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
