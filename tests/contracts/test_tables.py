import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def generator():
    spec = importlib.util.spec_from_file_location("make_tables", DOCS / "make_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", generator().PAGES)
def test_the_tables_of_a_page_are_those_of_the_ledgers(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert "<!-- table " in text and generator().with_tables(text) == text


def test_a_table_that_was_changed_by_hand_is_found():
    tables = generator()
    page = "before\n\n<!-- table few-label seconds -->\n\n| 1 |\n\n<!-- end -->\n\nafter"
    new = tables.with_tables(page)
    assert new != page and "Contrastive" in new
    assert new.startswith("before\n\n") and new.endswith("\n\nafter")


def test_gains_of_several_draws_have_an_interval():
    tables = generator()
    assert tables.points([0.011]) == "+1.1 (one draw)"
    assert tables.points(tables.np.array([0.01, 0.03])).startswith("+2.0 [")
