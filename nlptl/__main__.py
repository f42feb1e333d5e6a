"""``python -m nlptl`` is the command line."""

import sys

from nlptl.cli.main import main

sys.exit(main())
