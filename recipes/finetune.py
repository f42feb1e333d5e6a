"""Tune an encoder and a head together, on one process or many.

The settings are those of ``nlptl train``. Rows of a step are dealt over the processes, so that
the same settings take the same steps on any number of them. Started again after a stop, the
recipe goes on from its last checkpoint, and ends with the very weights it would have had.
"""

import sys
from argparse import Namespace

from nlptl.cli.learning import train
from nlptl.cli.main import run_command

EXAMPLES = """examples:
  accelerate launch recipes/finetune.py --config recipes/finetune.yaml
  accelerate launch recipes/finetune.py reviews.csv --text-column review --label-column stars \\
      --output model/ --training.epochs 4
  ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 \\
      recipes/finetune.py --config recipes/finetune.yaml --processes 2
"""
INTERRUPTED = train.INTERRUPTED
add_arguments = train.add_arguments


def run(given: Namespace) -> int:
    return train.run(given, transfer="full")


if __name__ == "__main__":
    sys.exit(run_command("finetune.py", sys.modules[__name__], sys.argv[1:]))
