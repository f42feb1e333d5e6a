"""Settings of the documentation site: ``sphinx-build -W --keep-going -n docs build/site``."""

import re
from pathlib import Path

import jupytext

import nlptl

HERE = Path(__file__).parent

project = "nlptl"
copyright = "2026, The nlptl developers"  # noqa: A001
release = version = nlptl.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
]
exclude_patterns = ["templates", "static"]
templates_path = ["templates"]

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings have the types
numpydoc_show_class_members = False  # the template of classes lists them
toc_object_entries_show_parents = "hide"
numpydoc_xref_param_type = False
nitpick_ignore = [
    ("py:class", "nlptl.data.labels.LabelCodec"),  # annotations of attributes that are not public
    ("py:class", "nlptl.data.number_scale.NumberScale"),
]

html_theme = "pydata_sphinx_theme"
html_title = "nlptl"
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": "nlptl"},
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": []}


def setup(app):
    """Add the notebooks to the tutorials, and leave out what scikit-learn adds to estimators."""
    app.connect("autodoc-skip-member", leave_out)
    app.connect("builder-inited", write_notebooks)
    app.connect("autodoc-process-docstring", move_citations, priority=900)  # after numpydoc
    app.connect("source-read", add_download)
    app.connect("source-read", insert_readme)


def leave_out(_app, _what, name, *_):
    """Return True for the methods that route metadata, whose docstrings link to scikit-learn."""
    routes = name == "get_metadata_routing" or (
        name.startswith("set_") and name.endswith("_request")
    )
    return True if routes else None


def move_citations(*arguments):
    """Move citations from the summary, which other pages show, to a line of their own."""
    lines = arguments[-1]
    start = next((i for i, line in enumerate(lines) if line), 0)
    end = next((i for i, line in enumerate(lines) if not line and i > start), len(lines))
    citation = r" ?(\[R[0-9a-f]+-\d+\]_)"
    citations = re.findall(citation, " ".join(lines[start:end]))
    if citations:
        summary = [re.sub(citation, "", line) for line in lines[start:end]]
        lines[start:end] = [*summary, "", f"See {' '.join(citations)}."]


def write_notebooks(_app):
    """Write a notebook for each tutorial into the folder of generated files."""
    folder = HERE / "generated"
    folder.mkdir(exist_ok=True)
    for page in HERE.glob("tutorial*.md"):
        if page.stem != "tutorials":
            jupytext.write(jupytext.read(page), folder / f"{page.stem}.ipynb")


def insert_readme(_app, name, source):
    """Begin the start page with the README, whose links lead to pages of the site."""
    if name == "index":
        readme = (HERE.parent / "README.md").read_text(encoding="utf-8")
        for path, page in (("docs/", ""), ("CHANGELOG.md", "changelog.md")):
            readme = readme.replace(f"]({path}", f"]({page}")
        source[0] = readme + source[0]


def add_download(_app, name, source):
    """Add a link to the notebook below the title of a tutorial."""
    if name.startswith("tutorial") and name != "tutorials":
        title, text = source[0].split("\n", 1)
        link = f"{{download}}`Download this page as a notebook <generated/{name}.ipynb>`"
        source[0] = f"{title}\n\n{link}\n{text}"
