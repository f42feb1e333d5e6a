"""Texts of several languages."""
