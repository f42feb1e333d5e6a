"""Public names of the package, and the modules that they come from."""

from .base.errors import NlptlError as NlptlError
from .data.audit import audit as audit
from .data.corpus import Corpus as Corpus
from .data.mixing import Mixing as Mixing
from .data.samples import support_requests as support_requests
from .data.splits import k_shot as k_shot
from .data.tables.reading import read_table as read_table
from .encoders import FusedEncoder as FusedEncoder
from .encoders import StaticEncoder as StaticEncoder
from .encoders import TfidfEncoder as TfidfEncoder
from .encoders import TransformerEncoder as TransformerEncoder
from .estimators.adapter_stack import AdapterStack as AdapterStack
from .estimators.languages.language_classifier import LanguageClassifier as LanguageClassifier
from .estimators.languages.language_scores import score_languages as score_languages
from .estimators.languages.language_student import LanguageStudent as LanguageStudent
from .estimators.multi_task import MultiTaskModel as MultiTaskModel
from .estimators.tasks.task import Task as Task
from .estimators.text_classifier import TextClassifier as TextClassifier
from .estimators.text_regressor import TextRegressor as TextRegressor
from .evaluation.judge import Splits as Splits
from .evaluation.judge import judge as judge
from .evaluation.verdict import Verdict as Verdict
from .heads import BlendHead as BlendHead
from .heads import DiscriminantHead as DiscriminantHead
from .heads import LogisticHead as LogisticHead
from .heads import MLPHead as MLPHead
from .heads import OrdinalHead as OrdinalHead
from .heads import PrototypeHead as PrototypeHead
from .heads import RidgeHead as RidgeHead
from .saving.onnx.onnx_classifier import OnnxClassifier as OnnxClassifier
from .training.config import TrainingConfig as TrainingConfig
from .transfer.automatic import Auto as Auto
from .transfer.features import Contrastive as Contrastive
from .transfer.features import Frozen as Frozen
from .transfer.instances import SelfTraining as SelfTraining
from .transfer.instances import SourceRows as SourceRows
from .transfer.instances import WordEdits as WordEdits
from .transfer.parameters import L2SP as L2SP
from .transfer.parameters import FullFineTune as FullFineTune
from .transfer.parameters import LoRA as LoRA
from .transfer.parameters import PrivateLayers as PrivateLayers
from .transfer.parameters import TaskAdapters as TaskAdapters
from .transfer.relations import LabelMeaning as LabelMeaning

__version__: str
