"""Write the tables of the pages that are generated from the ledgers of the benchmarks.

A table is between two comments of a page: ``<!-- table NAME -->`` and ``<!-- end -->``.
"""

import re
from pathlib import Path

from ledger_tables import domains, few_labels

HERE = Path(__file__).parent
PAGES = ("benchmarks.md", "domains.md")
TABLES = {
    "few-label accuracy": few_labels.accuracy,
    "few-label seconds": few_labels.seconds,
    "confidence": few_labels.confidence,
    "class names": few_labels.names,
    "weights of class names": few_labels.weights_of_names,
    "labels needed": few_labels.labels_needed,
    "frozen encoder": domains.frozen,
    "tuned encoder": domains.tuned,
    "losses while tuning": domains.losses_while_tuning,
    "target labels": domains.target_labels,
}


def main():
    """Write the tables into the pages."""
    for page in PAGES:
        path = HERE / page
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(text):
    """Return the text of a page with new tables."""
    pattern = re.compile(r"(<!-- table (.*?) -->).*?(<!-- end -->)", flags=re.S)
    return pattern.sub(lambda match: f"{match[1]}\n\n{TABLES[match[2]]()}\n\n{match[3]}", text)


if __name__ == "__main__":
    main()
