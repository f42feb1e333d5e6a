"""An encoder learns further languages from sentences and their translations.

A copy of the encoder learns to give a translation the vector that the encoder gives the sentence,
and keeps the sentences of its own language where they were. The YAML file names tables of pairs for
each language, and tables of what will be tested on, none of whose texts is learnt from.
"""

import sys

from nlptl.cli.learning import adapt_language
from nlptl.cli.main import run_command

if __name__ == "__main__":
    sys.exit(run_command("crosslingual.py", adapt_language, sys.argv[1:]))
