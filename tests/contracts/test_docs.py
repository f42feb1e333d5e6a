"""What the documents say runs, and the table of methods is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nlptl.reports.methods import methods_page
from nlptl.transfer.registry import METHODS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks(page):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_page_of_methods_is_generated_from_the_code():
    assert (ROOT / "docs" / "methods.md").read_text(encoding="utf-8") == methods_page()


def test_every_method_says_what_it_carries_over():
    for method in (record.kind for record in METHODS):
        for attribute in ("carries", "setting", "needs", "paper"):
            assert hasattr(method, attribute), (method, attribute)


def test_no_path_of_one_machine_is_in_any_file():
    for path in [p for p in ROOT.rglob("*") if p.is_file() and ".git" not in p.parts]:
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".txt"} and path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            assert not re.findall(r"[\"'( ]/(?:home|root|work)/\w+", text), path
