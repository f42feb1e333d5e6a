import json
import shutil

import numpy as np
import pytest
from sklearn.preprocessing import normalize

from nlptl import TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.data.languages.parallel import ParallelText
from nlptl.encoders.bilingual.vocabulary import NewVocabulary


def cosines(left, right):
    return float((normalize(left) * normalize(right)).sum(axis=1).mean())


@pytest.fixture(scope="module")
def teacher(tiny_encoder):
    return TransformerEncoder(tiny_encoder, precision="float32", cache=None)


@pytest.fixture(scope="module")
def pairs(teacher):
    """Sentences, and the same with every word turned round, which the encoder cannot read."""
    words = [word for word in teacher.folder.tokenizer.get_vocab() if len(word) > 2]
    words = [word for word in words if word.isalpha()]
    rng = np.random.default_rng(0)
    rows = [
        [words[i] for i in rng.integers(0, len(words), int(n))] for n in rng.integers(3, 8, 600)
    ]
    source = [" ".join(row) for row in rows]
    target = [" ".join(word[::-1] + "o" for word in row) for row in rows]
    return ParallelText(source, target, ["back"] * len(rows))


@pytest.fixture(scope="module")
def extended(teacher, pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("extended") / "encoder"
    return NewVocabulary(500).extend(teacher, pairs, folder)


def test_what_could_not_be_read_lies_where_its_translation_does(teacher, extended, pairs):
    wanted = teacher.transform(pairs.source[:100])
    before = cosines(teacher.transform(pairs.target[:100]), wanted)
    assert cosines(extended.transform(pairs.target[:100]), wanted) > 0.99 > before + 0.2


def test_the_language_of_the_encoder_is_read_as_before(teacher, extended, pairs):
    some = [*pairs.source[:50], "thank you !"]
    np.testing.assert_allclose(extended.transform(some), teacher.transform(some), atol=1e-6)
    old, new = (one.folder.tokenizer for one in (teacher, extended))
    assert new.get_vocab().items() >= old.get_vocab().items()
    assert len(new) > len(old) == teacher.folder.config.vocab_size
    assert extended.folder.config.vocab_size == len(new)


def test_the_same_pairs_give_the_same_encoder(teacher, extended, pairs, tmp_path):
    again = NewVocabulary(500).extend(teacher, pairs, tmp_path / "again")
    assert again.folder.fingerprint == extended.folder.fingerprint
    fewer = NewVocabulary(500, most=50).extend(teacher, pairs, tmp_path / "fewer")
    assert fewer.folder.fingerprint != extended.folder.fingerprint


def test_each_language_gets_its_pieces(teacher, pairs, tmp_path):
    half = len(pairs) // 2
    other = [text.upper().replace("O", "Q") for text in pairs.target[half:]]
    both = ParallelText(
        pairs.source, pairs.target[:half] + other, ["back"] * half + ["loud"] * (len(pairs) - half)
    )
    made = NewVocabulary(500).extend(teacher, both, tmp_path / "both")
    for rows in (range(20), range(half, half + 20)):
        asked = both.take(np.array(rows))
        near = cosines(made.transform(asked.target), teacher.transform(asked.source))
        assert near > 0.98


def test_a_piece_that_no_pair_tells_of_begins_as_it_was_cut(tmp_path):
    encoder = TransformerEncoder(word_pieces(tmp_path / "old"), precision="float32", cache=None)
    source, target = ["cat dog"] * 8, ["katze hund"] * 6 + ["vogel vogel"] * 2
    pairs = ParallelText(source, target, ["de"] * 8)
    made = NewVocabulary(200, most=1).extend(encoder, pairs, tmp_path / "new", seed=1)
    vocabulary = made.folder.tokenizer.get_vocab()
    assert {"katze", "hund", "vogel"} <= set(vocabulary) - set(encoder.folder.tokenizer.get_vocab())
    tables = {name: one.folder for name, one in (("old", encoder), ("new", made))}
    table = {name: embeddings(folder.path) for name, folder in tables.items()}
    usual = np.linalg.norm(table["old"], axis=1).mean()
    old = encoder.folder.tokenizer
    unseen = [w for w in ("katze", "hund", "vogel") if not told_of(w, made, table, old)]
    assert unseen, "one pair cannot tell of three words"
    for word in unseen:
        cut = table["old"][old(word, add_special_tokens=False)["input_ids"]].mean(axis=0)
        wanted = cut / np.linalg.norm(cut) * usual
        np.testing.assert_allclose(table["new"][vocabulary[word]], wanted, rtol=1e-4, atol=1e-6)


def told_of(word, made, table, old):
    """Whether a piece lies within what the words of the one pair span."""
    ids = [old.get_vocab()[name] for name in ("cat", "dog")]
    row = table["new"][made.folder.tokenizer.get_vocab()[word]]
    left = row - np.linalg.lstsq(table["old"][ids].T, row, rcond=None)[0] @ table["old"][ids]
    return np.linalg.norm(left) < 1e-4


def embeddings(folder):
    from safetensors.numpy import load_file

    found = load_file(folder / "model.safetensors")
    return next(value for name, value in found.items() if "word_embeddings" in name)


def word_pieces(folder):
    """Write a tiny BERT that cuts words into letters, but for two."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = [chr(i) for i in range(ord("a"), ord("z") + 1)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    names = [*special, "cat", "dog", *letters, *(f"##{letter}" for letter in letters)]
    made = Tokenizer(models.WordPiece({n: i for i, n in enumerate(names)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    named = dict(zip(("pad", "unk", "cls", "sep", "mask"), special, strict=True))
    told = {f"{name}_token": token for name, token in named.items()}
    PreTrainedTokenizerFast(tokenizer_object=made, **told).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(names))
    return folder


def test_the_list_of_pieces_is_as_long_as_the_table(tmp_path):
    encoder = TransformerEncoder(word_pieces(tmp_path / "old"), precision="float32", cache=None)
    pairs = ParallelText(["cat", "dog"] * 4, ["katze", "hund"] * 4, ["de"] * 8)
    made = NewVocabulary(100).extend(encoder, pairs, tmp_path / "new")
    listed = (made.folder.path / "vocab.txt").read_text().split()
    assert len(listed) == len(embeddings(made.folder.path)) == len(made.folder.tokenizer)
    assert listed[made.folder.tokenizer.get_vocab()["katze"]] == "katze"


def test_other_ways_to_cut_words_are_refused(tiny_encoder, pairs, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "bpe")
    place = tmp_path / "bpe" / "tokenizer.json"
    described = json.loads(place.read_text())
    described["model"] = {"type": "BPE", "vocab": described["model"]["vocab"], "merges": []}
    place.write_text(json.dumps(described))
    with pytest.raises(ConfigError, match="BPE"):
        NewVocabulary().extend(TransformerEncoder(tmp_path / "bpe"), pairs, tmp_path / "new")
    with pytest.raises(ConfigError, match="size"):
        NewVocabulary(0)


def test_tokens_beside_the_vocabulary_are_not_run_over(pairs, tmp_path):
    folder = word_pieces(tmp_path / "old")
    tokenizer = TransformerEncoder(folder).folder.tokenizer
    tokenizer.add_tokens(["[URL]"])
    tokenizer.save_pretrained(folder)
    fresh = shutil.copytree(folder, tmp_path / "fresh")
    with pytest.raises(ConfigError, match="added tokens outside of its vocabulary"):
        NewVocabulary().extend(TransformerEncoder(fresh), pairs, tmp_path / "new")


def test_pieces_that_occur_in_the_first_language_are_left_out(tmp_path):
    encoder = TransformerEncoder(word_pieces(tmp_path / "old"), precision="float32", cache=None)
    pairs = ParallelText(["peter cat"] * 6, ["peter katze"] * 6, ["de"] * 6)
    made = NewVocabulary(200).extend(encoder, pairs, tmp_path / "new")
    old, new = (one.folder.tokenizer for one in (encoder, made))
    assert "katze" in new.get_vocab() and "peter" not in new.get_vocab()
    assert new("peter cat")["input_ids"] == old("peter cat")["input_ids"]
