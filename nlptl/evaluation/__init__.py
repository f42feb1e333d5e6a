"""Floor 3: whether it was worth it. Knows nothing of the training loop."""
