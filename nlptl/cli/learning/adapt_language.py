"""Train an encoder on sentences and their translations, so that it reads other languages.

Each table has the columns source (the language of the encoder) and target, or just two columns. The
new encoder maps a translation to the vector of its sentence. A model that was trained on the old
encoder can then read the new languages. With --vocabulary, word pieces of the new languages are
added first. Their vectors start at those of their translations. Interrupted training resumes from
its last checkpoint when the same command runs again.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.cli.console import console
from nlptl.cli.tables import add_encoding, run_settings
from nlptl.config.languages import read_languages
from nlptl.reports.terminal_tables import retrieval_table
from nlptl.storage.outputs import check_output_folder
from nlptl.training.processes import check_world, from_main

EXAMPLES = """examples:
  nlptl adapt-language --pairs de=en-de.parquet fr=en-fr.tsv --output student/
  nlptl adapt-language --pairs de=en-de.parquet --without test.csv --output student/
  accelerate launch -m nlptl adapt-language --config recipes/crosslingual.yaml
"""
INTERRUPTED = "run the same command again to resume from the saved checkpoints"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--pairs", nargs="+", metavar="LANGUAGE=FILE", help="tables of sentences and translations"
    )
    add_encoding(parser)
    parser.add_argument("--config", metavar="YAML", help="file with settings; flags override it")
    parser.add_argument("--output", metavar="FOLDER", help="folder for the encoder")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing folder")
    parser.add_argument("--encoder", metavar="NAME", help="transformer, or a Hub name or folder")
    parser.add_argument(
        "--without", nargs="+", metavar="FILE", help="tables whose texts are excluded from training"
    )
    parser.add_argument(
        "--vocabulary", metavar="N", help="maximum number of new word pieces per language"
    )
    parser.add_argument(
        "--keeps",
        metavar="N",
        help="sentences per translation whose vectors are preserved, default 0.25",
    )
    for name, default in (("epochs", "1"), ("batch_size", "64"), ("learning_rate", "2e-4")):
        parser.add_argument(f"--training.{name}", metavar="VALUE", help=f"default {default}")
    parser.add_argument(
        "--training.max_steps", metavar="VALUE", help="stop after this number of steps"
    )
    parser.add_argument(
        "--seed", metavar="N", help="random seed; the same seed gives the same encoder"
    )
    parser.add_argument("--device", help="torch device, for example cpu or cuda:1")
    parser.add_argument("--processes", metavar="N", help="required number of processes")


def run(arguments: Namespace) -> int:
    """Read the pairs, train the encoder, evaluate it and save it.

    Every process of a launch runs this function. Only the first one prints.
    """
    flags = run_settings(arguments)
    config = read_languages(arguments.config, flags)
    if config.output is None:
        raise ConfigError(
            "adapt-language needs a folder for the encoder, got none. Pass --output FOLDER."
        )
    folder = user_path(config.output)
    tables = [path for paths in config.pairs.values() for path in paths]
    inputs = (*tables, *config.without, arguments.config, config.encoder.name)
    check_output_folder(folder, inputs=inputs, overwrite=arguments.overwrite)
    out = console(quiet=check_world(config.processes).rank > 0)
    student = config.student().fit(config.read())
    out.print(retrieval_table(student.before_, student.after_))
    from_main(lambda: str(student.save(folder)))
    config.forget_checkpoints()
    out.print(f"Saved: {config.output}", soft_wrap=True)
    return 0
