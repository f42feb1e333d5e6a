"""Calibration on held-out rows: strengths, temperatures, thresholds and rare classes."""
