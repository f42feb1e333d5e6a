"""Encoders: turn texts into vectors. Specs hold no weights; each process loads weights once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlptl.base.lazy import lazy_names

if TYPE_CHECKING:
    from nlptl.encoders.bilingual.alignment import WordAlignment
    from nlptl.encoders.bilingual.vocabulary import NewVocabulary
    from nlptl.encoders.contextual.pooling import Pooling
    from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
    from nlptl.encoders.entailment import EntailmentEncoder
    from nlptl.encoders.fused import Concatenation, FusedEncoder, ResidualFusion
    from nlptl.encoders.static.distillation import Distilled
    from nlptl.encoders.static.static_encoder import StaticEncoder
    from nlptl.encoders.static.trained_vectors import OwnVectors
    from nlptl.encoders.tfidf import TfidfEncoder

_HOMES = {
    "Concatenation": "nlptl.encoders.fused",
    "Distilled": "nlptl.encoders.static.distillation",
    "EntailmentEncoder": "nlptl.encoders.entailment",
    "FusedEncoder": "nlptl.encoders.fused",
    "NewVocabulary": "nlptl.encoders.bilingual.vocabulary",
    "OwnVectors": "nlptl.encoders.static.trained_vectors",
    "Pooling": "nlptl.encoders.contextual.pooling",
    "ResidualFusion": "nlptl.encoders.fused",
    "StaticEncoder": "nlptl.encoders.static.static_encoder",
    "TfidfEncoder": "nlptl.encoders.tfidf",
    "TransformerEncoder": "nlptl.encoders.contextual.transformer_encoder",
    "WordAlignment": "nlptl.encoders.bilingual.alignment",
}

__all__ = [
    "Concatenation",
    "Distilled",
    "EntailmentEncoder",
    "FusedEncoder",
    "NewVocabulary",
    "OwnVectors",
    "Pooling",
    "ResidualFusion",
    "StaticEncoder",
    "TfidfEncoder",
    "TransformerEncoder",
    "WordAlignment",
]


def __getattr__(name: str) -> Any:
    return lazy_names(__name__, _HOMES, name)
