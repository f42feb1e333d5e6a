"""Train several tasks on one encoder, and compare each task with a training of its own.

    python recipes/multitask.py
    accelerate launch recipes/multitask.py mood=reviews.csv topic=news.csv --output model

All tasks are trained together. Then each task is compared, on held-out rows, with a training on
its rows alone, and the better result is kept. Without tables, the tasks are the support requests
of two companies that nlptl ships. An interrupted run resumes from its last checkpoint.
"""

import shutil
import sys
from argparse import ArgumentParser

from sklearn.model_selection import train_test_split

from nlptl import (
    MultiTaskModel,
    Task,
    TrainingConfig,
    is_main,
    read_table,
    run_script,
    support_requests,
)

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("tables", nargs="*", metavar="TASK=FILE", help="columns: text, label")
parser.add_argument("--encoder", help="name or folder; by default all-MiniLM-L6-v2")
parser.add_argument("--epochs", type=int, help="by default 6")
parser.add_argument("--output", default="model", help="folder for the model")


def read_tasks(tables):
    if not tables:
        return {domain: support_requests(domain=domain) for domain in ("app", "energy")}
    files = {name: read_table(file) for name, _, file in (t.partition("=") for t in tables)}
    return {name: (t["text"].tolist(), t["label"].tolist()) for name, t in files.items()}


def main():
    options = parser.parse_args()
    train, test = {}, {}
    for name, (texts, labels) in read_tasks(options.tables).items():
        split = train_test_split(texts, labels, test_size=0.2, stratify=labels, random_state=0)
        train[name], test[name] = (split[0], split[2]), (split[1], split[3])

    # Task("regression") takes numbers, Task(metric="macro_f1") is scored by another metric.
    training = TrainingConfig(epochs=options.epochs, checkpoints=f"{options.output}.checkpoints")
    tasks = {name: Task() for name in train}
    model = MultiTaskModel(tasks, encoder=options.encoder, training=training).fit(train)
    if is_main():
        for name, metrics in model.evaluate(test).items():
            print(f"{name:12} {metrics['accuracy']:.3f}  kept: {model.comparisons_[name].kept}")
        print(f"Saved: {model.save(options.output)}")
        shutil.rmtree(training.checkpoints, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
