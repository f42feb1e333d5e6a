"""Score a large table with a saved model, by one process or several.

The table is read, scored and kept in pieces; started again after a stop, the recipe goes on
where it was. The output is the same to the byte however many processes worked on it.
"""

import sys
from argparse import ArgumentParser, Namespace

from nlptl.cli.main import run_command
from nlptl.config.bulk import read_job
from nlptl.estimators.bulk.job import score_table

EXAMPLES = """examples:
  accelerate launch recipes/predict.py --config recipes/predict.yaml
  accelerate launch recipes/predict.py --model model/ --data big.parquet --output scored.parquet
  ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 \\
      recipes/predict.py --model model/ --data big.csv --output scored.csv
"""
INTERRUPTED = "finished parts are kept: run the same command again to go on"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML", help="settings in a file; flags win over it")
    parser.add_argument("--model", metavar="FOLDER", help="folder of a saved model")
    parser.add_argument("--data", metavar="FILE", help="csv, tsv, jsonl or parquet")
    parser.add_argument("--output", metavar="FILE", help="csv, tsv, jsonl or parquet")
    parser.add_argument("--text-column", nargs="+", metavar="T", help="one column, two for pairs")
    parser.add_argument("--chunk-rows", metavar="N", help="rows of a piece, default 4096")
    parser.add_argument("--processes", metavar="N", help="refuse to run with another number")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        default=None,
        help="replace an output made with other settings",
    )


def run(given: Namespace) -> int:
    flags = {name: value for name, value in vars(given).items() if name != "config"}
    score_table(read_job(given.config, flags), say=lambda line: print(line, file=sys.stderr))
    return 0


if __name__ == "__main__":
    sys.exit(run_command("predict.py", sys.modules[__name__], sys.argv[1:]))
