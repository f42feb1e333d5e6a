"""Teach an encoder further languages by sentences and their translations.

Each table has columns source (the language of the encoder) and target, or two columns. The encoder
that is made gives a translation the vector of the sentence: what was trained on the old encoder
reads the new languages with it. With --vocabulary it first gets pieces of their words, which begin
where their translations lie. Training that was interrupted goes on from its last checkpoint when
the same command runs again.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.cli.console import console
from nlptl.config.languages import read_languages
from nlptl.reports.terminal_tables import retrieval_table
from nlptl.storage.outputs import check_output_folder
from nlptl.training.processes import check_world, from_main

EXAMPLES = """examples:
  nlptl adapt-language --pairs de=en-de.parquet fr=en-fr.tsv --output student/
  nlptl adapt-language --pairs de=en-de.parquet --without test.csv --output student/
  accelerate launch recipes/crosslingual.py --config recipes/crosslingual.yaml
"""
INTERRUPTED = "run the same command again: checkpoints that were kept are taken up"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--pairs", nargs="+", metavar="LANGUAGE=FILE", help="tables of sentences and translations"
    )
    parser.add_argument("--config", metavar="YAML", help="settings in a file; flags win over it")
    parser.add_argument("--output", metavar="FOLDER", help="where the encoder goes")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    parser.add_argument("--encoder", metavar="NAME", help="transformer, or a Hub name or folder")
    parser.add_argument(
        "--without", nargs="+", metavar="FILE", help="tables none of whose texts is learnt from"
    )
    parser.add_argument(
        "--vocabulary", metavar="N", help="learn up to so many pieces of words a language"
    )
    parser.add_argument(
        "--keeps", metavar="N", help="sentences to keep in place for each translation: 0.25"
    )
    for name, told in (("epochs", "1"), ("batch_size", "64"), ("learning_rate", "2e-4")):
        parser.add_argument(f"--training.{name}", metavar="VALUE", help=f"default {told}")
    parser.add_argument("--training.max_steps", metavar="VALUE", help="stop after so many steps")
    parser.add_argument("--seed", metavar="N", help="the same seed gives the same encoder")
    parser.add_argument("--device", help="torch device, for example cpu or cuda:1")
    parser.add_argument("--processes", metavar="N", help="refuse to run with another number")


def run(given: Namespace) -> int:
    """Read, teach, measure, save; in every process of a launch, of which the first one speaks."""
    flags = {n: v for n, v in vars(given).items() if n not in ("config", "overwrite")}
    config = read_languages(given.config, flags)
    if config.output is None:
        raise ConfigError("Say where the encoder goes: --output FOLDER.")
    place = user_path(config.output)
    tables = [path for paths in config.pairs.values() for path in paths]
    inputs = (*tables, *config.without, given.config, config.encoder.name)
    check_output_folder(place, inputs=inputs, overwrite=given.overwrite)
    out = console(quiet=check_world(config.processes).rank > 0)
    student = config.student().fit(config.read())
    out.print(retrieval_table(student.before_, student.after_))
    from_main(lambda: str(student.save(place)))
    config.forget_checkpoints()
    out.print(f"Saved: {config.output}", soft_wrap=True)
    return 0
