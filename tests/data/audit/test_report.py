import json

import numpy as np
import pandas as pd
import pytest

from nlptl import audit
from nlptl.base.errors import InputError
from nlptl.data.audit.report import AuditReport, audit_targets
from nlptl.data.audit.report import audit as report_of
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets


def test_everything_that_spoils_a_training_set_is_counted():
    long = "a b c d e f g h i j k l m n o p"
    texts = ["Good", "good ", "bad", "", "fine", long, long + " q"]
    report = audit(
        texts,
        ["+", "-", "-", "+", "+", "-", "-"],
        others={"test": ["FINE", "new"]},
        token_counts=np.array([1, 1, 1, 0, 1, 16, 17]),
        window=10,
    )
    assert report.n_rows == 7
    assert report.empty == 1
    assert report.class_counts == {"+": 3, "-": 4}
    assert report.repeated == 1
    assert report.conflicts == [[0, 1]]
    assert report.near == [(5, 6)]
    assert report.leaked == {"test": 1}
    assert (report.n_cut, report.longest) == (2, 17)
    assert report.share_beyond == pytest.approx(13 / 37)
    said = " ".join(report.warnings)
    for part in ("1 rows have no text", "have different labels", "rows [0, 1]", "1 rows of test"):
        assert part in said


def test_clean_data_has_nothing_to_warn_of():
    report = audit([f"text number {i}" for i in range(20)], ["a", "b"] * 10)
    assert report.warnings == []
    assert report.n_near == 0


def test_imbalance_and_rare_classes_are_mentioned():
    report = audit([f"text {i}" for i in range(100)], ["a"] * 98 + ["b"] * 2)
    assert any("20 times" in warning for warning in report.warnings)
    assert any("b (2)" in warning for warning in report.warnings)


def test_a_report_holds_no_text_and_survives_json():
    secret = "my secret sentence about something private indeed"
    report = audit([secret, secret + " too", secret], ["a", "b", "b"])
    described = json.dumps(report.to_json())
    assert "secret" not in described
    assert AuditReport(**json.loads(described)).n_conflicts == 1


def test_several_labels_and_pairs_are_audited_too():
    report = audit([("a", "b"), ("A", "b"), ("c", "d")], [["x"], ["y"], []])
    assert report.class_counts == {"x": 1, "y": 1}
    assert report.n_conflicts == 1
    assert audit(Rows(["a", "b"])).class_counts == {}


def test_bad_labels_are_refused():
    with pytest.raises(InputError, match="Labels mix"):
        audit(["a", "b"], ["x", 1])


@pytest.mark.parametrize("blank", [None, float("nan"), "", " "])
def test_rows_without_a_label_are_counted_and_belong_to_no_class(blank):
    report = audit(["a", "A", "b", "c", "c"], ["x", blank, "y", "x", "y"])
    assert report.unlabelled == 1
    assert report.class_counts == {"x": 2, "y": 2}
    assert report.conflicts == [[3, 4]]
    assert "1 rows have no label." in report.warnings
    assert audit(["a"], [["x", blank]]).unlabelled == 1


def test_rows_of_another_split_that_are_nearly_the_same_are_counted():
    long = "a b c d e f g h i j k l m n o p"
    report = audit([long, "other"], others={"test": [long + " q", long.upper(), "new"]})
    assert report.leaked == {"test": 1}
    assert report.nearly_leaked == {"test": 1}
    assert any("nearly the same as training rows" in said for said in report.warnings)


def test_missing_texts_of_every_container_are_counted():
    import pandas as pd

    for texts in (["a", None, ""], pd.Series(["a", float("nan"), " "]), [("a", "b"), ("", None)]):
        report = audit(texts)
        assert report.empty == len(texts) - 1


def test_numbers_of_one_text_contradict_each_other_where_they_lie_far_apart():
    texts = ["close", "Close", "far", "far", "low", "high"]
    report = audit(texts, [1.0, 1.2, 0.0, 9.0, -9.0, 9.0], numeric=True)
    assert (report.n_conflicts, report.conflicts) == (1, [[2, 3]])
    assert report.class_counts == {}
    assert any("different labels" in warning for warning in report.warnings)


