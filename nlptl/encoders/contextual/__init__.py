"""Transformer encoders: the vector of a word depends on its sentence."""
