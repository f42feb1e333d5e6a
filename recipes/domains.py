"""Train a classifier for texts without labels, with the labelled texts of another domain.

    python recipes/domains.py
    python recipes/domains.py --source books.csv dvd.csv --unlabeled music.csv --test few.csv

The recommended transfer is compared with a model of the source alone. Without tables, the source
is support requests about an app, and the target requests to an electricity supplier: half of them
without their labels, the other half as the test.
"""

import sys
from argparse import ArgumentParser

from nlptl import (
    Corpus,
    TextClassifier,
    is_main,
    read_table,
    run_script,
    support_requests,
)

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--source", nargs="+", help="tables with the columns text and label")
parser.add_argument("--unlabeled", help="table with the column text, of the target")
parser.add_argument("--test", help="table with the columns text and label, of the target")
parser.add_argument("--encoder", help="name or folder; by default all-MiniLM-L6-v2 and word counts")
parser.add_argument("--output", default="model", help="folder for the model")


def columns(path):
    table = read_table(path)
    return [table[name].tolist() for name in ("text", "label") if name in table]


def main():
    options = parser.parse_args()
    tables = [options.source, options.unlabeled, options.test]
    if any(tables) and not all(tables):
        parser.error("pass --source, --unlabeled and --test together, or none of them")
    if options.source:
        source = {path: Corpus(*columns(path)) for path in options.source}
        unlabeled, test = Corpus(columns(options.unlabeled)[0]), columns(options.test)
    else:
        source = Corpus(*support_requests(domain="app"))
        texts, labels = support_requests(domain="energy")
        unlabeled, test = Corpus(texts[::2]), (texts[1::2], labels[1::2])

    model = TextClassifier(options.encoder).fit([], [], source=source, unlabeled=unlabeled)
    alone = TextClassifier(options.encoder).fit([], [], source=source)
    if is_main():
        print(f"Recommended: {model.transfer_}")
        for name, fitted in {"source alone": alone, "recommended": model}.items():
            print(f"{name:20} accuracy {fitted.score(*test):.3f}")
        print(f"Saved: {model.save(options.output)}")


if __name__ == "__main__":
    sys.exit(run_script(main))
