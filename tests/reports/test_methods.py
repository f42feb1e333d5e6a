from nlptl.reports.methods import methods_page
from nlptl.transfer.registry import METHODS


def test_every_method_has_one_row_with_its_sentence():
    page = methods_page()
    for method in (record.kind for record in METHODS):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{method.__name__}`")]
        assert row.count("|") == 9
        needs, supports = (cell.strip() for cell in row.split("|")[5:7])
        assert set(needs.replace("-", "").split(", ")) - {""} == method.needs
        assert set(supports.replace("-", "").split(", ")) - {""} == method.supports
        assert method.carries in row
        assert method.paper in row
