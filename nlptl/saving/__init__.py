"""Fitted models in folders: for nlptl itself, and for others."""
