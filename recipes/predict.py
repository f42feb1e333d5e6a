"""Score a large table with a saved model, in one process or several.

    python recipes/predict.py --model model/ --data new.csv --output scored.csv
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 \\
        recipes/predict.py --model model/ --data new.csv --output scored.csv

The table is read and scored in blocks, so the whole table is never in memory. If a run is
interrupted, run the same command again: finished blocks are kept. The output is the same to the
byte for every number of processes. Its new columns are predicted and probability.
"""

import sys
from argparse import ArgumentParser

from nlptl import BulkJob, run_script, score_table

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True, help="folder of a saved model")
parser.add_argument("--data", required=True, help="csv, tsv, jsonl or parquet file")
parser.add_argument("--output", required=True, help="csv, tsv, jsonl or parquet file")
parser.add_argument("--text-column", nargs="+", default=(), help="two columns for text pairs")
parser.add_argument("--chunk-rows", type=int, default=4096, help="rows per block")
parser.add_argument("--processes", type=int, help="required number of processes")
parser.add_argument("--overwrite", action="store_true", help="replace an output of other settings")


def main():
    options = parser.parse_args()
    job = BulkJob(
        model=options.model,
        data=options.data,
        output=options.output,
        text_column=tuple(options.text_column),
        chunk_rows=options.chunk_rows,
        processes=options.processes,
        overwrite=options.overwrite,
    )
    score_table(job, report=lambda line: print(line, file=sys.stderr))


if __name__ == "__main__":
    sys.exit(run_script(main))
