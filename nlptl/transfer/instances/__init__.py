"""Instances carried over: which texts are worth a label, and what each of them counts."""