def test_labels_are_read_once_and_named_columns_are_counted_by_name():
    texts = ["good", "bad", "fine"]
    assert audit(iter(texts), iter(["+", "-", "+"])).class_counts == {"+": 2, "-": 1}
    table = pd.DataFrame({"toxic": [1, 0, 0], "insult": [1, 1, 0]})
    assert audit(texts, table).class_counts == {"toxic": 1, "insult": 2}


@pytest.mark.parametrize(
    ("labels", "numeric"),
    [
        (["+", "-", "-", "+", "+", "-", "+"], False),
        ([["x"], ["x", "y"], ["y"], [], ["x"], ["x"], ["y"]], False),
        ([1.0, 5.0, 2.0, 2.0, 2.5, 1.0, 9.0], True),
    ],
)
def test_read_labels_are_audited_like_the_labels_themselves(labels, numeric):
    texts = ["Good", "good ", "bad", "BAD", "fine", "a b c d e", "a b c d e"]
    codec = (NumberScale if numeric else LabelCodec).learn(labels)
    targets = Targets(codec.encode(labels), codec.n_outputs)
    counts = {"token_counts": np.arange(7), "window": 3}
    report = audit_targets(Rows(texts), targets, getattr(codec, "classes", ()), **counts)
    assert report == audit(texts, labels, numeric=numeric, **counts)
    assert report.n_conflicts > 0 and report.n_cut == 3


def test_classes_without_rows_are_left_out():
    targets = Targets(np.array([2, 0]), 3)
    report = audit_targets(Rows(["one", "two"]), targets, ["a", "b", "c"])
    assert report.class_counts == {"a": 1, "c": 1}


def test_labels_that_differ_by_case_or_spaces_are_named_with_their_rows():
    labels = ["praise"] * 5 + ["Praise "] * 2 + ["bug", "BUG", "question"]
    report = audit([f"text {i}" for i in range(10)], labels)
    assert report.similar_classes == [["BUG", "bug"], ["Praise ", "praise"]]
    (warning,) = (text for text in report.warnings if "case or spaces" in text)
    assert "'BUG' (1), 'bug' (1); 'Praise ' (2), 'praise' (5)." in warning
    assert not any("case or spaces" in text for text in audit(["a", "b"], ["x", "y"]).warnings)


def test_the_most_frequent_classes_come_first():
    labels = [f"c{i:02}" for i in range(25) for _ in range(1 + i % 7)]
    report = audit([f"text {i}" for i in range(len(labels))], labels)
    frequent = report.frequent_classes
    assert len(frequent) == 20 and list(frequent)[:3] == ["c06", "c13", "c20"]
    assert list(frequent.values()) == sorted(report.class_counts.values(), reverse=True)[:20]
    assert "and 5 other classes" in report._repr_html_()


def test_a_report_prints_its_counts_and_warnings_on_lines():
    report = audit(["a", "A", "b"], ["x", "y", "y"])
    first, *others = str(report).splitlines()
    assert first == f"Audit: 3 rows, 2 classes, {len(report.warnings)} warnings"
    assert others == [f"- {warning}" for warning in report.warnings]
    assert repr(report) == str(report)


def test_a_report_in_a_notebook_shows_labels_as_text():
    html = audit(["a", "A"], ["<b>x</b>", "y"])._repr_html_()
    assert "<td>&lt;b&gt;x&lt;/b&gt;</td><td>1</td>" in html and "<b>" not in html
    assert "<li>1 rows repeat an earlier row.</li>" in html
    assert "<table>" not in audit(["a"])._repr_html_()


@pytest.mark.parametrize("numeric", [False, True])
def test_fewer_labels_than_texts_are_refused(numeric):
    with pytest.raises(InputError, match="3 texts and 1 labels"):
        report_of(["a b", "c d", "e f"], [1], numeric=numeric)
