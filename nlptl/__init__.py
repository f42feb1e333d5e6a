"""Transfer learning on text: carry knowledge over, and know whether it helped.

Start with a classifier, which has the methods of scikit-learn.

>>> from nlptl import TextClassifier, support_requests
>>> texts, labels = support_requests()
>>> model = TextClassifier().fit(texts[::2], labels[::2])
>>> model.predict(["I cannot log in."]).tolist()
['access']
>>> model.evaluate(texts[1::2], labels[1::2])["accuracy"] > 0.8
True

``TextClassifier(transfer=Auto())`` chooses a transfer method for the rows. ``judge`` compares
methods. On a command line, ``nlptl demo`` is the first thing to run.

Models: TextClassifier, TextRegressor, MultiTaskModel, Task, LanguageClassifier,
    LanguageStudent, Cascade, AdapterStack, OnnxClassifier.
Encoders: TransformerEncoder, StaticEncoder, TfidfEncoder, FusedEncoder.
Heads: BlendHead, LogisticHead, RidgeHead, DiscriminantHead, PrototypeHead, OrdinalHead, MLPHead.
Transfer without training the encoder: Frozen, LabelMeaning, SourceHead.
Transfer that trains the encoder: FullFineTune, LoRA, Contrastive, ContinuedPretraining,
    FineTuneFirst, L2SP, SourceTask, PrivateLayers, TaskAdapters.
Transfer from other domains: CORAL, MMD, MeanAlignment, DomainAdversarial, ClassConfusion.
Transfer of rows: SourceRows, DensityRatioWeights, KernelMeanMatching, TrAdaBoost, SelfTraining,
    CoTraining, WordEdits.
Choice and comparison: Auto, judge, Splits, Verdict, TransferCurve, expected_accuracy,
    score_languages.
Data: read_table, support_requests, audit, k_shot, Corpus, Mixing.
Many texts and several processes: score_table, BulkJob, BatchPredictor, run_script, is_main.
Settings and errors: TrainingConfig, NlptlError.

Nothing heavy is imported here. ``__init__.pyi`` lists the public names; each is imported from its
module when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
