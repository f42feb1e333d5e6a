"""Train a LoRA adapter, and compare it with the frozen encoder on held-out rows.

    python recipes/lora.py
    accelerate launch recipes/lora.py train.csv --rank 16 --output model

The adapter has far fewer trained weights than the encoder, so the same memory holds a larger
encoder. It is saved in a folder of its own that peft can read. Without a table, the recipe uses
the support requests that nlptl ships. An interrupted run resumes from its last checkpoint.
"""

import shutil
import sys
from argparse import ArgumentParser

from sklearn.model_selection import train_test_split

from nlptl import (
    LoRA,
    TextClassifier,
    TrainingConfig,
    is_main,
    read_table,
    run_script,
    support_requests,
)

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", nargs="?", help="table with the columns text and label")
parser.add_argument("--encoder", help="name or folder, for example roberta-large")
parser.add_argument("--rank", type=int, default=32, help="rank of the update of each layer")
parser.add_argument("--epochs", type=int, help="by default 6")
parser.add_argument("--output", default="model", help="folder for the model")


def main():
    options = parser.parse_args()
    if options.data:
        table = read_table(options.data)
        texts, labels = table["text"].tolist(), table["label"].tolist()
    else:
        texts, labels = support_requests()
    split = train_test_split(texts, labels, test_size=0.2, stratify=labels, random_state=0)
    train_texts, test_texts, train_labels, test_labels = split

    # merge=False keeps the adapter separate; merge=True adds it to the saved encoder weights.
    lora = LoRA(rank=options.rank, merge=False)
    training = TrainingConfig(epochs=options.epochs, checkpoints=f"{options.output}.checkpoints")
    adapted = TextClassifier(options.encoder, transfer=lora, training=training)
    adapted.fit(train_texts, train_labels)
    frozen = TextClassifier(options.encoder).fit(train_texts, train_labels)

    if is_main():
        for name, model in {"frozen encoder": frozen, "with the adapter": adapted}.items():
            print(f"{name:20} accuracy {model.score(test_texts, test_labels):.3f}")
        print(f"Saved: {adapted.save(options.output)}")
        shutil.rmtree(training.checkpoints, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
