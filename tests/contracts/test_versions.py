"""The lowest versions in pyproject.toml are those of the file that they are tested with."""

import re
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).parents[2]


def named(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def bounds():
    """Return the packages that nlptl and its tests need, with their lowest versions."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r"^dependencies = \[(.*?)^\]", text, flags=re.M | re.S)[1]
    extras = re.findall(r"^(?:demo|onnx|plots|serve|test|xlsx) = \[(.*)\]$", text, flags=re.M)
    found = re.findall(r'"([\w.-]+)(?:\[\w+\])?>=([\w.]+)"', "".join([needed, *extras]))
    return {named(name): Version(version) for name, version in found}


def pins(name):
    lines = (ROOT / ".ci" / name).read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {named(name): Version(version) for name, version in pinned}


def test_the_lowest_versions_are_the_bounds():
    lowest, wanted = pins("lowest.txt"), bounds()
    assert len(wanted) > 30
    assert {name: lowest[name] for name in wanted} == wanted


def test_the_tested_versions_are_within_the_bounds():
    tested = pins("constraints.txt")
    assert not {name for name, least in bounds().items() if tested[name] < least}
