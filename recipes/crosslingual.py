"""Train an encoder on translated sentences, so that it reads another language.

    python recipes/crosslingual.py
    accelerate launch recipes/crosslingual.py en-de.parquet --language de --output student

The student maps a translation to the vector that the encoder has for the sentence. A classifier
that was trained on English can then read the language: clf.with_encoder(student.encoder_).
Without a table, the recipe uses 480 German translations that nlptl ships. They show the steps; a
useful student needs about 100,000 pairs. An interrupted run resumes from its last checkpoint.
"""

import shutil
import sys
from argparse import ArgumentParser

from nlptl import LanguageStudent, TrainingConfig, is_main, read_table, run_script, support_requests

parser = ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("pairs", nargs="?", help="table with the columns source and target")
parser.add_argument("--language", default="de", help="name of the language")
parser.add_argument("--encoder", help="name or folder; by default all-MiniLM-L6-v2")
parser.add_argument("--vocabulary", type=int, help="maximum number of new word pieces")
parser.add_argument("--epochs", type=int, help="by default 1")
parser.add_argument("--output", default="student", help="folder for the encoder")


def main():
    options = parser.parse_args()
    if options.pairs:
        pairs = read_table(options.pairs)[["source", "target"]]
    else:
        english, translated = support_requests()[0], support_requests(language="de")[0]
        pairs = list(zip(english, translated, strict=True))

    training = TrainingConfig(epochs=options.epochs, checkpoints=f"{options.output}.checkpoints")
    student = LanguageStudent(
        options.encoder, vocabulary=options.vocabulary, training=training
    ).fit({options.language: pairs})

    # A tenth of the pairs, at most 1,000, was held out: how often is the nearest sentence right?
    if is_main():
        for language, after in student.after_.items():
            before = student.before_[language]
            print(
                f"{language}: retrieval accuracy {before.mean:.3f} before, {after.mean:.3f} after"
            )
        print(f"Saved: {student.save(options.output)}")
        shutil.rmtree(training.checkpoints, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
