import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"


def generator(name="make_tables"):
    sys.path.append(str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DOCS))
    return module


@pytest.mark.parametrize("page", generator().PAGES)
def test_the_tables_of_a_page_are_those_of_the_ledgers(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert "<!-- table " in text and generator().with_tables(text) == text
    assert "nan" not in re.findall(r"\bnan\b", text)


def test_a_table_that_was_changed_by_hand_is_found():
    tables = generator()
    page = "before\n\n<!-- table few-label seconds -->\n\n| 1 |\n\n<!-- end -->\n\nafter"
    new = tables.with_tables(page)
    assert new != page and "Contrastive" in new
    assert new.startswith("before\n\n") and new.endswith("\n\nafter")


def test_gains_of_several_draws_have_an_interval():
    formats = generator("ledger_tables/formats")
    assert formats.points([0.011]) == "+1.1 (one draw)"
    assert formats.points(np.array([0.01, 0.03])).startswith("+2.0 [")


def test_a_half_is_rounded_up():
    formats = generator("ledger_tables/formats")
    assert (formats.rounded(0.8825), formats.rounded(0.8975)) == ("0.883", "0.898")


def test_every_table_is_in_a_page():
    pages = "".join((DOCS / page).read_text(encoding="utf-8") for page in generator().PAGES)
    assert [name for name in generator().TABLES if f"<!-- table {name} -->" not in pages] == []
