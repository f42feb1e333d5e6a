from argparse import ArgumentParser, RawDescriptionHelpFormatter

import pytest

from nlptl.cli.main import main
from nlptl.cli.option_help import add_parts
from nlptl.config.components import PARTS, find_class, names_of, options_of


@pytest.fixture
def parser():
    parser = ArgumentParser("nlptl train", formatter_class=RawDescriptionHelpFormatter)
    add_parts(parser)
    return parser


def test_every_option_of_every_part_is_declared(parser):
    for part in PARTS:
        for name in names_of(part):
            for option in options_of(find_class(part, name)):
                options = parser.parse_args([f"--{part}.{option}", "3"])
                assert getattr(options, f"{part}.{option}") == "3"


def test_options_of_the_training_have_short_names(parser):
    options = vars(parser.parse_args(["--lr", "0.1", "--epochs", "2", "--batch-size", "8"]))
    assert options["training.learning_rate"] == "0.1" and options["training.epochs"] == "2"
    assert options["training.batch_size"] == "8"


def test_the_help_is_short_and_describes_every_name(parser):
    text = parser.format_help()
    assert len(text.splitlines()) < 90
    assert "lora          Train a low-rank update of every linear layer" in text
    assert "--transfer.rank" not in text and "full (default" not in text
    for part in ("encoder", "transfer", "head"):
        assert all(f"\n  {name} " in text for name in names_of(part))


def test_all_options_are_listed_with_a_sentence_and_their_default(capsys):
    assert main(["train", "--help-all"]) == 0
    text = capsys.readouterr().out
    block = text.split("options of transfer lora:")[1].split("options of")[0]
    assert "  --transfer.rank\n        Rank of the update" in block and "Default: " in block
    assert max(map(len, text.splitlines())) <= 100
    assert "lambda" not in text and "<" not in block
