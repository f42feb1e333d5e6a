"""Claims about continued pretraining on unlabelled texts of the target.

    NLPTL_DATA=... python recipes/benchmarks/domains/pretraining.py [--quick] [--kept FILE]
                                    [--only gain|space] [--sets ...] [--seeds ...]

all-MiniLM-L6-v2, texts cut at 64 tokens. The pool of a set has 2,000 texts without labels. Texts
that are equal or almost equal to a test text are removed from it.

gain: 64 labelled training rows, five draws. The head is fitted to the frozen encoder, with the
pretraining before and without it: accuracy on test rows, and what ``judge`` decides on the 64 rows.
Pretraining has the seed of the draw. Other attempts are in the table, too; each is pretrained once,
with seed 0. Sets: the books of amazon_domains ("title. review"), and newsgroups20 with the subject
of a post as its title. space: the loss of hidden words on held-back reviews of books, and the
Spearman correlation on STS-B before and after, with the anchor and without it.

Methods and settings were chosen on training rows: see docs/benchmarks.md. --quick takes books, two
draws and 400 texts.
"""

import sys
from pathlib import Path

from nlptl import (
    ContinuedPretraining,
    TransformerEncoder,
)

sys.path.append(str(Path(__file__).parents[1]))  # the folder of material.py


PARTS = ("gain", "space")
SETS = ("books", "newsgroups20")
N_LABELS, DRAWS = 64, 5
ENCODER = TransformerEncoder(max_length=64, long_texts="cut")
PAIRS = ContinuedPretraining("pairs", epochs=1, anchor=0)
WORDS = ContinuedPretraining("words", epochs=1, learning_rate=1e-4, anchor=0)
MAIN = "pairs"
METHODS = {
    "pairs": PAIRS,
    "words": WORDS,
}
"""The first method is claimed, the others are attempts."""
