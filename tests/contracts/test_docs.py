"""What the documents say runs, and the table of methods is that of the code."""

from __future__ import annotations

import itertools
import re
from importlib import import_module
from pathlib import Path

import pytest

import nlptl
from nlptl.reports.methods import methods_page
from nlptl.transfer.registry import METHODS

ROOT = Path(__file__).parents[2]
TOLERANCE = 0.06
"""Difference in shown figures that the kernels of another processor may cause on few test rows."""

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


LONG_PAGES = (
    "cascade.md",
    "comparing.md",
    "encoders.md",
    "exporting.md",
    "languages.md",
    "several-tasks.md",
    "tuning.md",
    "tutorial-domains.md",
    "tutorial-other-languages.md",
    "tutorial-publishing.md",
    "tutorial-several-tasks.md",
    "unlabelled-text.md",
)
"""Pages that train for more than ten seconds. Their code runs with --slow."""


def as_case(page):
    """Return a page as a test case. Long ones are slow tests."""
    marks = [pytest.mark.slow] if page.name in LONG_PAGES else []
    return pytest.param(page, id=page.name, marks=marks)


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)


def shown_output(block):
    """Return the comment lines that directly follow a printing line: the output that it shows."""
    lines, shown = block.split("\n"), []
    for before, line in itertools.pairwise(lines):
        follows = before.startswith("print(") or (shown and before == f"# {shown[-1]}")
        if line.startswith("# ") and follows:
            shown.append(line.removeprefix("# "))
    return shown


def agrees(shown, printed):
    """Return True if two lines are equal, up to what another processor can change in numbers."""
    number = r"-?\d*\.\d+"
    parts = [re.split(f"({number})", line) for line in (shown, printed)]
    if len(parts[0]) != len(parts[1]) or parts[0][::2] != parts[1][::2]:
        return False
    pairs = zip(parts[0][1::2], parts[1][1::2], strict=True)
    return all(abs(float(a) - float(b)) <= TOLERANCE for a, b in pairs)


@pytest.mark.parametrize("page", [as_case(page) for page in PAGES])
def test_the_python_of_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks(page):
        exec(compile(block, page.name, "exec"), names)
        printed = capsys.readouterr().out.split("\n")
        for line in shown_output(block):
            assert any(agrees(line, other) for other in printed), (line, printed)


def test_shown_output_is_compared_up_to_small_differences():
    block = "print(x)\n# score 0.71\n# second\n\n# no output\ny = 1  # nor this"
    assert shown_output(block) == ["score 0.71", "second"]
    assert agrees("score 0.71 [a]", "score 0.69 [a]")
    assert not agrees("score 0.71", "score 0.41") and not agrees("score 0.71", "loss 0.71")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_page_of_methods_is_generated_from_the_code():
    assert (ROOT / "docs" / "methods.md").read_text(encoding="utf-8") == methods_page()


def test_the_api_pages_list_every_public_name():
    pages = "".join(
        page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md")
    )
    listed = re.findall(r"^   (nlptl\.[\w.]+)$", pages, flags=re.M)
    assert len(listed) == len(set(listed))
    public = {f"nlptl.{name}" for name in nlptl.__all__}
    used = {
        f"{module}.{name}"
        for page in PAGES
        for block in blocks(page)
        for module, names in re.findall(r"from (nlptl\.[\w.]+) import ([\w, ]+)", block)
        for name in names.split(", ")
    }
    assert public | used <= set(listed)
    for name in listed:
        module, attribute = name.rsplit(".", 1)
        assert getattr(import_module(module), attribute).__doc__, name


def test_every_page_is_on_the_site():
    site = {page for page in PAGES if page.name != "README.md"}
    for page in site:
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), flags=re.S):
            entries = [line.split("<")[-1].rstrip(">") for line in block.split("\n")]
            site = site - {page.parent / f"{entry}.md" for entry in entries if entry}
    assert site == {ROOT / "docs" / "index.md"}


def test_the_citation_names_this_version():
    citation = (ROOT / "docs" / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {nlptl.__version__}\n" in citation


def test_every_method_says_what_it_carries_over():
    for method in (record.kind for record in METHODS):
        for attribute in ("carries", "setting", "needs", "paper"):
            assert hasattr(method, attribute), (method, attribute)


def test_no_path_of_one_machine_is_in_any_file():
    # Other folders, such as a virtual environment, are not part of the project.
    folders = [ROOT / name for name in (".ci", "docs", "nlptl", "recipes", "tests")]
    files = [*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*"))]
    for path in filter(Path.is_file, files):
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".txt"} and path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            assert not re.findall(r"[\"'( ]/(?:home|root|work)/\w+", text), path
