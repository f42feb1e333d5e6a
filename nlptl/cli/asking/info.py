"""Describe a saved model: what it predicts, what it was made of, and from how many rows.

Without a model, describe this machine: versions, processor, cache folder and default encoder. That
is what a report of a fault should contain.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from argparse import ArgumentParser, Namespace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nlptl.base.machine import processor_name
from nlptl.base.paths import mebibytes_of
from nlptl.cli.console import console
from nlptl.cli.model_facts import about_model
from nlptl.encoders.contextual.encoder_folder import DEFAULT_ENCODER, copy_on_this_machine
from nlptl.encoders.contextual.loaded import default_device
from nlptl.encoders.contextual.precision import has_bfloat16
from nlptl.estimators.loading import load_every
from nlptl.hub.model_place import place_of
from nlptl.reports.terminal_tables import facts_table
from nlptl.saving.model_folder import versions
from nlptl.storage.manifest import read_manifest
from nlptl.storage.places import cache_root

EXAMPLES = """examples:
  nlptl info
  nlptl info model/
  nlptl info model/ --json
"""

_EXTRAS = ("onnxruntime", "matplotlib", "fastapi", "ray")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", nargs="?", help="folder or Hub name of a saved model")
    parser.add_argument("--json", action="store_true", help="print one line of JSON, no table")


def run(arguments: Namespace) -> int:
    """Print the facts about the model or the machine."""
    about = _machine() if arguments.model is None else _model(arguments.model)
    if arguments.json:
        sys.stdout.write(json.dumps(about) + "\n")
    else:
        console().print(facts_table(about))
    return 0


def _machine() -> dict[str, Any]:
    """Collect versions, processor, cache and default encoder."""
    import torch

    device = default_device()
    encoder, cache = copy_on_this_machine(DEFAULT_ENCODER), cache_root()
    return {
        **versions(),
        **{name: _version(name) for name in _EXTRAS},
        "system": platform.platform(terse=True),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "device": device,
        "bfloat16_instructions": "yes" if has_bfloat16(device) else "no",
        "cache_folder": str(cache),
        "cache_mebibytes": round(mebibytes_of(cache), 1),
        "default_encoder": DEFAULT_ENCODER,
        "default_encoder_files": str(encoder)
        if encoder
        else "not on this machine; downloaded when it is used",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _model(name: str) -> dict[str, Any]:
    """Collect the facts of a saved model of any kind."""
    model, folder = load_every(name), place_of(name)
    about = {
        "class": type(model).__name__,
        "nlptl_version": read_manifest(folder)["nlptl"],
        "mebibytes": round(mebibytes_of(folder), 3),
    }
    return {**about, **about_model(model)}
