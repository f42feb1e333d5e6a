"""A classifier from a handful of labels: names of classes, and texts drawn together by class.

``transfer`` says what is used: ``meaning`` reads the names alone and leaves the encoder as it is
(seconds); ``contrastive`` tunes the encoder on a few labelled rows; ``contrastive+meaning`` does
both and is what is taken here. ``shots`` draws so many rows of each class from the table.
"""

import sys
from argparse import Namespace

from nlptl.cli.learning import train
from nlptl.cli.main import run_command

EXAMPLES = """examples:
  accelerate launch recipes/fewshot.py --config recipes/fewshot.yaml
  python recipes/fewshot.py reviews.csv --shots 8 --output model/
"""
INTERRUPTED = train.INTERRUPTED
add_arguments = train.add_arguments


def run(given: Namespace) -> int:
    return train.run(given, transfer="contrastive+meaning")


if __name__ == "__main__":
    sys.exit(run_command("fewshot.py", sys.modules[__name__], sys.argv[1:]))
