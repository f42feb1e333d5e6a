"""Write docs/methods.md from the code."""

from pathlib import Path

from nlptl.reports.methods import methods_page

Path(__file__).with_name("methods.md").write_text(methods_page(), encoding="utf-8")
