"""Tune an adapter and a head beside an encoder that stays as it is, on one process or many.

Far fewer weights learn than in ``finetune.py``, so that the same memory holds a larger encoder.
With ``merge: false`` the adapter is stored apart: ``clf.export(folder, format="peft")`` writes it
for others, and ``AdapterStack`` puts several on one encoder.
"""

import sys
from argparse import Namespace

from nlptl.cli.learning import train
from nlptl.cli.main import run_command

EXAMPLES = """examples:
  accelerate launch recipes/lora.py --config recipes/lora.yaml
  accelerate launch recipes/lora.py reviews.csv --output model/ --transfer.rank 16
"""
INTERRUPTED = train.INTERRUPTED
add_arguments = train.add_arguments


def run(given: Namespace) -> int:
    return train.run(given, transfer="lora")


if __name__ == "__main__":
    sys.exit(run_command("lora.py", sys.modules[__name__], sys.argv[1:]))
