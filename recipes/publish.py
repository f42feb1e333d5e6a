"""Publish a saved model on the Hugging Face Hub: the same as `nlptl publish`.

python recipes/publish.py model/ user/name --dry-run
"""

import sys

from nlptl.cli import publish
from nlptl.cli.main import run_command

if __name__ == "__main__":
    sys.exit(run_command("publish.py", publish, sys.argv[1:]))
