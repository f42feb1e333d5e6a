"""Parameter transfer: training starts from pretrained weights."""

from nlptl.transfer.parameters.anchoring import L2SP
from nlptl.transfer.parameters.fine_tune_first import FineTuneFirst
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.lora import LoRA
from nlptl.transfer.parameters.sharing import PrivateLayers, TaskAdapters
from nlptl.transfer.parameters.source_head import SourceHead
from nlptl.transfer.parameters.source_task import SourceTask

__all__ = [
    "L2SP",
    "FineTuneFirst",
    "FullFineTune",
    "LoRA",
    "PrivateLayers",
    "SourceHead",
    "SourceTask",
    "TaskAdapters",
]
