"""Floor 6: what users meet. Wiring, no mathematics."""
