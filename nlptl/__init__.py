"""Transfer learning on text: carry knowledge over, and know whether it helped.

Nothing heavy is imported here; every name is fetched from its home when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlptl.base.lazy import lazy_names

if TYPE_CHECKING:
    from nlptl.base.errors import NlptlError
    from nlptl.cli.scripts import run_script
    from nlptl.data.audit import audit
    from nlptl.data.corpus import Corpus
    from nlptl.data.mixing import Mixing
    from nlptl.data.samples import support_requests
    from nlptl.data.splits import k_shot
    from nlptl.data.tables.reading import read_table
    from nlptl.encoders import FusedEncoder, StaticEncoder, TfidfEncoder, TransformerEncoder
    from nlptl.estimators.adapter_stack import AdapterStack
    from nlptl.estimators.bulk.job import BulkJob, score_table
    from nlptl.estimators.languages.language_classifier import LanguageClassifier
    from nlptl.estimators.languages.language_scores import score_languages
    from nlptl.estimators.languages.language_student import LanguageStudent
    from nlptl.estimators.multi_task import MultiTaskModel
    from nlptl.estimators.tasks.task import Task
    from nlptl.estimators.text_classifier import TextClassifier
    from nlptl.estimators.text_regressor import TextRegressor
    from nlptl.evaluation.judge import Splits, Verdict, judge
    from nlptl.heads import (
        BlendHead,
        DiscriminantHead,
        LogisticHead,
        MLPHead,
        OrdinalHead,
        PrototypeHead,
        RidgeHead,
    )
    from nlptl.saving.onnx.onnx_classifier import OnnxClassifier
    from nlptl.training.config import TrainingConfig
    from nlptl.training.processes import is_main
    from nlptl.transfer.automatic import Auto
    from nlptl.transfer.features import Contrastive, Frozen
    from nlptl.transfer.instances import SelfTraining, SourceRows, WordEdits
    from nlptl.transfer.parameters import L2SP, FullFineTune, LoRA, PrivateLayers, TaskAdapters
    from nlptl.transfer.relations import LabelMeaning

__version__ = "0.1.0"

_HOMES = {
    "AdapterStack": "nlptl.estimators.adapter_stack",
    "Auto": "nlptl.transfer",
    "BlendHead": "nlptl.heads",
    "BulkJob": "nlptl.estimators.bulk.job",
    "Contrastive": "nlptl.transfer.features",
    "Corpus": "nlptl.data.corpus",
    "DiscriminantHead": "nlptl.heads",
    "Frozen": "nlptl.transfer.features",
    "FullFineTune": "nlptl.transfer.parameters",
    "FusedEncoder": "nlptl.encoders",
    "L2SP": "nlptl.transfer.parameters",
    "LabelMeaning": "nlptl.transfer.relations",
    "LanguageClassifier": "nlptl.estimators.languages.language_classifier",
    "LanguageStudent": "nlptl.estimators.languages.language_student",
    "LoRA": "nlptl.transfer.parameters",
    "LogisticHead": "nlptl.heads",
    "MLPHead": "nlptl.heads",
    "Mixing": "nlptl.data.mixing",
    "MultiTaskModel": "nlptl.estimators.multi_task",
    "NlptlError": "nlptl.base.errors",
    "OnnxClassifier": "nlptl.saving.onnx.onnx_classifier",
    "OrdinalHead": "nlptl.heads",
    "PrivateLayers": "nlptl.transfer.parameters",
    "PrototypeHead": "nlptl.heads",
    "RidgeHead": "nlptl.heads",
    "SelfTraining": "nlptl.transfer.instances",
    "Splits": "nlptl.evaluation.judge",
    "SourceRows": "nlptl.transfer.instances",
    "StaticEncoder": "nlptl.encoders",
    "Task": "nlptl.estimators.tasks.task",
    "TaskAdapters": "nlptl.transfer.parameters",
    "TextClassifier": "nlptl.estimators.text_classifier",
    "TextRegressor": "nlptl.estimators.text_regressor",
    "TfidfEncoder": "nlptl.encoders",
    "TrainingConfig": "nlptl.training.config",
    "TransformerEncoder": "nlptl.encoders",
    "Verdict": "nlptl.evaluation.judge",
    "WordEdits": "nlptl.transfer.instances",
    "audit": "nlptl.data.audit",
    "is_main": "nlptl.training.processes",
    "judge": "nlptl.evaluation.judge",
    "k_shot": "nlptl.data.splits",
    "read_table": "nlptl.data.tables.reading",
    "run_script": "nlptl.cli.scripts",
    "score_languages": "nlptl.estimators.languages.language_scores",
    "score_table": "nlptl.estimators.bulk.job",
    "support_requests": "nlptl.data.samples",
}

__all__ = [
    "L2SP",
    "AdapterStack",
    "Auto",
    "BlendHead",
    "BulkJob",
    "Contrastive",
    "Corpus",
    "DiscriminantHead",
    "Frozen",
    "FullFineTune",
    "FusedEncoder",
    "LabelMeaning",
    "LanguageClassifier",
    "LanguageStudent",
    "LoRA",
    "LogisticHead",
    "MLPHead",
    "Mixing",
    "MultiTaskModel",
    "NlptlError",
    "OnnxClassifier",
    "OrdinalHead",
    "PrivateLayers",
    "PrototypeHead",
    "RidgeHead",
    "SelfTraining",
    "SourceRows",
    "Splits",
    "StaticEncoder",
    "Task",
    "TaskAdapters",
    "TextClassifier",
    "TextRegressor",
    "TfidfEncoder",
    "TrainingConfig",
    "TransformerEncoder",
    "Verdict",
    "WordEdits",
    "__version__",
    "audit",
    "is_main",
    "judge",
    "k_shot",
    "read_table",
    "run_script",
    "score_languages",
    "score_table",
    "support_requests",
]


def __getattr__(name: str) -> Any:
    return lazy_names(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
