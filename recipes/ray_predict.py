"""Score a table with Ray Data, on one machine or on a cluster.

    pip install 'nlptl[ray]'
    python recipes/ray_predict.py --model model/ --data new.csv --output scored/
    RAY_ADDRESS=auto python recipes/ray_predict.py --model /shared/model --data ... --workers 16

Every worker loads the model once, so its folder must be readable on every machine. The output is a
folder of parquet files with the rows in their order, and with new columns predicted and
probability. If a worker is killed, Ray computes its batches again.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

from nlptl import BatchPredictor, run_script

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument(
    "--model", required=True, help="folder of a saved model, or its name on the Hub"
)
parser.add_argument("--data", required=True, help="csv, jsonl or parquet file or folder")
parser.add_argument("--output", required=True, help="a new folder for parquet files")
parser.add_argument("--text-column", nargs="+", default=(), help="two columns for text pairs")
parser.add_argument("--batch-rows", type=int, default=4096, help="rows per batch")
parser.add_argument("--workers", type=int, help="workers of one core; default: all cores but one")


def main():
    options = parser.parse_args()
    if Path(options.output).exists():
        parser.error(f"{options.output} exists. Choose a new folder.")
    try:
        import ray
        from ray import data
    except ModuleNotFoundError:
        parser.error("this needs Ray. Run: pip install 'nlptl[ray]'")
    ray.init(ignore_reinit_error=True)
    cores = int(ray.cluster_resources().get("CPU", 1))
    workers = options.workers or max(cores - 1, 1)
    if workers >= cores and cores > 1:
        parser.error(f"{workers} workers leave none of {cores} cores to read the data.")
    data.DataContext.get_current().execution_options.preserve_order = True
    readers = {".csv": data.read_csv, ".jsonl": data.read_json, ".json": data.read_json}
    read = readers.get(Path(options.data).suffix, data.read_parquet)
    scored = read(options.data).map_batches(
        BatchPredictor,
        fn_constructor_args=(options.model, options.text_column),
        batch_size=options.batch_rows,
        num_cpus=1 if cores > 1 else 0.5,
        concurrency=workers,
    )
    scored.write_parquet(options.output)


if __name__ == "__main__":
    sys.exit(run_script(main))
