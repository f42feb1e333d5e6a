"""Plain words: a closed list in docstrings, messages and help texts, and names of variables."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
MODULES = [path for part in ("nlptl", "recipes") for path in sorted((ROOT / part).rglob("*.py"))]
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
AVOIDED = re.compile(
    r"\b(told|anew|once more|at hand|held against|rungs?|stands? beside|speaks? for|steps? aside|"
    r"stepping aside|comes? to nothing|surest|drawn together|so many\b[^.]{0,60}\bas|"
    r"(rows?|labels?|texts?) an? (class|text|second|label|row))\b",
    re.IGNORECASE,
)
FIRST_WORDS = {"Give", "Say", "Tell", "What", "Whether", "How"}
VAGUE_NAMES = {"found", "given", "told", "known", "own", "one"}
"""Participles and pronouns: a variable is called after the thing that it holds."""


def sentences(tree):
    """Collect docstrings and all strings of several words, with the number of their line."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]


def docstrings(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return [(node, text) for node in nodes if (text := ast.get_docstring(node))]


def variables(tree):
    """Collect the names of arguments and of whatever is assigned, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def complaints_about_page(text):
    """Collect avoided words of a page, without its code blocks."""
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    return [match[0] for match in AVOIDED.finditer(prose)]


def words_per_sentence(text):
    """Count the words of the sentences of a page, without code, tables and titles."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    text = re.sub(r"(?m)^(\||    |#|<).*$", "", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)  # the words of a link
    text = re.sub(r"`[^`]*`", "Code", text)
    paragraphs = re.split(r"\n\s*\n|\n(?=- |\d+\. )", text)
    pieces = [
        sentence
        for paragraph in paragraphs
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z(])", " ".join(paragraph.split()))
    ]
    lengths = [len(re.findall(r"\w[\w'-]*", sentence)) for sentence in pieces]
    return [length for length in lengths if length]


def complaints(source):
    tree = ast.parse(source)
    words = [(line, match[0]) for line, text in sentences(tree) for match in AVOIDED.finditer(text)]
    first = [
        (getattr(node, "lineno", 1), text.split(None, 1)[0])
        for node, text in docstrings(tree)
        if text.split(None, 1)[0] in FIRST_WORDS
    ]
    names = [(line, name) for line, name in variables(tree) if name in VAGUE_NAMES]
    return sorted([*words, *first, *names])


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_words_and_names_are_plain(path):
    assert complaints(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_words_of_pages_are_plain(page):
    assert complaints_about_page(page.read_text(encoding="utf-8")) == []


def test_sentences_of_pages_are_short():
    lengths = [n for page in PAGES for n in words_per_sentence(page.read_text(encoding="utf-8"))]
    assert np.median(lengths) <= 16
    assert np.percentile(lengths, 95) <= 30


def test_words_are_counted_per_sentence():
    page = "# Title here\n\nOne two. `a b c` four: [five six](x.md)!\n\n- item\n\n    code line\n"
    assert words_per_sentence(page) == [2, 4, 1]


def test_code_of_a_page_is_not_searched():
    assert complaints_about_page("The rung.\n```python\ntold = 1\n```") == ["rung"]


@pytest.mark.parametrize(
    ("source", "n_complaints"),
    [
        ('"""Give the head."""', 1),
        ('"""Return the head that was held against the other."""', 1),
        ('def f(x):\n    """Return x."""\n    raise ValueError(f"No class was told of {x}.")', 1),
        ('"""Encode 300 texts a second."""', 1),
        ("def f(given, *, own):\n    found = given\n    return [one for one in own]", 4),
        ('"""Return the fitted head."""\n\n\ndef f(head):\n    return {"told": head}', 0),
    ],
)
def test_each_kind_of_complaint_is_noticed(source, n_complaints):
    assert len(complaints(source)) == n_complaints
