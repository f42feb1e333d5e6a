import pytest

from nlptl import audit, support_requests
from nlptl.base.errors import InputError
from nlptl.data.samples import DOMAINS


@pytest.mark.parametrize(("domain", "n"), [("app", 480), ("energy", 240)])
def test_there_are_enough_texts_evenly_spread_and_clean(domain, n):
    texts, labels = support_requests(domain=domain)
    report = audit(texts, labels)
    assert len(texts) == n
    assert set(report.class_counts.values()) == {n // 8}
    assert report.warnings == []


@pytest.mark.parametrize("language", DOMAINS["app"])
def test_row_k_says_the_same_in_every_language(language):
    texts, labels = support_requests(language=language)
    english, english_labels = support_requests()
    assert labels == english_labels
    assert len(set(texts)) == 480
    digits = [
        ["".join(filter(str.isdigit, text)) for text in texts],
        ["".join(filter(str.isdigit, text)) for text in english],
    ]
    same = sum(a == b for a, b in zip(*digits, strict=True))
    assert same >= 470


def test_an_unknown_domain_or_language_says_what_there_is():
    with pytest.raises(InputError, match="app in en/de/fr, energy in en"):
        support_requests(domain="energy", language="de")
