"""Public names of the package, and the modules that they come from."""

from .bilingual.alignment import WordAlignment as WordAlignment
from .bilingual.vocabulary import NewVocabulary as NewVocabulary
from .contextual.pooling import Pooling as Pooling
from .contextual.transformer_encoder import TransformerEncoder as TransformerEncoder
from .entailment import EntailmentEncoder as EntailmentEncoder
from .fused import Concatenation as Concatenation
from .fused import FusedEncoder as FusedEncoder
from .fused import ResidualFusion as ResidualFusion
from .static.distillation import Distilled as Distilled
from .static.static_encoder import StaticEncoder as StaticEncoder
from .static.trained_vectors import OwnVectors as OwnVectors
from .tfidf import TfidfEncoder as TfidfEncoder
