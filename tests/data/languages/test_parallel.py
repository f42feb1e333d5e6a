import numpy as np
import pandas as pd
import pytest

from nlptl.base.errors import InputError
from nlptl.data.languages.parallel import ParallelText, plain

PAIRS = [("a dog", "ein Hund"), ("a cat", "eine Katze"), ("a cat", "die Katze")]


def test_pairs_may_come_in_every_form(tmp_path):
    table = pd.DataFrame(PAIRS, columns=["source", "target"])
    table.assign(id=1)[["id", "target", "source"]].to_parquet(tmp_path / "named.parquet")
    table.rename(columns={"source": "en", "target": "de"}).to_csv(
        tmp_path / "two.tsv", sep="\t", index=False
    )
    forms = [PAIRS, table, tmp_path / "named.parquet", str(tmp_path / "two.tsv")]
    for form in forms:
        found = ParallelText.read(form)
        assert list(zip(found.source, found.target, strict=True)) == PAIRS
        assert found.languages == [""] * 3 and len(found) == 3
    several = ParallelText.read({"de": table, "fr": [("a dog", "un chien")]})
    assert several.languages == ["de", "de", "de", "fr"] and several.target[-1] == "un chien"
    assert ParallelText.read(several).rows() == several.rows()


def test_a_dataset_is_read_too():
    datasets = pytest.importorskip("datasets")
    given = datasets.Dataset.from_dict({"source": ["a"], "target": ["b"], "more": [1]})
    assert ParallelText.read(given).rows() == [("a", "b", "")]


def test_what_holds_no_pairs_is_refused():
    with pytest.raises(InputError, match="pairs of a sentence"):
        ParallelText.read(["single"])
    with pytest.raises(InputError, match="into 'de'"):
        ParallelText.read({"de": [("a", None)]})
    with pytest.raises(InputError, match="empty dict"):
        ParallelText.read({})


def test_what_is_tested_on_is_left_out_whatever_its_case_and_marks():
    found = ParallelText.read(PAIRS).without(["A dog!", "Die  KATZE."])
    assert found.rows() == [("a cat", "eine Katze", "")]
    assert plain("¡Él  corrió, 3!") == "élcorrió3"


def test_repeats_and_pairs_of_equal_sides_go():
    given = [*PAIRS, PAIRS[0], ("Taxi", "taxi!")]
    assert ParallelText.read(given).distinct().rows() == [(*pair, "") for pair in PAIRS]


def test_all_translations_of_a_sentence_come_to_one_side():
    rng = np.random.default_rng(0)
    rows = [(f"sentence {rng.integers(300)}", f"satz {i}") for i in range(1000)]
    text = ParallelText.read({"de": rows, "fr": [(s, f"phrase {t}") for s, t in rows]})
    seen, held = text.held_out(50, seed=1)
    assert not set(seen.source) & set(held.source) and len(seen) + len(held) == 2000
    for language in ("de", "fr"):
        assert 20 <= held.languages.count(language) <= 100
    assert len(text.held_out(5000, seed=1)[1]) == pytest.approx(200, rel=0.4)
    again = text.held_out(50, seed=1)[1]
    assert again.rows() == held.rows() and text.held_out(50, seed=2)[1].rows() != held.rows()
    few = ParallelText.read(PAIRS).held_out(50, seed=0)
    assert len(few[0]) == 3 and len(few[1]) == 0


def test_marks_of_letters_are_compared_and_spellings_are_not():
    assert plain("कि") != plain("का")
    assert plain("İzmir, the\u0301!") == plain("izmir thé") == "izmirthé"
    assert plain("می\u200cخواهم") == plain("میخواهم")


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path, name):
    contents = {
        "p.csv": "target,source\nhund,dog\n",
        "p.tsv": "target\tsource\nhund\tdog\n",
        "p.jsonl": '{"target": "hund", "source": "dog"}\n',
    }
    (tmp_path / name).write_text("\ufeff" + contents[name], encoding="utf-8")
    assert ParallelText.read(tmp_path / name).rows() == [("dog", "hund", "")]


def test_sentences_without_letters_are_held_out_like_others():
    pairs = [(f"sentence {i}", f"Satz {i}") for i in range(120)] + [("...", "Nun ja")]
    train, test = ParallelText.read(pairs).held_out(10, seed=0)
    assert len(train) + len(test) == 121 and len(test)
