"""Encoders that learn further languages."""
