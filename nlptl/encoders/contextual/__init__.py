"""Transformers as feature extractors: the vector of a word depends on its sentence."""
