"""Several tasks on one encoder, each judged against itself alone.

The YAML file names the tasks: where their rows are, what they ask, by which figure they are
scored. All are learnt together; then each is held against itself learnt alone and against a short
training of its own from the joint encoder, on rows that none of them saw, and the best is kept.
"""

import sys

from nlptl.cli.learning import multitask
from nlptl.cli.main import run_command

if __name__ == "__main__":
    sys.exit(run_command("multitask.py", multitask, sys.argv[1:]))
