"""Publish a saved classifier on the Hugging Face Hub, with a model card.

    python recipes/publish.py model/ user/name --dry-run
    python recipes/publish.py model/ user/name --test test.csv --license mit --language en

--dry-run lists the files and contacts no server. The token comes from `hf auth login` or from the
environment variable HF_TOKEN. With --test, the card reports the metrics on that table.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

from nlptl import TextClassifier, read_table, run_script

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("model", help="folder of a saved classifier")
parser.add_argument("repo", help="user/name on the Hub; created if it does not exist")
parser.add_argument("--test", help="table with the columns text and label")
parser.add_argument("--license", help="by default the license of the encoder")
parser.add_argument("--language", nargs="+", help="for example en de")
parser.add_argument("--private", action="store_true", help="make a new repository private")
parser.add_argument("--dry-run", action="store_true", help="list the files and publish nothing")


def main():
    options = parser.parse_args()
    model = TextClassifier.load(options.model)

    # Entries of the card. Leave an entry out if it is not known.
    about = {"license": options.license, "languages": options.language}
    test = None
    if options.test:
        table = read_table(options.test)
        test = table["text"], table["label"]
        about["dataset"] = Path(options.test).name
    publication = model.push_to_hub(
        options.repo,
        test=test,
        about={name: value for name, value in about.items() if value is not None},
        private=options.private or None,
        dry_run=options.dry_run,
    )

    for file in publication.files:
        print(f"{file.path:40} {file.size:12,} bytes")
    print("Nothing was published." if options.dry_run else f"Published: {publication.url}")


if __name__ == "__main__":
    sys.exit(run_script(main))
