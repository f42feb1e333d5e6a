import numpy as np
import pandas as pd
import pytest

from nlptl.base.errors import InputError
from nlptl.encoders.bilingual.dictionaries import WordPairs, word_pairs

WANTED = [("dog", "hund"), ("dog", "rüde"), ("cat", "katze")]


def test_a_dictionary_may_come_in_every_form(tmp_path):
    table = pd.DataFrame(WANTED, columns=["source", "target"])
    table.assign(rank=1)[["rank", "target", "source"]].to_csv(tmp_path / "named.csv", index=False)
    table.rename(columns={"source": "en", "target": "de"}).to_csv(tmp_path / "two.csv", index=False)
    table.to_parquet(tmp_path / "table.parquet")
    (tmp_path / "muse.txt").write_text("dog hund\ndog\trüde\n\ncat katze\n", encoding="utf-8")
    forms = [WANTED, table, np.array(WANTED), {"dog": ["hund", "rüde"], "cat": "katze"}]
    forms += [tmp_path / name for name in ("named.csv", "two.csv", "table.parquet", "muse.txt")]
    forms.append(str(tmp_path / "muse.txt"))
    for form in forms:
        assert word_pairs(form) == WANTED


def test_what_is_no_dictionary_is_refused_with_its_place(tmp_path):
    with pytest.raises(InputError, match="Entry 1 .*two words"):
        word_pairs([("a", "b"), ("c",)])
    with pytest.raises(InputError, match="Entry 0"):
        word_pairs([("a", 3)])
    with pytest.raises(InputError, match="Entry 0"):
        word_pairs(["ab"])
    with pytest.raises(InputError, match="no file"):
        word_pairs(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="two columns"):
        word_pairs(pd.DataFrame({"only": ["a"]}))
    (tmp_path / "three.txt").write_text("a b\na b c\n", encoding="utf-8")
    with pytest.raises(InputError, match="Entry 1"):
        word_pairs(tmp_path / "three.txt")


def test_words_are_looked_up_as_they_are_or_in_lower_case():
    pairs = WordPairs.among(
        [*WANTED, ("Cat", "Katze"), ("cat", "taxi")], ["cat", "dog"], ["katze", "hund"]
    )
    assert pairs.source.tolist() == [1, 0] and pairs.target.tolist() == [1, 0]
    assert pairs.n_pairs == 5 and len(pairs) == 2 and pairs.identical == 0
    none = WordPairs.among([("x", "y")], ["a"], ["b"])
    assert len(none) == 0 and none.identical == 0


def test_words_that_are_spelt_alike_are_pairs():
    pairs = WordPairs.alike(["taxi", "dog", "berlin"], ["berlin", "hund", "taxi"])
    assert pairs.source.tolist() == [0, 2] and pairs.target.tolist() == [2, 0]
    assert pairs.identical == 1
    mixed = WordPairs.among([("taxi", "taxi"), ("dog", "hund")], ["taxi", "dog"], ["hund", "taxi"])
    assert mixed.identical == 0.5


def test_words_are_looked_up_in_every_spelling():
    words = [("thé", "हिन्दी"), ("İzmir", "x")]
    found = WordPairs.among(words, ["the\u0301", "izmir"], ["x", "हिन्दी"])
    assert found.source.tolist() == [0, 1] and found.target.tolist() == [1, 0]
    assert len(WordPairs.alike(["the\u0301"], ["thé"])) == 1


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    for name, content in (("d.txt", "dog hund\n"), ("d.csv", "source,target\ndog,hund\n")):
        (tmp_path / name).write_text("\ufeff" + content, encoding="utf-8")
        assert word_pairs(tmp_path / name) == [("dog", "hund")]
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 coffee\n")
    with pytest.raises(InputError, match="is not UTF-8"):
        word_pairs(tmp_path / "latin.txt")
