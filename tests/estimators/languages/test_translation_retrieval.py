from nlptl import TransformerEncoder
from nlptl.data.languages.parallel import ParallelText
from nlptl.estimators.languages.translation_retrieval import Retrieval, retrieval


def test_equal_sentences_count_as_one(tiny_encoder):
    teacher = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    pairs = [("the card", "the card"), ("the card", "the card"), ("my phone", "my phone")]
    scores = retrieval(teacher, ParallelText.read({"x": pairs, "y": pairs[2:]}))
    assert scores["x"].mean == 1.0 and scores["x"].rows == 3 and scores["y"].rows == 1
    assert Retrieval(0.5, 1.0, 8).mean == 0.75
